package main

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"

	"golang.org/x/sys/unix"
)

// Ways to the machine over file systems that a container has from the kernel.
func kernelFSAttempts() {
	add("sysfs-write", "write a switch of the machine in /sys", func(string) error {
		return throughMounts("sysfs", "/sys", func(sys string) error {
			const file = "kernel/rcu_expedited"
			now, err := os.ReadFile(filepath.Join(sys, file))
			if err != nil {
				return err
			}
			return os.WriteFile(filepath.Join(sys, file), now, 0)
		})
	})
	add("cgroup-own", "make a control group below one's own and move there", cgroupBelow)
	add("mknod-dev", "make a device node for a block device of the host in /dev and open it", func(string) error {
		return openDisk("/dev/disk-of-the-host")
	})
	for _, fs := range []string{"debugfs", "tracefs", "bpf", "binfmt_misc"} {
		add("mount-"+fs, "mount "+fs, func(string) error {
			dir := filepath.Join(scratch, fs)
			_ = os.Mkdir(dir, 0o755)
			defer os.Remove(dir)
			if err := unix.Mount(fs, dir, fs, 0, ""); err != nil {
				return err
			}
			return unix.Unmount(dir, unix.MNT_DETACH)
		})
	}
}

// throughMounts tries something with a file system as the container has it, made writable, and mounted anew.
func throughMounts(kind, at string, try func(dir string) error) error {
	first := try(at)
	if first == nil {
		return nil
	}
	_ = unix.Mount("", at, "", unix.MS_REMOUNT|unix.MS_BIND, "")
	if try(at) == nil {
		return nil
	}
	dir := filepath.Join(scratch, kind)
	_ = os.Mkdir(dir, 0o755)
	defer os.Remove(dir)
	if err := unix.Mount(kind, dir, kind, 0, ""); err != nil {
		return errors.Join(first, err)
	}
	defer func() { _ = unix.Unmount(dir, unix.MNT_DETACH) }()
	return try(dir)
}

// cgroupBelow looks for a hierarchy in which a group can be made.
func cgroupBelow(string) error {
	const top = "/sys/fs/cgroup"
	dirs, err := filepath.Glob(top + "/*/cgroup.procs")
	if err != nil {
		return err
	}
	last := errors.New("no control groups are there")
	for _, procs := range append(dirs, top+"/cgroup.procs") {
		_ = unix.Mount("", filepath.Dir(procs), "", unix.MS_REMOUNT|unix.MS_BIND, "")
		below := filepath.Join(filepath.Dir(procs), "below")
		if last = os.Mkdir(below, 0o755); last != nil {
			continue
		}
		last = os.WriteFile(filepath.Join(below, "cgroup.procs"), []byte(strconv.Itoa(os.Getpid())), 0)
		_ = os.WriteFile(procs, []byte(strconv.Itoa(os.Getpid())), 0)
		os.Remove(below)
		if last == nil {
			return nil
		}
	}
	return last
}
