package attack

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/runtime-spec/specs-go"

	"klw/internal/audit"
)

// column is one runtime with one configuration, and its running container.
type column struct {
	title   string
	runtime []string // the command with its global flags
	events  []string // nil: none; else the command that prints events as JSON lines
	loose   bool     // without seccomp, with all capabilities, devices and privileges
	mapped  bool     // in a user namespace

	id, bundle string
	pid        string
	gateway    string // the host as the container sees it
	address    string // the container as the host sees it
}

// start creates and starts the container from a bundle folder made for it.
func (c *column) start(t *testing.T, bundle, netns string) {
	t.Helper()
	c.bundle = bundle
	c.id = filepath.Base(bundle)
	editConfig(t, bundle, func(s *specs.Spec) {
		if c.loose {
			loosen(s)
		}
		if c.mapped {
			mapUsers(t, bundle, s)
		}
		for i := range s.Linux.Namespaces {
			if s.Linux.Namespaces[i].Type == specs.NetworkNamespace {
				s.Linux.Namespaces[i].Path = netns
			}
		}
	})
	pidFile := filepath.Join(bundle, "pid")
	log, err := os.Create(filepath.Join(bundle, "log"))
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	c.must(t, log, "create", "--bundle", bundle, "--pid-file", pidFile, c.id)
	t.Cleanup(func() { c.stop(t) })
	c.must(t, log, "start", c.id)
	pid, err := os.ReadFile(pidFile)
	if err != nil {
		t.Fatal(err)
	}
	c.pid = strings.TrimSpace(string(pid))
	c.gateway, c.address = route(t, c.pid)
}

func (c *column) must(t *testing.T, log *os.File, args ...string) {
	t.Helper()
	cmd := c.command(args...)
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Run(); err != nil {
		text, _ := os.ReadFile(log.Name())
		t.Fatalf("%s: %s %v: %v\n%s", c.title, c.runtime[0], args, err, text)
	}
}

func (c *column) command(args ...string) *exec.Cmd {
	return exec.Command(c.runtime[0], append(append([]string(nil), c.runtime[1:]...), args...)...)
}

func (c *column) stop(t *testing.T) {
	if out, err := c.command("delete", "-f", c.id).CombinedOutput(); err != nil {
		t.Errorf("%s: delete: %v: %s", c.title, err, out)
	}
}

// outcome is how one attempt went.
type outcome struct {
	worked bool
	text   string
	events []audit.Event
}

// try runs an attempt inside the container.
func (c *column) try(t *testing.T, r row, o *outside) outcome {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	args := append(append([]string(nil), c.runtime[1:]...), "exec", "--user", r.user, c.id, "/attack/attempt", r.name)
	if r.arg != nil {
		args = append(args, r.arg(c, o))
	}
	begin := time.Now()
	cmd := exec.CommandContext(ctx, c.runtime[0], args...)
	var out strings.Builder
	var complaints bytes.Buffer
	cmd.Stderr = &complaints
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	watchPort(stdout, &out, func(port string) {
		if r.in {
			o.comeIn(c.address, port)
		}
	})
	err = cmd.Wait()
	text := strings.TrimSpace(out.String() + complaints.String())
	var exit *exec.ExitError
	if err != nil && (!errors.As(err, &exit) || exit.ExitCode() != 1) {
		t.Errorf("%s: %s as %s could not be tried: %v: %s", c.title, r.name, r.user, err, text)
	}
	return outcome{worked: err == nil, text: text, events: c.eventsSince(t, begin, r)}
}

