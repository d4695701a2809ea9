package launch

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"klw/internal/program"
)

const binaryName = "klw-init"

// findBinary gives the path of klw-init.
func findBinary(given string) (string, error) {
	if given != "" {
		return given, nil
	}
	return program.Find(binaryName)
}

// openBinary gives a descriptor to execute klw-init from that nobody can write through, whatever finds its way to
// /proc/PID/exe (CVE-2019-5736): on a detached read-only mount, or else of a sealed copy.
func openBinary(path string) (int, error) {
	fd, err := unix.OpenTree(unix.AT_FDCWD, path, unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC)
	if err == nil {
		attr := &unix.MountAttr{Attr_set: unix.MOUNT_ATTR_RDONLY, Propagation: unix.MS_PRIVATE}
		if err = unix.MountSetattr(fd, "", unix.AT_EMPTY_PATH, attr); err == nil {
			return fd, nil
		}
		unix.Close(fd)
	}
	fd, copyErr := sealedCopy(path)
	if copyErr != nil {
		return -1, fmt.Errorf("making %s safe to execute: %w", path, errors.Join(err, copyErr))
	}
	return fd, nil
}

func sealedCopy(path string) (int, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return -1, err
	}
	fd, err := sealedMemfd(binaryName, b, unix.MFD_EXEC)
	if errors.Is(err, unix.EINVAL) { // a kernel without MFD_EXEC
		fd, err = sealedMemfd(binaryName, b, 0)
	}
	return fd, err
}

// sealedMemfd gives a memfd with that content which can't be changed any more, at its start.
func sealedMemfd(name string, content []byte, flags int) (int, error) {
	fd, err := unix.MemfdCreate(name, flags|unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING)
	if err != nil {
		return -1, fmt.Errorf("making a memfd: %w", err)
	}
	for off := 0; off < len(content); {
		n, err := unix.Pwrite(fd, content[off:], int64(off))
		if err != nil {
			unix.Close(fd)
			return -1, fmt.Errorf("writing a memfd: %w", err)
		}
		off += n
	}
	const seals = unix.F_SEAL_SEAL | unix.F_SEAL_SHRINK | unix.F_SEAL_GROW | unix.F_SEAL_WRITE
	if _, err := unix.FcntlInt(uintptr(fd), unix.F_ADD_SEALS, seals); err != nil {
		unix.Close(fd)
		return -1, fmt.Errorf("sealing a memfd: %w", err)
	}
	return fd, nil
}
