package launch_test

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// holder keeps namespaces alive for a test and gives its pid.
func holder(t *testing.T, flags uintptr, maps []syscall.SysProcIDMap) int {
	t.Helper()
	c := exec.Command("/bin/cat")
	in, err := c.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	c.SysProcAttr = &syscall.SysProcAttr{Cloneflags: flags, UidMappings: maps, GidMappings: maps, GidMappingsEnableSetgroups: true}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		in.Close()
		c.Wait()
	})
	return c.Process.Pid
}

func path(pid int, kind string) string { return fmt.Sprintf("/proc/%d/ns/%s", pid, kind) }

func (b *box) namespace(kind specs.LinuxNamespaceType, path string) {
	for i, n := range b.spec.Linux.Namespaces {
		if n.Type == kind {
			b.spec.Linux.Namespaces[i].Path = path
			return
		}
	}
	b.spec.Linux.Namespaces = append(b.spec.Linux.Namespaces, specs.LinuxNamespace{Type: kind, Path: path})
}

var nsFiles = []string{"readlink:/proc/self/ns/net", "readlink:/proc/self/ns/ipc", "readlink:/proc/self/ns/uts",
	"readlink:/proc/self/ns/cgroup", "readlink:/proc/self/ns/time", "readlink:/proc/self/ns/user", "readlink:/proc/self/ns/pid", "readlink:/proc/self/ns/mnt"}

func links(t *testing.T, pid string) []string {
	t.Helper()
	var out []string
	for _, f := range nsFiles {
		l, err := os.Readlink(strings.Replace(strings.TrimPrefix(f, "readlink:"), "self", pid, 1))
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, l)
	}
	return out
}

func TestNewNamespaces(t *testing.T) {
	ours := links(t, "self")
	b := newBox(t, append(nsFiles, "cat:/sys/class/net/lo/operstate", "cat:/proc/uptime", "cat:/proc/self/timens_offsets")...)
	for _, k := range []specs.LinuxNamespaceType{specs.NetworkNamespace, specs.CgroupNamespace, specs.TimeNamespace} {
		b.namespace(k, "")
	}
	b.mount(specs.Mount{Destination: "/sys", Type: "sysfs", Source: "sysfs"})
	b.spec.Linux.TimeOffsets = map[string]specs.LinuxTimeOffset{"boottime": {Secs: 1e9}, "monotonic": {Secs: 5}}
	got, err := b.run()
	if err != nil {
		t.Fatal(err)
	}
	for n, our := range ours {
		if same := got[n] == our; same != strings.HasPrefix(our, "user") {
			t.Errorf("the container has %s, we have %s", got[n], our)
		}
	}
	if got[8] != "unknown" { // a loopback interface that is up; down is "down"
		t.Errorf("lo is %s", got[8])
	}
	if len(got[9]) < len("1000000000.00") {
		t.Errorf("uptime is %s, expected more than 1e9 seconds", got[9])
	}
}

func TestNamespacesByPath(t *testing.T) {
	pid := holder(t, syscall.CLONE_NEWNET|syscall.CLONE_NEWIPC|syscall.CLONE_NEWUTS|syscall.CLONE_NEWCGROUP|syscall.CLONE_NEWPID, nil)
	b := newBox(t, append(nsFiles, "pid")...)
	b.spec.Hostname = ""
	for k, file := range map[specs.LinuxNamespaceType]string{specs.NetworkNamespace: "net", specs.IPCNamespace: "ipc",
		specs.UTSNamespace: "uts", specs.CgroupNamespace: "cgroup", specs.PIDNamespace: "pid"} {
		b.namespace(k, path(pid, file))
	}
	got, err := b.run()
	if err != nil {
		t.Fatal(err)
	}
	theirs := links(t, fmt.Sprint(pid))
	for n := range theirs[:7] {
		if got[n] != theirs[n] {
			t.Errorf("the container has %s, expected %s", got[n], theirs[n])
		}
	}
	if got[7] == theirs[7] {
		t.Error("the mount namespace is not the container's own")
	}
	if got[8] == "1" {
		t.Error("the container is pid 1 of a namespace that it joined")
	}
}

func TestWrongPath(t *testing.T) {
	for path, want := range map[string]string{
		"/proc/self/ns/uts": "another kind", "/not/there": "no such file", "/dev/null": "no namespace",
	} {
		b := newBox(t, "pid")
		b.namespace(specs.NetworkNamespace, path)
		if _, err := b.run(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, expected %q", path, err, want)
		}
	}
}

var idMaps = []syscall.SysProcIDMap{{ContainerID: 0, HostID: 100000, Size: 65536}}

