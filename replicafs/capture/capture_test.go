package capture

import (
	"bytes"
	"errors"
	"os"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"klw/hooks"
	"klw/internal/inode"
	"klw/replicafs/journal"
	"klw/replicafs/replica"
)

// object is a file as the module sees it.
type object struct {
	ino   uint64
	nlink uint64
	path  string
	typ   uint32
}

func (o *object) Key() inode.Key { return inode.Key{Dev: 1, Ino: o.ino} }
func (o *object) Type() uint32   { return o.typ }
func (o *object) Paths() []string {
	if o.path == "" {
		return nil
	}
	return []string{o.path}
}
func (o *object) StatBacking() (unix.Stat_t, error) {
	return unix.Stat_t{Ino: o.ino, Nlink: o.nlink, Mode: o.typ | 0o644}, nil
}
func (o *object) OpenBacking(int) (*os.File, error) { return os.Open("/dev/null") }

type bench struct {
	t       *testing.T
	m       *Module
	w       *journal.Writer
	master  *hooks.Master
	dir     string
	root    *object
	unknown []string
}

func newBench(t *testing.T, disk bool) *bench {
	t.Helper()
	b := &bench{t: t, dir: t.TempDir(), root: &object{1, 2, "/", unix.S_IFDIR}}
	b.open(disk)
	return b
}

func (b *bench) open(disk bool) {
	b.t.Helper()
	var err error
	if b.w, _, err = journal.Open(b.dir, journal.Options{SegmentSize: journal.MinSegment}); err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(func() { b.w.Close() })
	if _, err := b.w.Append(&journal.Record{Op: journal.Begin, Object: replica.RootID}); err != nil {
		b.t.Fatal(err)
	}
	b.m = New(Options{Journal: b.w, Disk: disk, Root: b.root.Key(), Unknown: func(p string) { b.unknown = append(b.unknown, p) }})
	b.master = hooks.NewMaster(nil)
	if _, err := b.master.Register(b.m); err != nil {
		b.t.Fatal(err)
	}
}

func (b *bench) do(c hooks.Call, r hooks.Result) syscall.Errno {
	return b.master.Run(&c, func() hooks.Result { return r }).Errno
}

// records gives what was journaled after Begin.
func (b *bench) records() (list []journal.Record) {
	b.t.Helper()
	r, err := journal.NewReader(b.dir, 1)
	if err != nil {
		b.t.Fatal(err)
	}
	defer r.Close()
	for {
		rec, err := r.Next()
		if errors.Is(err, journal.ErrEnd) {
			return list
		}
		if err != nil {
			b.t.Fatal(err)
		}
		rec.Data = bytes.Clone(rec.Data)
		list = append(list, *rec)
	}
}

func (b *bench) create(ino uint64, name string) *object {
	f := &object{ino, 1, "/" + name, unix.S_IFREG}
	b.do(hooks.Call{Op: hooks.OpCreate, Dir: b.root, Name: name}, hooks.Result{File: f})
	return f
}

func TestOnlySuccessIsRecorded(t *testing.T) {
	b := newBench(t, false)
	f := b.create(7, "f")
	b.do(hooks.Call{Op: hooks.OpWrite, File: f, Data: []byte("lost")}, hooks.Result{Errno: syscall.EIO})
	b.do(hooks.Call{Op: hooks.OpWrite, File: f, Data: []byte("half done"), Offset: 3}, hooks.Result{N: 4})
	b.do(hooks.Call{Op: hooks.OpWrite, File: f, Data: []byte("page"), Writeback: true}, hooks.Result{N: 4})
	b.do(hooks.Call{Op: hooks.OpMkdir, Dir: b.root, Name: "d"}, hooks.Result{Errno: syscall.EEXIST})
	b.do(hooks.Call{Op: hooks.OpOpen, File: f}, hooks.Result{File: f})
	got := b.records()
	if len(got) != 3 || got[0].Op != journal.Create || got[0].Object != 2 || got[0].Parent != replica.RootID ||
		string(got[1].Data) != "half" || got[1].Offset != 3 || got[1].Object != 2 || got[1].Flags != 0 ||
		got[2].Flags != journal.Writeback {
		t.Errorf("%+v", got)
	}
}

// TestGoneOrOpen: an unlinked object is gone at once, or when its last descriptor is closed.
func TestGoneOrOpen(t *testing.T) {
	b := newBench(t, false)
	closed, open := b.create(7, "closed"), b.create(8, "open")
	b.do(hooks.Call{Op: hooks.OpRelease, File: closed}, hooks.Result{})
	b.do(hooks.Call{Op: hooks.OpOpen, File: open}, hooks.Result{})
	for _, f := range []*object{closed, open} {
		f.nlink = 0
		b.do(hooks.Call{Op: hooks.OpUnlink, File: f, Dir: b.root, Name: f.path[1:]}, hooks.Result{})
		f.path = ""
	}
	b.do(hooks.Call{Op: hooks.OpWrite, File: open, Data: []byte("x")}, hooks.Result{N: 1})
	b.do(hooks.Call{Op: hooks.OpRelease, File: open}, hooks.Result{})
	if n := len(b.records()); n != 5 {
		t.Fatalf("%d records before the last close", n)
	}
	b.do(hooks.Call{Op: hooks.OpRelease, File: open}, hooks.Result{})
	got := b.records()
	if len(got) != 6 || got[2].Flags != journal.Gone || got[3].Flags != 0 || got[5].Op != journal.Forget || got[5].Object != got[1].Object {
		t.Errorf("%+v", got)
	}
	if b.m.Objects() != 1 {
		t.Errorf("%d objects are known", b.m.Objects())
	}
}

