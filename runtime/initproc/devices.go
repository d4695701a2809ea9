package initproc

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"klw/runtime/launch"
)

var defaultLinks = []struct{ target, name string }{
	{"/proc/self/fd", "/dev/fd"}, {"/proc/self/fd/0", "/dev/stdin"},
	{"/proc/self/fd/1", "/dev/stdout"}, {"/proc/self/fd/2", "/dev/stderr"},
}

// devices fills /dev, unless the bundle binds somebody else's there.
func (p *proc) devices() error {
	for _, m := range p.Config.Spec.Mounts {
		if filepath.Clean(m.Destination) == "/dev" && parseOptions(m.Options).bind {
			return nil
		}
	}
	list := launch.DefaultDevices
	if l := p.Config.Spec.Linux; l != nil {
		list = slices.Concat(l.Devices, launch.DefaultDevices)
	}
	done := map[string]bool{}
	for _, d := range list {
		d.Path = filepath.Clean("/" + d.Path)
		if done[d.Path] || d.Path == "/dev/ptmx" || d.Path == "/dev/console" || slices.Contains(p.Config.NoDevices, d.Path) {
			continue
		}
		done[d.Path] = true
		if err := p.device(d); err != nil {
			return fmt.Errorf("making device %s: %w", d.Path, err)
		}
	}
	return p.deviceLinks()
}

func (p *proc) device(d specs.LinuxDevice) error {
	dir, err := p.root.target(filepath.Dir(d.Path), true)
	if err != nil {
		return err
	}
	defer unix.Close(dir)
	if p.UserNS {
		return p.bindDevice(d)
	}
	mode, err := deviceMode(d)
	if err != nil {
		return err
	}
	name := filepath.Base(d.Path)
	number := unix.Mkdev(uint32(d.Major), uint32(d.Minor))
	err = unix.Mknodat(dir, name, mode, int(number))
	switch {
	case errors.Is(err, unix.EEXIST):
		return sameDevice(dir, name, mode, number)
	case errors.Is(err, unix.EPERM) || errors.Is(err, unix.EACCES):
		return p.bindDevice(d)
	case err != nil:
		return err
	}
	return ownDevice(dir, name, d, mode)
}

func deviceMode(d specs.LinuxDevice) (uint32, error) {
	mode := uint32(0o666)
	if d.FileMode != nil {
		mode = uint32(d.FileMode.Perm())
	}
	switch d.Type {
	case "c", "u":
		return mode | unix.S_IFCHR, nil
	case "b":
		return mode | unix.S_IFBLK, nil
	case "p":
		return mode | unix.S_IFIFO, nil
	}
	return 0, fmt.Errorf("unknown device type %q", d.Type)
}

// ownDevice gives the node its mode, which the umask may have cut, and its owner.
func ownDevice(dir int, name string, d specs.LinuxDevice, mode uint32) error {
	fd, err := unix.Openat(dir, name, unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	if err := unix.Fchmodat(dir, name, mode&0o7777, 0); err != nil {
		return err
	}
	uid, gid := 0, 0
	if d.UID != nil {
		uid = int(*d.UID)
	}
	if d.GID != nil {
		gid = int(*d.GID)
	}
	return unix.Fchownat(fd, "", uid, gid, unix.AT_EMPTY_PATH)
}

// sameDevice accepts a node that the root file system brings along, if it is the right one.
func sameDevice(dir int, name string, mode uint32, number uint64) error {
	var st unix.Stat_t
	if err := unix.Fstatat(dir, name, &st, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return err
	}
	if st.Mode&unix.S_IFMT != mode&unix.S_IFMT || st.Rdev != number && mode&unix.S_IFMT != unix.S_IFIFO {
		return errors.New("the root file system has something else there")
	}
	return nil
}

// bindDevice takes the host's node, where new ones can't be made.
func (p *proc) bindDevice(d specs.LinuxDevice) error {
	fd, err := cloneTree(unix.AT_FDCWD, d.Path, false)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	mode, err := deviceMode(d)
	if err != nil {
		return err
	}
	number := unix.Mkdev(uint32(d.Major), uint32(d.Minor))
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return err
	}
	if st.Mode&unix.S_IFMT != mode&unix.S_IFMT || st.Rdev != number && mode&unix.S_IFMT != unix.S_IFIFO {
		return errors.New("the host has another device there")
	}
	target, err := p.root.target(d.Path, false)
	if err != nil {
		return err
	}
	defer unix.Close(target)
	return move(fd, target)
}

func (p *proc) deviceLinks() error {
	dir, err := p.root.target("/dev", true)
	if err != nil {
		return doing(err, "finding /dev")
	}
	defer unix.Close(dir)
	links := defaultLinks
	if _, err := os.Stat("/proc/kcore"); err == nil {
		links = append(links[:len(links):len(links)], struct{ target, name string }{"/proc/kcore", "/dev/core"})
	}
	for _, l := range links {
		if err := link(dir, l.target, strings.TrimPrefix(l.name, "/dev/"), false); err != nil {
			return doing(err, "making %s", l.name)
		}
	}
	if fd, err := p.root.open("/dev/pts/ptmx"); err == nil {
		unix.Close(fd)
		return doing(link(dir, "pts/ptmx", "ptmx", true), "making /dev/ptmx")
	}
	return nil
}

// link makes a symbolic link. What is there already stays, unless it is to be replaced.
func link(dir int, target, name string, replace bool) error {
	if replace {
		if err := unix.Unlinkat(dir, name, 0); err != nil && err != unix.ENOENT && err != unix.EROFS {
			return err
		}
	}
	err := unix.Symlinkat(target, dir, name)
	if err == unix.EEXIST || err == unix.EROFS && replace {
		return nil
	}
	return err
}
