package cgroup

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/opencontainers/cgroups"
	_ "github.com/opencontainers/cgroups/devices" // lets the managers set device rules
	v1 "github.com/opencontainers/cgroups/fs"
	v2 "github.com/opencontainers/cgroups/fs2"
	"github.com/opencontainers/runtime-spec/specs-go"
)

// Paths are a group's folders: by v1 controller, and "" for the v2 cgroup. It is what a container's state keeps.
type Paths map[string]string

// V2 is the v2 cgroup; "" on a host without v2.
func (p Paths) V2() string { return p[""] }

// Group is the cgroups of a container that is being created.
type Group struct {
	Paths   Paths
	manager cgroups.Manager
	limits  *cgroups.Resources
}

// New plans the cgroups for container id as its spec asks for them. Denied devices are taken from what the spec and the
// specification allow.
func New(id string, spec *specs.Spec, denied ...specs.LinuxDeviceCgroup) (*Group, error) {
	limits := resources(spec)
	for _, d := range denied {
		limits.Devices = append(limits.Devices, deviceRule(d))
	}
	path := filepath.Clean(spec.Linux.CgroupsPath)
	if spec.Linux.CgroupsPath == "" {
		path = filepath.Join("/klw", id)
	}
	if path == "/" || path == "." || strings.Contains(path, ":") {
		return nil, fmt.Errorf("linux.cgroupsPath: %q is not a cgroup below the root of its hierarchy", spec.Linux.CgroupsPath)
	}
	config := &cgroups.Cgroup{Path: path, Resources: limits}
	g := &Group{limits: limits}
	var err error
	if cgroups.IsCgroup2UnifiedMode() {
		g.manager, err = v2.NewManager(config, "")
	} else {
		g.manager, err = v1.NewManager(config, nil)
	}
	if err != nil {
		return nil, fmt.Errorf("plan cgroups: %w", err)
	}
	g.Paths = Paths(g.manager.GetPaths())
	return g, nil
}

// Free says whether nobody is in the cgroups. It is to be asked before a state names them as the container's: what
// undoes a container kills whatever is in its cgroups.
func (p Paths) Free() error {
	pids, err := p.pids()
	if err == nil && len(pids) > 0 {
		err = fmt.Errorf("it holds %d processes, of another container perhaps", len(pids))
	}
	if err != nil {
		return fmt.Errorf("cgroup %s: %w", p.any(), err)
	}
	return nil
}

// Create makes the cgroups, empty and with their limits.
func (g *Group) Create() error {
	if err := again(g.make); err != nil {
		return fmt.Errorf("make cgroups: %w", err)
	}
	if err := g.manager.Set(g.limits); err != nil {
		return fmt.Errorf("set the limits of linux.resources: %w", err)
	}
	return nil
}

func (g *Group) make() error {
	if err := g.manager.Apply(-1); err != nil {
		return err
	}
	// The v1 manager makes the v2 cgroup of a hybrid host too, but keeps quiet if it can't.
	if v2 := g.Paths.V2(); v2 != "" {
		return os.MkdirAll(v2, 0o755)
	}
	return nil
}

// again makes a cgroup anew whose parent the last container of another klw-runc took along.
func again(make func() error) error {
	for range 9 {
		if err := make(); !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return make()
}

// Remove removes the cgroups, those below them included.
func (p Paths) Remove() error {
	for _, dir := range p {
		if dir == "" {
			continue
		}
		if err := cgroups.RemovePath(dir); err != nil {
			return fmt.Errorf("remove cgroup %s: %w", dir, err)
		}
		if parent := filepath.Dir(dir); slices.Contains(parents, filepath.Base(parent)) {
			os.Remove(parent) // fails while another container is in it
		}
	}
	return nil
}

// parents are the cgroups that containers and guards are in where cgroupsPath names no other: ours, to be removed.
var parents = []string{"klw", "klw-guard"}

func (p Paths) any() string {
	if v2 := p.V2(); v2 != "" {
		return v2
	}
	return p["devices"]
}
