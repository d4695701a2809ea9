package serve_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"klw/replicafs/ops"
)

// TestReplicaTamperedWith: links planted in the replica lead nowhere, and what was changed there is put right.
func TestReplicaTamperedWith(t *testing.T) {
	p := replicate(t, furnish(t))
	p.settle()
	victim := p.base + "/victim"
	must(t, os.MkdirAll(victim+"/sub", 0o755))
	must(t, os.WriteFile(victim+"/big", []byte("precious"), 0o600))
	must(t, os.RemoveAll(p.dst+"/dir"))
	must(t, os.Symlink(victim, p.dst+"/dir"))
	must(t, os.Remove(p.dst+"/file"))
	must(t, os.Symlink(victim+"/big", p.dst+"/file"))
	must(t, os.WriteFile(p.dst+"/foreign", nil, 0o600))
	before := snapshot(t, victim)
	must(t, pwrite(p.mnt+"/dir/big", "changed", 0, 0))
	must(t, pwrite(p.mnt+"/file", "changed", 0, 0))
	must(t, os.WriteFile(p.mnt+"/dir/sub/new", []byte("x"), 0o600))
	must(t, os.Chmod(p.mnt+"/dir/big", 0o644))
	for late := time.Now().Add(15 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		p.settle()
		if want, got := p.snapshots(); fmt.Sprint(want) == fmt.Sprint(got) {
			break
		}
		if time.Now().After(late) {
			p.same()
			break
		}
	}
	if after := snapshot(t, victim); fmt.Sprint(before) != fmt.Sprint(after) {
		t.Errorf("the victim changed: %v, was %v", after, before)
	}
}

// TestVerifyAndResync: contents that were changed in the replica behind its back are shown, and put right when asked.
func TestVerifyAndResync(t *testing.T) {
	p := replicate(t, furnish(t))
	p.settle()
	rewrite(t, p.dst+"/dir/big", "rot", 1<<20)
	must(t, os.Chmod(p.dst+"/dir/sub", 0o700))
	must(t, os.WriteFile(p.dst+"/extra", nil, 0o600))
	rep, err := ops.Verify(context.Background(), p.root, p.src)
	must(t, err)
	found := map[string]bool{}
	for _, d := range rep.Differences {
		found[d.Path+" "+d.What] = true
	}
	if !found["/dir/big content"] || !found["/dir/sub mode"] || !found["/extra extra"] {
		t.Errorf("%+v", rep.Differences)
	}
	must(t, ops.Resync(context.Background(), p.root, p.src))
	p.settle()
	p.same()
}

// TestChangedPastTheMount: what is done to the source underneath is found when it is met through the mount.
func TestChangedPastTheMount(t *testing.T) {
	p := newPairing(t)
	p.mnt = p.base + "/mnt"
	p.options.Mountpoint = p.mnt
	must(t, os.Mkdir(p.mnt, 0o755))
	furnish(t)(p.src)
	p.start()
	p.settle()
	must(t, os.MkdirAll(p.src+"/under/neath", 0o755))
	must(t, os.WriteFile(p.src+"/under/neath/file", []byte("secret"), 0o600))
	time.Sleep(1100 * time.Millisecond) // until the kernel asks for names again
	must(t, pwrite(p.mnt+"/under/neath/file", "SECRET", 0, 0))
	for late := time.Now().Add(10 * time.Second); p.status().Resyncs == 0; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(late) {
			t.Fatalf("it was not noticed\n%s", p.log())
		}
	}
	p.settle()
	p.same()
	must(t, os.Rename(p.mnt+"/under", p.mnt+"/over"))
	p.settle()
	p.same()
}

// TestRefusals: what can't be replicated is refused with one line, and nothing is left.
func TestRefusals(t *testing.T) {
	for _, c := range []struct {
		name, want string
		spoil      func(p *pairing)
	}{
		{"destination not empty", "not empty", func(p *pairing) { must(t, os.WriteFile(p.dst+"/mine", nil, 0o600)) }},
		{"destination of another", "replica of something else", func(p *pairing) {
			must(t, os.Mkdir(p.dst+"/.klw-replica", 0o700))
			must(t, os.WriteFile(p.dst+"/.klw-replica/origin", []byte(`{"uuid":"u","source":"/elsewhere"}`), 0o600))
		}},
		{"destination inside the source", "inside the source", func(p *pairing) { p.options.Destination = p.src + "/backup" }},
		{"source inside the destination", "inside the destination", func(p *pairing) { p.options.Destination = p.base }},
		{"the same folder", "inside", func(p *pairing) { p.options.Destination = p.src }},
		{"destination is a link into the source", "inside the source", func(p *pairing) {
			must(t, os.Mkdir(p.src+"/d", 0o700))
			p.options.Destination = p.base + "/link"
			must(t, os.Symlink(p.src+"/d", p.options.Destination))
		}},
		{"no source", "no such file", func(p *pairing) { p.options.Source = p.base + "/none" }},
		{"source is a file", "not a folder", func(p *pairing) {
			p.options.Source = p.base + "/file"
			must(t, os.WriteFile(p.options.Source, nil, 0o600))
		}},
		{"unknown ack", "memory or disk", func(p *pairing) { p.options.Ack = "paper" }},
		{"the source has our name", "replica's own", func(p *pairing) { must(t, os.Mkdir(p.src+"/.klw-replica", 0o700)) }},
		{"no room for the journal", "no room for the journal", func(p *pairing) {
			must(t, os.MkdirAll(p.root.Lib(), 0o755))
			must(t, unix.Mount("tmpfs", p.root.Lib(), "tmpfs", 0, "size=1m"))
			p.t.Cleanup(func() { unix.Unmount(p.root.Lib(), unix.MNT_DETACH) })
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := newPairing(t)
			c.spoil(p)
			_, err := p.tryStart()
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v", err)
			}
			if err != nil && strings.Contains(err.Error(), "\n") {
				t.Errorf("more than one line: %v", err)
			}
			if inside, _ := filepath.Glob(p.dst + "/[^.]*"); len(inside) > 1 {
				t.Errorf("something was copied: %v", inside)
			}
			p.nothingLeft()
		})
	}
}

func TestTheSameSourceTwice(t *testing.T) {
	p := replicate(t, nil)
	if _, err := p.tryStart(); err == nil || !strings.Contains(err.Error(), "replicated already") {
		t.Errorf("a second start: %v", err)
	}
	must(t, os.WriteFile(p.mnt+"/f", nil, 0o600))
	p.settle()
	p.same()
}

// TestAckDisk: fsync waits for the journal, and an unmount ends everything.
func TestAckDiskAndUnmount(t *testing.T) {
	p := newPairing(t)
	p.options.Ack = "disk"
	p.start()
	f, err := os.Create(p.mnt + "/f")
	must(t, err)
	for range 20 {
		_, err = f.WriteString("line\n")
		must(t, err)
		must(t, f.Sync())
	}
	must(t, f.Close())
	must(t, os.Mkdir(p.mnt+"/.klw-replica2", 0o700))
	if err := os.Mkdir(p.mnt+"/.klw-replica", 0o700); !errors.Is(err, unix.EPERM) {
		t.Errorf("our own name: %v", err)
	}
	pid := p.status().PID
	must(t, unix.Unmount(p.mnt, 0))
	for late := time.Now().Add(10 * time.Second); alive(fmt.Sprintf("/proc/%d", pid), p.base); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(late) {
			t.Fatal("the server goes on after an unmount")
		}
	}
	if st := p.status(); st.State != "stopped" {
		t.Errorf("%+v", st)
	}
	p.same()
}
