package view

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// generation says how a file system tells a later object of the same number from an earlier one.
type generation int

const (
	byNothing generation = iota
	byBirth
	byHandle
)

// source is the backing of a view: a private copy of the mount that the source is on, without the mounts below it, so
// that what the host mounts there later changes nothing.
type source struct {
	root       int // O_PATH: the directory or file itself
	mount      int // opened for reading: where file handles are resolved
	mode       uint32
	dev        uint64
	spans      bool // objects below may have other device numbers (btrfs subvolumes, overlay)
	readOnly   bool
	attrs      int // MOUNT_ATTR_* of the source's mount that its view keeps
	generation generation
	users      int // under Server.mu: the view, and whoever resolves a handle; closed with the last
}

func openSource(path string) (*source, error) {
	root, err := unix.OpenTree(unix.AT_FDCWD, path, unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("copy the mount of %s: %w", path, err)
	}
	s := &source{root: root, mount: -1, users: 1}
	if err := s.examine(); err != nil {
		s.close()
		return nil, fmt.Errorf("examine %s: %w", path, err)
	}
	return s, nil
}

func (s *source) examine() error {
	st, err := fstat(s.root)
	if err != nil {
		return err
	}
	s.mode, s.dev = st.Mode, st.Dev
	if t := s.mode & unix.S_IFMT; t != unix.S_IFDIR && t != unix.S_IFREG {
		return fmt.Errorf("neither a directory nor a regular file: %w", unix.EINVAL)
	}
	var fs unix.Statfs_t
	if err := unix.Fstatfs(s.root, &fs); err != nil {
		return err
	}
	s.keepFlags(fs.Flags)
	// The view decides what may be written; the copy is shared by views with different answers.
	clear := &unix.MountAttr{Attr_clr: unix.MOUNT_ATTR_RDONLY, Attr_set: unix.MOUNT_ATTR_NODEV}
	if err := unix.MountSetattr(s.root, "", unix.AT_EMPTY_PATH, clear); err != nil {
		return fmt.Errorf("change its flags: %w", err)
	}
	if s.mount, err = reopen(s.root, unix.O_RDONLY); err != nil {
		return err
	}
	s.chooseGeneration(fs.Type)
	return nil
}

// keepFlags remembers what a bind mount of the source would have inherited.
func (s *source) keepFlags(flags int64) {
	s.readOnly = flags&unix.ST_RDONLY != 0
	for _, f := range []struct {
		st   int64
		attr int
	}{
		{unix.ST_NOSUID, unix.MOUNT_ATTR_NOSUID},
		{unix.ST_NODEV, unix.MOUNT_ATTR_NODEV},
		{unix.ST_NOEXEC, unix.MOUNT_ATTR_NOEXEC},
	} {
		if flags&f.st != 0 {
			s.attrs |= f.attr
		}
	}
}

// chooseGeneration finds out what identity rests on. Handles of overlay and FUSE don't survive the inode cache, and
// an overlay's birth time changes with copy-up, so there the number alone counts.
func (s *source) chooseGeneration(magic int64) {
	s.spans = magic == unix.BTRFS_SUPER_MAGIC || magic == unix.OVERLAYFS_SUPER_MAGIC
	if magic == unix.OVERLAYFS_SUPER_MAGIC || magic == unix.FUSE_SUPER_MAGIC {
		return
	}
	s.generation = byBirth
	h, _, err := unix.NameToHandleAt(s.root, "", unix.AT_EMPTY_PATH)
	if err != nil {
		return
	}
	fd, err := unix.OpenByHandleAt(s.mount, h, unix.O_PATH|unix.O_CLOEXEC)
	if err != nil {
		return
	}
	unix.Close(fd)
	s.generation = byHandle
}

func (s *source) close() {
	unix.Close(s.root)
	if s.mount >= 0 {
		unix.Close(s.mount)
	}
}
