package control

import (
	"time"

	"klw/internal/audit"
)

// Status is what a guard says about itself.
type Status struct {
	Container   string    `json:"container"`
	Application string    `json:"application"`
	Compartment string    `json:"compartment"`
	PID         int       `json:"pid"` // the guard's
	Since       time.Time `json:"since"`
	State       string    `json:"state"` // starting, enforcing or ending
	Policy      string    `json:"policy"`
	Cgroup      string    `json:"cgroup"`
	LogLevel    string    `json:"logLevel"`

	Views       []View         `json:"views"`
	Modules     []Module       `json:"modules"`
	Replicas    []Replica      `json:"replicas,omitempty"`
	Published   []string       `json:"published,omitempty"` // as the policy writes them
	Events      audit.Counters `json:"events"`
	NotEnforced []string       `json:"notEnforced,omitempty"` // one line each
	Warnings    []string       `json:"warnings,omitempty"`    // what was noticed when the policy was bound
}

// View is one mount that the container sees through the guard.
type View struct {
	Destination string `json:"destination"`
	Source      string `json:"source"`
	Mode        string `json:"mode"` // asked
	ReadOnly    bool   `json:"readOnly,omitempty"`
	Passthrough bool   `json:"passthrough"`
	Why         string `json:"why,omitempty"` // why not
	Alive       bool   `json:"alive"`
}

// Module is a compiled-in module of a guard.
type Module struct {
	ID          uint32 `json:"id,omitempty"` // 0: not loaded
	Name        string `json:"name"`
	Description string `json:"description"`
	Monitors    string `json:"monitors"` // names of operations, with blanks between
	Master      string `json:"master"`   // files or kernel
	Loaded      bool   `json:"loaded"`
	Permanent   bool   `json:"permanent,omitempty"`
	Calls       uint64 `json:"calls"`   // since it was loaded; 0 where the kernel asks the rules by itself
	Refused     uint64 `json:"refused"` // since the guard began
}

// Replica is a replication that runs for the container.
type Replica struct {
	Source      string `json:"source"`
	Destination string `json:"destination"`
	PID         int    `json:"pid"`
	Alive       bool   `json:"alive"`
}

// Name is the parameter of module.load and module.unload.
type Name struct {
	Name string `json:"name"`
}

// Level is a log level: debug, info, warn or error. Empty as a parameter: tell the present one.
type Level struct {
	Level string `json:"level"`
}

// PolicyLoaded says what a load or a clear has put into force.
type PolicyLoaded struct {
	Policy   string   `json:"policy"`             // the file that it was read from
	Warnings []string `json:"warnings,omitempty"` // what was noticed when it was bound
	Revoked  []string `json:"revoked,omitempty"`  // open files that lost a right
}

// Learn asks modules to learn, to enforce again, or what they have learned.
type Learn struct {
	Action  string   `json:"action"`            // start, stop or show
	Modules []string `json:"modules,omitempty"` // empty: all that can
}

// Learned answers.
type Learned struct {
	Modules []Lesson `json:"modules"`

	// The rest answers show.
	File string `json:"file,omitempty"` // the policy in force
	Old  string `json:"old,omitempty"`  // its text
	Text string `json:"text,omitempty"` // that with what was learned in it
}

// Lesson is what one module has learned, or learns.
type Lesson struct {
	Module   string    `json:"module"`
	Learning bool      `json:"learning"` // now
	Since    time.Time `json:"since"`
	Uses     int       `json:"uses"`
	Unlisted int       `json:"unlisted"` // of these, what the policy would have refused
	Lost     uint64    `json:"lost,omitempty"`
}

// EventsQuery asks for events. Since zero: from the beginning of what is kept.
type EventsQuery struct {
	Since  time.Time `json:"since,omitzero"`
	Follow bool      `json:"follow,omitempty"`
}

// Question asks what the policy says. Kind is "file" (Path, Perm), "socket" (Protocol, Action, Address) or "process"
// (Action setuid with To, syscall with Call, or exec with Path).
type Question struct {
	Kind     string `json:"kind"`
	User     string `json:"user,omitempty"` // name or uid; empty: somebody without rules of his own
	Path     string `json:"path,omitempty"`
	Perm     string `json:"perm,omitempty"` // read, write, execute, with blanks between
	Protocol string `json:"protocol,omitempty"`
	Action   string `json:"action,omitempty"`
	Address  string `json:"address,omitempty"` // host:port, or @name
	To       string `json:"to,omitempty"`      // the user to become
	Call     string `json:"call,omitempty"`    // the name of a system call
}

// Answer says it.
type Answer struct {
	Allowed bool   `json:"allowed"`
	Rule    string `json:"rule"`           // file:line, or "no rule"
	Text    string `json:"text"`           // the answer as a sentence
	Hint    string `json:"hint,omitempty"` // what would change it
}
