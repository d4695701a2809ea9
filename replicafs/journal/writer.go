package journal

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// Errors of a writer.
var (
	ErrFull   = errors.New("no room for the journal")
	ErrClosed = errors.New("the journal is closed")
)

// Options of a writer.
type Options struct {
	SegmentSize int64  // 0 is DefaultSegment
	Epoch       uint64 // of new records
}

// Writer appends to a journal. A folder has at most one writer: its owner sees to that.
type Writer struct {
	dir  string
	size int64 // of a segment

	mu       sync.Mutex
	cur      *os.File
	pos      int64
	segments []uint64 // first numbers, the current one last
	spares   []string
	spareNr  int
	reserved int64
	epoch    uint64
	seq      uint64 // last record
	prev     uint32 // its checksum
	buf      []byte
	broken   error

	synced  uint64
	syncing bool
	dirty   []*os.File // full segments that are not on disk yet
	newName bool       // the folder has names that are not on disk yet
	done    *sync.Cond

	changed chan struct{} // capacity 1: something was appended
}

// Seq is the number of the last record.
func (w *Writer) Seq() uint64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.seq
}

// Synced is the number of the last record known to be on disk.
func (w *Writer) Synced() uint64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.synced
}

// Changed receives after an Append. One message may stand for many.
func (w *Writer) Changed() <-chan struct{} { return w.changed }

// Broken says why the journal can't be written any more; nil if it can.
func (w *Writer) Broken() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.broken
}

// Append writes the record behind the last one and gives it its number. Room must have been reserved; the
// reservation stays until Release.
func (w *Writer) Append(r *Record) (uint64, error) {
	if err := r.check(); err != nil {
		return 0, err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.broken != nil {
		return 0, w.broken
	}
	if err := w.append(r); err != nil {
		w.broken = fmt.Errorf("append to the journal: %w", err)
		return 0, w.broken
	}
	select {
	case w.changed <- struct{}{}:
	default:
	}
	return r.Seq, nil
}

func (w *Writer) append(r *Record) error {
	if w.pos+int64(r.Size()) > w.size {
		if err := w.roll(); err != nil {
			return err
		}
	}
	r.Seq, r.Prev, r.Epoch = w.seq+1, w.prev, w.epoch
	if r.Time == 0 {
		r.Time = time.Now().UnixNano()
	}
	if r.Object == 0 && r.Makes() {
		r.Object = r.Seq
	}
	buf, sum := r.encode(w.buf[:0])
	w.buf = buf
	if _, err := w.cur.WriteAt(buf, w.pos); err != nil {
		return err
	}
	w.pos += int64(len(buf))
	w.seq, w.prev = r.Seq, sum
	return nil
}

// roll starts the next segment, from a spare.
func (w *Writer) roll() error {
	if len(w.spares) == 0 {
		if err := w.addSpare(); err != nil {
			return err
		}
	}
	spare := w.spares[0]
	f, err := os.OpenFile(spare, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	h := header{Epoch: w.epoch, First: w.seq + 1, Prev: w.prev}
	if _, err := f.WriteAt(h.encode(), 0); err != nil {
		f.Close()
		return err
	}
	if err := os.Rename(spare, filepath.Join(w.dir, segmentName(h.First))); err != nil {
		f.Close()
		return err
	}
	w.spares = w.spares[1:]
	if w.cur != nil {
		w.dirty = append(w.dirty, w.cur)
	}
	w.cur, w.pos, w.newName = f, segmentHeader, true
	w.segments = append(w.segments, h.First)
	return nil
}

// addSpare allocates a segment for later.
func (w *Writer) addSpare() error {
	w.spareNr++
	path := filepath.Join(w.dir, fmt.Sprintf("%s%d", sparePrefix, w.spareNr))
	if err := allocateFile(path, w.size); err != nil {
		return err
	}
	w.spares = append(w.spares, path)
	return nil
}

// Close ends the writer. What was appended is brought to disk.
func (w *Writer) Close() error {
	err := w.Sync(w.Seq())
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.cur != nil {
		err = errors.Join(err, w.cur.Close())
		w.cur = nil
	}
	if w.broken == nil {
		w.broken = ErrClosed
	}
	return err
}
