package view

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"klw/hooks"
)

// A survey makes names known that nobody has looked up: an object that has more names on the backing than are known may
// be open to somebody under the strictest of them only. It walks the backing of all views, once, when the first such
// object is asked about; who asks waits. What is not found then lies outside of the views. It is made again when an
// object has got a further name on the host.
//
// While it walks, no directory is renamed through a view: nobody can carry a name from where the walk has yet to come
// to where it has been.
type survey struct {
	srv *Server
	on  atomic.Bool

	mu      sync.Mutex
	run     *surveyRun // waiting to begin, or walking
	begun   uint64     // walks so far
	walking bool
	moving  int           // renames of directories under way
	still   chan struct{} // closed when moving gets to 0
	rest    time.Duration // before the next walk, so that walking never takes more than a part of the time
	ended   time.Time

	kept map[*Inode]kept // under Server.mu: what has several names, known for good
}

// kept is what is remembered of an object with several names.
type kept struct {
	outside int    // names that no view shows
	seen    uint64 // the walk that came by it last
}

// surveyRun is one survey.
type surveyRun struct {
	number uint64
	ctx    context.Context
	cancel context.CancelFunc
	done   chan struct{}
	err    error // after done
}

const (
	minRest    = 100 * time.Millisecond
	restFactor = 4 // of the time that a walk took
)

// KnowAllNames makes the server find all names that an object has inside the views before a module is asked about it.
// It is to be called when all views are made, and before they are used.
func (s *Server) KnowAllNames() { s.survey.on.Store(true) }

// allNames makes all names of objects known. It waits, unless the caller is killed. No directory may be locked.
func (s *Server) allNames(pid uint32, nodes ...*Inode) unix.Errno {
	for _, n := range nodes {
		if s.counts(n) {
			continue
		}
		if e := s.survey.settle(n, pid); e != 0 {
			return e
		}
	}
	return 0
}

// AllNames makes all names of an object known, as before a module is asked about it. It may wait for a walk through the
// views.
func (s *Server) AllNames(f hooks.File) error {
	n, ok := f.(*Inode)
	if !ok || !s.survey.on.Load() {
		return nil
	}
	if e := s.allNames(0, n); e != 0 {
		return e
	}
	return nil
}

// allNamesFor is allNames of what a call is about. Where the call is about names, they have been looked at before (see
// lockNames), and their directories are locked.
func (s *Server) allNamesFor(c *hooks.Call) unix.Errno {
	if !s.survey.on.Load() || c.Dir != nil || c.NewDir != nil {
		return 0
	}
	for _, f := range []hooks.File{c.File, c.NewFile} {
		if n, ok := f.(*Inode); ok {
			if e := s.allNames(c.Caller.PID, n); e != 0 {
				return e
			}
		}
	}
	return 0
}

// allNamesOfSpecial is allNames of what the kernel opens without asking, before its attributes are shown. If it fails,
// they show something that nobody can open.
func (s *Server) allNamesOfSpecial(pid uint32, n *Inode) {
	switch n.typ {
	case unix.S_IFREG, unix.S_IFDIR, unix.S_IFLNK:
	default:
		_ = s.allNames(pid, n)
	}
}

