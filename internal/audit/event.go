// Package audit is the one event format of all guards, and the store that keeps events (MISSION.md H, A5).
//
// A guard makes an [Event] for each refusal and gives it to a [Log]. The Log folds repeats, counts losses, appends JSON
// lines to a bounded file that outlives the container, and feeds followers.
package audit

import "time"

// Event is one decision. Field names are stable; docs/events.schema.json describes them.
type Event struct {
	Time        time.Time `json:"time"`
	Container   string    `json:"container"`
	Application string    `json:"application"`
	Compartment string    `json:"compartment"`
	PID         uint32    `json:"pid"` // as the host sees it; 0 where the kernel doesn't tell (packets)
	UID         uint32    `json:"uid"`
	Comm        string    `json:"comm"`
	Operation   string    `json:"operation"`         // hooks.Operation's name
	Path        string    `json:"path,omitempty"`    // files: as seen inside the container
	Address     string    `json:"address,omitempty"` // sockets: tcp 10.0.0.1:80, unix @name; system calls: name(args)
	Inode       string    `json:"inode,omitempty"`   // inode.Key's text
	Module      string    `json:"module"`
	Decision    string    `json:"decision"` // "refused", or "audit" where a module only records
	Rule        string    `json:"rule"`     // file:line, or "no rule"
	Errno       string    `json:"errno"`    // EACCES …
	Hint        string    `json:"hint,omitempty"`
	Count       uint64    `json:"count"` // how many equal ones this line stands for
}
