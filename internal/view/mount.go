package view

import (
	"fmt"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// detachedMount makes a FUSE mount that is nowhere in the tree yet. The kernel has INIT ready on dev.
func detachedMount(o Options, src *source, maxRead int) (dev, mount int, err error) {
	dev, err = unix.Open("/dev/fuse", unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1, -1, fmt.Errorf("open /dev/fuse: %w", err)
	}
	mount, err = newMount(dev, o, src, maxRead)
	if err != nil {
		unix.Close(dev)
		return -1, -1, err
	}
	return dev, mount, nil
}

func newMount(dev int, o Options, src *source, maxRead int) (int, error) {
	fs, err := unix.Fsopen("fuse", unix.FSOPEN_CLOEXEC)
	if err != nil {
		return -1, fmt.Errorf("fsopen fuse: %w", err)
	}
	defer unix.Close(fs)
	for _, p := range [][2]string{
		{"source", o.Name},
		{"subtype", "klw"},
		{"fd", strconv.Itoa(dev)},
		{"rootmode", strconv.FormatUint(uint64(src.mode&unix.S_IFMT), 8)},
		{"user_id", strconv.Itoa(os.Geteuid())},
		{"group_id", strconv.Itoa(os.Getegid())},
		{"max_read", strconv.Itoa(maxRead)},
	} {
		if err := unix.FsconfigSetString(fs, p[0], p[1]); err != nil {
			return -1, fmt.Errorf("fuse option %s=%s: %w", p[0], p[1], err)
		}
	}
	flags := []string{"allow_other", "default_permissions"}
	if o.ReadOnly {
		flags = append(flags, "ro")
	}
	for _, f := range flags {
		if err := unix.FsconfigSetFlag(fs, f); err != nil {
			return -1, fmt.Errorf("fuse option %s: %w", f, err)
		}
	}
	if err := unix.FsconfigCreate(fs); err != nil {
		return -1, fmt.Errorf("create a FUSE super block: %w", err)
	}
	m, err := unix.Fsmount(fs, unix.FSMOUNT_CLOEXEC, src.attrs)
	if err != nil {
		return -1, fmt.Errorf("fsmount: %w", err)
	}
	return m, nil
}

// abortFile opens the file by which the mount's connection can be ended.
func abortFile(mount int) (int, error) {
	number, err := connection(mount)
	if err != nil {
		return -1, err
	}
	return openAbort(number)
}

// connection is the number under which fusectl knows the mount. It asks the kernel only, never the server.
func connection(mount int) (uint32, error) {
	var st unix.Statx_t
	err := unix.Statx(mount, "", unix.AT_EMPTY_PATH|unix.AT_STATX_DONT_SYNC, 0, &st)
	if err != nil {
		return 0, fmt.Errorf("find the connection's number: %w", err)
	}
	return st.Dev_major<<20 | st.Dev_minor, nil
}

// openAbort opens the file by which a FUSE connection can be ended, through a fusectl mount that nobody else sees. The
// descriptor stays with this connection: the number is another's when this one has ended.
func openAbort(number uint32) (int, error) {
	fs, err := unix.Fsopen("fusectl", unix.FSOPEN_CLOEXEC)
	if err != nil {
		return -1, fmt.Errorf("fsopen fusectl: %w", err)
	}
	defer unix.Close(fs)
	if err := unix.FsconfigCreate(fs); err != nil {
		return -1, fmt.Errorf("fusectl: %w", err)
	}
	m, err := unix.Fsmount(fs, unix.FSMOUNT_CLOEXEC, 0)
	if err != nil {
		return -1, fmt.Errorf("fsmount fusectl: %w", err)
	}
	defer unix.Close(m)
	fd, err := openat(m, fmt.Sprintf("%d/abort", number), unix.O_WRONLY)
	if err != nil {
		return -1, fmt.Errorf("open the abort file of connection %d: %w", number, err)
	}
	return fd, nil
}
