package reconcile

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"
	"pgregory.net/rapid"

	"klw/internal/inode"
	"klw/replicafs"
	"klw/replicafs/compare"
	"klw/replicafs/journal"
	"klw/replicafs/replica"
)

type failer interface{ Fatal(...any) }

func must(t failer, err error) {
	if err != nil {
		t.Fatal(err)
	}
}

// bench is a source, a replica and the journal between them, without any mount.
type bench struct {
	src, dst, dir string
	w             *journal.Writer
	source        *replicafs.Source
}

func newBench(t failer, base string) *bench {
	b := &bench{src: base + "/src", dst: base + "/dst", dir: base + "/journal"}
	for _, dir := range []string{b.src, b.dst, b.dir} {
		must(t, os.MkdirAll(dir, 0o755))
	}
	_, err := replica.Prepare(b.dst, replica.Origin{UUID: "u"})
	must(t, err)
	b.w, _, err = journal.Open(b.dir, journal.Options{SegmentSize: journal.MinSegment})
	must(t, err)
	_, err = b.w.Append(&journal.Record{Op: journal.Begin, Object: replica.RootID})
	must(t, err)
	b.source, err = replicafs.OpenSource(b.src)
	must(t, err)
	return b
}

func (b *bench) close() {
	b.source.Close()
	b.w.Close()
}

func identify(fd int) (inode.Key, error) {
	var st unix.Stat_t
	err := unix.Fstatat(fd, "", &st, unix.AT_EMPTY_PATH)
	return inode.Key{Dev: st.Dev, Ino: st.Ino}, err
}

func (b *bench) run(full bool, since time.Time) (Result, error) {
	return Run(Options{Journal: b.w, Source: b.source, Replica: b.dst, Full: full, Since: since, Identify: identify,
		SetID: func(inode.Key, uint64) {}, Why: "test"})
}

// apply brings the replica up to date.
func (b *bench) apply(t failer) {
	a, err := replica.Open(replica.Options{Path: b.dst, UUID: "u", Source: b.source})
	must(t, err)
	defer a.Close()
	r, err := journal.NewReader(b.dir, a.Applied())
	must(t, err)
	defer r.Close()
	for {
		rec, err := r.Next()
		if errors.Is(err, journal.ErrEnd) {
			break
		}
		must(t, err)
		must(t, a.Apply(rec))
	}
	_, err = a.Checkpoint()
	must(t, err)
}

func (b *bench) differences(t failer) string {
	c := compare.New(b.source.FD, b.dst)
	must(t, c.All(context.Background()))
	diffs, err := c.Again(context.Background())
	must(t, err)
	text := ""
	for _, d := range diffs {
		text += fmt.Sprintf("%s %s %s %s\n", d.Path, d.What, d.Source, d.Destination)
	}
	return text
}

// mess changes a tree at random. Errors are part of it.
func mess(rt *rapid.T, root, label string) {
	name := rapid.SampledFrom([]string{"a", "b", "d", "d/a", "d/b", "d/e", "d/e/a", "f", "f/a"})
	for i := range rapid.IntRange(0, 25).Draw(rt, label) {
		a, b := filepath.Join(root, name.Draw(rt, "a")), filepath.Join(root, name.Draw(rt, "b"))
		switch rapid.SampledFrom([]string{"file", "dir", "link", "symlink", "null", "rm", "mv", "chmod", "xattr", "sparse"}).Draw(rt, "op") {
		case "file":
			os.WriteFile(a, []byte(fmt.Sprint(label, i)), 0o640)
		case "dir":
			os.Mkdir(a, 0o755)
		case "link":
			os.Link(a, b)
		case "symlink":
			os.Symlink(b, a)
		case "null":
			unix.Mknod(a, unix.S_IFCHR|0o600, int(unix.Mkdev(1, 3))) // a FIFO would block whoever opens it
		case "rm":
			os.RemoveAll(a)
		case "mv":
			os.Rename(a, b)
		case "chmod":
			os.Chmod(a, os.FileMode(0o700|i))
		case "xattr":
			unix.Lsetxattr(a, "user.i", []byte(fmt.Sprint(i)), 0)
		case "sparse":
			os.Truncate(a, int64(i)<<16)
		}
	}
}

// tick is more than the clock of file systems is coarse.
const tick = 20 * time.Millisecond

