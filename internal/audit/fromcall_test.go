package audit

import (
	"net/netip"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"klw/hooks"
	"klw/internal/inode"
)

type file struct {
	key   inode.Key
	paths []string
}

func (f file) Key() inode.Key  { return f.key }
func (f file) Paths() []string { return f.paths }
func (f file) Type() uint32    { return unix.S_IFREG }

func TestFromCall(t *testing.T) {
	dir := file{key: inode.Key{Dev: 1, Ino: 2}, paths: []string{"/srv"}}
	page := file{key: inode.Key{Dev: 0x801, Ino: 12, Gen: 0xab}, paths: []string{"/srv/a", "/srv/b"}}
	for _, tc := range []struct {
		name                 string
		call                 hooks.Call
		verdict              hooks.Verdict
		path, inode, address string
	}{
		{"object", hooks.Call{Op: hooks.OpOpen, File: page}, hooks.Verdict{}, "/srv/a", "8,1:12:ab", ""},
		{"verdict names the path", hooks.Call{Op: hooks.OpOpen, File: page}, hooks.Verdict{Path: "/srv/b"}, "/srv/b", "8,1:12:ab", ""},
		{"new name", hooks.Call{Op: hooks.OpCreate, Dir: dir, Name: "x"}, hooks.Verdict{}, "/srv/x", "0,1:2:0", ""},
		{"name of an object", hooks.Call{Op: hooks.OpUnlink, Dir: dir, Name: "b", File: page}, hooks.Verdict{}, "/srv/b", "8,1:12:ab", ""},
		{"connect", hooks.Call{Op: hooks.OpConnect, Socket: &hooks.Socket{Family: unix.AF_INET, Type: unix.SOCK_STREAM,
			Addr: netip.MustParseAddrPort("10.0.0.1:80")}}, hooks.Verdict{}, "", "", "tcp 10.0.0.1:80"},
		{"abstract", hooks.Call{Op: hooks.OpConnect, Socket: &hooks.Socket{Family: unix.AF_UNIX, Name: "x"}}, hooks.Verdict{}, "", "", "unix @x"},
		{"raw", hooks.Call{Op: hooks.OpSocket, Socket: &hooks.Socket{Family: unix.AF_PACKET, Type: unix.SOCK_RAW}}, hooks.Verdict{}, "", "", "packet raw"},
		{"system call", hooks.Call{Op: hooks.OpSyscall, Text: "mount(…)"}, hooks.Verdict{}, "", "", "mount(…)"},
	} {
		tc.verdict.Errno = unix.EACCES
		e := FromCall(&tc.call, hooks.Info{Name: "files"}, tc.verdict)
		if e.Path != tc.path || e.Inode != tc.inode || e.Address != tc.address {
			t.Errorf("%s: path %q inode %q address %q", tc.name, e.Path, e.Inode, e.Address)
		}
		if e.Errno != "EACCES" || e.Rule != hooks.NoRule || e.Module != "files" || e.Decision != Refused {
			t.Errorf("%s: %+v", tc.name, e)
		}
	}
}

func TestCommOfTheCaller(t *testing.T) {
	want, err := os.ReadFile("/proc/self/comm")
	if err != nil {
		t.Fatal(err)
	}
	if got := Comm(uint32(os.Getpid())); got != strings.TrimSpace(string(want)) {
		t.Errorf("own comm %q, want %q", got, want)
	}
	if Comm(0) != "" || Comm(1<<31) != "" {
		t.Error("a task that isn't there has a name")
	}
}
