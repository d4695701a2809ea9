package view

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"golang.org/x/sys/unix"

	"klw/hooks"
)

// nod is a module that lets everything pass.
type nod struct{}

func (nod) Info() hooks.Info {
	return hooks.Info{Name: "nod", Monitors: hooks.Ops(hooks.Operations()...)}
}
func (nod) Pre(c *hooks.Call) hooks.Verdict {
	if c.File != nil {
		c.File.Paths()
	}
	return hooks.Allow
}

// marker is a module that wants to be asked about the data of every file.
type marker struct{ nod }

func (marker) Pre(c *hooks.Call) hooks.Verdict {
	c.Revocable = true
	return nod{}.Pre(c)
}

// BenchmarkOperations compares a folder with views of it.
func BenchmarkOperations(b *testing.B) {
	for _, k := range []struct {
		name string
		o    *Options
		mods []hooks.Module
	}{
		{"native", nil, nil},
		{"passthrough", &Options{}, nil},
		{"monitored", &Options{}, []hooks.Module{nod{}}},
		{"revocable", &Options{}, []hooks.Module{marker{}}},
		{"cached", &Options{Cached: true}, nil},
		{"ordered", &Options{Cached: true, Ordered: true}, []hooks.Module{nod{}}},
	} {
		b.Run(k.name, func(b *testing.B) {
			dir := b.TempDir()
			if k.o != nil {
				o := *k.o
				o.Source = dir
				dir = attach(b, newServer(b, k.mods...), o).point
			}
			operations(b, dir)
		})
	}
}

func operations(b *testing.B, dir string) {
	file := filepath.Join(dir, "file")
	must(b, os.WriteFile(file, make([]byte, 1<<20), 0o644))
	buf := make([]byte, 4096)
	for _, op := range []struct {
		name string
		do   func(i int)
	}{
		{"open-read-close", func(int) {
			fd, _ := unix.Open(file, unix.O_RDONLY|unix.O_CLOEXEC, 0)
			unix.Read(fd, buf[:1024])
			unix.Close(fd)
		}},
		{"create-unlink", func(i int) {
			name := fmt.Sprint(dir, "/new", i)
			fd, _ := unix.Open(name, unix.O_CREAT|unix.O_RDWR|unix.O_CLOEXEC, 0o600)
			unix.Close(fd)
			unix.Unlink(name)
		}},
		{"chmod", func(i int) { unix.Chmod(file, uint32(0o600+i%2)) }},
	} {
		b.Run(op.name, func(b *testing.B) {
			for i := range b.N {
				op.do(i)
			}
		})
	}
	fd, err := unix.Open(file, unix.O_RDWR|unix.O_CLOEXEC, 0)
	must(b, err)
	defer unix.Close(fd)
	b.Run("pread-4k", func(b *testing.B) {
		for i := range b.N {
			unix.Pread(fd, buf, int64(i%256)*4096)
		}
	})
	b.Run("pwrite-4k", func(b *testing.B) {
		for i := range b.N {
			unix.Pwrite(fd, buf, int64(i%256)*4096)
		}
	})
}

// BenchmarkInode tells how many bytes of memory a known object costs.
func BenchmarkInode(b *testing.B) {
	m := attach(b, newServer(b), Options{})
	for i := range b.N {
		must(b, unix.Mknod(fmt.Sprint(m.back, "/", i), unix.S_IFREG|0o600, 0))
	}
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	b.ResetTimer()
	for i := range b.N {
		unix.Stat(fmt.Sprint(m.point, "/", i), &unix.Stat_t{})
	}
	b.StopTimer()
	runtime.GC()
	runtime.ReadMemStats(&after)
	b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/float64(b.N), "B/inode")
}
