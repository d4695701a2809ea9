// Package list looks at what containers, guards and their tests make on a machine: mounts, cgroups, network links and
// namespaces, firewall tables, BPF programs and pins, processes.
package list

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sort"
	"strings"

	"github.com/cilium/ebpf"
	"github.com/google/nftables"
	"github.com/moby/sys/mountinfo"
	"github.com/vishvananda/netlink"
)

// Machine gives one line for each thing there is, in order: its kind, a space, and what it is. Two listings, before and
// after, must be the same.
func Machine() ([]string, error) {
	var lines []string
	for what, list := range map[string]func() ([]string, error){
		"mount": mounts, "cgroup": cgroups, "link": links, "netns": namespaces, "nftables": tables, "bpf": programs,
		"pin": pins, "process": processes,
	} {
		items, err := list()
		if err != nil {
			return nil, fmt.Errorf("%s: %w", what, err)
		}
		for _, item := range items {
			lines = append(lines, what+" "+item)
		}
	}
	sort.Strings(lines)
	return lines, nil
}

func mounts() ([]string, error) {
	infos, err := mountinfo.GetMounts(nil)
	var out []string
	for _, m := range infos {
		out = append(out, m.Mountpoint+" "+m.FSType)
	}
	return out, err
}

// cgroups lists folders that klw or a runtime made; the machine's own come and go.
func cgroups() ([]string, error) {
	var out []string
	err := filepath.WalkDir("/sys/fs/cgroup", func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() && strings.Contains(path, "klw") {
			out = append(out, path)
		}
		return nil
	})
	return out, err
}

func links() ([]string, error) {
	all, err := netlink.LinkList()
	var out []string
	for _, l := range all {
		out = append(out, l.Attrs().Name)
	}
	return out, err
}

func namespaces() ([]string, error) {
	entries, err := os.ReadDir("/run/netns")
	if os.IsNotExist(err) {
		err = nil
	}
	var out []string
	for _, e := range entries {
		out = append(out, e.Name())
	}
	return out, err
}

func tables() ([]string, error) {
	c, err := nftables.New()
	if err != nil {
		return nil, err
	}
	all, err := c.ListTables()
	var out []string
	for _, t := range all {
		out = append(out, t.Name)
	}
	return out, err
}

// programs counts those attached to something: what tests loaded and lost goes with their process.
func programs() ([]string, error) {
	names := map[string]int{}
	for id := ebpf.ProgramID(0); ; {
		next, err := ebpf.ProgramGetNextID(id)
		if err != nil {
			break // the last
		}
		id = next
		p, err := ebpf.NewProgramFromID(id)
		if err != nil {
			continue
		}
		if info, err := p.Info(); err == nil {
			names[info.Type.String()+" "+info.Name]++
		}
		p.Close()
	}
	var out []string
	for name, n := range names {
		out = append(out, fmt.Sprintf("%s ×%d", name, n))
	}
	return out, nil
}

func pins() ([]string, error) {
	found, err := filepath.Glob("/sys/fs/bpf/klw*")
	return found, err
}

func processes() ([]string, error) {
	found, err := filepath.Glob("/proc/[0-9]*/cmdline")
	var out []string
	for _, file := range found {
		text, err := os.ReadFile(file)
		if err != nil {
			continue
		}
		name := filepath.Base(string(bytes.SplitN(text, []byte{0}, 2)[0]))
		if strings.HasPrefix(name, "klw-") && name != "klw-runc" || strings.HasPrefix(name, "apache2") {
			out = append(out, name)
		}
	}
	return out, err
}
