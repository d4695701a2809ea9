package guard

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"klw/fsguard"
	"klw/hooks"
	"klw/internal/audit"
	"klw/internal/handshake"
	"klw/internal/layout"
	"klw/internal/policy"
	"klw/internal/view"
	"klw/netguard"
)

// guard is one klw-guard at work.
type guard struct {
	conn  *handshake.Conn
	setup handshake.Setup
	dir   layout.Dir
	since time.Time
	level slog.LevelVar
	undo  undo

	policy *policy.Policy // that the container was created with: what can't change counts by it
	now    atomic.Pointer[inForce]
	coming atomic.Pointer[binding] // what is being put into force; nil but during an exchange
	log    *audit.Log
	traces traces
	cgroup *cgroup
	state  state

	files     *hooks.Master
	kernel    *hooks.Master
	modules   modules
	extra     []hooks.Module
	sockets   loading
	server    *view.Server
	views     []*view.View
	users     fsguard.Users
	fileRules map[string]*fsguard.Module // by name, registered or not; under changing once the guard is enforcing
	circles   *fsguard.CircleModule      // nil where there are none; likewise
	lessons   lessons
	replicas  []*replica

	changing    sync.Mutex // what is in force changes: policy and modules
	socketRules atomic.Pointer[netguard.Module]
	canAbstract atomic.Bool // this kernel decides on abstract UNIX names
	warnings    []string    // of the host, complete when the guard is enforcing
}

// Serve is the program "klw-guard serve": it guards one container, over the conversation on descriptor
// handshake.FD, until the container ends. What went wrong has been logged and, if klw-runc still listened, told; ok says
// that nothing did. Extra modules are added to those that klw has; "klwctl module load" puts them into force.
func Serve(extra ...hooks.Module) (ok bool) {
	conn, err := handshake.NewConn(handshake.FD)
	if err == nil {
		err = isolate()
	}
	if err != nil {
		slog.Error("the guard can't start", "error", err)
		return false
	}
	ctx, stop := signal.NotifyContext(context.Background(), unix.SIGTERM, unix.SIGINT, unix.SIGHUP)
	defer stop()
	return serve(ctx, conn, extra) == nil
}

func serve(ctx context.Context, conn *handshake.Conn, extra []hooks.Module) error {
	g := &guard{conn: conn, since: time.Now(), extra: extra}
	g.state.Store(stateStarting)
	slog.SetDefault(slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: &g.level})))
	err := g.begin(ctx)
	if err == nil {
		err = g.live(ctx)
	}
	g.state.Store(stateEnding)
	// Told before it is undone: klw-init has the host's mounts, and a replication can't end before it lets go of them.
	if err != nil && !errors.Is(err, errStopped) {
		slog.Error("the guard ends", "error", err)
		_ = conn.Send(&handshake.Message{Failed: shorten(err.Error())})
	}
	undone := g.undo.run()
	if undone == nil {
		undone = g.traces.remove()
	}
	if undone != nil {
		slog.Error("something is left", "error", undone)
	}
	if errors.Is(err, errStopped) {
		slog.Info("the guard ends", "why", err)
	}
	conn.Close()
	return errors.Join(err, undone)
}

// shorten keeps a message within what the handshake takes.
func shorten(text string) string {
	const most = handshake.MaxMessage / 8 // JSON may need six bytes for one
	if len(text) <= most {
		return text
	}
	return text[:most] + "\n(and more)"
}

// errStopped: the guard was told to stop before it was Ready, or klw-runc went away.
var errStopped = errors.New("stopped before the container was ready")

// begin goes through the handshake.
func (g *guard) begin(ctx context.Context) error {
	m, err := g.recv(ctx)
	if err != nil {
		return err
	}
	if m.Setup == nil {
		return errors.New("handshake: the first message isn't Setup")
	}
	g.setup = *m.Setup
	mounts, err := g.prepare()
	if err != nil {
		return err
	}
	err = g.conn.Send(&handshake.Message{Views: &handshake.Views{}}, mounts...)
	closeFiles(mounts)
	if err != nil {
		return fmt.Errorf("%w: %w", errStopped, err)
	}
	if m, err = g.recv(ctx); err != nil {
		return err
	}
	if m.Attach == nil {
		return errors.New("handshake: the second message isn't Attach")
	}
	for _, v := range g.views {
		v.CloseAlias()
	}
	if err := g.attach(*m.Attach); err != nil {
		return err
	}
	g.state.Store(stateEnforcing)
	g.notice(audit.OpStart, "", "")
	if err := g.conn.Send(&handshake.Message{Ready: &handshake.Ready{}}); err != nil {
		return fmt.Errorf("%w: %w", errStopped, err)
	}
	return g.conn.Close()
}

// recv waits for klw-runc's next message.
func (g *guard) recv(ctx context.Context) (*handshake.Message, error) {
	defer context.AfterFunc(ctx, func() { g.conn.SetDeadline(time.Unix(1, 0)) })()
	m, files, err := g.conn.Recv()
	closeFiles(files)
	switch {
	case ctx.Err() != nil:
		g.conn.SetDeadline(time.Now().Add(time.Second)) // for saying so
		return nil, fmt.Errorf("%w: by a signal", errStopped)
	case errors.Is(err, io.EOF):
		return nil, fmt.Errorf("%w: klw-runc went away", errStopped)
	}
	return m, err
}

// prepare makes everything up to the detached mounts, one for each of Setup's.
func (g *guard) prepare() ([]*os.File, error) {
	for _, do := range []func() error{
		g.readPolicy, g.openLog, g.startTraces, g.watchCgroup, g.replicate, g.readUsers, g.makeMasters, g.loadSeal,
	} {
		if err := do(); err != nil {
			return nil, err
		}
	}
	g.startSockets()
	mounts, err := g.makeViews()
	if err == nil {
		err = g.bindFiles()
	}
	if err == nil {
		err = g.control()
	}
	if err != nil {
		closeFiles(mounts)
		return nil, err
	}
	return mounts, nil
}

// live waits for the end of the container, or a signal.
func (g *guard) live(ctx context.Context) error {
	slog.Info("enforcing", "container", g.setup.ID, "policy", g.setup.Policy, "application", g.policy.Application)
	err := g.cgroup.waitEmpty(ctx)
	if errors.Is(err, context.Canceled) {
		slog.Warn("stopped by a signal while the container may still run: its files are closed from now on")
		err = nil
	}
	g.notice(audit.OpStop, "", "") // refusals of packets may still come in behind it
	return err
}

// notice records something about the guard itself.
func (g *guard) notice(op, module, hint string) {
	if module == "" {
		module = "guard"
	}
	g.log.Record(audit.Event{
		PID: uint32(os.Getpid()), UID: uint32(os.Geteuid()), Comm: "klw-guard",
		Operation: op, Module: module, Decision: audit.Notice, Hint: hint,
	})
}

func closeFiles(files []*os.File) {
	for _, f := range files {
		if f != nil {
			f.Close()
		}
	}
}
