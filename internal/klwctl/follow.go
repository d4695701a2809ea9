package klwctl

import (
	"context"
	"time"

	"golang.org/x/sys/unix"

	"klw/internal/audit"
	"klw/internal/control"
	"klw/internal/handshake"
)

// follow prints events as they come, until the context ends or printing fails; of a single container, until its guard
// has ended. It reads the logs, not the guards: a container that lives for a moment is seen too.
func follow(ctx context.Context, q query) error {
	var until chan struct{}
	if q.id != "" {
		var s control.Status
		if err := call(ctx, q.root, q.id, control.MethodStatus, nil, &s); err != nil {
			return err
		}
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		until = make(chan struct{})
		go func() {
			awaitEnd(ctx, s.PID)
			close(until)
		}()
	}
	return coded(audit.Tail(ctx, q.root.Events(), q.id, q.since, until, q.print))
}

// awaitEnd returns when a process has ended.
func awaitEnd(ctx context.Context, pid int) {
	p, err := handshake.FindProcess(pid)
	if err != nil {
		return
	}
	f, err := p.Open()
	if err != nil {
		return
	}
	defer f.Close()
	for ctx.Err() == nil {
		fds := []unix.PollFd{{Fd: int32(f.Fd()), Events: unix.POLLIN}}
		if n, err := unix.Poll(fds, int(200*time.Millisecond/time.Millisecond)); n > 0 || err != nil && err != unix.EINTR {
			return
		}
	}
}
