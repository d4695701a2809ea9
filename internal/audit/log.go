package audit

import (
	"encoding/json"
	"fmt"
	"sync"
	"time"
)

// Options of a log.
type Options struct {
	Application string // filled into events that don't say
	Compartment string
	// Inside gives the container's id of a user of the host, for a container in a user namespace; else nil.
	Inside   func(uid uint32) (id uint32, known bool)
	MaxSize  int64 // of one file; 0: 16 MiB
	MaxQueue int   // events waiting to be written; 0: 8192
}

// Counters tell what became of events.
type Counters struct {
	Recorded uint64 `json:"recorded"` // Record calls
	Lines    uint64 `json:"lines"`    // lines written
	Lost     uint64 `json:"lost"`     // could not be kept
}

// Log keeps one container's events. All methods may be called from any goroutine.
type Log struct {
	id      string
	options Options
	wake    chan struct{} // capacity 1
	done    chan struct{} // the writer has ended

	queueMu  sync.Mutex
	queue    []Event
	recorded uint64
	lost     uint64 // in all
	untold   uint64 // of these, not yet in the log
	closed   bool

	fileMu  sync.Mutex
	file    *store
	changed chan struct{} // closed and replaced when lines were written or the log ended
	ended   bool
}

// Open opens the log of container id in folder dir, which is made if need be, and goes on where it ended.
func Open(dir, id string, options Options) (*Log, error) {
	if options.MaxSize == 0 {
		options.MaxSize = 16 << 20
	}
	if options.MaxQueue == 0 {
		options.MaxQueue = 8192
	}
	file, err := openStore(dir, id, options.MaxSize)
	if err != nil {
		return nil, fmt.Errorf("open the event log of %s: %w", id, err)
	}
	l := &Log{
		id: id, options: options, file: file,
		wake: make(chan struct{}, 1), done: make(chan struct{}), changed: make(chan struct{}),
	}
	go l.write()
	return l, nil
}

// Record takes an event. It fills in what the event doesn't say: time, container, application, compartment, count 1.
func (l *Log) Record(e Event) {
	l.complete(&e)
	l.queueMu.Lock()
	l.recorded += e.Count
	if l.closed || len(l.queue) >= l.options.MaxQueue {
		l.lost += e.Count
		l.untold += e.Count
	} else {
		l.queue = append(l.queue, e)
	}
	l.queueMu.Unlock()
	l.signal()
}

// Lose counts n events that were lost before they came here (a kernel ring that was full).
func (l *Log) Lose(n uint64) {
	l.queueMu.Lock()
	l.recorded += n
	l.lost += n
	l.untold += n
	l.queueMu.Unlock()
	l.signal()
}

func (l *Log) complete(e *Event) {
	if e.Time.IsZero() {
		e.Time = time.Now()
	}
	e.Time = e.Time.UTC().Round(0)
	if e.Container == "" {
		e.Container = l.id
	}
	if e.Application == "" {
		e.Application = l.options.Application
	}
	if e.Compartment == "" {
		e.Compartment = l.options.Compartment
	}
	if e.Count == 0 {
		e.Count = 1
	}
	if l.options.Inside != nil && (e.Decision == Refused || e.Decision == Audit) {
		e.ContainerUID.ID, e.ContainerUID.Known = l.options.Inside(e.UID)
	}
	const longest = 4096 // the kernel's own limit of a path
	for _, s := range []*string{&e.Path, &e.Address, &e.Hint, &e.Rule} {
		if len(*s) > longest {
			*s = (*s)[:longest]
		}
	}
}

// Counters gives the numbers so far.
func (l *Log) Counters() Counters {
	l.fileMu.Lock()
	lines := l.file.lines
	l.fileMu.Unlock()
	l.queueMu.Lock()
	defer l.queueMu.Unlock()
	return Counters{Recorded: l.recorded, Lines: lines, Lost: l.lost}
}

// Close writes what is held back and ends the log; followers come to their end. Later events are counted as lost.
func (l *Log) Close() error {
	l.queueMu.Lock()
	l.closed = true
	l.queueMu.Unlock()
	l.signal()
	<-l.done
	l.fileMu.Lock()
	defer l.fileMu.Unlock()
	return l.file.close()
}

func (l *Log) signal() {
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// write is the goroutine that folds and writes.
func (l *Log) write() {
	defer close(l.done)
	held := newFolder()
	for {
		events, untold, closed := l.take()
		lines := l.lines(held, events, untold, closed)
		l.put(lines, closed)
		if closed {
			return
		}
		l.sleep(held)
	}
}

// take empties the queue.
func (l *Log) take() (events []Event, untold uint64, closed bool) {
	l.queueMu.Lock()
	defer l.queueMu.Unlock()
	events, l.queue = l.queue, nil
	untold, l.untold = l.untold, 0
	return events, untold, l.closed
}

// lines decides what is written now.
func (l *Log) lines(held *folder, events []Event, untold uint64, closed bool) []Event {
	now := time.Now()
	lines := held.expired(now, false)
	for _, e := range events {
		if held.add(e, now) {
			lines = append(lines, e)
		}
	}
	if closed {
		lines = append(lines, held.expired(now, true)...)
	}
	if untold > 0 {
		e := lostEvent(untold)
		l.complete(&e)
		lines = append(lines, e)
	}
	return lines
}

func lostEvent(n uint64) Event {
	return Event{Operation: OpEvents, Module: "events", Decision: Lost, Count: n}
}

// put appends lines to the file. What can't be written is lost, and told as soon as writing succeeds again.
func (l *Log) put(lines []Event, closed bool) {
	l.fileMu.Lock()
	var failed, again uint64
	for i := range lines {
		line, err := json.Marshal(&lines[i])
		if err == nil {
			err = l.file.append(append(line, '\n'))
		}
		switch {
		case err == nil:
		case lines[i].Decision == Lost:
			again += lines[i].Count
		default:
			failed += lines[i].Count
		}
	}
	l.ended = l.ended || closed
	if len(lines) > 0 || closed {
		close(l.changed)
		l.changed = make(chan struct{})
	}
	l.fileMu.Unlock()
	l.queueMu.Lock()
	l.lost += failed
	l.untold += failed + again
	l.queueMu.Unlock()
}

// sleep waits until there is something to do.
func (l *Log) sleep(held *folder) {
	next, any := held.next()
	if !any {
		<-l.wake
		return
	}
	timer := time.NewTimer(time.Until(next))
	defer timer.Stop()
	select {
	case <-l.wake:
	case <-timer.C:
	}
}
