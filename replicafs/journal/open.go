package journal

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
)

// Found is what Open found.
type Found struct {
	First uint64 // number of the oldest record, 0 if there is none
	Last  uint64 // number of the last whole record
	Lost  string // not empty: records in the middle are damaged, all from there on are given up; the reason
}

// Open opens the journal in dir, which must exist, to write behind its last whole record. An empty folder is a journal
// whose first record will be 1.
func Open(dir string, o Options) (*Writer, Found, error) {
	w, err := newWriter(dir, o)
	if err != nil {
		return nil, Found{}, err
	}
	found, err := w.recover()
	if err == nil && w.cur == nil {
		err = w.roll()
	}
	if err != nil {
		return nil, Found{}, fmt.Errorf("open the journal: %w", full(err))
	}
	w.synced = 0
	return w, found, nil
}

// Restart throws away all records and starts anew with number next.
func Restart(dir string, next uint64, o Options) (*Writer, error) {
	w, err := newWriter(dir, o)
	if err != nil {
		return nil, err
	}
	firsts, err := listSegments(dir)
	if err != nil {
		return nil, err
	}
	for _, first := range firsts {
		if err := os.Remove(filepath.Join(dir, segmentName(first))); err != nil {
			return nil, fmt.Errorf("restart the journal: %w", err)
		}
	}
	w.seq = next - 1
	if err := w.roll(); err != nil {
		return nil, fmt.Errorf("restart the journal: %w", full(err))
	}
	return w, nil
}

func newWriter(dir string, o Options) (*Writer, error) {
	if o.SegmentSize == 0 {
		o.SegmentSize = DefaultSegment
	}
	if o.SegmentSize < MinSegment {
		return nil, fmt.Errorf("a segment of %d bytes is too small, it takes %d", o.SegmentSize, MinSegment)
	}
	if err := removeSpares(dir); err != nil {
		return nil, fmt.Errorf("open the journal: %w", err)
	}
	w := &Writer{dir: dir, size: o.SegmentSize, pos: o.SegmentSize, epoch: o.Epoch, changed: make(chan struct{}, 1)}
	w.done = sync.NewCond(&w.mu)
	return w, nil
}

// recover finds the last whole record and goes behind it.
func (w *Writer) recover() (Found, error) {
	firsts, err := listSegments(w.dir)
	if err != nil || len(firsts) == 0 {
		return Found{}, err
	}
	r := &Reader{dir: w.dir}
	defer func() { r.Close() }()
	if err := r.open(firsts[0]); err != nil {
		return w.giveUp(Found{}, firsts, err)
	}
	found := Found{First: firsts[0]}
	for err == nil {
		_, err = r.Next()
	}
	found.Last = r.seq
	if found.Last < found.First {
		found.First = 0
	}
	if errors.Is(err, ErrCorrupt) {
		found.Lost = err.Error()
	}
	opened, beyond := split(firsts, r.at)
	if len(beyond) > 0 && found.Lost == "" {
		found.Lost = fmt.Sprintf("record %d is damaged", r.seq+1)
	}
	if at, ok := r.later(); ok && found.Lost == "" {
		found.Lost = fmt.Sprintf("record %d is damaged, %d is there", r.seq+1, at)
	}
	if err := w.drop(beyond); err != nil {
		return found, err
	}
	return found, w.goOn(r, opened)
}

// split parts the segments in those up to the one that starts with record at, and those behind.
func split(firsts []uint64, at uint64) (upTo, beyond []uint64) {
	for i, first := range firsts {
		if first > at {
			return firsts[:i], firsts[i:]
		}
	}
	return firsts, nil
}

func (w *Writer) drop(firsts []uint64) error {
	for _, first := range firsts {
		if err := os.Remove(filepath.Join(w.dir, segmentName(first))); err != nil {
			return err
		}
	}
	return nil
}

// giveUp starts anew where nothing can be read. The caller learns by Lost that a resync is needed.
func (w *Writer) giveUp(found Found, firsts []uint64, why error) (Found, error) {
	if !errors.Is(why, ErrCorrupt) {
		return found, why
	}
	found.Lost = why.Error()
	w.seq = firsts[len(firsts)-1] // a number that is higher than what was certainly written
	return found, w.drop(firsts)
}

// goOn makes the segment that r stopped in the current one.
func (w *Writer) goOn(r *Reader, segments []uint64) error {
	path := filepath.Join(w.dir, segmentName(segments[len(segments)-1]))
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	st, err := f.Stat()
	if err != nil {
		f.Close()
		return err
	}
	w.cur, w.pos, w.segments = f, r.pos, segments
	w.seq, w.prev = r.seq, r.prev
	if st.Size() != w.size { // of another segment size: don't go on in it
		w.pos = w.size
	}
	return w.wipe(st.Size())
}

// wipe puts zeros where a torn record starts, so that it is never found again.
func (w *Writer) wipe(size int64) error {
	n := min(int64(headerSize), size-w.pos)
	if n <= 0 {
		return nil
	}
	_, err := w.cur.WriteAt(make([]byte, n), w.pos)
	return err
}

// later looks behind the place where the reader stopped for a whole record with a higher number than the one missed.
func (r *Reader) later() (uint64, bool) {
	missed := r.seq + 1
	for pos := r.pos + 8; ; pos += 8 {
		probe := Reader{f: r.f, pos: pos, buf: r.buf, bufAt: r.bufAt}
		h, err := probe.bytes(headerSize)
		r.buf, r.bufAt = probe.buf, probe.bufAt
		if err != nil {
			return 0, false
		}
		n, err := recordLength(h)
		if err != nil {
			continue
		}
		if b, err := probe.bytes(n); err == nil {
			if rec, _, err := decode(b); err == nil && rec.Seq > missed {
				return rec.Seq, true
			}
		}
	}
}

func full(err error) error {
	if isFull(err) {
		return fmt.Errorf("%w: %w", ErrFull, err)
	}
	return err
}
