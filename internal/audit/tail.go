package audit

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// Tail gives the events of the logs in a folder since a time, and then those that come, of container id or, if that is
// "", of all, logs that don't exist yet included. It asks no guard, so it misses nothing of one that lives only for a
// moment, and goes on when a guard ends and another of the same id begins. It ends with ctx, an error of each, or (nil)
// when until is closed and what was written before has been given.
func Tail(ctx context.Context, dir, id string, since time.Time, until <-chan struct{}, each func(Event) error) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	w, err := watch(dir)
	if err != nil {
		return fmt.Errorf("watch %s: %w", dir, err)
	}
	defer w.Close()
	ending, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(ending, func() { w.SetReadDeadline(time.Unix(1, 0)) })()
	go func() {
		select {
		case <-until:
			cancel()
		case <-ending.Done():
		}
	}()
	t := &tailer{dir: dir, id: id, since: since, each: each, logs: map[string]*tailed{}}
	defer t.close()
	news := make([]byte, 64<<10)
	for {
		last := ending.Err() != nil // what was written before is read now
		if err := t.look(); err != nil {
			return err
		}
		if last {
			return ctx.Err()
		}
		if _, err := w.Read(news); err != nil && ending.Err() == nil {
			return fmt.Errorf("watch %s: %w", dir, err)
		}
	}
}

// watch gives a file that has something to read when a log in dir has changed.
func watch(dir string) (*os.File, error) {
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	if err != nil {
		return nil, err
	}
	if _, err := unix.InotifyAddWatch(fd, dir, unix.IN_MODIFY|unix.IN_CREATE|unix.IN_MOVED_TO|unix.IN_ONLYDIR); err != nil {
		unix.Close(fd)
		return nil, err
	}
	return os.NewFile(uintptr(fd), "inotify"), nil
}

type tailer struct {
	dir, id string
	since   time.Time
	each    func(Event) error
	logs    map[string]*tailed
}

// tailed is a place in one log.
type tailed struct {
	file *os.File
	off  int64
}

func (t *tailer) close() {
	for _, l := range t.logs {
		l.file.Close()
	}
}

// look reads what is new in all logs.
func (t *tailer) look() error {
	ids := []string{t.id}
	if t.id == "" {
		var err error
		if ids, err = IDs(t.dir); err != nil {
			return err
		}
	}
	for _, id := range ids {
		if err := t.read(id); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

func (t *tailer) read(id string) error {
	l := t.logs[id]
	if l == nil {
		var err error
		if l, err = t.first(id); err != nil {
			return err
		}
		t.logs[id] = l
	}
	for {
		turned, err := l.turned(current(t.dir, id)) // asked first: what was written before it was turned over is read now
		if err != nil {
			return err
		}
		if err := l.lines(t.since, t.each); err != nil {
			return err
		}
		if !turned {
			return nil
		}
		if err := t.turn(l, id); err != nil {
			return err
		}
	}
}

// first opens a log where the wanted time begins.
func (t *tailer) first(id string) (*tailed, error) {
	for _, name := range []string{previous(t.dir, id), current(t.dir, id)} {
		f, err := os.Open(name)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		info, err := f.Stat()
		switch {
		case err != nil:
			f.Close()
			return nil, err
		case name == current(t.dir, id) && info.ModTime().Before(t.since):
			return &tailed{f, info.Size()}, nil
		case !info.ModTime().Before(t.since):
			return &tailed{f, 0}, nil
		}
		f.Close()
	}
	return nil, fs.ErrNotExist
}

// turned tells whether the log goes on in another file.
func (l *tailed) turned(name string) (bool, error) {
	mine, err := l.file.Stat()
	if err != nil {
		return false, err
	}
	now, err := os.Stat(name)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil // between renaming and making the next
	}
	return err == nil && !os.SameFile(mine, now), err
}

// turn goes on to the next file: the one after mine, if it is still there.
func (t *tailer) turn(l *tailed, id string) error {
	mine, err := l.file.Stat()
	if err != nil {
		return err
	}
	next, missed := current(t.dir, id), false
	if old, err := os.Stat(previous(t.dir, id)); err == nil && !os.SameFile(old, mine) {
		next, missed = previous(t.dir, id), true
	}
	f, err := os.Open(next)
	if err != nil {
		return err
	}
	l.file.Close()
	l.file, l.off = f, 0
	if !missed {
		return nil
	}
	e := lostEvent(1)
	e.Time, e.Container, e.Hint = time.Now().UTC(), id, "the log was turned over more than once meanwhile: one or more were missed"
	return t.each(e)
}

// lines gives the whole lines that are new.
func (l *tailed) lines(since time.Time, each func(Event) error) error {
	buf := make([]byte, 256<<10)
	for {
		n, err := l.file.ReadAt(buf, l.off)
		if err != nil && err != io.EOF {
			return err
		}
		end := bytes.LastIndexByte(buf[:n], '\n') + 1
		if end == 0 {
			return nil
		}
		if err := scan(bytes.NewReader(buf[:end]), since, each); err != nil {
			return err
		}
		l.off += int64(end)
	}
}
