package journal

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
	"pgregory.net/rapid"
)

func open(t *testing.T, dir string) (*Writer, Found) {
	t.Helper()
	w, found, err := Open(dir, Options{SegmentSize: MinSegment, Epoch: 3})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.Close() })
	return w, found
}

func write(t *testing.T, w *Writer, r *Record) uint64 {
	t.Helper()
	if err := w.Reserve(r.Size()); err != nil {
		t.Fatal(err)
	}
	defer w.Release(r.Size())
	seq, err := w.Append(r)
	if err != nil {
		t.Fatal(err)
	}
	return seq
}

func readAll(t *testing.T, dir string, after uint64) []Record {
	t.Helper()
	r, err := NewReader(dir, after)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	var all []Record
	for {
		rec, err := r.Next()
		if errors.Is(err, ErrEnd) {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		c := *rec
		c.Data = bytes.Clone(rec.Data)
		all = append(all, c)
	}
}

func TestRecordsComeBackAsWritten(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		want := drawRecord(rt)
		b, _ := want.encode(nil)
		if len(b) != want.Size() {
			rt.Fatalf("Size %d, encoded %d", want.Size(), len(b))
		}
		got, _, err := decode(b)
		if err != nil {
			rt.Fatal(err)
		}
		if d := cmp.Diff(want, got); d != "" {
			rt.Fatal(d)
		}
		at := rapid.IntRange(0, len(b)-1).Draw(rt, "at")
		b[at] ^= byte(rapid.IntRange(1, 255).Draw(rt, "flip"))
		if _, _, err := decode(b); err == nil {
			rt.Fatalf("a flipped byte at %d of %d was not noticed", at, len(b))
		}
	})
}

func drawRecord(rt *rapid.T) *Record {
	u64, i64, u32 := rapid.Uint64(), rapid.Int64(), rapid.Uint32()
	tm := func(l string) Time { return Time{i64.Draw(rt, l), u32.Draw(rt, l+"ns")} }
	name := rapid.StringN(0, 60, 255)
	return &Record{
		Epoch: u64.Draw(rt, "epoch"), Seq: u64.Draw(rt, "seq"), Prev: u32.Draw(rt, "prev"), Time: i64.Draw(rt, "time"),
		Op: Op(rapid.IntRange(1, 19).Draw(rt, "op")), Flags: Flags(u32.Draw(rt, "flags")),
		Object: u64.Draw(rt, "object"), Parent: u64.Draw(rt, "parent"), NewParent: u64.Draw(rt, "np"),
		Other: u64.Draw(rt, "other"), Arg: u32.Draw(rt, "arg"), Offset: i64.Draw(rt, "off"), Count: i64.Draw(rt, "count"),
		Valid: Valid(u32.Draw(rt, "valid")),
		Attr: Attr{u32.Draw(rt, "mode"), u32.Draw(rt, "uid"), u32.Draw(rt, "gid"), u32.Draw(rt, "nlink"),
			u64.Draw(rt, "rdev"), i64.Draw(rt, "size"), tm("atime"), tm("mtime")},
		ParentMtime: tm("pm"), NewParentMtime: tm("npm"),
		Name: name.Draw(rt, "name"), NewName: name.Draw(rt, "newname"), Text: rapid.String().Draw(rt, "text"),
		Data: append([]byte{}, rapid.SliceOf(rapid.Byte()).Draw(rt, "data")...),
	}
}

func TestNumbersAndIds(t *testing.T) {
	dir := t.TempDir()
	w, _ := open(t, dir)
	write(t, w, &Record{Op: Begin, Object: 1})
	write(t, w, &Record{Op: Create, Parent: 1, Name: "a"})
	write(t, w, &Record{Op: Write, Object: 2, Data: []byte("x")})
	got := readAll(t, dir, 1)
	if len(got) != 2 || got[0].Seq != 2 || got[0].Object != 2 || got[0].Epoch != 3 || got[1].Seq != 3 || got[1].Object != 2 {
		t.Fatalf("%+v", got)
	}
	if got[1].Prev == 0 || got[1].Time == 0 {
		t.Errorf("no chain or time: %+v", got[1])
	}
}

func TestReaderFollowsThroughSegments(t *testing.T) {
	dir := t.TempDir()
	w, _ := open(t, dir)
	r, err := NewReader(dir, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	for i := range 40 {
		if _, err := r.Next(); !errors.Is(err, ErrEnd) {
			t.Fatalf("before record %d: %v", i+1, err)
		}
		data := bytes.Repeat([]byte{byte(i)}, 400<<10)
		write(t, w, &Record{Op: Write, Object: 1, Data: data})
		rec, err := r.Next()
		if err != nil {
			t.Fatal(err)
		}
		if rec.Seq != uint64(i+1) || !bytes.Equal(rec.Data, data) {
			t.Fatalf("record %d came as %d", i+1, rec.Seq)
		}
	}
	if firsts, _ := listSegments(dir); len(firsts) < 3 {
		t.Errorf("only %d segments: the test shows nothing", len(firsts))
	}
}

func TestReopenAfterTornTail(t *testing.T) {
	for _, cut := range []int64{1, 8, 100, headerSize, headerSize + 3} {
		t.Run(fmt.Sprint(cut), func(t *testing.T) {
			dir := t.TempDir()
			w, _ := open(t, dir)
			for range 3 {
				write(t, w, &Record{Op: Write, Object: 1, Data: make([]byte, 50)})
			}
			end := w.pos
			w.Close()
			zero(t, filepath.Join(dir, segmentName(1)), end-cut, cut)
			w, found := open(t, dir)
			if found.Last != 2 || found.Lost != "" {
				t.Fatalf("found %+v", found)
			}
			if seq := write(t, w, &Record{Op: Write, Object: 9}); seq != 3 {
				t.Errorf("went on with %d", seq)
			}
			if got := readAll(t, dir, 0); len(got) != 3 || got[2].Object != 9 {
				t.Errorf("read %d records", len(got))
			}
		})
	}
}

func zero(t *testing.T, path string, off, n int64) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteAt(make([]byte, n), off); err != nil {
		t.Fatal(err)
	}
}

