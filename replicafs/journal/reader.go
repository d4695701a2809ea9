package journal

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// ErrEnd means that there is no further record yet.
var ErrEnd = errors.New("end of the journal")

// ErrCorrupt means that a record which must be there is damaged or missing.
var ErrCorrupt = errors.New("the journal is damaged")

const readAhead = 256 << 10

// Reader reads a journal in order, also while it is being written. It belongs to one goroutine.
type Reader struct {
	dir  string
	f    *os.File
	at   uint64 // first record of the open segment
	seq  uint64 // last record that was handed out
	prev uint32 // its checksum, if known
	know bool
	pos  int64 // of the next record

	buf   []byte // what was read at bufAt
	bufAt int64
}

// NewReader makes a reader that starts behind the record after.
func NewReader(dir string, after uint64) (*Reader, error) {
	firsts, err := listSegments(dir)
	if err != nil {
		return nil, fmt.Errorf("read the journal: %w", err)
	}
	r := &Reader{dir: dir}
	at := -1
	for i, first := range firsts {
		if first <= after+1 {
			at = i
		}
	}
	if at < 0 {
		return nil, fmt.Errorf("%w: record %d is not there any more", ErrCorrupt, after+1)
	}
	if err := r.open(firsts[at]); err != nil {
		return nil, err
	}
	for r.seq < after {
		if _, err := r.Next(); err != nil {
			r.Close()
			return nil, fmt.Errorf("look for record %d: %w", after+1, err)
		}
	}
	return r, nil
}

// open goes to the segment that starts with record first.
func (r *Reader) open(first uint64) error {
	f, err := os.Open(filepath.Join(r.dir, segmentName(first)))
	if err != nil {
		return err
	}
	b := make([]byte, segmentHeader)
	if _, err := io.ReadFull(f, b); err != nil {
		f.Close()
		return fmt.Errorf("%w: segment %d: %w", ErrCorrupt, first, err)
	}
	h, err := decodeHeader(b)
	if err == nil && (h.First != first || r.know && h.Prev != r.prev) {
		err = errors.New("it doesn't continue the one before")
	}
	if err != nil {
		f.Close()
		return fmt.Errorf("%w: segment %d: %w", ErrCorrupt, first, err)
	}
	if r.f != nil {
		r.f.Close()
	}
	r.f, r.pos, r.buf, r.bufAt = f, segmentHeader, r.buf[:0], 0
	r.at, r.seq, r.prev, r.know = first, first-1, h.Prev, true
	return nil
}

// Seq is the number of the last record that was handed out.
func (r *Reader) Seq() uint64 { return r.seq }

// Close ends the reader.
func (r *Reader) Close() error {
	if r.f == nil {
		return nil
	}
	return r.f.Close()
}

// Next gives the next record, or ErrEnd. The record's Data is valid until the following call.
func (r *Reader) Next() (*Record, error) {
	rec, err := r.next()
	if err == nil {
		return rec, nil
	}
	// What was read ahead may have been written since.
	r.buf = r.buf[:0]
	if rec, err = r.next(); err == nil {
		return rec, nil
	}
	if !errors.Is(err, errNone) && !errors.Is(err, errTorn) {
		return nil, fmt.Errorf("%w: record %d: %w", ErrCorrupt, r.seq+1, err)
	}
	end := fmt.Errorf("%w at record %d: %w", ErrEnd, r.seq+1, err)
	if r.at == r.seq+1 {
		return nil, end // the segment is empty still
	}
	if err := r.open(r.seq + 1); errors.Is(err, fs.ErrNotExist) {
		return nil, end
	} else if err != nil {
		return nil, err
	}
	return r.Next()
}

func (r *Reader) next() (*Record, error) {
	h, err := r.bytes(headerSize)
	if err != nil {
		return nil, err
	}
	n, err := recordLength(h)
	if err != nil {
		return nil, err
	}
	b, err := r.bytes(n)
	if err != nil {
		return nil, errTorn
	}
	rec, sum, err := decode(b)
	if err != nil {
		return nil, err
	}
	if rec.Seq != r.seq+1 {
		return nil, errNone // of an earlier life of the segment
	}
	if rec.Prev != r.prev {
		return nil, errTorn
	}
	r.seq, r.prev = rec.Seq, sum
	r.pos += int64(n)
	return rec, nil
}

// bytes gives n bytes at pos.
func (r *Reader) bytes(n int) ([]byte, error) {
	off := r.pos - r.bufAt
	if off >= 0 && off+int64(n) <= int64(len(r.buf)) {
		return r.buf[off : off+int64(n)], nil
	}
	if cap(r.buf) < max(n, readAhead) {
		r.buf = make([]byte, max(n, readAhead))
	}
	buf := r.buf[:max(n, readAhead)]
	got, err := r.f.ReadAt(buf, r.pos)
	r.buf, r.bufAt = buf[:got], r.pos
	if got >= n {
		return r.buf[:n], nil
	}
	if err == nil || errors.Is(err, io.EOF) {
		err = errNone
	}
	return nil, err
}