// counts tells whether the names that are known are as many as the object has.
func (s *Server) counts(n *Inode) bool {
	if n == nil || n.typ == unix.S_IFDIR || !s.survey.on.Load() {
		return true
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	return int(n.nlink.Load()) == n.names()+s.survey.kept[n].outside
}

// enough tells whether at least as many names are known as the object has.
func (s *Server) enough(n *Inode) bool {
	if s.counts(n) {
		return true
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	return int(n.nlink.Load()) <= n.names()+s.survey.kept[n].outside
}

// names is how many names are known, with srv.mu held. The one by which a view of a single file begins counts, if it is
// in no other view.
func (n *Inode) names() int {
	if len(n.links) == 0 && len(n.uncommon().roots) > 0 {
		return 1
	}
	return len(n.links)
}

// settle finds the names that n lacks.
func (y *survey) settle(n *Inode, pid uint32) unix.Errno {
	begun := y.walks() // before the look at the number of names
	if err := y.recount(n); err != nil {
		return errno(err)
	}
	for !y.srv.enough(n) {
		run := y.start()
		if !waitFor(run.done, pid) {
			return unix.EINTR
		}
		if run.err != nil {
			return unix.EIO
		}
		if run.number > begun {
			y.settled(n)
			return 0
		}
	}
	return 0
}

// recount looks at the backing again, and at the names if there seem to be too many: the host may have removed some.
func (y *survey) recount(n *Inode) error {
	st, err := n.StatBacking()
	if err != nil {
		return err
	}
	n.nlink.Store(uint32(st.Nlink))
	s := y.srv
	s.mu.RLock()
	var links []link
	if n.names() > int(st.Nlink) {
		links = append(links, n.links...)
	}
	s.mu.RUnlock()
	for _, l := range links {
		s.lookAt(l)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	y.trim(n)
	return nil
}

// trim forgets what is not needed any more, with srv.mu held.
func (y *survey) trim(n *Inode) {
	k, ok := y.kept[n]
	if !ok {
		return
	}
	if n.nlink.Load() <= 1 {
		y.drop(n)
		return
	}
	k.outside = min(k.outside, max(0, int(n.nlink.Load())-n.names()))
	y.kept[n] = k
}

// lookAt looks a name up that may be gone.
func (s *Server) lookAt(l link) {
	v := s.viewOf(l.parent)
	if v == nil {
		return
	}
	if n, err := v.enter(l.parent, l.name); err == nil {
		s.release(n)
	}
}

// settled notes that what isn't known of n's names is outside of the views.
func (y *survey) settled(n *Inode) {
	y.srv.mu.Lock()
	defer y.srv.mu.Unlock()
	y.keep(n)
	k := y.kept[n]
	k.outside = max(0, int(n.nlink.Load())-n.names())
	y.kept[n] = k
}

// keep makes n known for good, with srv.mu held.
func (y *survey) keep(n *Inode) {
	if _, ok := y.kept[n]; !ok {
		n.refs++
		y.kept[n] = kept{}
	}
}

// linked keeps what has got a further name.
func (s *Server) linked(n *Inode) {
	if s.survey.on.Load() {
		s.mu.Lock()
		s.survey.keep(n)
		s.mu.Unlock()
	}
}

// unlinked notes how many names are left.
func (s *Server) unlinked(n *Inode, nlink uint32) {
	n.nlink.Store(nlink)
	if s.survey.on.Load() && nlink <= 1 {
		s.mu.Lock()
		s.survey.drop(n)
		s.mu.Unlock()
	}
}

func (y *survey) drop(n *Inode) {
	if _, ok := y.kept[n]; ok {
		delete(y.kept, n)
		y.srv.unref(n)
	}
}

func (y *survey) walks() uint64 {
	y.mu.Lock()
	defer y.mu.Unlock()
	return y.begun
}

// start gives the survey that is waiting or walking, or begins one.
func (y *survey) start() *surveyRun {
	y.mu.Lock()
	defer y.mu.Unlock()
	if y.run == nil {
		y.run = &surveyRun{number: y.begun + 1, done: make(chan struct{})}
		y.run.ctx, y.run.cancel = context.WithCancel(context.Background())
		go y.work(y.run)
	}
	return y.run
}

// work makes one survey.
func (y *survey) work(run *surveyRun) {
	defer close(run.done)
	defer run.cancel()
	if y.begin(run) {
		run.err = y.walk(run)
	} else {
		run.err = unix.ECANCELED
	}
	y.mu.Lock()
	y.run, y.walking = nil, false
	y.mu.Unlock()
	if run.err != nil && run.err != unix.ECANCELED {
		fmt.Fprintf(y.srv.errors, "view: find the names of files with several: %v\n", run.err)
	}
}

// begin waits until it is time to walk and no directory moves.
func (y *survey) begin(run *surveyRun) bool {
	y.mu.Lock()
	pause := time.NewTimer(time.Until(y.ended.Add(y.rest)))
	y.mu.Unlock()
	defer pause.Stop()
	select {
	case <-pause.C:
	case <-run.ctx.Done():
		return false
	}
	for {
		y.mu.Lock()
		still := y.still
		if y.moving == 0 {
			y.begun, y.walking = run.number, true
			y.mu.Unlock()
			return true
		}
		y.mu.Unlock()
		select {
		case <-still:
		case <-run.ctx.Done():
			return false
		}
	}
}

// walk goes through the backing of all views.
func (y *survey) walk(run *surveyRun) error {
	start := time.Now()
	defer func() {
		y.mu.Lock()
		y.ended = time.Now()
		y.rest = max(minRest, restFactor*y.ended.Sub(start))
		y.mu.Unlock()
	}()
	for _, v := range y.srv.heldViews() {
		c := census{view: v, run: run, survey: y}
		err := c.take()
		y.srv.release(v.root)
		y.srv.leaveSource(v.source)
		if err != nil && run.err == nil {
			run.err = fmt.Errorf("below %s: %w", v.opts.Source, err)
		}
	}
	if run.err == nil {
		y.close(run)
	}
	return run.err
}

// heldViews gives all views; their roots are to be released and their sources to be left.
func (s *Server) heldViews() []*View {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, v := range s.views {
		v.root.refs++
		v.source.users++
	}
	return append([]*View(nil), s.views...)
}

// close notes what a walk has found out: names that it didn't come by are outside, objects that it didn't are gone.
func (y *survey) close(run *surveyRun) {
	y.srv.mu.Lock()
	defer y.srv.mu.Unlock()
	for n, k := range y.kept {
		if k.seen != run.number {
			y.drop(n)
			continue
		}
		k.outside = max(0, int(n.nlink.Load())-n.names())
		y.kept[n] = k
	}
}

// end stops what is under way and lets go of everything.
func (y *survey) end() {
	y.mu.Lock()
	run := y.run
	y.mu.Unlock()
	if run != nil {
		run.cancel()
		<-run.done
	}
	y.srv.mu.Lock()
	defer y.srv.mu.Unlock()
	for n := range y.kept {
		y.drop(n)
	}
}

// enterMove begins the rename of a directory, which is not to happen during a walk.
func (y *survey) enterMove(pid uint32) bool {
	for {
		y.mu.Lock()
		if !y.walking {
			if y.moving == 0 {
				y.still = make(chan struct{})
			}
			y.moving++
			y.mu.Unlock()
			return true
		}
		done := y.run.done
		y.mu.Unlock()
		if !waitFor(done, pid) {
			return false
		}
	}
}

func (y *survey) leaveMove() {
	y.mu.Lock()
	defer y.mu.Unlock()
	y.moving--
	if y.moving == 0 {
		close(y.still)
	}
}
