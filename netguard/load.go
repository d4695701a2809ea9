package netguard

import (
	"bytes"
	_ "embed" // for the compiled programs
	"errors"
	"fmt"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"golang.org/x/sys/unix"
)

//go:generate ./bpf/compile bpf/sockets.o

//go:embed bpf/sockets.o
var object []byte

// Capabilities tells which of the hooks that not every kernel has are there.
type Capabilities struct {
	// AbstractConnect: connecting and sending to abstract UNIX names is decided (since 6.7). Without it any abstract
	// name can be connected to, and a policy with rules about such names is refused.
	AbstractConnect bool
}

// kernel is what is loaded: the programs and the maps that they share with us.
type kernel struct {
	spec     *ebpf.CollectionSpec
	programs map[string]*ebpf.Program
	state    uint32 // what Active holds

	maps
}

type maps struct {
	Inet     *ebpf.Map `ebpf:"inet_sets"`
	Unix     *ebpf.Map `ebpf:"unix_sets"`
	Active   *ebpf.Map `ebpf:"active"`
	Flows    *ebpf.Map `ebpf:"flows"`
	Events   *ebpf.Map `ebpf:"events"`
	Counters *ebpf.Map `ebpf:"counters"`
	Buckets  *ebpf.Map `ebpf:"buckets"`
	Uses     *ebpf.Map `ebpf:"uses"`
	NameUses *ebpf.Map `ebpf:"name_uses"`
}

// loadKernel makes the maps, puts the rules into them and gives the programs to the kernel, without attaching them.
func loadKernel(caps Capabilities, r *Rules) (k *kernel, err error) {
	spec, err := ebpf.LoadCollectionSpecFromReader(bytes.NewReader(object))
	if err != nil {
		return nil, fmt.Errorf("read the compiled programs: %w", err)
	}
	if !caps.AbstractConnect {
		delete(spec.Programs, "connect_unix")
		delete(spec.Programs, "sendmsg_unix")
	}
	k = &kernel{spec: spec}
	if err := k.makeMaps(); err != nil {
		return nil, err
	}
	// The kernel lets time pass before a set of rules counts, and works before a program is loaded: at the same time.
	installed := make(chan error, 1)
	go func() { installed <- k.install(r) }()
	err = k.loadPrograms()
	if err = errors.Join(<-installed, err); err != nil {
		k.close()
		return nil, err
	}
	return k, nil
}

func (k *kernel) makeMaps() error {
	only := k.spec.Copy()
	only.Programs = nil
	all, err := ebpf.NewCollection(only)
	if err != nil {
		return fmt.Errorf("make the maps: %w", err)
	}
	defer all.Close() // what isn't assigned
	if err := all.Assign(&k.maps); err != nil {
		return fmt.Errorf("find the maps: %w", err)
	}
	return nil
}

func (k *kernel) loadPrograms() error {
	all, err := ebpf.NewCollectionWithOptions(k.spec, ebpf.CollectionOptions{MapReplacements: map[string]*ebpf.Map{
		"inet_sets": k.Inet, "unix_sets": k.Unix, "active": k.Active, "flows": k.Flows, "events": k.Events,
		"counters": k.Counters, "buckets": k.Buckets, "uses": k.Uses, "name_uses": k.NameUses,
	}})
	if err != nil {
		return fmt.Errorf("load the programs: %w", err)
	}
	k.programs, all.Programs = all.Programs, nil
	all.Close() // its copies of the maps
	return nil
}

func (k *kernel) close() {
	for _, p := range k.programs {
		p.Close()
	}
	for _, m := range []*ebpf.Map{k.Inet, k.Unix, k.Active, k.Flows, k.Events, k.Counters, k.Buckets, k.Uses, k.NameUses} {
		m.Close()
	}
}

// probe asks the kernel which hooks it has.
func probe() (Capabilities, error) {
	p, err := ebpf.NewProgram(&ebpf.ProgramSpec{
		Name:         "probe",
		Type:         ebpf.CGroupSockAddr,
		AttachType:   ebpf.AttachCgroupUnixConnect,
		Instructions: asm.Instructions{asm.Mov.Imm(asm.R0, 1), asm.Return()},
		License:      "Dual BSD/GPL",
	})
	switch {
	case err == nil:
		p.Close()
		return Capabilities{AbstractConnect: true}, nil
	case errors.Is(err, unix.EINVAL):
		return Capabilities{}, nil
	case errors.Is(err, unix.ENOSYS):
		return Capabilities{}, fmt.Errorf("load a BPF program: %w (a policy's socket rules need a kernel with CONFIG_BPF_SYSCALL and CONFIG_CGROUP_BPF)", err)
	}
	return Capabilities{}, fmt.Errorf("load a BPF program: %w (netguard needs CAP_BPF, CAP_NET_ADMIN and CAP_PERFMON)", err)
}
