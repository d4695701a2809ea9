package initproc

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// mountAll makes the container's files, as they are before its root is entered.
func (p *proc) mountAll() error {
	if err := p.prepareRoot(); err != nil {
		return err
	}
	for n, m := range p.Config.Spec.Mounts {
		if err := p.mount(n, m); err != nil {
			return fmt.Errorf("mounting %s on %s: %w", mountName(m), m.Destination, err)
		}
	}
	// So that a missing working directory is not the image's mistake; if it can't be made, entering it tells.
	if fd, err := p.root.target(p.Config.Spec.Process.Cwd, true); err == nil {
		unix.Close(fd)
	}
	if err := p.unusedViews(); err != nil {
		return err
	}
	if err := p.devices(); err != nil {
		return err
	}
	if err := p.terminal(); err != nil {
		return err
	}
	return p.closeDev()
}

// closeDev makes a tmpfs on /dev read-only that is to be: now that everything is in it.
func (p *proc) closeDev() error {
	if p.dev < 0 {
		return nil
	}
	defer unix.Close(p.dev)
	return doing(setAttr(p.dev, unix.MOUNT_ATTR_RDONLY, 0, 0, false), "making /dev read-only")
}

func mountName(m specs.Mount) string {
	if m.Type != "" && m.Type != "bind" && m.Type != "none" {
		return m.Type
	}
	return m.Source
}

func (p *proc) mount(n int, m specs.Mount) error {
	o := parseOptions(m.Options)
	destination := filepath.Clean("/" + m.Destination)
	if (m.Type == "cgroup" || m.Type == "cgroup2") && !o.bind {
		return p.mountCgroup(destination, m, o)
	}
	source, err := p.source(destination, n, m, &o)
	if err != nil {
		return err
	}
	defer unix.Close(source)
	dir, err := isDir(source)
	if err != nil {
		return err
	}
	if m.Type == "proc" || m.Type == "sysfs" {
		return p.placeKernelFS(source, destination, o)
	}
	target, err := p.root.target(destination, dir)
	if err != nil {
		return doing(err, "finding the place")
	}
	defer unix.Close(target)
	if err := checkProc(target, destination, source, o.bind); err != nil {
		return err
	}
	if at, err := isDir(target); err != nil || at != dir {
		return errors.Join(err, unix.ENOTDIR)
	}
	if o.copyUp && m.Type == "tmpfs" {
		if err := copyUp(target, source); err != nil {
			return doing(err, "copying what is there")
		}
	}
	if destination == "/dev" && m.Type == "tmpfs" && o.set&unix.MOUNT_ATTR_RDONLY != 0 {
		o.set &^= unix.MOUNT_ATTR_RDONLY
		if p.dev, err = unix.FcntlInt(uintptr(source), unix.F_DUPFD_CLOEXEC, 0); err != nil {
			return err
		}
	}
	return place(source, target, o)
}

// source gives the detached mount.
func (p *proc) source(destination string, n int, m specs.Mount, o *mountOptions) (int, error) {
	if fd, ok := p.takeView(destination); ok {
		return fd, nil
	}
	if p.Sources[n] != 0 {
		return p.Sources[n], nil
	}
	if !o.bind && m.Type != "bind" {
		return newFS(m, o)
	}
	path := m.Source
	if !filepath.IsAbs(path) {
		path = filepath.Join(p.Config.Bundle, path)
	}
	return cloneTree(unix.AT_FDCWD, path, o.recursive)
}

func cloneTree(dir int, path string, recursive bool) (int, error) {
	flags := uint(unix.OPEN_TREE_CLONE | unix.OPEN_TREE_CLOEXEC)
	if recursive {
		flags |= unix.AT_RECURSIVE
	}
	if path == "" {
		flags |= unix.AT_EMPTY_PATH
	}
	return unix.OpenTree(dir, path, flags)
}

// place puts a detached mount on its place with its attributes.
func place(source, target int, o mountOptions) error {
	if err := o.change(source); err != nil {
		return doing(err, "setting its options")
	}
	if err := move(source, target); err != nil {
		return err
	}
	return doing(o.propagate(source), "setting its propagation")
}

func move(source, target int) error {
	return unix.MoveMount(source, "", target, "", unix.MOVE_MOUNT_F_EMPTY_PATH|unix.MOVE_MOUNT_T_EMPTY_PATH)
}

// placeKernelFS mounts proc and sysfs: their places must be real directories, for what klw-init and the application
// believe about them (CVE-2019-19921).
func (p *proc) placeKernelFS(source int, destination string, o mountOptions) error {
	target, err := p.root.openPlain(destination, unix.O_PATH|unix.O_DIRECTORY)
	if errors.Is(err, unix.ENOENT) {
		if target, err = p.root.target(destination, true); err == nil {
			unix.Close(target)
			target, err = p.root.openPlain(destination, unix.O_PATH|unix.O_DIRECTORY)
		}
	}
	if errors.Is(err, unix.ELOOP) || errors.Is(err, unix.ENOTDIR) {
		return fmt.Errorf("%s of the root file system must be a directory and no link: %w", destination, err)
	}
	if err != nil {
		return doing(err, "finding the place")
	}
	defer unix.Close(target)
	return place(source, target, o)
}

// overProc is what may be laid over files of /proc: what lxcfs provides.
var overProc = map[string]bool{
	"/proc/cpuinfo": true, "/proc/diskstats": true, "/proc/meminfo": true, "/proc/stat": true, "/proc/swaps": true,
	"/proc/uptime": true, "/proc/loadavg": true, "/proc/slabinfo": true, "/proc/net/dev": true,
	"/proc/sys/kernel/ns_last_pid": true, "/proc/sys/crypto/fips_enabled": true,
}

// checkProc refuses to mount over /proc anything that isn't proc: seen from the kernel's side, so that no link hides it.
func checkProc(target int, destination string, source int, bind bool) error {
	inProc := destination == "/proc" || strings.HasPrefix(destination, "/proc/")
	on, err := isProc(target)
	if err != nil {
		return err
	}
	if !inProc && !on {
		return nil
	}
	if overProc[destination] && bind {
		return nil
	}
	if from, err := isProc(source); err != nil || from && destination == "/proc" {
		return err
	}
	return fmt.Errorf("%s is inside /proc: refused", destination)
}

func isProc(fd int) (bool, error) {
	var st unix.Statfs_t
	if err := unix.Fstatfs(fd, &st); err != nil {
		return false, doing(err, "asking for the file system")
	}
	return st.Type == unix.PROC_SUPER_MAGIC, nil
}

func isDir(fd int) (bool, error) {
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return false, doing(err, "looking at the source")
	}
	return st.Mode&unix.S_IFMT == unix.S_IFDIR, nil
}
