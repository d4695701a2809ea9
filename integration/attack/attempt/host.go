package main

import (
	"os"
	"path/filepath"
	"strconv"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Ways from the container to the machine below it. They touch nothing: what they reach they write back as it was.
func hostAttempts() {
	add("mount-over", "mount over the content", func(string) error {
		if err := unix.Mount("tmpfs", filepath.Dir(page), "tmpfs", 0, ""); err != nil {
			return err
		}
		return unix.Unmount(filepath.Dir(page), unix.MNT_DETACH)
	})
	add("mount-bind", "bind a folder of one's own over the content", func(string) error {
		if err := unix.Mount(scratch, filepath.Dir(page), "", unix.MS_BIND, ""); err != nil {
			return err
		}
		return unix.Unmount(filepath.Dir(page), unix.MNT_DETACH)
	})
	add("mount-new-api", "make a mount with the new system calls", func(string) error {
		fd, err := unix.Fsopen("tmpfs", 0)
		if err != nil {
			return err
		}
		return unix.Close(fd)
	})
	add("open-tree", "clone the content's mount", func(string) error {
		fd, err := unix.OpenTree(unix.AT_FDCWD, filepath.Dir(page), unix.OPEN_TREE_CLONE)
		if err != nil {
			return err
		}
		return unix.Close(fd)
	})
	add("umount", "take away what is mounted over a folder", func(string) error {
		if err := unix.Unmount("/dev/mqueue", unix.MNT_DETACH); err != nil {
			return err
		}
		return nil
	})
	add("core-pattern", "write the host's core_pattern", corePattern)
	add("mknod-disk", "make a device node for a block device of the host and open it", mknodDisk)
	add("file-handle", "open a refused file by its handle", byHandle)
	add("bpf", "load a BPF program", func(string) error {
		attr := [16]uint64{}
		_, _, errno := unix.Syscall(unix.SYS_BPF, 11 /* BPF_PROG_GET_NEXT_ID */, uintptr(unsafe.Pointer(&attr)), 12)
		if errno != 0 && errno != unix.ENOENT {
			return errno
		}
		return nil
	})
	add("unshare-mount", "make a mount namespace", func(string) error { return unix.Unshare(unix.CLONE_NEWNS) })
	add("keyring", "read the session's keyring", func(string) error {
		_, err := unix.KeyctlGetKeyringID(unix.KEY_SPEC_SESSION_KEYRING, true)
		return err
	})
	add("cgroup-escape", "move to another control group", func(string) error {
		dir := filepath.Join(scratch, "cgroup")
		_ = os.Mkdir(dir, 0o755)
		defer os.Remove(dir)
		if err := unix.Mount("cgroup2", dir, "cgroup2", 0, ""); err != nil {
			return err
		}
		defer func() { _ = unix.Unmount(dir, unix.MNT_DETACH) }()
		return os.WriteFile(filepath.Join(dir, "cgroup.procs"), []byte(strconv.Itoa(os.Getpid())), 0)
	})
}

// corePattern writes the present value, to the file as the container has it and to one on a proc of its own.
func corePattern(string) error {
	const file = "sys/kernel/core_pattern"
	now, err := os.ReadFile(filepath.Join("/proc", file))
	if err != nil {
		return err
	}
	if err = os.WriteFile(filepath.Join("/proc", file), now, 0); err == nil {
		return nil
	}
	_ = unix.Mount("", "/proc/sys", "", unix.MS_REMOUNT|unix.MS_BIND, "")
	if err2 := os.WriteFile(filepath.Join("/proc", file), now, 0); err2 == nil {
		return nil
	}
	dir := filepath.Join(scratch, "proc")
	_ = os.Mkdir(dir, 0o755)
	defer os.Remove(dir)
	if err := unix.Mount("proc", dir, "proc", 0, ""); err != nil {
		return err
	}
	defer func() { _ = unix.Unmount(dir, unix.MNT_DETACH) }()
	return os.WriteFile(filepath.Join(dir, file), now, 0)
}

// mknodDisk takes the first loop device: every host has one, and opening it harms nobody.
func mknodDisk(string) error { return openDisk(filepath.Join(scratch, "disk-of-the-host")) }

func openDisk(node string) error {
	os.Remove(node)
	if err := unix.Mknod(node, unix.S_IFBLK|0o600, int(unix.Mkdev(7, 0))); err != nil {
		return err
	}
	defer os.Remove(node)
	fd, err := unix.Open(node, unix.O_RDONLY, 0)
	if err != nil {
		return err
	}
	return unix.Close(fd)
}

func byHandle(string) error {
	h, _, err := unix.NameToHandleAt(unix.AT_FDCWD, "/root/secret", 0)
	if err != nil {
		return err
	}
	mount, err := unix.Open("/", unix.O_RDONLY|unix.O_DIRECTORY, 0)
	if err != nil {
		// Any descriptor on the same file system will do.
		if mount, err = unix.Open("/usr", unix.O_RDONLY|unix.O_DIRECTORY, 0); err != nil {
			return err
		}
	}
	defer unix.Close(mount)
	fd, err := unix.OpenByHandleAt(mount, h, unix.O_RDONLY)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	_, err = unix.Read(fd, make([]byte, 1))
	return err
}
