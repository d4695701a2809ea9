package conformance

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// TestReserve fills a file system up to what is reserved for root: nobody gets at it through a view who natively doesn't.
// Root does, unless the kernel passes the data through.
func TestReserve(t *testing.T) {
	for _, k := range sceneKinds {
		t.Run(k.name, func(t *testing.T) {
			image, base := filepath.Join(t.TempDir(), "image"), t.TempDir()
			check(t, os.WriteFile(image, nil, 0o600))
			check(t, os.Truncate(image, 16<<20))
			run(t, "mkfs.ext4", "-q", "-F", "-m", "30", image)
			run(t, "mount", "-o", "loop", image, base)
			t.Cleanup(func() { run(t, "umount", base) })
			p := newPair(t, "ext4", base, k.options)
			var st unix.Statfs_t
			check(t, unix.Statfs(base, &st))
			reserve := st.Bfree - st.Bavail
			for _, f := range []fill{{1, "write"}, {1, "map"}, {1, "allocate"}, {0, "write"}} {
				for _, dir := range []string{p.native, p.view} {
					check(t, os.Chmod(dir, 0o777))
					report := work(t, job{Root: dir, Fill: f})
					check(t, unix.Statfs(base, &st))
					const slack = 64 // blocks
					spent := st.Bfree+slack < reserve
					may := f.Who == 0 && (dir == p.native || !p.shown.Passthrough())
					if spent != may || reserve < 1000 {
						t.Errorf("%v in %s: %d free of %d reserved, %v", f, dir, st.Bfree, reserve, report.Results)
					}
					check(t, os.Remove(filepath.Join(dir, "fill")))
				}
			}
		})
	}
}

// fill is who fills a file system, and by what.
type fill struct {
	Who int
	By  string
}

// fill writes a file until it can't.
func (w *worker) fill(f fill) (results []string) {
	w.on(f.Who, func() {
		fd, err := unix.Open("fill", unix.O_RDWR|unix.O_CREAT|unix.O_CLOEXEC, 0o600)
		results = append(results, done(err))
		w.slots[0] = &open{fd, unix.S_IFREG}
		for i := int64(0); err == nil && i < 1000; i++ {
			err = w.grow(fd, f.By, i*65536)
		}
		results = append(results, done(err), done(unix.Fsync(fd)))
		unix.Close(fd)
	})
	return results
}

// grow adds 64 KiB to a file.
func (w *worker) grow(fd int, by string, at int64) error {
	const size = 65536
	switch by {
	case "write":
		return second(unix.Pwrite(fd, make([]byte, size), at))
	case "allocate":
		return unix.Fallocate(fd, 0, at, size)
	}
	if err := unix.Ftruncate(fd, at+size); err != nil {
		return err
	}
	s := step{Off: at, Len: size, Mode: unix.PROT_READ | unix.PROT_WRITE, Flags: unix.MAP_SHARED}
	result := w.mapped(s, func(mem []byte) string {
		for i := 0; i < size; i += 4096 {
			mem[i] = 1
		}
		return done(unix.Msync(mem, unix.MS_SYNC))
	})
	if result != "ok" {
		return errors.New(result)
	}
	return nil
}