// TestUnknownObjectsAreTold: they have no records, and their paths are handed on.
func TestUnknownObjectsAreTold(t *testing.T) {
	b := newBench(t, false)
	strange := &object{99, 1, "/strange", unix.S_IFREG}
	b.do(hooks.Call{Op: hooks.OpWrite, File: strange, Data: []byte("x")}, hooks.Result{N: 1})
	if len(b.records()) != 0 || len(b.unknown) != 1 || b.unknown[0] != "/strange" {
		t.Errorf("%+v, told %q", b.records(), b.unknown)
	}
}

func TestOurOwnName(t *testing.T) {
	b := newBench(t, false)
	dir := &object{5, 2, "/d", unix.S_IFDIR}
	for _, c := range []hooks.Call{
		{Op: hooks.OpMkdir, Dir: b.root, Name: replica.Hidden},
		{Op: hooks.OpRename, Dir: dir, Name: "x", NewDir: b.root, NewName: replica.Hidden},
		{Op: hooks.OpLink, File: dir, NewDir: b.root, NewName: replica.Hidden},
	} {
		if e := b.do(c, hooks.Result{}); e != syscall.EPERM {
			t.Errorf("%s: %v", c.Op, e)
		}
	}
	if e := b.do(hooks.Call{Op: hooks.OpSymlink, Dir: b.root, Name: replica.Hidden + "x"},
		hooks.Result{File: &object{6, 1, "/x", unix.S_IFLNK}}); e != 0 {
		t.Errorf("a similar name: %v", e)
	}
}

// TestFsyncBringsTheJournalToDisk, if that was asked for.
func TestFsyncBringsTheJournalToDisk(t *testing.T) {
	for _, disk := range []bool{false, true} {
		b := newBench(t, disk)
		f := b.create(7, "f")
		b.do(hooks.Call{Op: hooks.OpFsync, File: f}, hooks.Result{})
		if got := b.w.Synced() == b.w.Seq(); got != disk {
			t.Errorf("ack=disk %v: on disk %v", disk, got)
		}
		b.do(hooks.Call{Op: hooks.OpWrite, File: f, Data: []byte("x"), Flags: unix.O_DSYNC}, hooks.Result{N: 1})
		if got := b.w.Synced() == b.w.Seq(); got != disk {
			t.Errorf("ack=disk %v, O_DSYNC: on disk %v", disk, got)
		}
	}
}

// TestFullJournalRefuses: before the operation, with ENOSPC; and nothing that was promised room is lost.
func TestFullJournalRefuses(t *testing.T) {
	b := newBench(t, false)
	small := t.TempDir()
	if err := unix.Mount("tmpfs", small, "tmpfs", 0, "size=9m"); err != nil {
		t.Fatal(err)
	}
	defer unix.Unmount(small, unix.MNT_DETACH)
	b.dir = small
	b.open(false)
	f := b.create(7, "f")
	done, refused := 0, 0
	for range 20 {
		c := hooks.Call{Op: hooks.OpWrite, File: f, Data: make([]byte, 1<<20)}
		ran := false
		res := b.master.Run(&c, func() hooks.Result { ran = true; return hooks.Result{N: 1 << 20} })
		switch {
		case res.Errno == syscall.ENOSPC && !ran:
			refused++
		case res.Errno == 0 && ran:
			done++
		default:
			t.Fatalf("%v, ran %v", res.Errno, ran)
		}
	}
	if refused == 0 || done == 0 || len(b.records()) != done+1 {
		t.Errorf("%d done, %d refused, %d records", done, refused, len(b.records()))
	}
	b.w.Close()
	if e := b.do(hooks.Call{Op: hooks.OpChmod, File: f}, hooks.Result{}); e != syscall.EIO {
		t.Errorf("a journal that is closed: %v", e)
	}
}

// TestExclusive: it waits for what is inside, lets nobody in, and a call that enters twice doesn't hang.
func TestExclusive(t *testing.T) {
	b := newBench(t, false)
	f := b.create(7, "f")
	inside, leave, exclusive := make(chan bool), make(chan bool), make(chan bool)
	go func() {
		c := hooks.Call{Op: hooks.OpTruncate, File: f}
		b.master.Run(&c, func() hooks.Result {
			inside <- true
			<-leave
			d := hooks.Call{Op: hooks.OpChmod, File: f} // the same request's second operation
			return b.master.Run(&d, func() hooks.Result { return hooks.Result{} })
		})
	}()
	<-inside
	go b.m.Exclusive(func() error { exclusive <- true; <-exclusive; return nil })
	select {
	case <-exclusive:
		t.Fatal("exclusive while a change is inside")
	case <-time.After(50 * time.Millisecond):
	}
	close(leave)
	<-exclusive
	done := make(chan bool)
	go func() { b.do(hooks.Call{Op: hooks.OpChmod, File: f}, hooks.Result{}); close(done) }()
	select {
	case <-done:
		t.Error("a change while somebody is exclusive")
	case <-time.After(50 * time.Millisecond):
	}
	exclusive <- true
	<-done
}
