package seccomp

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// Hand sends a listener over a connected UNIX stream socket: one byte, and the descriptor with it. The sender keeps its
// own copy until it closes it or executes something. (The receiving end is hooks/seal, which may link more than the
// programs that load filters.)
func Hand(socket int, listener *os.File) error {
	if err := unix.Sendmsg(socket, []byte{0}, unix.UnixRights(int(listener.Fd())), nil, unix.MSG_NOSIGNAL); err != nil {
		return fmt.Errorf("hand over seccomp listener: %w", err)
	}
	return nil
}
