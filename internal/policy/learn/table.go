package learn

import (
	"strings"
	"sync"

	"klw/internal/policy"
)

// Everybody is the user of a use of which can't be told whose it is.
const Everybody = ^uint32(0)

// Kind tells what is peculiar about a use.
type Kind uint8

// The kinds. They add up.
const (
	Folder   Kind = 1 << iota // a folder
	Listed                    // it was listed
	Link                      // a symbolic link, by its own name
	Made                      // it was made here: created, or moved or linked to this name
	Special                   // a FIFO or a socket, which the kernel opens without asking
	Unlisted                  // would have been refused
)

// Use is what one user did with one name, all together.
type Use struct {
	User uint32
	Path string
	Perm policy.Perm
	Kind Kind
}

// Tie says that something was moved or linked from one place to another: rules must mean the same there.
type Tie struct {
	A, B   string
	Folder bool // with all that is below
}

// Socket is a use of a socket.
type Socket struct {
	User  uint32
	Rule  policy.SocketRule // the narrowest that allows it, by address and port; Protocol 0: none can
	Bound bool              // by bind: the address is as the application gave it, none if that was every address
	Text  string            // in words, where no rule can allow it
}

// Uses is all that was recorded.
type Uses struct {
	Files    []Use
	Ties     []Tie
	Sockets  []Socket
	Nameless int    // objects without any name, which no rule can be about
	Lost     uint64 // uses that found the table full, or were lost before they came here
}

// MostUses is how many uses and ties a table holds.
const MostUses = 100_000

// mostBytes is how many bytes the names in a table have: who makes names of thousands of bytes can't fill the memory.
const mostBytes = 32 << 20

// Table takes uses of files from any goroutine.
type Table struct {
	most int

	mu       sync.Mutex
	files    map[who]*Use
	ties     map[Tie]bool
	nameless int
	lost     uint64
	bytes    int // of all names
}

type who struct {
	user uint32
	path string
}

// NewTable makes an empty table of at most that many uses.
func NewTable(most int) *Table {
	return &Table{most: most, files: map[who]*Use{}, ties: map[Tie]bool{}}
}

// Add records a use. A path that isn't absolute is nameless: no rule can be about it.
func (t *Table) Add(u Use) {
	if !strings.HasPrefix(u.Path, "/") {
		t.Nameless()
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	key := who{u.User, u.Path}
	old := t.files[key]
	switch {
	case old != nil:
		old.Perm |= u.Perm
		old.Kind |= u.Kind
	case t.full():
		t.lost++
	default:
		t.files[key] = &u
		t.bytes += len(u.Path)
	}
}

// Tie records that two places must mean the same.
func (t *Table) Tie(tie Tie) {
	if tie.A == tie.B {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case t.ties[tie]:
	case t.full():
		t.lost++
	default:
		t.ties[tie] = true
		t.bytes += len(tie.A) + len(tie.B)
	}
}

// Nameless counts a use of an object that has no name.
func (t *Table) Nameless() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.nameless++
}

func (t *Table) full() bool { return len(t.files)+len(t.ties) >= t.most || t.bytes >= mostBytes }

// Counts tells how many uses there are, how many of them would have been refused, and how many were lost.
func (t *Table) Counts() (uses, unlisted int, lost uint64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, u := range t.files {
		if u.Kind&Unlisted != 0 {
			unlisted++
		}
	}
	return len(t.files), unlisted, t.lost
}

// Uses gives what was recorded, in no order.
func (t *Table) Uses() Uses {
	t.mu.Lock()
	defer t.mu.Unlock()
	u := Uses{Nameless: t.nameless, Lost: t.lost}
	for _, f := range t.files {
		u.Files = append(u.Files, *f)
	}
	for tie := range t.ties {
		u.Ties = append(u.Ties, tie)
	}
	return u
}
