package launch

import "errors"

// Init is a klw-init that was started. Its methods are called in the order Go, Mounted, Continue, Ready for a new
// container, and Go, Ready for Config.Exec. An error of one is final: the process is then gone or about to go, and
// Kill clears it away.
type Init struct {
	pid int
}

// Start makes klw-init in the namespaces of the spec. It returns once the process exists, before it does anything.
func Start(Options) (*Init, error) { return nil, errors.New("klw-init can't be started yet") }

// PID is the process as the caller's pid namespace sees it. For Config.Exec it is final only after Ready.
func (i *Init) PID() int { return i.pid }

// Go says: the cgroup is joined, the guard attached, begin.
func (i *Init) Go() error { return nil }

// Mounted waits until the mounts are made: time for the prestart and createRuntime hooks.
func (i *Init) Mounted() error { return nil }

// Continue lets it run the createContainer hooks, pivot and go on.
func (i *Init) Continue() error { return nil }

// Ready waits until it stands at the exec fifo (Config.Fifo) or has executed the process.
func (i *Init) Ready() error { return nil }

// Wait reaps the process and gives its exit status as a shell does: 128+n for signal n.
func (i *Init) Wait() (int, error) { return 0, nil }

// Kill kills and reaps the process, for a start that failed.
func (i *Init) Kill() error { return nil }

// Close lets go of the connection to klw-init; the process goes on.
func (i *Init) Close() error { return nil }
