package launch

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"klw/internal/fork"
)

// sources makes detached mounts of what klw-init could not bind itself: id-mapped trees, and for a container in a user
// namespace all of them, since its root may not be allowed to reach the places on the host.
func (s *starter) sources() ([]int, error) {
	spec := s.o.Config.Spec
	if s.o.Config.Exec {
		return nil, nil
	}
	list := make([]int, len(spec.Mounts))
	for n, m := range spec.Mounts {
		bind, recursive, idmap := kind(m)
		mapped := idmap != "" || len(m.UIDMappings)+len(m.GIDMappings) > 0
		if mapped && !bind {
			return nil, fmt.Errorf("mounting %s on %s: only bind mounts can be id-mapped", m.Type, m.Destination)
		}
		if !bind || !mapped && !s.ns.user || slices.Contains(s.o.Config.Views, filepath.Clean(m.Destination)) {
			continue
		}
		fd, err := s.source(m, recursive, mapped, idmap == "ridmap")
		if err != nil {
			return nil, fmt.Errorf("mounting %s on %s: %w", m.Source, m.Destination, err)
		}
		list[n] = s.pass(fd)
	}
	return list, nil
}

func kind(m specs.Mount) (bind, recursive bool, idmap string) {
	bind = m.Type == "bind"
	for _, o := range m.Options {
		switch o {
		case "rbind":
			bind, recursive = true, true
		case "bind":
			bind = true
		case "idmap", "ridmap":
			idmap = o
		}
	}
	return bind, recursive, idmap
}

// source clones a tree of the host. Mounts made on it in the container must not show on the host, so it becomes a slave.
func (s *starter) source(m specs.Mount, recursive, mapped, all bool) (int, error) {
	path := m.Source
	if !filepath.IsAbs(path) {
		path = filepath.Join(s.o.Config.Bundle, path)
	}
	flags := uint(unix.OPEN_TREE_CLONE | unix.OPEN_TREE_CLOEXEC)
	if recursive {
		flags |= unix.AT_RECURSIVE
	}
	fd, err := unix.OpenTree(unix.AT_FDCWD, path, flags)
	if err != nil {
		return -1, err
	}
	s.own(fd)
	slave := &unix.MountAttr{Propagation: unix.MS_SLAVE}
	if err := unix.MountSetattr(fd, "", unix.AT_EMPTY_PATH|unix.AT_RECURSIVE, slave); err != nil {
		return -1, fmt.Errorf("cutting it off the host: %w", err)
	}
	if !mapped {
		return fd, nil
	}
	user, err := s.userFor(m)
	if err != nil {
		return -1, fmt.Errorf("making the user namespace of its ids: %w", err)
	}
	defer unix.Close(user)
	attr := &unix.MountAttr{Attr_set: unix.MOUNT_ATTR_IDMAP, Userns_fd: uint64(user)}
	where := uint(unix.AT_EMPTY_PATH)
	if all {
		where |= unix.AT_RECURSIVE
	}
	if err := unix.MountSetattr(fd, "", where, attr); err != nil {
		return -1, fmt.Errorf("mapping its ids: %w", err)
	}
	return fd, nil
}

// userFor gives a user namespace with the mount's ids; without any they are the container's.
func (s *starter) userFor(m specs.Mount) (int, error) {
	if len(m.UIDMappings) > 0 || len(m.GIDMappings) > 0 {
		return makeUserNS(m.UIDMappings, m.GIDMappings)
	}
	if s.ns.joinUser >= 0 {
		return unix.FcntlInt(uintptr(s.ns.joinUser), unix.F_DUPFD_CLOEXEC, 0)
	}
	l := s.o.Config.Spec.Linux
	if !s.ns.user {
		return -1, errors.New("neither the mount nor the container has id mappings")
	}
	return makeUserNS(l.UIDMappings, l.GIDMappings)
}

var errSeen = errors.New("seen")

// makeUserNS makes a user namespace that lives as long as the descriptor: its process ends before it did anything.
func makeUserNS(uids, gids []specs.LinuxIDMapping) (int, error) {
	fd := -1
	c := &fork.Child{User: -1, Exe: -1, Flags: unix.CLONE_NEWUSER, Maps: func(pid int) error {
		if err := writeMaps(pid, uids, gids); err != nil {
			return err
		}
		var err error
		if fd, err = unix.Open(fmt.Sprintf("/proc/%d/ns/user", pid), unix.O_RDONLY|unix.O_CLOEXEC, 0); err != nil {
			return os.NewSyscallError("open", err)
		}
		return errSeen
	}}
	if _, err := c.Start(); !errors.Is(err, errSeen) {
		return -1, err
	}
	return fd, nil
}
