package view

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"testing"

	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"
)

// mostPerObject is how much memory the server may need for a known object, with its name: see BenchmarkInode.
const mostPerObject = 1 << 10

// TestSoakSizes lists a directory of 50,000 names, a million under KLW_SOAK: each name comes once, in one pass, in a
// pass of small steps and from any position on, whether the server or the kernel's memory gives it; and what the server
// needs for it, in descriptors and memory, has its bounds.
func TestSoakSizes(t *testing.T) {
	names, kept := 50_000, 50_000
	if os.Getenv("KLW_SOAK") != "" {
		names = 1_000_000
	}
	m := attach(t, newServer(t), Options{Source: roomy(t)})
	all := make([]string, names)
	for i := range all {
		all[i] = fmt.Sprintf("name-%07d", i)
		must(t, unix.Mknod(filepath.Join(m.back, all[i]), unix.S_IFREG|0o644, 0))
	}
	for _, step := range []int{64 << 10, 4 << 10, 512, 64 << 10} {
		got := listed(t, m.point, step)
		sameNames(t, fmt.Sprintf("steps of %d bytes", step), got.names, all)
		got.again(t, m.point, step)
	}

	held, memory, fds := newKeeper(t), heap(), openFDs(t)
	for i, name := range all {
		if i < kept {
			held.keep(t, m.path(name))
			continue
		}
		must(t, unix.Lstat(m.path(name), &unix.Stat_t{}))
	}
	if n := openFDs(t) - fds; n > pathFDs+50 {
		t.Errorf("%d descriptors after %d look-ups", n, names)
	}
	known := m.srv.Inodes()
	if known < kept {
		t.Errorf("%d objects known, want %d at least", known, kept)
	}
	need := heap() - memory
	t.Logf("%d names, %d objects known, %d bytes of memory for each", names, known, need/known)
	if need > mostPerObject*names {
		t.Errorf("%d bytes of memory for %d objects, at most %d for each are right", need, names, mostPerObject)
	}
}

// heap tells how much memory is in use.
func heap() int {
	var s runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&s)
	return int(s.HeapAlloc)
}

// pass is what one pass through a directory gave, and where each name was followed by the next.
type pass struct {
	names []string
	next  []uint64
}

// listed goes through a directory with getdents, so many bytes at a time.
func listed(t *testing.T, dir string, step int) (p pass) {
	t.Helper()
	fd, err := openat(unix.AT_FDCWD, dir, unix.O_RDONLY|unix.O_DIRECTORY)
	must(t, err)
	defer unix.Close(fd)
	for buf := make([]byte, step); p.read(t, fd, buf); {
	}
	return p
}

// read adds what the next getdents gives.
func (p *pass) read(t *testing.T, fd int, buf []byte) bool {
	t.Helper()
	n, err := unix.Getdents(fd, buf)
	must(t, err)
	for rest := buf[:n]; len(rest) > 0; {
		var e fuse.DirEntry
		rest = rest[e.Parse(rest):]
		if e.Name != "." && e.Name != ".." {
			p.names, p.next = append(p.names, e.Name), append(p.next, e.Off)
		}
	}
	return n > 0
}

// again seeks to places in a pass (telldir, seekdir) and wants what followed there.
func (p *pass) again(t *testing.T, dir string, step int) {
	t.Helper()
	fd, err := openat(unix.AT_FDCWD, dir, unix.O_RDONLY|unix.O_DIRECTORY)
	must(t, err)
	defer unix.Close(fd)
	for _, at := range []int{len(p.names) / 2, 0, len(p.names) - 2, len(p.names) / 3} {
		_, err := unix.Seek(fd, int64(p.next[at]), unix.SEEK_SET)
		must(t, err)
		var got pass
		got.read(t, fd, make([]byte, step))
		if len(got.names) == 0 || !slices.Equal(got.names, p.names[at+1:min(len(p.names), at+1+len(got.names))]) {
			t.Errorf("steps of %d bytes: other names follow number %d than before", step, at)
		}
	}
}

func sameNames(t *testing.T, what string, got, all []string) {
	t.Helper()
	if got = sorted(got); !slices.Equal(got, all) {
		t.Errorf("%s: %d names, %d of them different, want %d", what, len(got), len(slices.Compact(slices.Clone(got))), len(all))
	}
}
