package main

import (
	"os"
	"path/filepath"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Calls that reach the kernel or other namespaces past every file. They look and change nothing.
func kernelAttempts() {
	add("setns-mount", "enter a mount namespace by its descriptor", func(string) error {
		return child(0, enterMounts())
	})
	add("pivot-root", "put another root under the container", func(string) error {
		dir := filepath.Join(scratch, "root")
		_ = os.Mkdir(dir, 0o755)
		defer os.Remove(dir)
		if err := unix.Unshare(unix.CLONE_NEWNS); err == nil { // this thread's, so that nobody else loses his root
			_ = unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, "")
			_ = unix.Mount("none", dir, "tmpfs", 0, "")
		}
		return unix.PivotRoot(dir, dir)
	})
	add("fanotify", "get descriptors of the files that others open", func(string) error {
		fd, err := unix.FanotifyInit(unix.FAN_CLASS_NOTIF, unix.O_RDONLY)
		if err != nil {
			return err
		}
		return unix.Close(fd)
	})
	add("userfaultfd", "stop the kernel in the middle of reading memory", func(string) error {
		return opens(unix.Syscall(unix.SYS_USERFAULTFD, 0, 0, 0))
	})
	add("perf-event", "watch the kernel", func(string) error {
		attr := unix.PerfEventAttr{Type: unix.PERF_TYPE_SOFTWARE, Config: unix.PERF_COUNT_SW_CPU_CLOCK, Size: unix.PERF_ATTR_SIZE_VER0}
		fd, err := unix.PerfEventOpen(&attr, 0, -1, -1, 0)
		if err != nil {
			return err
		}
		return unix.Close(fd)
	})
	add("kernel-log", "ask for the kernel's log", func(string) error {
		const sizeBuffer = 10 // SYSLOG_ACTION_SIZE_BUFFER
		if _, err := unix.Klogctl(sizeBuffer, nil); err != nil {
			return err
		}
		return nil
	})
}

// enterMounts enters the mount namespace that the caller is in already: what matters is whether anybody may.
func enterMounts() func() unix.Errno {
	fd, err := unix.Open("/proc/1/ns/mnt", unix.O_RDONLY, 0)
	return func() unix.Errno {
		if err != nil {
			fd = -1
		}
		_, _, errno := unix.RawSyscall(unix.SYS_SETNS, uintptr(fd), unix.CLONE_NEWNS, 0)
		return errno
	}
}

// opens is the result of a call that gives a descriptor.
func opens(fd, _ uintptr, errno unix.Errno) error {
	if errno != 0 {
		return errno
	}
	return unix.Close(int(fd))
}

// execAt executes what a descriptor is of, in a child.
func execAt(fd int) error {
	empty, list := [1]byte{}, []byte("list\x00")
	argv := []*byte{&list[0], &list[0], nil}
	return child(0, func() unix.Errno {
		_, _, errno := unix.RawSyscall6(unix.SYS_EXECVEAT, uintptr(fd), uintptr(unsafe.Pointer(&empty[0])),
			uintptr(unsafe.Pointer(&argv[0])), 0, unix.AT_EMPTY_PATH, 0)
		return errno
	})
}
