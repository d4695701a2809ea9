package fsguard

import (
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// TestSpecialFiles: the kernel opens FIFOs and connects to sockets without asking; mode and owner say what the rules
// say, to root too.
func TestSpecialFiles(t *testing.T) {
	g := serve(t, `@general
file /open read write
file /read read
@user root
file /mine read write
`, map[string]string{"proc/": "", "open/": "", "read/": "", "mine/": "", "none/": ""})
	for _, dir := range []string{"open", "read", "mine", "none"} {
		fifo, socket := filepath.Join(g.source, dir, "fifo"), filepath.Join(g.source, dir, "socket")
		check(t, unix.Mkfifo(fifo, 0))
		check(t, unix.Mknod(socket, unix.S_IFSOCK, 0))
		check(t, unix.Chmod(fifo, 0o666))
		check(t, unix.Chmod(socket, 0o666))
	}
	for _, uid := range []uint32{0, 33} {
		// rdwr, because opening a FIFO for one direction waits for the other. Nobody listens at the sockets.
		g.want(uid, `
			rdwr /open/fifo = ok
			connect /open/socket = ECONNREFUSED
			rdwr /read/fifo = EACCES
			connect /read/socket = EACCES
			rdwr /mine/fifo = EACCES
			connect /mine/socket = EACCES
			rdwr /none/fifo = EACCES
			connect /none/socket = EACCES
			mkfifo /open/new = ok
			rdwr /open/new = ok
			unlink /open/new = ok
		`)
	}
}
