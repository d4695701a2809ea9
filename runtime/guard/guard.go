// Package guard starts the guard of a container, klw-guard, and speaks package handshake's protocol with it.
//
// The guard outlives the klw-runc that starts it. It gets a session of its own, none of the caller's descriptors (an
// engine waits for their end), a cgroup of its own, and writes what it has to say to layout.Dir.GuardLog.
package guard

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"klw/internal/handshake"
	"klw/internal/layout"
	"klw/internal/program"
)

const binaryName = "klw-guard"

// answerTime is how long a guard may take for one answer before it counts as hung.
const answerTime = 2 * time.Minute

// Guard is a guard in the making.
type Guard struct {
	Process handshake.Process
	conn    *handshake.Conn
	log     string
}

// Preflight says what is missing on the host for any guard, before anything is made.
func Preflight() error {
	if _, err := program.Find(binaryName); err != nil {
		return fmt.Errorf("the bundle has a policy: %w", err)
	}
	if f, err := os.OpenFile("/dev/fuse", os.O_RDWR, 0); err != nil {
		return fmt.Errorf("a policy needs FUSE: %w (try: modprobe fuse)", err)
	} else {
		f.Close()
	}
	return nil
}

// Start starts "klw-guard serve" in a cgroup.
func Start(dir layout.Dir, cgroup *os.File) (*Guard, error) {
	binary, err := program.Find(binaryName)
	if err != nil {
		return nil, err
	}
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	defer null.Close()
	log, err := os.OpenFile(dir.GuardLog(), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, fmt.Errorf("guard's log: %w", err)
	}
	defer log.Close()
	conn, theirs, err := handshake.Pair()
	if err != nil {
		return nil, err
	}
	defer theirs.Close()
	p, err := os.StartProcess(binary, []string{binary, "serve"}, &os.ProcAttr{
		Dir:   "/",
		Env:   environment(),
		Files: []*os.File{null, log, log, theirs},
		Sys:   &syscall.SysProcAttr{Setsid: true, UseCgroupFD: true, CgroupFD: int(cgroup.Fd())},
	})
	if err != nil {
		conn.Close()
		return nil, fmt.Errorf("start the guard: %w", err)
	}
	g := &Guard{conn: conn, log: dir.GuardLog()}
	g.Process, err = handshake.FindProcess(p.Pid)
	if err != nil {
		p.Kill()
		_, _ = p.Wait()
		conn.Close()
		return nil, err
	}
	_ = p.Release()
	return g, nil
}

// environment is ours without what a supervisor meant for us alone.
func environment() []string {
	var env []string
	for _, e := range os.Environ() {
		name, _, _ := strings.Cut(e, "=")
		if name != "NOTIFY_SOCKET" && !strings.HasPrefix(name, "LISTEN_") && !strings.HasPrefix(name, "_OCI_") {
			env = append(env, e)
		}
	}
	return env
}

// Setup sends what is to be guarded and gives one detached mount for each of its mounts.
func (g *Guard) Setup(s *handshake.Setup) ([]*os.File, error) {
	m, files, err := g.ask(&handshake.Message{Setup: s})
	if err == nil && (m.Views == nil || len(files) != len(s.Mounts)) {
		err = fmt.Errorf("guard: answered Setup with %d of %d views", len(files), len(s.Mounts))
	}
	if err != nil {
		for _, f := range files {
			f.Close()
		}
		return nil, err
	}
	for i, f := range files {
		files[i] = byAlias(f)
	}
	return files, nil
}

// byAlias gives the view from its root's other node on; the view as it is where there is none (a single file) or the
// kernel can't clone a mount that is nowhere (before Linux 6.15).
func byAlias(view *os.File) *os.File {
	fd, err := unix.OpenTree(int(view.Fd()), handshake.RootAlias, unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC)
	if err != nil {
		return view
	}
	view.Close()
	return os.NewFile(uintptr(fd), view.Name())
}

// Attach says that the first process exists and gives back when everything that the policy asks for is in force.
func (g *Guard) Attach(a *handshake.Attach) error {
	m, files, err := g.ask(&handshake.Message{Attach: a})
	for _, f := range files {
		f.Close()
	}
	if err == nil && m.Ready == nil {
		err = errors.New("guard: answered Attach with something else than Ready")
	}
	return err
}

// Close lets the guard go on alone, or, before Attach has answered, makes it undo everything and end.
func (g *Guard) Close() error { return g.conn.Close() }

func (g *Guard) ask(q *handshake.Message) (*handshake.Message, []*os.File, error) {
	g.conn.SetDeadline(time.Now().Add(answerTime))
	if err := g.conn.Send(q); err != nil {
		return nil, nil, g.explain(err)
	}
	m, files, err := g.conn.Recv()
	if err != nil {
		return nil, nil, g.explain(err)
	}
	if m.Failed != "" {
		return nil, files, errors.New(m.Failed)
	}
	return m, files, nil
}

// explain says what a guard that ended unexpectedly wrote last.
func (g *Guard) explain(err error) error {
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		err = fmt.Errorf("the guard didn't answer within %v", answerTime)
	case errors.Is(err, io.EOF), errors.Is(err, syscall.EPIPE), errors.Is(err, syscall.ECONNRESET):
		err = errors.New("the guard ended unexpectedly")
	}
	text, _ := os.ReadFile(g.log)
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	if last := lines[len(lines)-1]; last != "" {
		return fmt.Errorf("%w; it wrote last: %s", err, last)
	}
	return err
}
