package initproc

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

const hostCgroup = "/sys/fs/cgroup"

// mountCgroup shows the container its own cgroups. On a v1 or hybrid host that is a tmpfs with a folder for each
// hierarchy, else the one tree. In a cgroup namespace the kernel cuts off what is above; without one the container's
// own part of each hierarchy is bound.
func (p *proc) mountCgroup(destination string, m specs.Mount, o mountOptions) error {
	target, err := p.root.target(destination, true)
	if err != nil {
		return doing(err, "finding the place")
	}
	defer unix.Close(target)
	if err := checkProc(target, destination, target, false); err != nil {
		return err
	}
	unified, err := onlyV2()
	if err != nil {
		return err
	}
	own, err := ownCgroups()
	if err != nil {
		return err
	}
	if unified || m.Type == "cgroup2" {
		return p.mountHierarchy(hierarchy{v2: true, host: v2Mount(unified), path: own[""]}, target, o)
	}
	return p.mountV1(target, own, o)
}

func onlyV2() (bool, error) {
	var st unix.Statfs_t
	if err := unix.Statfs(hostCgroup, &st); err != nil {
		return false, doing(err, "looking at %s", hostCgroup)
	}
	return st.Type == unix.CGROUP2_SUPER_MAGIC, nil
}

func v2Mount(unified bool) string {
	if unified {
		return hostCgroup
	}
	return hostCgroup + "/unified"
}

// ownCgroups gives this process's cgroup in each hierarchy, by its controllers as the kernel writes them; v2 is "".
func ownCgroups() (map[string]string, error) {
	b, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return nil, doing(err, "reading the cgroups")
	}
	own := map[string]string{}
	for line := range strings.Lines(string(b)) {
		f := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(f) == 3 {
			own[f[1]] = f[2]
		}
	}
	return own, nil
}

type hierarchy struct {
	v2   bool
	data string // v1: what it is mounted with
	host string // where the host has it
	path string // this process's cgroup in it
}

func (p *proc) mountHierarchy(h hierarchy, target int, o mountOptions) error {
	fd, err := p.openHierarchy(h)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	return place(fd, target, o)
}

func (p *proc) openHierarchy(h hierarchy) (int, error) {
	if _, own := p.namespace(specs.CgroupNamespace); !own {
		return cloneTree(unix.AT_FDCWD, filepath.Join(h.host, h.path), true)
	}
	m := specs.Mount{Type: "cgroup", Source: "cgroup"}
	var o mountOptions
	if h.v2 {
		m.Type = "cgroup2"
	} else {
		o.data = strings.Split(h.data, ",")
	}
	return newFS(m, &o)
}

// mountV1 makes a tmpfs with a folder for each v1 hierarchy that the host has mounted, and links for the names of
// controllers that share one. The v2 tree of a hybrid host is not shown: a container moves nothing there.
func (p *proc) mountV1(target int, own map[string]string, o mountOptions) error {
	t := mountOptions{data: []string{"mode=755"}}
	top, err := newFS(specs.Mount{Type: "tmpfs", Source: "cgroup"}, &t)
	if err != nil {
		return err
	}
	defer unix.Close(top)
	for _, controllers := range hierarchies(own) {
		if err := addV1(top, controllers); err != nil {
			return fmt.Errorf("cgroup hierarchy %s: %w", controllers, err)
		}
	}
	return p.attachV1(top, target, own, o)
}

// hierarchies lists those of v1 in a stable order.
func hierarchies(own map[string]string) []string {
	list := slices.Sorted(maps.Keys(own))
	return slices.DeleteFunc(list, func(c string) bool { return c == "" })
}

func addV1(top int, controllers string) error {
	name := strings.TrimPrefix(controllers, "name=")
	if err := unix.Mkdirat(top, name, 0o755); err != nil {
		return err
	}
	parts := strings.Split(name, ",")
	if len(parts) < 2 {
		return nil
	}
	for _, one := range parts {
		if err := unix.Symlinkat(name, top, one); err != nil {
			return err
		}
	}
	return nil
}

// attachV1 puts the tmpfs in its place and then the hierarchies on their folders; only a mount that is attached can
// carry others.
func (p *proc) attachV1(top, target int, own map[string]string, o mountOptions) error {
	if err := move(top, target); err != nil {
		return err
	}
	for _, controllers := range hierarchies(own) {
		name := strings.TrimPrefix(controllers, "name=")
		host := filepath.Join(hostCgroup, name)
		if _, err := os.Stat(host); errors.Is(err, os.ErrNotExist) {
			continue
		}
		dir, err := unix.Openat(top, name, unix.O_PATH|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
		if err != nil {
			return err
		}
		err = p.mountHierarchy(hierarchy{data: v1Data(controllers), host: host, path: own[controllers]}, dir, o)
		unix.Close(dir)
		if err != nil {
			return fmt.Errorf("cgroup hierarchy %s: %w", controllers, err)
		}
	}
	return doing(o.change(top), "setting its options")
}

// v1Data: a named hierarchy without controllers is mounted with "none".
func v1Data(controllers string) string {
	if strings.HasPrefix(controllers, "name=") {
		return "none," + controllers
	}
	return controllers
}