// TestAnyTreeBecomesEqual: whatever the source became while nobody looked, one run makes the replica equal, and a
// second one finds nothing.
func TestAnyTreeBecomesEqual(t *testing.T) {
	base, n := t.TempDir(), 0
	rapid.Check(t, func(rt *rapid.T) {
		n++
		dir := fmt.Sprintf("%s/%d", base, n)
		b := newBench(rt, dir)
		defer os.RemoveAll(dir)
		defer b.close()
		for _, label := range []string{"first", "second"} {
			began := time.Now().Add(-tick)
			mess(rt, b.src, label)
			_, err := b.run(rapid.Bool().Draw(rt, "full"), began)
			must(rt, err)
			b.apply(rt)
			if d := b.differences(rt); d != "" {
				rt.Fatalf("after the %s run:\n%s", label, d)
			}
		}
		res, err := b.run(false, time.Time{})
		must(rt, err)
		if res.Changes != 0 || res.Files != 0 {
			rt.Fatalf("equal trees gave %+v", res)
		}
		if limbo, _ := os.ReadDir(b.dst + "/" + replica.Hidden + "/limbo"); len(limbo) > 0 {
			rt.Fatalf("%d objects in limbo", len(limbo))
		}
	})
}

// TestChangesDuringAFirstCopy: contents that change between the walk and the copy end right, as their records follow.
func TestChangesDuringAFirstCopy(t *testing.T) {
	b := newBench(t, t.TempDir())
	defer b.close()
	must(t, os.WriteFile(b.src+"/grown", []byte("short"), 0o600))
	must(t, os.WriteFile(b.src+"/gone", []byte("going"), 0o600))
	must(t, os.Mkdir(b.src+"/dir", 0o700))
	must(t, os.WriteFile(b.src+"/dir/moved", []byte("moving"), 0o600))
	ids := map[uint64]uint64{}
	_, err := Run(Options{Journal: b.w, Source: b.source, Replica: b.dst, Identify: identify,
		SetID: func(k inode.Key, id uint64) { ids[k.Ino] = id }})
	must(t, err)
	var st unix.Stat_t
	must(t, unix.Stat(b.src+"/grown", &st))
	must(t, os.WriteFile(b.src+"/grown", []byte("much longer"), 0o600))
	must(t, unix.Stat(b.src+"/dir/moved", &st))
	moved := ids[st.Ino]
	must(t, os.Rename(b.src+"/dir/moved", b.src+"/here"))
	must(t, os.Remove(b.src+"/gone"))
	must(t, unix.Stat(b.src+"/grown", &st))
	for _, rec := range []*journal.Record{
		{Op: journal.Truncate, Object: ids[st.Ino]},
		{Op: journal.Write, Object: ids[st.Ino], Data: []byte("much longer"), Attr: replicafs.Attributes(&st), Valid: journal.HasMtime},
		{Op: journal.Rename, Object: moved, Parent: ids[inoOf(t, b.src+"/dir")], Name: "moved", NewParent: replica.RootID, NewName: "here"},
		{Op: journal.Unlink, Object: lookup(t, b, "gone"), Parent: replica.RootID, Name: "gone", Flags: journal.Gone},
	} {
		_, err := b.w.Append(rec)
		must(t, err)
	}
	b.apply(t)
	for name, want := range map[string]string{"grown": "much longer", "here": "moving"} {
		if got, err := os.ReadFile(b.dst + "/" + name); err != nil || string(got) != want {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
	if _, err := os.Lstat(b.dst + "/gone"); !os.IsNotExist(err) {
		t.Errorf("gone: %v", err)
	}
}

func inoOf(t *testing.T, path string) uint64 {
	var st unix.Stat_t
	must(t, unix.Stat(path, &st))
	return st.Ino
}

// lookup finds an object's id by the record that made it.
func lookup(t *testing.T, b *bench, name string) uint64 {
	r, err := journal.NewReader(b.dir, 0)
	must(t, err)
	defer r.Close()
	for {
		rec, err := r.Next()
		must(t, err)
		if rec.Makes() && rec.Name == name {
			return rec.Object
		}
	}
}

// TestDestinationInside: a destination that shows up inside the source, through a bind mount or not, is refused.
func TestDestinationInside(t *testing.T) {
	b := newBench(t, t.TempDir())
	defer b.close()
	b.dst = b.src + "/inner"
	must(t, os.Mkdir(b.dst, 0o700))
	_, err := replica.Prepare(b.dst, replica.Origin{UUID: "u"})
	must(t, err)
	if _, err := b.run(false, time.Time{}); !errors.Is(err, ErrNested) {
		t.Errorf("got %v", err)
	}
}
