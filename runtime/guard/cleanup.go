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
	"klw/internal/program"
)

// cleanupTime is how long "klw-guard cleanup" may take.
const cleanupTime = time.Minute

// Wait waits until a guard has ended by itself, as it does after its container's last process. It doesn't wait for one
// that was stopped by a signal.
func Wait(p handshake.Process, patience time.Duration) {
	f, err := p.Open()
	if err != nil {
		return
	}
	defer f.Close()
	poll := []unix.PollFd{{Fd: int32(f.Fd()), Events: unix.POLLIN}}
	for deadline := time.Now().Add(patience); time.Now().Before(deadline) && p.State() != 'T'; {
		if n, err := unix.Poll(poll, 500); n > 0 || err != nil && err != unix.EINTR {
			return
		}
	}
}

// Cleanup undoes what a guard left that ended without undoing it. It is idempotent.
func Cleanup(root layout.Root, id string) error {
	binary, err := program.Find(binaryName)
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
