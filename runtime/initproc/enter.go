package initproc

import "golang.org/x/sys/unix"

// enter runs the process in a container that runs already, whose namespaces this process is in but for the pid one:
// that is entered by the process only (executeInside), which also makes the session then.
func (p *proc) enter() error {
	p.host.proc = -1
	if p.Proc != 0 {
		p.host.proc = p.Proc
		if err := p.label(); err != nil {
			return err
		}
		p.host.close()
	}
	if p.PIDNS == 0 {
		if _, err := unix.Setsid(); err != nil {
			return doing(err, "making a session")
		}
	}
	if err := p.keyring(); err != nil {
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
	if p.PIDNS != 0 {
		if err := unix.Setns(p.PIDNS, unix.CLONE_NEWPID); err != nil {
			return doing(err, "entering the container's pid namespace")
		}
		unix.Close(p.PIDNS)
	}
	return p.process()
}
