package launch_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"klw/internal/seccomp"
)

// detached makes a mount of a folder that nobody sees, as a guard hands them over.
func detached(t *testing.T, dir string, attr uint64) *os.File {
	t.Helper()
	fd, err := unix.OpenTree(unix.AT_FDCWD, dir, unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC)
	if err != nil {
		t.Fatal(err)
	}
	set := &unix.MountAttr{Attr_set: attr, Propagation: unix.MS_PRIVATE}
	if err := unix.MountSetattr(fd, "", unix.AT_EMPTY_PATH, set); err != nil {
		t.Fatal(err)
	}
	f := os.NewFile(uintptr(fd), dir)
	t.Cleanup(func() { f.Close() })
	return f
}

func TestViews(t *testing.T) {
	b := newBox(t, "cat:/where", "cat:/data/f", "mount:/data", "write:/data/f", "touch:/x", "mount:/", "ls:/data/tmp")
	view := newBox(t) // stands for what the guard shows of the root
	view.file("rootfs/where", "in the view")
	b.file("rootfs/where", "below the view")
	b.file("host/f", "not through the guard")
	view.file("guarded/f", "through the guard")
	if err := os.Mkdir(view.root("data"), 0o755); err != nil {
		t.Fatal(err)
	}
	b.mount(specs.Mount{Destination: "/data", Source: filepath.Join(b.dir, "host"), Options: []string{"bind", "ro", "nosuid", "nodev", "noexec"}})
	b.opt.ViewMounts = []*os.File{detached(t, view.root(""), unix.MOUNT_ATTR_NOSUID), detached(t, filepath.Join(view.dir, "guarded"), 0)}
	b.config.Views = []string{"/", "/data"}
	got, err := b.run()
	if err != nil {
		t.Fatal(err)
	}
	for n, want := range []string{"in the view", "through the guard", "ro,nosuid,nodev,noexec", "error: open /data/f: read-only file system",
		"made", "rw,nosuid", "error: open /data/tmp: no such file"} {
		if !strings.HasPrefix(got[n], want) {
			t.Errorf("probe %s: got %q, expected %q", b.spec.Process.Args[n+1], got[n], want)
		}
	}
}

// TestViewRefusesMountPoint: a mount point that the guard doesn't let anybody make is made below it.
func TestViewRefusesMountPoint(t *testing.T) {
	b := newBox(t, "touch:/new/place/x", "touch:/etc/x")
	b.mount(specs.Mount{Destination: "/new/place", Type: "tmpfs", Source: "tmpfs"})
	b.opt.ViewMounts = []*os.File{detached(t, b.root(""), unix.MOUNT_ATTR_RDONLY)}
	b.config.Views = []string{"/"}
	b.expect("made", "error: open /etc/x: read-only file system")
}

func TestViewWithoutMount(t *testing.T) {
	b := newBox(t, "pid")
	b.opt.ViewMounts = []*os.File{detached(t, b.root(""), 0), detached(t, b.root("tmp"), 0)}
	b.config.Views = []string{"/", "/nowhere"}
	if _, err := b.run(); err == nil || !strings.Contains(err.Error(), "/nowhere") {
		t.Errorf("%v, expected an error about /nowhere", err)
	}
}

// guarded gives the box klw's own filter and a guard that counts refusals.
func guarded(t *testing.T, b *box) (refused func() []seccomp.Refused) {
	t.Helper()
	give, take := console(t)
	program := seccomp.Contain(seccomp.Options{})
	b.config.Contain, b.opt.SeccompSock = &program, give
	var list []seccomp.Refused
	done := make(chan error, 1)
	go func() {
		fd, err := takeListener(take)
		if err != nil {
			done <- err
			return
		}
		l, err := seccomp.NewListener(fd)
		if err == nil {
			err = l.Serve(func(r seccomp.Refused) seccomp.Answer {
				if r.Asked {
					return seccomp.Pass
				}
				list = append(list, r)
				return seccomp.Refuse
			})
			l.Close()
		}
		done <- err
	}()
	return func() []seccomp.Refused {
		if err := <-done; err != nil {
			t.Errorf("the guard: %v", err)
		}
		return list
	}
}

func takeListener(sock *os.File) (int, error) {
	b, oob := make([]byte, 1), make([]byte, unix.CmsgSpace(4))
	_, n, _, _, err := unix.Recvmsg(int(sock.Fd()), b, oob, unix.MSG_CMSG_CLOEXEC)
	if err != nil {
		return -1, err
	}
	messages, err := unix.ParseSocketControlMessage(oob[:n])
	if err != nil || len(messages) != 1 {
		return -1, errors.Join(err, errors.New("no descriptor came"))
	}
	fds, err := unix.ParseUnixRights(&messages[0])
	if err != nil {
		return -1, err
	}
	return fds[0], nil
}

func TestContain(t *testing.T) {
	b := newBox(t, "status:NoNewPrivs", "status:Seccomp_filters", "unshare")
	refused := guarded(t, b)
	b.config.Filters = []seccomp.Program{allowAll()}
	b.expect("1", "2", "error: operation not permitted")
	if list := refused(); len(list) != 1 {
		t.Errorf("the guard heard of %v, expected the unshare only", list)
	}

	i := newBox(t)
	e := i.inside(i.stay(), "status:NoNewPrivs", "status:Seccomp_filters", "unshare")
	refused = guarded(t, e)
	e.config.Filters = []seccomp.Program{allowAll()}
	e.expect("1", "2", "error: operation not permitted")
	if list := refused(); len(list) != 1 {
		t.Errorf("the guard heard of %v, expected the unshare only", list)
	}
}

func allowAll() seccomp.Program {
	return seccomp.Program{Filter: []unix.SockFilter{{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ALLOW}}}
}

// refuse answers one system call with an errno and lets the others pass.
func refuse(nr, errno uint32) seccomp.Program {
	return seccomp.Program{Filter: []unix.SockFilter{
		{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: 0},
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: nr, Jf: 1},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ERRNO | errno},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ALLOW},
	}}
}

// TestBundleFilters: with and without no_new_privs, a filter holds for the process, and what klw-init does after
// loading it doesn't need much: with no_new_privs nothing but execve.
func TestBundleFilters(t *testing.T) {
	for _, nnp := range []bool{true, false} {
		f := []seccomp.Program{refuse(unix.SYS_UNSHARE, uint32(unix.ENOSPC)), refuse(unix.SYS_SETHOSTNAME, uint32(unix.ENOSPC))}
		if nnp {
			f = append(f, refuse(unix.SYS_CAPSET, uint32(unix.ENOSPC)), refuse(unix.SYS_SENDTO, uint32(unix.ENOSPC)),
				refuse(unix.SYS_CLONE, uint32(unix.ENOSPC)), refuse(unix.SYS_PRLIMIT64, uint32(unix.ENOSPC)))
		}
		probes := []string{"unshare", "status:Seccomp"}
		if nnp {
			probes = nil // the probe, a Go program, needs clone
		}
		b := newBox(t, probes...)
		b.spec.Process.NoNewPrivileges = nnp
		b.config.Filters = f
		e := b.inside(newBox(t).stay(), probes...)
		e.spec.Process.NoNewPrivileges = nnp
		e.config.Filters = f
		for name, one := range map[string]*box{"create": b, "exec": e} {
			got, err := one.run()
			if err != nil {
				t.Errorf("%s, no_new_privs %v: %v", name, nnp, err)
			} else if !nnp && (got[0] != "error: no space left on device" || got[1] != "2") {
				t.Errorf("%s: %q", name, got)
			}
		}
	}
}
