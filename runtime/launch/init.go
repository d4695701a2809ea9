package launch

import (
	"errors"
	"fmt"
	"sync"

	"golang.org/x/sys/unix"
)

// Init is a klw-init that was started. Its methods are called in the order Go, Mounted, Continue, Ready for a new
// container, and Go, Ready for Config.Exec. An error of one is final: the process is then gone or about to go, and
// Kill clears it away.
type Init struct {
	config *Config
	pid    int
	ended  bool // and was reaped, with this code
	code   int
	wire   Wire
	warn   func(string)
	mu     sync.Mutex // of ended and code
}

// PID is the process as the caller's pid namespace sees it. For Config.Exec it is final only after Ready: before, it
// is klw-init, which the process inherits its cgroups from.
func (i *Init) PID() int { return i.pid }

// Go says: the cgroup is joined, the guard attached, begin.
func (i *Init) Go() error {
	if err := i.adjustOOM(); err != nil {
		return err
	}
	return i.tell(StepBegin)
}

// Mounted waits until the mounts are made: time for the prestart and createRuntime hooks.
func (i *Init) Mounted() error { return i.await(StepMounted) }

// Continue lets it run the createContainer hooks, pivot and go on.
func (i *Init) Continue() error { return i.tell(StepContinue) }

// Ready waits until it stands at the exec fifo (Config.Fifo) or has executed the process.
func (i *Init) Ready() error {
	if i.config.Fifo && !i.config.Exec {
		return i.await(StepReady)
	}
	klwInit := i.pid
	if err := i.await(StepExecute); err != nil || i.pid != klwInit {
		return err // the process of an exec has executed when klw-init says so
	}
	m, err := i.receive()
	switch {
	case errors.Is(err, ErrClosed):
		return nil
	case err != nil:
		return err
	}
	return fmt.Errorf("klw-init answered %q after executing the process", m.Step)
}

// tell sends a step. If klw-init went away its own error, if it left one, is the better one.
func (i *Init) tell(s Step) error {
	sent := i.wire.Send(Message{Step: s})
	if sent == nil {
		return nil
	}
	if _, err := i.receive(); errors.Is(err, ErrClosed) {
		return i.died(s)
	} else if err != nil {
		return err
	}
	return fmt.Errorf("telling klw-init to %s: %w", s, sent)
}

func (i *Init) await(want Step) error {
	for {
		m, err := i.receive()
		if errors.Is(err, ErrClosed) {
			return i.died(want)
		}
		if err != nil {
			return err
		}
		switch m.Step {
		case want:
			if m.PID != 0 {
				return i.executed(m.PID)
			}
			return nil
		case StepLimit:
			if err := i.limit(); err != nil {
				return err
			}
			if err := i.tell(StepLimited); err != nil {
				return err
			}
		default:
			return fmt.Errorf("klw-init is at %q, expected %q", m.Step, want)
		}
	}
}

// receive gives the next step; warnings go to the caller, errors are returned.
func (i *Init) receive() (Message, error) {
	for {
		m, sender, err := i.wire.receive()
		switch {
		case err == nil && sender != i.pid, err != nil && sender != 0 && sender != i.pid:
			// Somebody in the container has got hold of the wire.
		case err != nil:
			return m, err
		case m.Error != nil:
			if isChild(m.PID) {
				reap(m.PID)
			}
			return m, m.Error
		case m.Warn != "":
			if i.warn != nil {
				i.warn(m.Warn)
			}
		default:
			return m, nil
		}
	}
}

// died says how klw-init ended without having said why.
func (i *Init) died(want Step) error {
	code, err := i.Wait()
	if err != nil {
		return fmt.Errorf("klw-init ended before it was at %q: %w", want, err)
	}
	return fmt.Errorf("klw-init ended (exit status %d) before it was at %q", code, want)
}

// Wait reaps the process and gives its exit status as a shell does: 128+n for signal n.
func (i *Init) Wait() (int, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	for !i.ended {
		var ws unix.WaitStatus
		pid, err := unix.Wait4(i.pid, &ws, 0, nil)
		switch {
		case err == unix.EINTR:
		case err != nil:
			return 0, fmt.Errorf("waiting for process %d: %w", i.pid, err)
		case pid == i.pid && ws.Signaled():
			i.ended, i.code = true, 128+int(ws.Signal())
		case pid == i.pid && ws.Exited():
			i.ended, i.code = true, ws.ExitStatus()
		}
	}
	return i.code, nil
}

// Kill kills and reaps the process, for a start that failed.
func (i *Init) Kill() error {
	i.Close()
	i.mu.Lock()
	ended := i.ended
	i.mu.Unlock()
	if ended {
		return nil
	}
	// It is our child and not reaped: its number is nobody else's.
	if err := unix.Kill(i.pid, unix.SIGKILL); err != nil {
		return fmt.Errorf("killing process %d: %w", i.pid, err)
	}
	_, err := i.Wait()
	return err
}

// Close lets go of the connection to klw-init; the process goes on.
func (i *Init) Close() error {
	if i.wire < 0 {
		return nil
	}
	err := unix.Close(int(i.wire))
	i.wire = -1
	return err
}

// executed takes over the process that klw-init, which is now ending, started in the pid namespace of the container.
func (i *Init) executed(pid int) error {
	if !isChild(pid) {
		return fmt.Errorf("klw-init told of process %d, which it didn't make", pid)
	}
	reap(i.pid)
	i.pid = pid
	return nil
}

// isChild tells whether a process is a child of ours, which nobody has reaped.
func isChild(pid int) bool {
	if pid <= 0 {
		return false
	}
	var none unix.Siginfo
	for {
		err := unix.Waitid(unix.P_PID, pid, &none, unix.WEXITED|unix.WNOHANG|unix.WNOWAIT, nil)
		if err != unix.EINTR {
			return err == nil
		}
	}
}

// reap takes a child away that has ended, or is about to.
func reap(pid int) {
	for {
		if _, err := unix.Wait4(pid, nil, 0, nil); err != unix.EINTR {
			return
		}
	}
}
