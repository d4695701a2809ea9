package apache

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"

	"klw/integration/leftovers/list"
	klwlink "klw/netguard/link"
)

// seen is what a running container had that has no name to look for afterwards.
type seen struct {
	programs []ebpf.ProgramID
}

// v2 is where the version 2 control groups are.
func v2() string {
	if _, err := os.Stat("/sys/fs/cgroup/unified/cgroup.procs"); err == nil {
		return "/sys/fs/cgroup/unified"
	}
	return "/sys/fs/cgroup"
}

// remember notes what has to be gone later.
func (b *box) remember() {
	b.Helper()
	proc := fmt.Sprintf("/proc/%d/ns/", b.state().Pid)
	for _, ns := range []string{"net", "mnt", "pid", "ipc", "uts", "cgroup"} {
		name, err := os.Readlink(proc + ns)
		b.must(err)
		mine, err := os.Readlink("/proc/self/ns/" + ns)
		b.must(err)
		if name == mine {
			b.Errorf("the container is in the host's %s namespace", ns)
		}
	}
	group, err := os.Open(filepath.Join(v2(), "klw", b.id))
	b.must(err)
	defer group.Close()
	for _, kind := range []ebpf.AttachType{
		ebpf.AttachCGroupInet4Connect, ebpf.AttachCGroupInet6Connect, ebpf.AttachCGroupInet4Bind, ebpf.AttachCGroupInet6Bind,
		ebpf.AttachCGroupInetSockCreate, ebpf.AttachCGroupInetIngress, ebpf.AttachCGroupInetEgress,
		ebpf.AttachCGroupUDP4Sendmsg, ebpf.AttachCGroupUDP6Sendmsg,
	} {
		r, err := link.QueryPrograms(link.QueryOptions{Target: int(group.Fd()), Attach: kind})
		b.must(err)
		for _, p := range r.Programs {
			b.seen.programs = append(b.seen.programs, p.ID)
		}
	}
	if len(b.seen.programs) == 0 {
		b.Error("no BPF program is attached to the container's control group")
	}
}

// nothingLeft fails the test if anything of the container is there. The kernel takes some things away in the background.
func (b *box) nothingLeft() {
	b.Helper()
	var left []string
	for end := time.Now().Add(5 * time.Second); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		if left = b.left(); len(left) == 0 {
			return
		}
	}
	for _, l := range left {
		b.Errorf("left: %s", l)
	}
}

func (b *box) left() (left []string) {
	b.Helper()
	lines, err := list.Machine()
	b.must(err)
	table, veth := klwlink.Names(b.id)
	for _, l := range lines {
		if strings.Contains(l, b.id) || strings.Contains(l, b.root) || l == "link "+veth || l == "nftables "+table {
			left = append(left, l)
		}
	}
	states, _ := filepath.Glob(filepath.Join(b.root, "containers", "*"))
	left = append(left, states...)
	left = append(left, emptyParents()...)
	left = append(left, b.processes()...)
	for _, id := range b.seen.programs {
		if p, err := ebpf.NewProgramFromID(id); err == nil {
			left = append(left, fmt.Sprintf("BPF program %d %s", id, p))
			p.Close()
		}
	}
	return left
}

// emptyParents finds control groups that klw makes for containers to be in, and that are there for none.
func emptyParents() (left []string) {
	for _, pattern := range []string{"/sys/fs/cgroup/klw*", "/sys/fs/cgroup/*/klw*"} {
		found, _ := filepath.Glob(pattern)
		for _, dir := range found {
			if name := filepath.Base(dir); name != "klw" && name != "klw-guard" {
				continue
			}
			below, err := os.ReadDir(dir)
			if err == nil && !slices.ContainsFunc(below, os.DirEntry.IsDir) {
				left = append(left, "control group without a container "+dir)
			}
		}
	}
	return left
}

// processes lists those that belong to the container: by what they were started with, or their control group.
func (b *box) processes() (left []string) {
	found, _ := filepath.Glob("/proc/[0-9]*")
	for _, dir := range found {
		line, err := os.ReadFile(dir + "/cmdline")
		if err != nil || len(line) == 0 {
			continue // gone, or a zombie that its parent hasn't reaped
		}
		group, _ := os.ReadFile(dir + "/cgroup")
		args := strings.ReplaceAll(strings.TrimRight(string(line), "\x00"), "\x00", " ")
		mine := strings.Contains(args, b.id) || strings.Contains(args, b.root) || strings.Contains(string(group), b.id)
		if mine {
			left = append(left, "process "+filepath.Base(dir)+" "+args)
		}
	}
	return left
}