func TestDamageInTheMiddleIsTold(t *testing.T) {
	dir := t.TempDir()
	w, _ := open(t, dir)
	var starts []int64
	for i := range 30 {
		starts = append(starts, w.pos)
		write(t, w, &Record{Op: Write, Object: 1, Offset: int64(i), Data: make([]byte, 1000)})
	}
	w.Close()
	zero(t, filepath.Join(dir, segmentName(1)), starts[10]+300, 1)
	zero(t, filepath.Join(dir, segmentName(1)), starts[10]+90, 100)
	if got := readAll(t, dir, 0); len(got) != 10 {
		t.Errorf("a reader handed out %d records", len(got))
	}
	_, found := open(t, dir)
	if found.Last != 10 || found.Lost == "" {
		t.Errorf("found %+v", found)
	}
}

func TestLostSegmentIsTold(t *testing.T) {
	dir := t.TempDir()
	w, _ := open(t, dir)
	for range 30 {
		write(t, w, &Record{Op: Write, Object: 1, Data: make([]byte, 1<<20)})
	}
	w.Close()
	firsts, _ := listSegments(dir)
	os.Remove(filepath.Join(dir, segmentName(firsts[1])))
	_, found := open(t, dir)
	if found.Last != firsts[1]-1 || found.Lost == "" {
		t.Errorf("found %+v of %v", found, firsts)
	}
}

func TestTrimRecyclesAndOldRecordsNeverComeBack(t *testing.T) {
	dir := t.TempDir()
	w, _ := open(t, dir)
	for i := range 60 {
		seq := write(t, w, &Record{Op: Write, Object: uint64(i), Data: make([]byte, 500<<10)})
		if err := w.Trim(seq); err != nil {
			t.Fatal(err)
		}
	}
	firsts, _ := listSegments(dir)
	if len(firsts) != 1 {
		t.Errorf("%d segments left", len(firsts))
	}
	if n := len(w.spares); n < 1 || n > keepSpares {
		t.Errorf("%d spares", len(w.spares))
	}
	w.Close()
	w, found := open(t, dir)
	if found.Last != 60 || found.Lost != "" || found.First != firsts[0] {
		t.Errorf("found %+v", found)
	}
	if _, err := NewReader(dir, 3); !errors.Is(err, ErrCorrupt) {
		t.Errorf("a trimmed record: %v", err)
	}
	if w.Seq() != 60 {
		t.Errorf("seq %d", w.Seq())
	}
}

func TestSyncIsShared(t *testing.T) {
	w, _ := open(t, t.TempDir())
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 8 {
				seq := write(t, w, &Record{Op: Write, Object: 1, Data: make([]byte, 300)})
				if err := w.Sync(seq); err != nil {
					t.Error(err)
				}
				if w.Synced() < seq {
					t.Error("Sync returned too early")
				}
			}
		})
	}
	wg.Wait()
}

func TestFullDiskRefusesBeforeTheOperation(t *testing.T) {
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=17m"); err != nil {
		t.Fatal(err)
	}
	defer unix.Unmount(dir, unix.MNT_DETACH)
	w, _ := open(t, dir)
	rec := Record{Op: Write, Object: 1, Data: make([]byte, MaxData)}
	var kept int
	for {
		if err := w.Reserve(rec.Size()); err != nil {
			if !errors.Is(err, ErrFull) {
				t.Fatal(err)
			}
			break
		}
		r := rec
		if _, err := w.Append(&r); err != nil {
			t.Fatalf("after a reservation: %v", err)
		}
		w.Release(rec.Size())
		kept++
	}
	if kept < 4 || w.Broken() != nil {
		t.Fatalf("%d records, broken: %v", kept, w.Broken())
	}
	if err := w.Trim(w.Seq()); err != nil {
		t.Fatal(err)
	}
	if err := w.Reserve(rec.Size()); err != nil {
		t.Errorf("after trimming: %v", err)
	}
	if got := readAll(t, dir, w.Seq()-1); len(got) != 1 {
		t.Errorf("%d records", len(got))
	}
}

func TestRestartGoesOnBehindANumber(t *testing.T) {
	dir := t.TempDir()
	w, _ := open(t, dir)
	write(t, w, &Record{Op: Begin})
	w.Close()
	w, err := Restart(dir, 100, Options{SegmentSize: MinSegment})
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	if seq := write(t, w, &Record{Op: Mark}); seq != 100 {
		t.Errorf("went on with %d", seq)
	}
	if got := readAll(t, dir, 99); len(got) != 1 {
		t.Errorf("%d records", len(got))
	}
}
