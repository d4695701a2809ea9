// Package audit is the one event format of all guards, and the store that keeps events (MISSION.md H, A5).
//
// # Concepts
//
// A guard makes an [Event] for each refusal and gives it to a [Log]. The Log folds repeats, counts losses, appends JSON
// lines to a bounded file that outlives the container (layout.Root.Events), and feeds followers. [Read] reads the file
// of a container that has ended.
//
// # Guarantees
//
//  1. Record never blocks and never fails. An event that finds the queue full, or that can't be written, is counted,
//     and the number appears in the log as an event of its own (decision "lost").
//  2. The first of equal events is written at once. Equal ones that follow within [FoldTime] are counted and come as
//     one line, with the number in Count and the time of the last, when that time ends. Equal means: every field but
//     time and count, the process id included.
//  3. The sum of Count over all lines, lost ones included, is the number of Record calls.
//  4. A container's log never takes more than twice [Options.MaxSize] (and one line): the file, and the one before it
//     with ".1" at the end.
//  5. A follower sees every line that is kept, once, in the order of the file, from the past into the present without
//     a gap. If it reads so slowly that a file went away, the number of lines it missed comes as an event.
//  6. Close writes what is still held back.
//
// # Dangers
//
// Paths that aren't UTF-8 appear with U+FFFD in place of each wrong byte: the inode tells which file it was.
// What was held back for folding, at most FoldTime old, is lost with a guard that is killed.
//
// Lock order: Log.queueMu and Log.fileMu are never held together.
package audit

import "time"

// Event is one decision. Field names are stable; docs/events.schema.json describes them.
type Event struct {
	Time        time.Time `json:"time"`
	Container   string    `json:"container"`
	Application string    `json:"application"`
	Compartment string    `json:"compartment"`
	PID         uint32    `json:"pid"` // as the host sees it; 0 where the kernel doesn't tell (packets)
	UID         uint32    `json:"uid"` // on the host
	// ContainerUID is the same user in the container, where a user namespace maps ids.
	ContainerUID OptionalID `json:"containerUid,omitzero"`
	Comm         string     `json:"comm"`
	Operation    string     `json:"operation"`         // hooks.Operation's name, or of a notice: start, stop, load, unload, revoke, events
	Path         string     `json:"path,omitempty"`    // files: as seen inside the container
	Address      string     `json:"address,omitempty"` // sockets: tcp 10.0.0.1:80, unix @name; system calls: name(args)
	Inode        string     `json:"inode,omitempty"`   // inode.Key's text
	Module       string     `json:"module"`
	Decision     string     `json:"decision"` // one of the Decision constants
	Rule         string     `json:"rule"`     // file:line, or "no rule"
	Errno        string     `json:"errno"`    // EACCES …
	Hint         string     `json:"hint,omitempty"`
	Count        uint64     `json:"count"` // how many equal ones this line stands for
}

// What an event says was decided.
const (
	Refused = "refused" // the operation didn't happen
	Audit   = "audit"   // a module only records
	Notice  = "notice"  // something about the guard itself: started, stopped, a module loaded or unloaded
	Lost    = "lost"    // Count events could not be kept
)

// Operations of events that no application's operation stands behind.
const (
	OpStart  = "start"  // the guard is in force
	OpStop   = "stop"   // the guard ends
	OpLoad   = "load"   // a module was loaded by the administrator
	OpUnload = "unload" // a module was unloaded by the administrator: what it guarded is open
	OpRevoke = "revoke" // a loaded policy takes a right from a file that is open
	OpEvents = "events" // about the log itself: losses

	OpLearn   = "learn"   // a module learns from now on and refuses nothing
	OpEnforce = "enforce" // it has stopped to learn
)
