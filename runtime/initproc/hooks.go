package initproc

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"time"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// hooks runs hooks in order, the state on their standard input. The first that fails ends it.
func (p *proc) hooks(kind string, list []specs.Hook, status specs.ContainerState) error {
	if len(list) == 0 {
		return nil
	}
	state, err := json.Marshal(specs.State{
		Version: specs.Version, ID: p.Config.ID, Status: status, Pid: os.Getpid(),
		Bundle: p.Config.Bundle, Annotations: p.Config.Spec.Annotations,
	})
	if err != nil {
		return doing(err, "encoding the state for hooks")
	}
	for i, h := range list {
		if err := runHook(h, state); err != nil {
			return fmt.Errorf("%s hook %d (%s): %w", kind, i, h.Path, err)
		}
	}
	return nil
}

func runHook(h specs.Hook, state []byte) error {
	ctx := context.Background()
	if h.Timeout != nil {
		var cancel func()
		ctx, cancel = context.WithTimeout(ctx, time.Duration(*h.Timeout)*time.Second)
		defer cancel()
	}
	var out bytes.Buffer
	c := exec.CommandContext(ctx, h.Path)
	c.Args = h.Args
	if len(c.Args) == 0 {
		c.Args = []string{h.Path}
	}
	c.Env = append([]string{}, h.Env...)
	c.Stdin, c.Stdout, c.Stderr = bytes.NewReader(state), &out, &out
	c.WaitDelay = time.Second
	err := c.Run()
	if ctx.Err() != nil {
		return fmt.Errorf("not done after %d s", *h.Timeout)
	}
	if err != nil && out.Len() > 0 {
		return fmt.Errorf("%w: %s", err, bytes.TrimSpace(out.Bytes()))
	}
	return err
}
