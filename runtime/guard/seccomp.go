package guard

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"klw/internal/layout"
)

// DialSeccomp connects to the guard's socket for listeners of klw's seccomp filter.
func DialSeccomp(dir layout.Dir) (*os.File, error) {
	path := dir.Seccomp()
	// An address holds 107 characters; a folder may be deeper than that.
	folder, err := unix.Open(filepath.Dir(path), unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("guard's socket: %w", err)
	}
	defer unix.Close(folder)
	address := fmt.Sprintf("/proc/self/fd/%d/%s", folder, filepath.Base(path))
	var connectErr error
	for _, kind := range []int{unix.SOCK_SEQPACKET, unix.SOCK_STREAM} {
		fd, err := unix.Socket(unix.AF_UNIX, kind|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			return nil, fmt.Errorf("guard's socket: %w", err)
		}
		if connectErr = unix.Connect(fd, &unix.SockaddrUnix{Name: address}); connectErr == nil {
			return os.NewFile(uintptr(fd), path), nil
		}
		unix.Close(fd)
	}
	if errors.Is(connectErr, unix.ECONNREFUSED) || errors.Is(connectErr, unix.ENOENT) {
		// Without the kernel's words, which an engine takes for a missing program.
		return nil, errors.New("the container's guard has ended: nothing is executed without it")
	}
	return nil, fmt.Errorf("connect to the guard at %s: %w", path, connectErr)
}