// own gives the box's files to the user namespace's root, as its user does.
func (b *box) own() {
	if out, err := exec.Command("chown", "-R", "100000:100000", b.root("")).CombinedOutput(); err != nil {
		b.t.Fatalf("%v: %s", err, out)
	}
	for d := b.dir; d != "/"; d = d[:max(1, strings.LastIndexByte(d, '/'))] {
		if st, err := os.Stat(d); err != nil {
			b.t.Fatal(err)
		} else if st.Mode()&0o001 == 0 {
			b.t.Fatalf("%s can't be passed by the user namespace's root", d)
		}
	}
}

// ownUser gives the box a new user namespace.
func (b *box) ownUser() {
	b.t.Helper()
	b.own()
	b.namespace(specs.UserNamespace, "")
	b.spec.Linux.UIDMappings = []specs.LinuxIDMapping{{ContainerID: 0, HostID: 100000, Size: 65536}}
	b.spec.Linux.GIDMappings = b.spec.Linux.UIDMappings
}

func TestNewUserNamespace(t *testing.T) {
	b := newBox(t, "ids", "cat:/proc/self/uid_map", "stat:/dev/null", "write:/dev/null", "touch:/etc/x", "status:CapEff", "hostname")
	b.ownUser()
	b.spec.Process.User.AdditionalGids = []uint32{5}
	caps := []string{"CAP_CHOWN"}
	b.spec.Process.Capabilities = &specs.LinuxCapabilities{Bounding: caps, Permitted: caps, Effective: caps}
	b.expect("0 0 [5]", "         0     100000      65536", "20666 1:3 65534 65534", "written", "made", "0000000000000001", "box")

	b.spec.Process.Args = []string{"/probe", "stay"}
	i := b.stay()
	e := b.inside(i, "ids", "cat:/proc/self/uid_map", "status:CapEff")
	e.expect("0 0 []", "         0     100000      65536", "0000000000000000")
}

func TestUserNamespaceByPath(t *testing.T) {
	pid := holder(t, syscall.CLONE_NEWUSER|syscall.CLONE_NEWNET, idMaps)
	b := newBox(t, append(nsFiles, "cat:/proc/self/uid_map", "ids")...)
	b.own()
	b.namespace(specs.UserNamespace, path(pid, "user"))
	b.namespace(specs.NetworkNamespace, path(pid, "net"))
	got, err := b.run()
	if err != nil {
		t.Fatal(err)
	}
	theirs := links(t, fmt.Sprint(pid))
	if got[0] != theirs[0] || got[5] != theirs[5] {
		t.Errorf("the container has %s and %s, expected %s and %s", got[0], got[5], theirs[0], theirs[5])
	}
	if got[8] != "         0     100000      65536" || got[9] != "0 0 []" {
		t.Errorf("maps %q, ids %q", got[8], got[9])
	}
}

// TestHostNamespaceInUserNamespace: a network namespace that the user namespace has no rights over is joined with ours.
func TestHostNamespaceInUserNamespace(t *testing.T) {
	user, net := holder(t, syscall.CLONE_NEWUSER, idMaps), holder(t, syscall.CLONE_NEWNET, nil)
	b := newBox(t, nsFiles...)
	b.own()
	b.namespace(specs.UserNamespace, path(user, "user"))
	b.namespace(specs.NetworkNamespace, path(net, "net"))
	got, err := b.run()
	if err != nil {
		t.Fatal(err)
	}
	if got[0] != links(t, fmt.Sprint(net))[0] {
		t.Errorf("the container has %s", got[0])
	}
}

func TestTimeInUserNamespace(t *testing.T) {
	b := newBox(t, "cat:/proc/uptime", "readlink:/proc/self/ns/time", "readlink:/proc/self/ns/time_for_children")
	b.ownUser()
	b.namespace(specs.TimeNamespace, "")
	b.spec.Linux.TimeOffsets = map[string]specs.LinuxTimeOffset{"boottime": {Secs: 1e9}}
	got, err := b.run()
	if err != nil {
		t.Fatal(err)
	}
	if len(got[0]) < len("1000000000.00") || got[1] != got[2] || got[1] == links(t, "self")[4] {
		t.Errorf("got %q", got)
	}
	e := b.inside(b.stay(), "cat:/proc/uptime")
	if got, err = e.run(); err != nil || len(got[0]) < len("1000000000.00") {
		t.Errorf("exec: %q, %v", got, err)
	}
}

func TestTimeErrors(t *testing.T) {
	b := newBox(t, "pid")
	b.namespace(specs.TimeNamespace, "")
	b.spec.Linux.TimeOffsets = map[string]specs.LinuxTimeOffset{"wrong": {Secs: 1}}
	if _, err := b.run(); err == nil || !strings.Contains(err.Error(), `clock "wrong"`) {
		t.Errorf("%v, expected an error about the clock", err)
	}
}
