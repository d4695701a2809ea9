package initproc

import (
	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"klw/runtime/launch"
)

// create makes a new container around this process.
func (p *proc) create() (err error) {
	unix.Umask(0) // what is made has the mode that is asked for
	if p.host, err = openHost(); err != nil {
		return err
	}
	for _, step := range []func() error{
		p.session, p.unshare, p.loopback, p.mountAll,
		p.hooksTurn, p.maskPaths, p.enterRoot,
		p.names, p.sysctl, p.label, p.leaveHost, p.process,
	} {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

// session makes this process the leader of a session, with a keyring of its own.
func (p *proc) session() error {
	if _, err := unix.Setsid(); err != nil {
		return doing(err, "making a session")
	}
	return p.keyring()
}

func (p *proc) keyring() error {
	if p.Config.NoNewKeyring {
		return nil
	}
	_, err := unix.KeyctlJoinSessionKeyring("_ses." + p.Config.ID)
	if err == unix.ENOSYS {
		return nil // a kernel without keyrings
	}
	return doing(err, "joining a session keyring")
}

// unshare makes the cgroup namespace, whose root is the cgroup that klw-runc has moved this process to by now.
func (p *proc) unshare() error {
	if n, ok := p.namespace(specs.CgroupNamespace); !ok || n.Path != "" {
		return nil
	}
	return doing(unix.Unshare(unix.CLONE_NEWCGROUP), "making a cgroup namespace")
}

func (p *proc) namespace(kind specs.LinuxNamespaceType) (specs.LinuxNamespace, bool) {
	if p.Config.Spec.Linux == nil {
		return specs.LinuxNamespace{}, false
	}
	for _, n := range p.Config.Spec.Linux.Namespaces {
		if n.Type == kind {
			return n, true
		}
	}
	return specs.LinuxNamespace{}, false
}

// hooksTurn lets klw-runc run its hooks, then runs those of this side of the namespaces.
func (p *proc) hooksTurn() error {
	if err := p.tell(launch.StepMounted); err != nil {
		return err
	}
	if err := p.await(launch.StepContinue); err != nil {
		return err
	}
	if h := p.Config.Spec.Hooks; h != nil {
		return p.hooks("createContainer", h.CreateContainer, specs.StateCreating)
	}
	return nil
}

// leaveHost closes what was open of the host: nothing that the application is given leads there.
func (p *proc) leaveHost() error {
	p.host.close()
	return nil
}

func (p *proc) names() error {
	s := p.Config.Spec
	if s.Hostname != "" {
		if err := unix.Sethostname([]byte(s.Hostname)); err != nil {
			return doing(err, "setting the host name to %q", s.Hostname)
		}
	}
	if s.Domainname != "" {
		return doing(unix.Setdomainname([]byte(s.Domainname)), "setting the domain name to %q", s.Domainname)
	}
	return nil
}
