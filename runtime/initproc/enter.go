package initproc

import "golang.org/x/sys/unix"

// enter runs the process in a container that runs already, whose namespaces this process is in but for the pid one.
func (p *proc) enter() error {
	if err := p.session(); err != nil {
		return err
	}
	here, err := unix.Open("/", unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return doing(err, "opening the root")
	}
	p.root = root{fd: here, path: "/"}
	if err := p.terminal(); err != nil {
		return err
	}
	unix.Close(here)
	p.host.proc = -1
	return p.process()
}
