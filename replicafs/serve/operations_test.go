package serve_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"klw/replicafs/ops"
)

// furnish makes one of everything.
func furnish(t *testing.T) func(src string) {
	return func(src string) {
		must(t, os.MkdirAll(src+"/dir/sub", 0o750))
		must(t, os.WriteFile(src+"/file", []byte("hello"), 0o640))
		must(t, os.WriteFile(src+"/dir/big", make([]byte, 3<<20), 0o600))
		must(t, os.Link(src+"/file", src+"/dir/hard"))
		must(t, os.Symlink("../file", src+"/dir/link"))
		must(t, os.Symlink("/nowhere", src+"/dangling"))
		must(t, unix.Mkfifo(src+"/fifo", 0o622))
		must(t, unix.Mknod(src+"/null", unix.S_IFCHR|0o666, int(unix.Mkdev(1, 3))))
		must(t, unix.Chown(src+"/dir/sub", 1000, 1001))
		must(t, os.Chmod(src+"/dir/sub", 0o2775))
		must(t, unix.Setxattr(src+"/file", "user.colour", []byte("blue"), 0))
		must(t, unix.Setxattr(src+"/dir", "trusted.t", []byte{0, 1}, 0))
		run(t, "setfacl", "-m", "u:1000:rwx,d:g:1001:rx", src+"/dir/sub")
		f, err := os.Create(src + "/sparse")
		must(t, err)
		_, err = f.WriteAt([]byte("end"), 8<<20)
		must(t, err)
		must(t, f.Close())
		old := time.Unix(1e9, 123456789)
		must(t, os.Chtimes(src+"/file", old, old))
		must(t, os.Chtimes(src+"/dir", old, old))
	}
}

func run(t *testing.T, name string, args ...string) {
	t.Helper()
	if out, err := exec.Command(name, args...).CombinedOutput(); err != nil {
		t.Fatalf("%s %v: %v\n%s", name, args, err, out)
	}
}

func TestFirstCopy(t *testing.T) {
	p := replicate(t, furnish(t))
	p.settle()
	p.same()
	var a, b unix.Stat_t
	must(t, unix.Stat(p.src+"/sparse", &a))
	must(t, unix.Stat(p.dst+"/sparse", &b))
	if b.Blocks > a.Blocks+64 {
		t.Errorf("the sparse file takes %d blocks in the replica, %d in the source", b.Blocks, a.Blocks)
	}
	rep, err := ops.Verify(context.Background(), p.root, p.src)
	must(t, err)
	if !rep.Equal() || rep.Objects != 11 || rep.Bytes < 3<<20 {
		t.Errorf("verify: %+v", rep)
	}
	p.stop()
	if st := p.status(); st.State != "stopped" {
		t.Errorf("after the end: %+v", st)
	}
	p.same()
}

