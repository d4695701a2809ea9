package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// plain keeps of the Apache configuration what every container has, and runs a program that does nothing.
func plain(s *specs.Spec) {
	s.Process.Args = []string{"/bin/true"}
	s.Process.Env = []string{"PATH=/bin"}
	mounts := s.Mounts[:0]
	for _, mount := range s.Mounts {
		if mount.Type != "bind" {
			mounts = append(mounts, mount)
		}
	}
	s.Mounts = mounts
	s.Hostname = "bench"
}

const workPolicy = `application bench
@general
file /data read write
file /worker read execute
socket udp connect 127.0.0.1:9
`

// workRows compare one kind of work with itself in the situations of G1: on the host with nothing of ours on it; on the
// host while a guard guards somebody else; in a plain container; in a guarded one. All on the same kind of files.
func workRows(m *machine, rounds int) ([]row, error) {
	bare, err := m.workBundle("bench-plain", "")
	if err != nil {
		return nil, err
	}
	guarded, err := m.workBundle("bench-guarded", workPolicy)
	if err != nil {
		return nil, err
	}
	files := filepath.Join(bare, "rootfs/data")
	names := map[string]string{
		"open": "open+read+close 1 KiB", "stat": "stat", "read": "read 1 MiB, sequential", "write": "write 4 KiB",
		"create": "create+close+unlink", "connect": "connect (UDP)", "syscall": "getppid (seccomp filters)",
	}
	var rows []row
	for _, kind := range []string{"open", "stat", "read", "write", "create", "connect", "syscall"} {
		in := func(bundle, dir string) func() (float64, error) {
			return func() (float64, error) {
				if err := m.both(bare, guarded); err != nil {
					return 0, err
				}
				return m.worker(bundle, kind, dir)
			}
		}
		rows = append(rows, row{name: names[kind], unit: "ns", rounds: rounds, subjects: []subject{
			{"nothing loaded", func() (float64, error) {
				m.stopAll()
				return m.worker("", kind, files)
			}},
			{"loaded, not wrapped", in("", files)},
			{"plain container", in(bare, "/data")},
			{"guarded container", in(guarded, "/data")},
		}})
	}
	return rows, nil
}

// both sees to it that the two containers run.
func (m *machine) both(bundles ...string) error {
	for _, bundle := range bundles {
		if m.running[filepath.Base(bundle)] != nil {
			continue
		}
		if _, err := m.container("klw-runc", bundle); err != nil {
			return err
		}
	}
	return nil
}

// workBundle makes a container that waits, with a worker and its files.
func (m *machine) workBundle(name, policy string) (string, error) {
	bundle := filepath.Join(m.work, name)
	data := filepath.Join(bundle, "rootfs/data")
	for _, dir := range []string{data, filepath.Join(bundle, "rootfs/proc"), filepath.Join(bundle, "rootfs/dev"), filepath.Join(bundle, "rootfs/sys")} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return "", err
		}
	}
	if err := os.WriteFile(filepath.Join(data, "small"), make([]byte, 1<<10), 0o644); err != nil {
		return "", err
	}
	if err := os.WriteFile(filepath.Join(data, "large"), make([]byte, 64<<20), 0o644); err != nil {
		return "", err
	}
	for from, to := range map[string]string{
		filepath.Join(m.work, "worker"):                   filepath.Join(bundle, "rootfs/worker"),
		filepath.Join(m.top, "bundle/apache/config.json"): filepath.Join(bundle, "config.json"),
	} {
		if out, err := exec.Command("cp", from, to).CombinedOutput(); err != nil {
			return "", fmt.Errorf("%w: %s", err, out)
		}
	}
	if policy != "" {
		if err := os.WriteFile(filepath.Join(bundle, "klw.policy"), []byte(policy), 0o644); err != nil {
			return "", err
		}
	}
	return bundle, editConfig(bundle, func(s *specs.Spec) {
		plain(s)
		s.Process.Args = []string{"/worker", "wait", "/"}
	})
}

// worker runs one kind of work, on the host ("") or in a bundle's container, and gives its nanoseconds.
func (m *machine) worker(bundle, kind, dir string) (float64, error) {
	if kind == "connect" {
		dir = "127.0.0.1:9"
	}
	cmd := exec.Command(filepath.Join(m.work, "worker"), kind, dir)
	if bundle != "" {
		cmd = m.command("klw-runc", "exec", filepath.Base(bundle), "/worker", kind, dir)
	}
	out, err := cmd.CombinedOutput()
	if err != nil {
		return 0, fmt.Errorf("%w: %s", err, out)
	}
	return strconv.ParseFloat(strings.TrimSpace(string(out)), 64)
}
