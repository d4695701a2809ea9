package compare

import (
	"context"
	"os"
	"os/exec"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// twins makes a folder and an exact copy.
func twins(t *testing.T) (src, dst string) {
	t.Helper()
	base := t.TempDir()
	src, dst = base+"/src", base+"/dst"
	must(t, os.MkdirAll(src+"/dir/sub", 0o755))
	must(t, os.WriteFile(src+"/file", []byte("contents"), 0o644))
	must(t, os.WriteFile(src+"/dir/other", make([]byte, 300<<10), 0o644))
	must(t, os.Link(src+"/file", src+"/dir/hard"))
	must(t, os.Symlink("target", src+"/link"))
	must(t, unix.Mknod(src+"/device", unix.S_IFCHR|0o600, int(unix.Mkdev(1, 3))))
	must(t, unix.Setxattr(src+"/file", "user.a", []byte("1"), 0))
	if out, err := exec.Command("cp", "-a", src, dst).CombinedOutput(); err != nil {
		t.Fatalf("cp: %v %s", err, out)
	}
	must(t, os.Mkdir(dst+"/.klw-replica", 0o700))
	for _, dir := range []string{"", "/dir", "/dir/sub"} {
		at(t, src+dir, dst+dir)
	}
	return src, dst
}

// at gives things the same time.
func at(t *testing.T, paths ...string) {
	t.Helper()
	for _, p := range paths {
		must(t, os.Chtimes(p, time.Unix(1e9, 5), time.Unix(1e9, 5)))
	}
}

func differences(t *testing.T, src, dst string) (found []string) {
	t.Helper()
	fd, err := unix.Open(src, unix.O_RDONLY|unix.O_DIRECTORY, 0)
	must(t, err)
	defer unix.Close(fd)
	c := New(fd, dst)
	must(t, c.All(context.Background()))
	diffs, err := c.Again(context.Background())
	must(t, err)
	for _, d := range diffs {
		found = append(found, d.Path+" "+d.What)
	}
	slices.Sort(found)
	return slices.Compact(found)
}

func TestEqual(t *testing.T) {
	src, dst := twins(t)
	if d := differences(t, src, dst); d != nil {
		t.Errorf("equal trees differ: %q", d)
	}
}

// TestEachDifferenceIsFound changes one thing in the replica at a time.
func TestEachDifferenceIsFound(t *testing.T) {
	for _, c := range []struct {
		want   []string
		change func(dst string) error
	}{
		{[]string{"/dir/other content"}, func(dst string) error {
			f, err := os.OpenFile(dst+"/dir/other", os.O_RDWR, 0)
			if err != nil {
				return err
			}
			defer f.Close()
			info, _ := f.Stat()
			f.WriteAt([]byte{1}, 299<<10)
			return os.Chtimes(dst+"/dir/other", info.ModTime(), info.ModTime())
		}},
		{[]string{"/dir/other mtime", "/dir/other size"}, func(dst string) error { return os.Truncate(dst+"/dir/other", 7) }},
		{[]string{"/dir/sub mode"}, func(dst string) error { return os.Chmod(dst+"/dir/sub", 0o700) }},
		{[]string{"/link owner"}, func(dst string) error { return os.Lchown(dst+"/link", 5, 0) }},
		{[]string{"/ mtime"}, func(dst string) error { return os.Chtimes(dst, time.Unix(1, 0), time.Unix(1, 0)) }},
		{[]string{"/dir/hard xattr user.a", "/file xattr user.a"}, func(dst string) error {
			return unix.Setxattr(dst+"/file", "user.a", []byte("2"), 0)
		}},
		{[]string{"/dir/sub xattr user.x"}, func(dst string) error { return unix.Setxattr(dst+"/dir/sub", "user.x", nil, 0) }},
		{[]string{"/dir/sub missing"}, func(dst string) error { return errorsOf(os.Remove(dst+"/dir/sub"), at2(dst+"/dir")) }},
		{[]string{"/dir/sub/more extra"}, func(dst string) error { return errorsOf(os.Mkdir(dst+"/dir/sub/more", 0o700), at2(dst+"/dir/sub")) }},
		{[]string{"/link mtime", "/link target"}, func(dst string) error {
			return errorsOf(os.Remove(dst+"/link"), os.Symlink("elsewhere", dst+"/link"), at2(dst))
		}},
		{[]string{"/link type"}, func(dst string) error {
			return errorsOf(os.Remove(dst+"/link"), os.Mkdir(dst+"/link", 0o777), at2(dst))
		}},
		{[]string{"/device device", "/device mtime"}, func(dst string) error {
			return errorsOf(os.Remove(dst+"/device"), unix.Mknod(dst+"/device", unix.S_IFCHR|0o600, int(unix.Mkdev(1, 5))), at2(dst))
		}},
		{[]string{"/dir/hard links", "/file links"}, func(dst string) error {
			return errorsOf(os.Remove(dst+"/dir/hard"), exec.Command("cp", "-a", dst+"/file", dst+"/dir/hard").Run(), at2(dst+"/dir"))
		}},
	} {
		t.Run(c.want[0], func(t *testing.T) {
			src, dst := twins(t)
			must(t, c.change(dst))
			if got := differences(t, src, dst); !slices.Equal(got, c.want) {
				t.Errorf("found %q, want %q", got, c.want)
			}
		})
	}
}

func at2(p string) error { return os.Chtimes(p, time.Unix(1e9, 5), time.Unix(1e9, 5)) }

func errorsOf(all ...error) error {
	for _, err := range all {
		if err != nil {
			return err
		}
	}
	return nil
}

// TestAgainForgetsWhatWasPutRight: only what still differs is told.
func TestAgainForgetsWhatWasPutRight(t *testing.T) {
	src, dst := twins(t)
	must(t, os.Chmod(dst+"/file", 0o600))
	must(t, os.Mkdir(src+"/late", 0o755))
	fd, err := unix.Open(src, unix.O_RDONLY|unix.O_DIRECTORY, 0)
	must(t, err)
	defer unix.Close(fd)
	c := New(fd, dst)
	must(t, c.All(context.Background()))
	must(t, os.Chmod(dst+"/file", 0o644))
	must(t, exec.Command("cp", "-a", src+"/late", dst+"/late").Run())
	must(t, os.WriteFile(dst+"/late/extra", nil, 0o600))
	at(t, src, dst, src+"/late", dst+"/late")
	diffs, err := c.Again(context.Background())
	must(t, err)
	if len(diffs) != 1 || diffs[0].Path != "/late/extra" {
		t.Errorf("%+v", diffs)
	}
}