// TestEachOperation does one operation after the other and compares after each.
func TestEachOperation(t *testing.T) {
	p := replicate(t, furnish(t))
	p.settle()
	in := func(name string) string { return filepath.Join(p.mnt, name) }
	for _, c := range []struct {
		name string
		do   func() error
	}{
		{"create", func() error { return os.WriteFile(in("new"), nil, 0o604) }},
		{"write", func() error { return os.WriteFile(in("new"), []byte("some text"), 0) }},
		{"write in the middle", func() error { return pwrite(in("new"), "XY", 5, 0) }},
		{"write behind the end", func() error { return pwrite(in("new"), "Z", 9000, 0) }},
		{"append", func() error { return pwrite(in("new"), "tail", 0, unix.O_APPEND) }},
		{"large write", func() error { return os.WriteFile(in("large"), make([]byte, 5<<20+17), 0o600) }},
		{"synchronous write", func() error { return pwrite(in("new"), "sync", 1, unix.O_SYNC) }},
		{"truncate down", func() error { return os.Truncate(in("new"), 6) }},
		{"truncate up", func() error { return os.Truncate(in("new"), 70000) }},
		{"open with O_TRUNC", func() error { return os.WriteFile(in("large"), []byte("small"), 0) }},
		{"mkdir", func() error { return os.Mkdir(in("d"), 0o1777) }},
		{"mkdir with default acl", func() error { return os.Mkdir(in("dir/sub/inherits"), 0o777) }},
		{"create with default acl", func() error { return os.WriteFile(in("dir/sub/inherits/f"), []byte("x"), 0o666) }},
		{"symlink", func() error { return os.Symlink("target", in("d/s")) }},
		{"mknod fifo", func() error { return unix.Mkfifo(in("d/fifo"), 0o640) }},
		{"mknod socket", func() error { return unix.Mknod(in("d/sock"), unix.S_IFSOCK|0o600, 0) }},
		{"mknod file", func() error { return unix.Mknod(in("d/reg"), unix.S_IFREG|0o600, 0) }},
		{"link", func() error { return os.Link(in("new"), in("d/linked")) }},
		{"link a symlink", func() error { return os.Link(in("d/s"), in("d/s2")) }},
		{"write through the other name", func() error { return pwrite(in("d/linked"), "both", 0, 0) }},
		{"rename", func() error { return os.Rename(in("new"), in("moved")) }},
		{"rename to another folder", func() error { return os.Rename(in("moved"), in("d/moved")) }},
		{"rename over", func() error { return os.Rename(in("large"), in("d/reg")) }},
		{"rename between two names of one file", func() error { return os.Rename(in("d/moved"), in("d/linked")) }},
		{"rename a folder", func() error { return os.Rename(in("d"), in("dir/e")) }},
		{"rename a folder over an empty one", func() error {
			if err := os.Mkdir(in("empty"), 0o700); err != nil {
				return err
			}
			return unix.Rename(in("dir/e"), in("empty"))
		}},
		{"rename without replacing", func() error {
			return unix.Renameat2(unix.AT_FDCWD, in("empty"), unix.AT_FDCWD, in("d"), unix.RENAME_NOREPLACE)
		}},
		{"exchange files", func() error { return exchange(in("file"), in("d/linked")) }},
		{"exchange a file and a folder", func() error { return exchange(in("file"), in("d")) }},
		{"exchange back", func() error { return exchange(in("file"), in("d")) }},
		{"unlink one of two names", func() error { return os.Remove(in("d/moved")) }},
		{"unlink", func() error { return os.Remove(in("d/fifo")) }},
		{"unlink a symlink", func() error { return os.Remove(in("d/s")) }},
		{"chmod", func() error { return os.Chmod(in("file"), 0o4755) }},
		{"write takes set-id away", func() error { return asUser(1000, "sh", "-c", "chmod 4777 "+in("u")+"; echo more >>"+in("u")) }},
		{"chmod a folder", func() error { return unix.Chmod(in("d"), 0o2750) }},
		{"chown", func() error { return os.Chown(in("file"), 33, 34) }},
		{"lchown", func() error { return os.Lchown(in("dangling"), 33, 34) }},
		{"utimes", func() error { return os.Chtimes(in("file"), time.Unix(5, 6), time.Unix(7, 8)) }},
		{"utimes of a symlink", func() error {
			return unix.UtimesNanoAt(unix.AT_FDCWD, in("dangling"), []unix.Timespec{{Sec: 9}, {Sec: 10, Nsec: 11}}, unix.AT_SYMLINK_NOFOLLOW)
		}},
		{"setxattr", func() error { return unix.Setxattr(in("file"), "user.a", []byte("1"), 0) }},
		{"setxattr of a folder", func() error { return unix.Setxattr(in("d"), "user.b", nil, 0) }},
		{"setfacl", func() error { return exec.Command("setfacl", "-m", "u:7:rw", in("file")).Run() }},
		{"chmod with acl", func() error { return os.Chmod(in("file"), 0o640) }},
		{"removexattr", func() error { return unix.Removexattr(in("file"), "user.a") }},
		{"setfacl -b", func() error { return exec.Command("setfacl", "-b", in("file")).Run() }},
		{"fallocate", func() error { return fallocate(in("file"), 0, 0, 100000) }},
		{"fallocate without growing", func() error { return fallocate(in("file"), unix.FALLOC_FL_KEEP_SIZE, 100000, 4096) }},
		{"punch a hole", func() error {
			return fallocate(in("dir/big"), unix.FALLOC_FL_PUNCH_HOLE|unix.FALLOC_FL_KEEP_SIZE, 4096, 8192)
		}},
		{"zero a range", func() error { return fallocate(in("file"), unix.FALLOC_FL_ZERO_RANGE, 1, 3) }},
		{"copy_file_range", func() error { return copyRange(in("dir/big"), in("copy"), 2<<20+5) }},
		{"cp --reflink=auto", func() error { return exec.Command("cp", "-a", in("dir"), in("dir2")).Run() }},
		{"tmpfile, then link", func() error { return tmpfile(in("."), in("named")) }},
		{"mmap", func() error { return mapped(in("mapped")) }},
		{"rmdir", func() error { return os.Remove(in("dir/sub/inherits/f")) }},
		{"rm -rf", func() error { return os.RemoveAll(in("dir2")) }},
		{"name of 255 bytes", func() error { return os.WriteFile(in(strings.Repeat("ü", 127)+"x"), []byte("y"), 0o600) }},
		{"name that is no UTF-8", func() error { return os.WriteFile(in("\xff\n\t"), []byte("y"), 0o600) }},
		{"a symlink to an absolute path", func() error { return os.Symlink("/etc/passwd", in("abs")) }},
	} {
		if c.name == "write takes set-id away" {
			must(t, os.WriteFile(in("u"), []byte("u"), 0o777))
			must(t, os.Chown(in("u"), 1000, 1000))
		}
		if err := c.do(); err != nil {
			t.Fatalf("%s: %v\n%s", c.name, err, p.log())
		}
		p.settle()
		if p.same(); t.Failed() {
			t.Fatalf("after %s", c.name)
		}
	}
	for name, do := range map[string]func() error{
		"create": func() error { _, err := os.OpenFile(in("file"), os.O_CREATE|os.O_EXCL, 0); return err },
		"mkdir":  func() error { return os.Mkdir(in("d"), 0) },
		"rmdir":  func() error { return os.Remove(in("dir")) },
		"rename": func() error { return os.Rename(in("file"), in("d")) },
	} {
		before := p.status().Sequence
		if do() == nil {
			t.Errorf("%s should have failed", name)
		}
		if after := p.status().Sequence; after != before {
			t.Errorf("a failed %s left %d records", name, after-before)
		}
	}
}

