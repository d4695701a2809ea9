// Package hook runs the hooks of a config.json that belong to the runtime's own namespace.
//
// A hook gets the container's state on its standard input and exactly the environment that the bundle gives it. It is
// killed when its timeout is over; what it leaves running in the background is not waited for.
package hook

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"time"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// linger is how long the output of a hook that ended is read on, when something it started holds it open.
const linger = 200 * time.Millisecond

// Run runs the hooks one after the other until one fails.
func Run(kind string, hooks []specs.Hook, state *specs.State) error {
	for i := range hooks {
		if err := run(&hooks[i], state); err != nil {
			return fmt.Errorf("%s hook %d (%s): %w", kind, i, hooks[i].Path, err)
		}
	}
	return nil
}

// RunAll runs every hook and gives the failures, for hooks that can't stop anything any more.
func RunAll(kind string, hooks []specs.Hook, state *specs.State) error {
	var failed []error
	for i := range hooks {
		if err := run(&hooks[i], state); err != nil {
			failed = append(failed, fmt.Errorf("%s hook %d (%s): %w", kind, i, hooks[i].Path, err))
		}
	}
	return errors.Join(failed...)
}

func run(h *specs.Hook, state *specs.State) error {
	text, err := json.Marshal(state)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(context.Background())
	if h.Timeout != nil {
		ctx, cancel = context.WithTimeout(context.Background(), time.Duration(*h.Timeout)*time.Second)
	}
	defer cancel()
	var output bytes.Buffer
	cmd := exec.CommandContext(ctx, h.Path)
	if len(h.Args) > 0 {
		cmd.Args = h.Args
	}
	cmd.Env = h.Env
	if cmd.Env == nil {
		cmd.Env = []string{}
	}
	cmd.Dir = state.Bundle
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(text), &output, &output
	cmd.WaitDelay = linger
	err = cmd.Run()
	switch {
	case err == nil, errors.Is(err, exec.ErrWaitDelay):
		return nil
	case ctx.Err() != nil:
		return fmt.Errorf("killed after its timeout of %d seconds", *h.Timeout)
	}
	if said := strings.TrimSpace(output.String()); said != "" {
		return fmt.Errorf("%w: %s", err, strings.ReplaceAll(said, "\n", "; "))
	}
	return err
}
