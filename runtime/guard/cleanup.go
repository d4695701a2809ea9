package guard

import (
	"bytes"
	"context"
	"fmt"
	"os/exec"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"klw/internal/handshake"
	"klw/internal/layout"
)

// cleanupTime is how long "klw-guard cleanup" may take.
const cleanupTime = time.Minute

// Wait waits until a guard has ended by itself, as it does after its container's last process. It says whether it did.
func Wait(p handshake.Process, patience time.Duration) bool {
	f, err := p.Open()
	if err != nil {
		return true
	}
	defer f.Close()
	poll := []unix.PollFd{{Fd: int32(f.Fd()), Events: unix.POLLIN}}
	for deadline := time.Now().Add(patience); ; {
		n, err := unix.Poll(poll, int(max(0, time.Until(deadline).Milliseconds())))
		if n > 0 {
			return true
		}
		if err == nil || err != unix.EINTR {
			return false
		}
	}
}

// Cleanup undoes what a guard left that ended without undoing it. It is idempotent.
func Cleanup(root layout.Root, id string) error {
	binary, err := find()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), cleanupTime)
	defer cancel()
	cmd := exec.CommandContext(ctx, binary, "cleanup", "--root", string(root), id)
	var output bytes.Buffer
	cmd.Stdout, cmd.Stderr = &output, &output
	cmd.WaitDelay = time.Second
	if err := cmd.Run(); err != nil {
		said := strings.ReplaceAll(strings.TrimSpace(output.String()), "\n", "; ")
		return fmt.Errorf("clean up after the guard: %w: %s", err, said)
	}
	return nil
}
