package view

import (
	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"

	"klw/hooks"
)

// attr is a change of attributes as a request asks for it.
type attr struct{ hooks.Attr }

func attrOf(in *fuse.SetAttrIn) attr {
	var a attr
	set := func(bit uint32, s hooks.AttrSet) bool {
		if in.Valid&bit == 0 {
			return false
		}
		a.Valid |= s
		return true
	}
	a.Handle = in.Valid&fuse.FATTR_FH != 0
	if set(fuse.FATTR_MODE, hooks.AttrMode) {
		a.Mode = in.Mode & 07777
	}
	if set(fuse.FATTR_UID, hooks.AttrUID) {
		a.UID = in.Uid
	}
	if set(fuse.FATTR_GID, hooks.AttrGID) {
		a.GID = in.Gid
	}
	if set(fuse.FATTR_SIZE, hooks.AttrSize) {
		a.Size = int64(in.Size)
	}
	if set(fuse.FATTR_ATIME, hooks.AttrAtime) {
		a.Atime = moment(in.Valid&fuse.FATTR_ATIME_NOW != 0, in.Atime, in.Atimensec)
	}
	if set(fuse.FATTR_MTIME, hooks.AttrMtime) {
		a.Mtime = moment(in.Valid&fuse.FATTR_MTIME_NOW != 0, in.Mtime, in.Mtimensec)
	}
	return a
}

// moment resolves a time. Now is the coarse clock, which the file systems use too: a write right afterwards must not
// seem earlier.
func moment(now bool, sec uint64, nsec uint32) unix.Timespec {
	if !now {
		return unix.Timespec{Sec: int64(sec), Nsec: int64(nsec)}
	}
	var ts unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_REALTIME_COARSE, &ts)
	return ts
}

func (a attr) has(s hooks.AttrSet) bool { return a.Valid&s != 0 }

// operations names what the change is, in the words of the master. One of nothing is chown(2) to the owner that is
// there: it takes set-id bits and file capabilities off.
func (a attr) operations() []hooks.Operation {
	var ops []hooks.Operation
	for _, o := range []struct {
		set hooks.AttrSet
		op  hooks.Operation
	}{
		{hooks.AttrSize, hooks.OpTruncate},
		{hooks.AttrMode, hooks.OpChmod},
		{hooks.AttrUID | hooks.AttrGID, hooks.OpChown},
		{hooks.AttrAtime | hooks.AttrMtime, hooks.OpUtimes},
	} {
		if a.has(o.set) {
			ops = append(ops, o.op)
		}
	}
	if ops == nil {
		ops = []hooks.Operation{hooks.OpChown}
	}
	return ops
}

// change makes the change and gives the resulting attributes.
func (s *session) change(n *node, in *fuse.SetAttrIn, a attr) (unix.Stat_t, error) {
	fd, err := n.reach()
	if err != nil {
		return unix.Stat_t{}, err
	}
	defer s.fds.release(fd)
	if a.has(hooks.AttrSize) {
		if err := s.truncate(fd.fd, in, a.Size); err != nil {
			return unix.Stat_t{}, err
		}
	}
	if a.Valid == 0 {
		if err := s.mayStrip(n, in, fd.fd); err != nil {
			return unix.Stat_t{}, err
		}
	}
	if a.has(hooks.AttrUID|hooks.AttrGID) || a.Valid == 0 {
		if err := chown(fd.fd, a); err != nil {
			return unix.Stat_t{}, err
		}
	}
	if a.has(hooks.AttrMode) {
		// The kernel has taken S_ISGID off where the caller may not set it; CAP_FSETID is needed to set it for others.
		if err := unix.Chmod(procPath(fd.fd), a.Mode); err != nil {
			return unix.Stat_t{}, err
		}
	}
	if a.has(hooks.AttrAtime | hooks.AttrMtime) {
		if err := utimes(fd.fd, a); err != nil {
			return unix.Stat_t{}, err
		}
	}
	return fstat(fd.fd)
}

// truncate uses the open file where there is one: it may be writable although the mode no longer says so, and a
// program that is being executed can't be opened for writing.
func (s *session) truncate(fd int, in *fuse.SetAttrIn, size int64) (err error) {
	do := func() { err = retry(func() error { return unix.Truncate(procPath(fd), size) }) }
	if in.Valid&fuse.FATTR_FH != 0 {
		if f, e := s.file(in.Fh); e == 0 && f.writable() {
			do = func() { err = retry(func() error { return unix.Ftruncate(f.fd, size) }) }
		}
	}
	return s.killing(in.Valid&fuse.FATTR_KILL_SUIDGID != 0, do, &err)
}

// killing runs a change of data, so that set-id bits go where the kernel says that they must.
func (s *session) killing(kill bool, do func(), result *error) error {
	if !kill {
		do()
		return *result
	}
	if err := s.priv.unprivileged(do); err != nil {
		return err
	}
	return *result
}

func chown(fd int, a attr) error {
	uid, gid := -1, -1
	if a.has(hooks.AttrUID) {
		uid = int(a.UID)
	}
	if a.has(hooks.AttrGID) {
		gid = int(a.GID)
	}
	return unix.Fchownat(fd, "", uid, gid, unix.AT_EMPTY_PATH)
}

func utimes(fd int, a attr) error {
	ts := []unix.Timespec{{Nsec: unix.UTIME_OMIT}, {Nsec: unix.UTIME_OMIT}}
	if a.has(hooks.AttrAtime) {
		ts[0] = a.Atime
	}
	if a.has(hooks.AttrMtime) {
		ts[1] = a.Mtime
	}
	return unix.UtimesNanoAt(fd, "", ts, unix.AT_EMPTY_PATH)
}
