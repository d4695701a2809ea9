package attack

import (
	"encoding/binary"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// hostRoot is whom root of the user namespace is on the host.
const hostRoot = 100000

// mapUsers puts a bundle's container into a user namespace and makes over to its users what belongs to them.
func mapUsers(t *testing.T, bundle string, s *specs.Spec) {
	t.Helper()
	s.Linux.Namespaces = append(s.Linux.Namespaces, specs.LinuxNamespace{Type: specs.UserNamespace})
	s.Linux.UIDMappings = []specs.LinuxIDMapping{{HostID: hostRoot, Size: 65536}}
	s.Linux.GIDMappings = s.Linux.UIDMappings
	if err := os.Chmod(filepath.Dir(filepath.Dir(bundle)), 0o755); err != nil { // its root has to get to the bundle
		t.Fatal(err)
	}
	shift := shifter{}
	for _, dir := range []string{"rootfs", "site"} {
		if err := filepath.WalkDir(filepath.Join(bundle, dir), shift.owner); err != nil {
			t.Fatal(err)
		}
	}
	// struct vfs_ns_cap_data: version 3 names root of the user namespace.
	capable := binary.LittleEndian.AppendUint32([]byte{1, 0, 0, 3, 1 << 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}, hostRoot)
	if err := unix.Setxattr(filepath.Join(bundle, "rootfs/attack/filecap"), "security.capability", capable, 0); err != nil {
		t.Fatal(err)
	}
}

// shifter makes files over to users of the user namespace, each file once whatever names it has.
type shifter map[uint64]bool

// owner keeps the mode: a change of owners takes set-id bits away.
func (s shifter) owner(path string, d fs.DirEntry, err error) error {
	if err != nil {
		return err
	}
	info, err := d.Info()
	if err != nil {
		return err
	}
	sys := info.Sys().(*syscall.Stat_t)
	if s[sys.Ino] {
		return nil
	}
	s[sys.Ino] = true
	if err := os.Lchown(path, int(sys.Uid)+hostRoot, int(sys.Gid)+hostRoot); err != nil || d.Type()&fs.ModeSymlink != 0 {
		return err
	}
	return os.Chmod(path, info.Mode())
}