// eventsSince gives the events of the attempt. What comes in from outside has no process.
func (c *column) eventsSince(t *testing.T, begin time.Time, r row) []audit.Event {
	t.Helper()
	if c.events == nil {
		return nil
	}
	var found []audit.Event
	patience := 2 * time.Second
	if !c.loose { // here the bundle's own profile may refuse first, which gives no event of ours
		patience = 100 * time.Millisecond
	}
	for end := time.Now().Add(patience); len(found) == 0 && time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		out, err := exec.Command(c.events[0], append(append([]string(nil), c.events[1:]...), c.id)...).Output()
		if err != nil {
			t.Fatalf("events: %v", err)
		}
		dec := json.NewDecoder(bytes.NewReader(out))
		for dec.More() {
			var e audit.Event
			if err := dec.Decode(&e); err != nil {
				t.Fatalf("events: %v", err)
			}
			ours := e.Comm == "attempt" || e.Comm == "suid" || e.Comm == "filecap" || r.in && e.PID == 0
			if e.Decision == "refused" && ours && !e.Time.Before(begin) {
				found = append(found, e)
			}
		}
		if r.silent != "" {
			break
		}
	}
	return found
}

func editConfig(t *testing.T, bundle string, edit func(*specs.Spec)) {
	t.Helper()
	file := filepath.Join(bundle, "config.json")
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var s specs.Spec
	if err := json.Unmarshal(text, &s); err != nil {
		t.Fatal(err)
	}
	edit(&s)
	if text, err = json.Marshal(&s); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, text, 0o644); err != nil {
		t.Fatal(err)
	}
}

// loosen takes away what the bundle itself refuses, so that only the guard is left.
func loosen(s *specs.Spec) {
	s.Linux.Seccomp = nil
	s.Linux.Resources.Devices = []specs.LinuxDeviceCgroup{{Allow: true, Type: "a", Access: "rwm"}}
	s.Process.NoNewPrivileges = false
	caps := allCapabilities()
	s.Process.Capabilities = &specs.LinuxCapabilities{Bounding: caps, Effective: caps, Permitted: caps}
	for i := range s.Mounts {
		if s.Mounts[i].Type == "bind" {
			s.Mounts[i].Options = []string{"rbind", "rw"}
		}
		s.Mounts[i].Options = slices.DeleteFunc(s.Mounts[i].Options, func(o string) bool { return o == "ro" })
	}
	s.Linux.MaskedPaths, s.Linux.ReadonlyPaths = nil, nil
}

func allCapabilities() []string {
	return strings.Fields(`CAP_CHOWN CAP_DAC_OVERRIDE CAP_DAC_READ_SEARCH CAP_FOWNER CAP_FSETID CAP_KILL CAP_SETGID
		CAP_SETUID CAP_SETPCAP CAP_LINUX_IMMUTABLE CAP_NET_BIND_SERVICE CAP_NET_BROADCAST CAP_NET_ADMIN CAP_NET_RAW
		CAP_IPC_LOCK CAP_IPC_OWNER CAP_SYS_MODULE CAP_SYS_RAWIO CAP_SYS_CHROOT CAP_SYS_PTRACE CAP_SYS_PACCT CAP_SYS_ADMIN
		CAP_SYS_BOOT CAP_SYS_NICE CAP_SYS_TIME CAP_SYS_TTY_CONFIG CAP_MKNOD CAP_LEASE CAP_AUDIT_WRITE CAP_AUDIT_CONTROL
		CAP_SETFCAP CAP_MAC_OVERRIDE CAP_MAC_ADMIN CAP_SYSLOG CAP_WAKE_ALARM CAP_BLOCK_SUSPEND CAP_AUDIT_READ CAP_PERFMON
		CAP_BPF`)
}

// route gives the host's address as the container sees it, and the container's own.
func route(t *testing.T, pid string) (gateway, address string) {
	t.Helper()
	out, err := exec.Command("nsenter", "-t", pid, "-n", "ip", "-4", "route", "get", "192.0.2.1").Output()
	if err != nil {
		t.Fatalf("route of %s: %v", pid, err)
	}
	f := strings.Fields(string(out))
	for i := range f[:len(f)-1] {
		switch f[i] {
		case "via":
			gateway = f[i+1]
		case "src":
			address = f[i+1]
		}
	}
	if gateway == "" || address == "" {
		t.Fatal(fmt.Errorf("no default route in %q", out))
	}
	return gateway, address
}
