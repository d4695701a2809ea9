package netguard

import (
	"errors"
	"fmt"
	"os"
	"slices"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
	"golang.org/x/sys/unix"
)

// hook says where a program goes.
type hook struct {
	program string
	attach  ebpf.AttachType
}

// hooksInOrder lists every hook. Packets come last, so that no packet is refused of a socket that was made in between.
var hooksInOrder = []hook{
	{"sock_create", ebpf.AttachCGroupInetSockCreate},
	{"bind4", ebpf.AttachCGroupInet4Bind},
	{"bind6", ebpf.AttachCGroupInet6Bind},
	{"connect4", ebpf.AttachCGroupInet4Connect},
	{"connect6", ebpf.AttachCGroupInet6Connect},
	{"sendmsg4", ebpf.AttachCGroupUDP4Sendmsg},
	{"sendmsg6", ebpf.AttachCGroupUDP6Sendmsg},
	{"connect_unix", ebpf.AttachCgroupUnixConnect},
	{"sendmsg_unix", ebpf.AttachCgroupUnixSendmsg},
	{"egress", ebpf.AttachCGroupInetEgress},
	{"ingress", ebpf.AttachCGroupInetIngress},
}

// attach puts every loaded program on the cgroup, or none.
func (k *kernel) attach(cgroup *os.File) error {
	for i, h := range hooksInOrder {
		p := k.programs[h.program]
		if p == nil {
			continue // probe said that there is no such hook
		}
		err := link.RawAttachProgram(link.RawAttachProgramOptions{
			Target: int(cgroup.Fd()), Program: p, Attach: h.attach, Flags: unix.BPF_F_ALLOW_MULTI,
		})
		if err != nil {
			err = fmt.Errorf("attach %s to cgroup %s: %w", h.program, cgroup.Name(), err)
			return errors.Join(err, k.detach(cgroup, hooksInOrder[:i]))
		}
	}
	return nil
}

// detach takes the programs of those hooks off the cgroup. It goes on after an error.
func (k *kernel) detach(cgroup *os.File, from []hook) error {
	var errs []error
	for _, h := range slices.Backward(from) {
		p := k.programs[h.program]
		if p == nil {
			continue
		}
		err := link.RawDetachProgram(link.RawDetachProgramOptions{Target: int(cgroup.Fd()), Program: p, Attach: h.attach})
		if err != nil && !errors.Is(err, unix.ENOENT) {
			errs = append(errs, fmt.Errorf("detach %s from cgroup %s: %w", h.program, cgroup.Name(), err))
		}
	}
	return errors.Join(errs...)
}

// attached asks the kernel whether each program is where it should be.
func (k *kernel) attached(cgroup *os.File) error {
	for _, h := range hooksInOrder {
		p := k.programs[h.program]
		if p == nil {
			continue
		}
		info, err := p.Info()
		if err != nil {
			return fmt.Errorf("ask for %s: %w", h.program, err)
		}
		id, _ := info.ID()
		there, err := link.QueryPrograms(link.QueryOptions{
			Target: int(cgroup.Fd()), Attach: h.attach, QueryFlags: unix.BPF_F_QUERY_EFFECTIVE,
		})
		if err != nil {
			return fmt.Errorf("ask which programs cgroup %s has: %w", cgroup.Name(), err)
		}
		has := func(a link.AttachedProgram) bool { return a.ID == id }
		if !slices.ContainsFunc(there.Programs, has) {
			return fmt.Errorf("%s is not in force on cgroup %s after attaching it", h.program, cgroup.Name())
		}
	}
	return nil
}
