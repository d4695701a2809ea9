package initproc

import (
	"errors"
	"fmt"
	"slices"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// maskPaths hides linux.maskedPaths and write-protects linux.readonlyPaths. What isn't there needs neither.
func (p *proc) maskPaths() error {
	l := p.Config.Spec.Linux
	if l == nil {
		return nil
	}
	for _, path := range l.ReadonlyPaths {
		if err := p.unlessAbsent(path, p.protect(path)); err != nil {
			return fmt.Errorf("making %s read-only: %w", path, err)
		}
	}
	for _, path := range l.MaskedPaths {
		if err := p.unlessAbsent(path, p.mask(path)); err != nil {
			return fmt.Errorf("masking %s: %w", path, err)
		}
	}
	return nil
}

// unlessAbsent drops the error of a path that isn't there, if it needn't be.
func (p *proc) unlessAbsent(path string, err error) error {
	if absent(err) && !slices.Contains(p.Config.Sure, path) {
		return nil
	}
	return err
}

// protect lays the path over itself, read-only; what else was forbidden there stays so.
func (p *proc) protect(path string) error {
	target, err := p.root.open(path)
	if err != nil {
		return err
	}
	defer unix.Close(target)
	fd, err := cloneTree(target, "", true)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	if err := setAttr(fd, unix.MOUNT_ATTR_RDONLY, 0, 0, true); err != nil {
		return err
	}
	return move(fd, target)
}

func (p *proc) mask(path string) error {
	target, err := p.root.open(path)
	if err != nil {
		return err
	}
	defer unix.Close(target)
	dir, err := isDir(target)
	if err != nil {
		return err
	}
	var fd int
	if dir {
		fd, err = emptyDir()
	} else {
		fd, err = nullFile()
	}
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	return move(fd, target)
}

func absent(err error) bool { return errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ENOTDIR) }

// emptyDir is a mount without anything in it.
func emptyDir() (int, error) {
	o := mountOptions{data: []string{"size=0", "nr_inodes=1", "mode=755"}}
	fd, err := newFS(specs.Mount{Type: "tmpfs", Source: "tmpfs"}, &o)
	if err != nil {
		return -1, err
	}
	const attr = unix.MOUNT_ATTR_RDONLY | unix.MOUNT_ATTR_NOSUID | unix.MOUNT_ATTR_NODEV | unix.MOUNT_ATTR_NOEXEC
	return fd, setAttr(fd, attr, 0, 0, false)
}

// nullFile is a mount of the host's /dev/null, and of nothing that only has its name (CVE-2025-31133).
func nullFile() (int, error) {
	fd, err := cloneTree(unix.AT_FDCWD, "/dev/null", false)
	if err != nil {
		return -1, doing(err, "/dev/null of the host")
	}
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		unix.Close(fd)
		return -1, err
	}
	if st.Mode&unix.S_IFMT != unix.S_IFCHR || st.Rdev != unix.Mkdev(1, 3) {
		unix.Close(fd)
		return -1, errors.New("/dev/null of the host is not the null device")
	}
	return fd, nil
}