func pwrite(path, text string, off int64, flags int) error {
	f, err := os.OpenFile(path, os.O_WRONLY|flags, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	if flags&unix.O_APPEND != 0 {
		_, err = f.WriteString(text)
	} else {
		_, err = f.WriteAt([]byte(text), off)
	}
	return err
}

func exchange(a, b string) error {
	return unix.Renameat2(unix.AT_FDCWD, a, unix.AT_FDCWD, b, unix.RENAME_EXCHANGE)
}

func asUser(uid int, args ...string) error {
	out, err := exec.Command("setpriv", append([]string{"--reuid", fmt.Sprint(uid), "--regid", fmt.Sprint(uid), "--clear-groups"}, args...)...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%w: %s", err, out)
	}
	return nil
}

func fallocate(path string, mode uint32, off, n int64) error {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	return unix.Fallocate(int(f.Fd()), mode, off, n)
}

func copyRange(from, to string, n int) error {
	a, err := os.Open(from)
	if err != nil {
		return err
	}
	defer a.Close()
	b, err := os.Create(to)
	if err != nil {
		return err
	}
	defer b.Close()
	for n > 0 {
		got, err := unix.CopyFileRange(int(a.Fd()), nil, int(b.Fd()), nil, n, 0)
		if err != nil || got == 0 {
			return err
		}
		n -= got
	}
	return nil
}

func tmpfile(dir, name string) error {
	fd, err := unix.Open(dir, unix.O_TMPFILE|unix.O_RDWR, 0o640)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	if _, err := unix.Write(fd, []byte("was nameless")); err != nil {
		return err
	}
	return unix.Linkat(unix.AT_FDCWD, fmt.Sprintf("/proc/self/fd/%d", fd), unix.AT_FDCWD, name, unix.AT_SYMLINK_FOLLOW)
}

func mapped(path string) error {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := f.Truncate(3 * 4096); err != nil {
		return err
	}
	m, err := unix.Mmap(int(f.Fd()), 0, 3*4096, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return err
	}
	copy(m[5000:], "stored, not written")
	if err := unix.Msync(m, unix.MS_SYNC); err != nil {
		return err
	}
	copy(m[10:], "stored, and only unmapped")
	return unix.Munmap(m)
}

func TestUnlinkedButOpen(t *testing.T) {
	p := replicate(t, furnish(t))
	f, err := os.OpenFile(p.mnt+"/file", os.O_RDWR, 0)
	must(t, err)
	must(t, os.Remove(p.mnt+"/file"))
	must(t, os.Remove(p.mnt+"/dir/hard"))
	_, err = f.WriteString("still there")
	must(t, err)
	must(t, f.Chmod(0o600))
	g, err := os.OpenFile(p.mnt+"/dir/big", os.O_RDWR, 0)
	must(t, err)
	must(t, os.WriteFile(p.mnt+"/over", []byte("new"), 0o600))
	must(t, os.Rename(p.mnt+"/over", p.mnt+"/dir/big"))
	_, err = g.WriteString("old one")
	must(t, err)
	p.settle()
	p.same()
	limbo := p.dst + "/.klw-replica/limbo"
	if left, _ := os.ReadDir(limbo); len(left) != 2 {
		t.Errorf("%d objects in limbo while 2 are open without a name", len(left))
	}
	must(t, f.Close())
	must(t, g.Close())
	for late := time.Now().Add(5 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		left, _ := os.ReadDir(limbo)
		if len(left) == 0 {
			break
		}
		if time.Now().After(late) {
			t.Fatalf("%d objects stay in limbo", len(left))
		}
	}
	p.same()
}

func TestAppendersShareAFile(t *testing.T) {
	p := replicate(t, nil)
	must(t, os.WriteFile(p.mnt+"/log", nil, 0o600))
	var all sync.WaitGroup
	for i := range 4 {
		all.Go(func() {
			f, err := os.OpenFile(p.mnt+"/log", os.O_APPEND|os.O_WRONLY, 0)
			if err != nil {
				t.Error(err)
				return
			}
			defer f.Close()
			for n := range 200 {
				fmt.Fprintf(f, "writer %d line %d\n", i, n)
			}
		})
	}
	all.Wait()
	p.settle()
	p.same()
	b, err := os.ReadFile(p.dst + "/log")
	must(t, err)
	if n := strings.Count(string(b), "\n"); n != 800 {
		t.Errorf("%d lines", n)
	}
}

// TestEverybodySharesTheMount: what the host edits, and what another mount of it edits, is replicated alike.
func TestEverybodySharesTheMount(t *testing.T) {
	p := replicate(t, furnish(t))
	other := p.base + "/other"
	must(t, os.Mkdir(other, 0o755))
	must(t, unix.Mount(p.mnt, other, "", unix.MS_BIND, ""))
	defer unix.Unmount(other, unix.MNT_DETACH)
	must(t, os.WriteFile(other+"/theirs", []byte("x"), 0o644))
	must(t, os.WriteFile(p.mnt+"/ours", []byte("y"), 0o644))
	must(t, os.Rename(other+"/ours", other+"/dir/ours"))
	must(t, pwrite(p.mnt+"/theirs", "both", 1, 0))
	p.settle()
	p.same()
	if st := p.status(); st.Resyncs != 0 {
		t.Errorf("%d comparisons: nothing was changed past the mount", st.Resyncs)
	}
	must(t, unix.Unmount(other, 0))
}
