package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

var serial atomic.Int64

// startRows time a container from nothing to its end: all namespaces, limits, the default seccomp profile, masked
// paths, and a program that does nothing.
func startRows(m *machine, rounds int) ([]row, error) {
	bundle := filepath.Join(m.work, "true")
	if err := os.MkdirAll(filepath.Join(bundle, "rootfs/bin"), 0o755); err != nil {
		return nil, err
	}
	if out, err := exec.Command("cp", "/bin/busybox", filepath.Join(bundle, "rootfs/bin/true")).CombinedOutput(); err != nil {
		return nil, fmt.Errorf("busybox: %w: %s", err, out)
	}
	// The Apache bundle's configuration without what is Apache's.
	if out, err := exec.Command("cp", filepath.Join(m.top, "bundle/apache/config.json"), bundle).CombinedOutput(); err != nil {
		return nil, fmt.Errorf("configuration: %w: %s", err, out)
	}
	if err := editConfig(bundle, plain); err != nil {
		return nil, err
	}
	r := row{name: "start to exit, default bundle", unit: "s", rounds: 2 * rounds, apart: withoutHybrid}
	for _, runtime := range []string{"crun", "klw-runc", "runc"} {
		r.subjects = append(r.subjects, subject{runtime, func() (float64, error) {
			id := fmt.Sprintf("bench-true-%d", serial.Add(1))
			begin := time.Now()
			if out, err := m.command(runtime, "run", "--bundle", bundle, id).CombinedOutput(); err != nil {
				return 0, fmt.Errorf("%w: %s", err, out)
			}
			return time.Since(begin).Seconds(), nil
		}})
	}
	return []row{r}, nil
}

// withoutHybrid takes the second cgroup hierarchy of a hybrid machine out of sight: crun refuses such machines.
func withoutHybrid() error {
	const unified = "/sys/fs/cgroup/unified"
	if _, err := os.Stat(unified); err != nil {
		return nil
	}
	if err := unix.Unshare(unix.CLONE_NEWNS | unix.CLONE_FS); err != nil {
		return fmt.Errorf("mount namespace: %w", err)
	}
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("private mounts: %w", err)
	}
	return unix.Unmount(unified, unix.MNT_DETACH)
}
