package serve_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
	"pgregory.net/rapid"

	"klw/replicafs/ops"
)

func steps(t *testing.T, seed int) []step {
	return rapid.Custom(func(rt *rapid.T) []step { return drawSteps(rt, "steps") }).Example(seed)
}

// TestApplierKilled: klw-replica is killed again and again during a workload; nothing is lost.
func TestApplierKilled(t *testing.T) {
	p := replicate(t, furnish(t))
	var stop atomic.Bool
	var kills atomic.Int32
	var killer sync.WaitGroup
	killer.Go(func() {
		for !stop.Load() {
			if st := p.status(); st.Applier != 0 && syscall.Kill(st.Applier, syscall.SIGKILL) == nil {
				kills.Add(1)
			}
			time.Sleep(30 * time.Millisecond)
		}
	})
	for i := 0; i < 8 || i < 100 && kills.Load() < 4; i++ {
		startWorkers(t, p.mnt, steps(t, 2*i), steps(t, 2*i+1))()
	}
	stop.Store(true)
	killer.Wait()
	p.settle()
	p.same()
	if st := p.status(); kills.Load() < 4 || st.Restarts < 3 {
		t.Errorf("%d kills, %d restarts: the test shows little", kills.Load(), st.Restarts)
	}
	p.stop()
	p.same()
}

// TestServerKilled: the mount fails closed, and the next start finds what was not journaled.
func TestServerKilled(t *testing.T) {
	p := replicate(t, furnish(t))
	held, err := os.OpenFile(p.mnt+"/file", os.O_RDWR, 0)
	must(t, err)
	defer held.Close()
	must(t, os.WriteFile(p.mnt+"/unlinked", []byte("x"), 0o600))
	open, err := os.Open(p.mnt + "/unlinked")
	must(t, err)
	defer open.Close()
	must(t, os.Remove(p.mnt+"/unlinked"))
	wait := startWorkers(t, p.mnt, steps(t, 100), steps(t, 101))
	time.Sleep(30 * time.Millisecond)
	must(t, syscall.Kill(p.status().PID, syscall.SIGKILL))
	wait()
	for late := time.Now().Add(5 * time.Second); ; {
		_, err := os.ReadDir(p.mnt)
		if errors.Is(err, unix.ENOTCONN) {
			break
		}
		if time.Now().After(late) {
			t.Fatalf("after the server's death: %v", err)
		}
	}
	if _, err := held.WriteAt([]byte("x"), 0); err == nil {
		t.Error("a descriptor still writes")
	}
	if st := p.status(); st.State != "dead" {
		t.Errorf("state %s", st.State)
	}
	p.start()
	p.settle()
	p.same()
	if left, _ := os.ReadDir(p.dst + "/.klw-replica/limbo"); len(left) != 0 {
		t.Errorf("%d objects stay in limbo", len(left))
	}
	p.stop()
	p.same()
}

// TestChangesWhileAway: what is changed while no server runs is found by the next start, also where only contents
// differ after an unclean end.
func TestChangesWhileAway(t *testing.T) {
	p := replicate(t, furnish(t))
	p.settle()
	p.stop()
	must(t, os.WriteFile(p.src+"/dir/big", []byte("smaller"), 0o600))
	must(t, os.RemoveAll(p.src+"/dir/sub"))
	must(t, os.Rename(p.src+"/dir", p.src+"/folder"))
	must(t, os.Remove(p.src+"/null"))
	must(t, os.Mkdir(p.src+"/null", 0o700))
	must(t, os.WriteFile(p.src+"/null/in", []byte("x"), 0o700))
	must(t, os.Remove(p.src+"/folder/hard"))
	must(t, os.Link(p.src+"/fifo", p.src+"/fifo2"))
	must(t, unix.Removexattr(p.src+"/file", "user.colour"))
	must(t, os.Chmod(p.src, 0o711))
	rewrite(t, p.src+"/sparse", "DNE", 8<<20) // same size, same time
	p.start()
	p.settle()
	p.same()
	must(t, syscall.Kill(p.status().PID, syscall.SIGKILL))
	must(t, unmountDead(p.mnt))
	rewrite(t, p.src+"/file", "HELLO", 0)
	p.start()
	p.settle()
	p.same()
}

// rewrite changes contents and leaves the size and time as they were.
func rewrite(t *testing.T, path, text string, off int64) {
	t.Helper()
	info, err := os.Stat(path)
	must(t, err)
	must(t, pwrite(path, text, off, 0))
	must(t, os.Chtimes(path, info.ModTime(), info.ModTime()))
}

// TestDestinationFull: the applier says what it lacks and goes on when it has it.
func TestDestinationFull(t *testing.T) {
	p := newPairing(t)
	must(t, unix.Mount("tmpfs", p.dst, "tmpfs", 0, "size=4m"))
	t.Cleanup(func() { unix.Unmount(p.dst, unix.MNT_DETACH) })
	p.start()
	for i := range 8 {
		must(t, os.WriteFile(fmt.Sprintf("%s/f%d", p.mnt, i), make([]byte, 1<<20), 0o600))
	}
	for late := time.Now().Add(5 * time.Second); !strings.Contains(p.status().Error, "no space left"); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(late) {
			t.Fatalf("%+v", p.status())
		}
	}
	must(t, unix.Mount("", p.dst, "", unix.MS_REMOUNT, "size=40m"))
	p.settle()
	p.same()
	if st := p.status(); st.Error != "" || st.Restarts != 0 {
		t.Errorf("%+v", st)
	}
	p.stop()
}

