package initproc

import (
	"fmt"
	"path/filepath"

	"golang.org/x/sys/unix"
)

var rootPropagation = map[string]uintptr{
	"": 0, "shared": unix.MS_SHARED, "rshared": unix.MS_SHARED | unix.MS_REC,
	"slave": unix.MS_SLAVE, "rslave": unix.MS_SLAVE | unix.MS_REC,
	"private": unix.MS_PRIVATE, "rprivate": unix.MS_PRIVATE | unix.MS_REC,
	"unbindable": unix.MS_UNBINDABLE, "runbindable": unix.MS_UNBINDABLE | unix.MS_REC,
}

// prepareRoot cuts this mount namespace off the host's and puts the root file system into it as a mount of its own.
func (p *proc) prepareRoot() error {
	if _, ok := p.namespace("mount"); !ok {
		return fmt.Errorf("linux.namespaces has no mount namespace: a container needs one of its own")
	}
	flag, err := p.rootFlag()
	if err != nil {
		return err
	}
	if flag == 0 {
		flag = unix.MS_SLAVE | unix.MS_REC
	}
	if err := unix.Mount("", "/", "", flag, ""); err != nil {
		return doing(err, "setting the propagation of /")
	}
	path := p.Config.Spec.Root.Path
	if !filepath.IsAbs(path) {
		path = filepath.Join(p.Config.Bundle, path)
	}
	if path, err = filepath.EvalSymlinks(path); err != nil {
		return doing(err, "root file system %s", p.Config.Spec.Root.Path)
	}
	return doing(p.mountRoot(path), "mounting the root file system %s", path)
}

func (p *proc) rootFlag() (uintptr, error) {
	if p.Config.Spec.Linux == nil {
		return 0, nil
	}
	name := p.Config.Spec.Linux.RootfsPropagation
	flag, ok := rootPropagation[name]
	if !ok {
		return 0, fmt.Errorf("linux.rootfsPropagation: unknown %q", name)
	}
	return flag, nil
}

// mountRoot puts the view of the root, or a clone of the folder, over the folder. What holds it becomes private
// first, and so does the clone: pivot_root wants that.
func (p *proc) mountRoot(path string) error {
	below, err := unix.Open(path, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	if err := makeParentPrivate(path); err != nil {
		return err
	}
	fd, view := p.takeView("/")
	if !view {
		if fd, err = cloneTree(below, "", true); err != nil {
			return err
		}
	}
	if err := move(fd, below); err != nil {
		return err
	}
	p.root = root{fd: fd, path: path}
	if view {
		p.root.below = &root{fd: below, path: path}
		return nil
	}
	return unix.Close(below)
}

// makeParentPrivate finds the mount that holds the path: the nearest name upwards that is a mount point.
func makeParentPrivate(path string) error {
	for {
		err := unix.Mount("", path, "", unix.MS_PRIVATE, "")
		if err != unix.EINVAL || path == "/" {
			return err
		}
		path = filepath.Dir(path)
	}
}

// enterRoot makes the container's root this namespace's, and nothing of the host's tree stays in it.
func (p *proc) enterRoot() error {
	defer p.closeRoot()
	if p.Config.Spec.Root.Readonly {
		if err := setAttr(p.root.fd, unix.MOUNT_ATTR_RDONLY, 0, 0, false); err != nil {
			return doing(err, "making the root read-only")
		}
	}
	enter := p.pivot
	if p.Config.NoPivot {
		enter = p.moveRoot
	}
	if err := enter(); err != nil {
		return err
	}
	flag, err := p.rootFlag()
	if err == nil && flag != 0 {
		err = doing(unix.Mount("", "/", "", flag, ""), "setting the propagation of the root")
	}
	return err
}

func (p *proc) closeRoot() {
	unix.Close(p.root.fd)
	if p.root.below != nil {
		unix.Close(p.root.below.fd)
	}
}

// pivot stacks the old root under the new one, at the same place, and takes it away.
func (p *proc) pivot() error {
	old, err := unix.Open("/", unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return doing(err, "opening the old root")
	}
	defer unix.Close(old)
	if err := unix.Fchdir(p.root.fd); err != nil {
		return doing(err, "entering the new root")
	}
	if err := unix.PivotRoot(".", "."); err != nil {
		return doing(err, "pivot_root")
	}
	if err := unix.Fchdir(old); err != nil {
		return doing(err, "going to the old root")
	}
	// Not to the host: what is unmounted here stays mounted there.
	if err := unix.Mount("", ".", "", unix.MS_SLAVE|unix.MS_REC, ""); err != nil {
		return doing(err, "cutting the old root off")
	}
	if err := unix.Unmount(".", unix.MNT_DETACH); err != nil {
		return doing(err, "unmounting the old root")
	}
	return doing(unix.Chdir("/"), "entering the new root")
}

// moveRoot is for a host whose root is an initramfs, which can't be pivoted.
func (p *proc) moveRoot() error {
	if err := unix.Fchdir(p.root.fd); err != nil {
		return doing(err, "entering the new root")
	}
	if err := unix.Mount(".", "/", "", unix.MS_MOVE, ""); err != nil {
		return doing(err, "moving the new root")
	}
	if err := unix.Chroot("."); err != nil {
		return doing(err, "changing the root")
	}
	return doing(unix.Chdir("/"), "entering the new root")
}
