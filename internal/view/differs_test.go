package view

import (
	"os"
	"testing"

	"golang.org/x/sys/unix"
)

// TestDiffers holds docs/file-operations.md to its word about what views don't do.
func TestDiffers(t *testing.T) {
	m := attach(t, newServer(t), Options{})
	put(t, m.path("f"), "text")
	f, err := os.OpenFile(m.path("f"), os.O_RDWR, 0)
	must(t, err)
	defer f.Close()
	g, err := os.Create(m.path("g"))
	must(t, err)
	defer g.Close()
	for _, mode := range []uint32{unix.FALLOC_FL_COLLAPSE_RANGE, unix.FALLOC_FL_INSERT_RANGE} {
		wantErrno(t, "fallocate", unix.Fallocate(int(f.Fd()), mode, 0, 4096), unix.EOPNOTSUPP)
	}
	if err := unix.IoctlFileClone(int(g.Fd()), int(f.Fd())); err != unix.EOPNOTSUPP && err != unix.ENOTTY {
		t.Errorf("FICLONE: %v", err)
	}
	wantErrno(t, "set flags", unix.IoctlSetPointerInt(int(f.Fd()), unix.FS_IOC_SETFLAGS, 0), unix.ENOTTY)
	wantErrno(t, "device", unix.Mknod(m.path("dev"), unix.S_IFCHR|0o600, 0), unix.EPERM)
	err = unix.Renameat2(unix.AT_FDCWD, m.path("f"), unix.AT_FDCWD, m.path("h"), unix.RENAME_WHITEOUT)
	wantErrno(t, "whiteout", err, unix.EINVAL)
	var st unix.Statx_t
	must(t, unix.Statx(unix.AT_FDCWD, m.path("f"), 0, unix.STATX_BASIC_STATS|unix.STATX_BTIME, &st))
	want(t, "birth time", st.Mask&unix.STATX_BTIME, 0)
}
