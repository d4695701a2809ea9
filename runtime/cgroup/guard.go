package cgroup

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/opencontainers/cgroups"
)

// ErrNoV2 means that the host has no v2 hierarchy, which a container under a policy needs.
var ErrNoV2 = errors.New("no cgroup v2 at /sys/fs/cgroup or /sys/fs/cgroup/unified: a policy's socket rules are attached there (try: mount -t cgroup2 none /sys/fs/cgroup/unified)")

// Mount gives where the v2 hierarchy is mounted.
func Mount() (string, error) {
	switch {
	case cgroups.IsCgroup2UnifiedMode():
		return "/sys/fs/cgroup", nil
	case cgroups.IsCgroup2HybridMode():
		return "/sys/fs/cgroup/unified", nil
	}
	return "", ErrNoV2
}

// Guard plans the cgroup of container id's guard and its helpers.
func Guard(id string) (Paths, error) {
	mount, err := Mount()
	if err != nil {
		return nil, err
	}
	return Paths{"": filepath.Join(mount, "klw-guard", id)}, nil
}

// MakeV2 makes the v2 cgroup alone, empty, and opens it for a process to be started in.
func (p Paths) MakeV2() (*os.File, error) {
	dir := p.V2()
	if err := again(func() error { return os.MkdirAll(dir, 0o755) }); err != nil {
		return nil, fmt.Errorf("make cgroup: %w", err)
	}
	f, err := os.Open(dir)
	if err != nil {
		return nil, fmt.Errorf("open cgroup: %w", err)
	}
	return f, nil
}
