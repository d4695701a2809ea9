package guard

import (
	"fmt"
	"log/slog"
	"os"
	"time"

	"klw/hooks"
	"klw/internal/audit"
	"klw/internal/handshake"
	"klw/internal/layout"
	"klw/internal/policy"
	"klw/internal/view"
)

// viewTime is how long requests may take that are under way when a view is aborted.
const viewTime = 5 * time.Second

// readPolicy parses the policy, exactly the text that klw-runc has checked: Setup.Policy only names it. Rules are named
// by the file's last name and the line.
func (g *guard) readPolicy() error {
	g.dir = layout.Root(g.setup.Root).Container(g.setup.ID)
	kept, err := os.ReadFile(g.dir.Policy())
	if err != nil {
		return fmt.Errorf("policy: %w", err)
	}
	texts, err := policy.DecodeTexts(kept)
	if err != nil {
		return fmt.Errorf("policy: %s: %w", g.dir.Policy(), err)
	}
	g.policy, err = texts.Parse()
	g.now.Store(&inForce{texts: texts, policy: g.policy})
	return err
}

// openLog opens the events.
func (g *guard) openLog() error {
	o := audit.Options{Application: g.policy.Application, Compartment: g.policy.Compartment}
	if len(g.setup.Users) > 0 {
		o.Inside = g.setup.Inside
	}
	log, err := audit.Open(layout.Root(g.setup.Root).Events(), g.setup.ID, o)
	if err != nil {
		return err
	}
	g.log = log
	g.undo.push("close the event log", log.Close)
	return nil
}

// startTraces writes down that this guard exists.
func (g *guard) startTraces() error {
	self, err := handshake.FindProcess(os.Getpid())
	if err != nil {
		return err
	}
	g.traces.path = g.dir.Guard()
	return g.traces.change(func(t *handshake.Traces) {
		t.Guard, t.Cgroup = self, ownCgroup(g.setup.Cgroup)
	})
}

func (g *guard) watchCgroup() error {
	c, err := openCgroup(g.setup.Cgroup)
	if err != nil {
		return err
	}
	g.cgroup = c
	g.undo.push("close the cgroup", func() error { c.close(); return nil })
	return nil
}

// makeMasters makes both masters. What is registered goes before them: their undoing comes first.
func (g *guard) makeMasters() error {
	observe := func(c *hooks.Call, info hooks.Info, v hooks.Verdict) {
		g.modules.count(info.Name).Add(1)
		g.log.Record(audit.FromCall(c, info, v))
	}
	g.files, g.kernel = hooks.NewMaster(observe), hooks.NewMaster(observe)
	g.undo.push("close the master of the files", g.files.Close)
	g.undo.push("close the master of the kernel", func() error { return g.endKernel() })
	g.modules.observe = observe
	return nil
}

// readUsers reads the container's user list.
func (g *guard) readUsers() (err error) {
	g.users, err = containerUsers(g.setup.Mounts)
	if len(g.setup.Users) > 0 {
		g.users = mappedUsers{inside: g.users, setup: &g.setup}
	}
	return err
}

// makeViews makes the detached mounts, in Setup's order.
func (g *guard) makeViews() (mounts []*os.File, err error) {
	if n := len(g.setup.Mounts); n > handshake.MaxFiles {
		return nil, fmt.Errorf("the container has %d mounts, of which a guard can view at most %d", n, handshake.MaxFiles)
	}
	g.server = view.NewServer(g.files)
	// Pushed before the views' own undoing, so it runs after it: a view that is still served is never unguarded.
	g.undo.push("unload the modules of the files", func() error { return unregisterAll(g.files) })
	g.undo.push("close the views' server", func() error { g.server.Close(); return nil })
	for i, m := range g.setup.Mounts {
		mount, err := g.makeView(i, m)
		if err != nil {
			closeFiles(mounts)
			return nil, fmt.Errorf("view of %s at %s: %w", m.Source, m.Destination, err)
		}
		mounts = append(mounts, mount)
	}
	g.server.KnowAllNames()
	return mounts, nil
}

func (g *guard) makeView(i int, m handshake.Mount) (*os.File, error) {
	v, err := g.server.Add(view.Options{
		Name: fmt.Sprintf("klw-%s-%d", g.setup.ID, i), Source: m.Source, Inside: m.Destination, ReadOnly: m.ReadOnly,
		Alias: handshake.RootAlias, Locking: locking(m.Destination),
	})
	if err != nil {
		return nil, err
	}
	g.undo.push("end the view of "+m.Destination, func() error { return endView(v) })
	g.views = append(g.views, v)
	return v.Mount()
}

// locking shares the locks of what the container may share with others. The root file system is the container's own:
// there fcntl locks needn't make every close of a written file a request.
func locking(inside string) view.Locking {
	if inside == "/" {
		return view.ShareFlock
	}
	return view.ShareAllLocks
}

// endView closes a view's files for good. A replication below it can end only when the view has let go.
func endView(v *view.View) error {
	if err := v.Abort(); err != nil {
		return err
	}
	select {
	case <-v.Done():
		return nil
	case <-time.After(viewTime):
		return fmt.Errorf("a request hasn't ended %v after the view was aborted", viewTime)
	}
}

// unregisterAll takes every module out of a master, the last one first.
func unregisterAll(m *hooks.Master) error {
	list := m.Modules()
	for i := len(list) - 1; i >= 0; i-- {
		if err := m.Unregister(list[i].Name); err != nil {
			return err
		}
		slog.Debug("unregistered", "module", list[i].Name)
	}
	return nil
}