// TestDeepAndMany: a replica on another file system, deep paths, and many names.
func TestDeepAndMany(t *testing.T) {
	p := newPairing(t)
	must(t, unix.Mount("tmpfs", p.dst, "tmpfs", 0, "size=64m"))
	t.Cleanup(func() { unix.Unmount(p.dst, unix.MNT_DETACH) })
	deep, err := os.Open(p.src)
	must(t, err)
	name := strings.Repeat("d", 200)
	for range 40 { // longer than a path may be
		must(t, unix.Mkdirat(int(deep.Fd()), name, 0o700))
		fd, err := unix.Openat(int(deep.Fd()), name, unix.O_RDONLY|unix.O_DIRECTORY, 0)
		must(t, err)
		deep.Close()
		deep = os.NewFile(uintptr(fd), "deep")
	}
	fd, err := unix.Openat(int(deep.Fd()), "bottom", unix.O_CREAT|unix.O_WRONLY, 0o600)
	must(t, err)
	_, err = unix.Write(fd, []byte("found"))
	must(t, err)
	unix.Close(fd)
	deep.Close()
	for i := range 1500 {
		must(t, os.WriteFile(fmt.Sprintf("%s/many%d", p.src, i), nil, 0o600))
	}
	p.start()
	p.settle()
	for i := range 1500 {
		must(t, os.Rename(fmt.Sprintf("%s/many%d", p.mnt, i), fmt.Sprintf("%s/more%d", p.mnt, i)))
	}
	must(t, os.Rename(p.mnt+"/"+name, p.mnt+"/top"))
	p.settle()
	rep, err := ops.Verify(context.Background(), p.root, p.src)
	must(t, err)
	if !rep.Equal() || rep.Objects != 1+40+1+1500 {
		t.Errorf("%d objects, differences %+v", rep.Objects, rep.Differences)
	}
	p.stop()
	run(t, "rm", "-rf", p.src+"/top", p.dst+"/top")
}

func unmountDead(path string) error {
	for range 500 {
		var fs unix.Statfs_t
		if errors.Is(unix.Statfs(path, &fs), unix.ENOTCONN) {
			return unix.Unmount(path, unix.MNT_DETACH)
		}
		time.Sleep(10 * time.Millisecond)
	}
	return errors.New("the mount doesn't die")
}

// TestFirstCopyCutShort: a first copy that is killed is finished by the next start.
func TestFirstCopyCutShort(t *testing.T) {
	p := newPairing(t)
	for i := range 40 {
		must(t, os.WriteFile(fmt.Sprintf("%s/f%d", p.src, i), []byte(strings.Repeat(fmt.Sprint(i), 1<<19)), 0o600))
	}
	p.start()
	st := p.status()
	must(t, syscall.Kill(st.PID, syscall.SIGKILL))
	if st.Applier != 0 {
		syscall.Kill(st.Applier, syscall.SIGKILL)
	}
	p.start()
	p.settle()
	p.same()
}

// TestOrder: a reader of the replica never sees a later change without an earlier one, nor a name missing or a file
// half replaced.
func TestOrder(t *testing.T) {
	p := replicate(t, func(src string) {
		for _, name := range []string{"first", "second", "replaced"} {
			must(t, os.WriteFile(src+"/"+name, []byte("00000000"), 0o600))
		}
	})
	p.settle()
	done := make(chan struct{})
	go func() {
		defer close(done)
		for i := 1; i < 500; i++ {
			text := fmt.Sprintf("%08d", i)
			for _, name := range []string{"first", "second"} {
				if err := pwrite(p.mnt+"/"+name, text, 0, 0); err != nil {
					t.Error(err)
				}
			}
			if err := os.WriteFile(p.mnt+"/tmp", []byte(text), 0o600); err != nil {
				t.Error(err)
			}
			if err := os.Rename(p.mnt+"/tmp", p.mnt+"/replaced"); err != nil {
				t.Error(err)
			}
		}
	}()
	samples, changes, last := 0, 0, ""
	for running := true; running; samples++ {
		select {
		case <-done:
			running = false
		default:
		}
		replaced := read(t, p.dst+"/replaced")
		second := read(t, p.dst+"/second")
		first := read(t, p.dst+"/first")
		if first < second || second < replaced || len(replaced) != 8 {
			t.Fatalf("first %q second %q replaced %q", first, second, replaced)
		}
		if second != last {
			changes++
		}
		last = second
	}
	if changes < 20 {
		t.Errorf("%d samples saw %d changes: the test shows little", samples, changes)
	}
	p.settle()
	p.same()
}

func read(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// TestFullJournal: when there is no room for the journal, operations are refused before they happen.
func TestFullJournal(t *testing.T) {
	p := newPairing(t)
	must(t, os.MkdirAll(p.root.Lib(), 0o755))
	must(t, unix.Mount("tmpfs", p.root.Lib(), "tmpfs", 0, "size=40m"))
	t.Cleanup(func() { unix.Unmount(p.root.Lib(), unix.MNT_DETACH) })
	p.start()
	p.settle()
	st := p.status()
	must(t, syscall.Kill(st.Applier, syscall.SIGSTOP))
	var full error
	for i := 0; i < 200 && full == nil; i++ {
		full = os.WriteFile(fmt.Sprintf("%s/f%d", p.mnt, i), make([]byte, 1<<20), 0o600)
	}
	if !errors.Is(full, unix.ENOSPC) {
		t.Errorf("a full journal: %v", full)
	}
	if err := os.Mkdir(p.mnt+"/folder", 0o700); err != nil && !errors.Is(err, unix.ENOSPC) {
		t.Errorf("mkdir: %v", err)
	}
	must(t, syscall.Kill(st.Applier, syscall.SIGCONT))
	p.settle()
	p.same()
	must(t, os.WriteFile(p.mnt+"/again", make([]byte, 1<<20), 0o600))
	p.settle()
	p.same()
	p.stop()
}
