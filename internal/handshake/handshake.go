// Package handshake is what klw-runc and klw-guard say to each other while a container is created and deleted.
//
// klw-runc starts "klw-guard serve" with one end of a SOCK_SEQPACKET pair as descriptor 3 and then:
//
//	klw-runc                                 klw-guard
//	Setup (and nothing else)      ->         parses and binds the policy, makes detached mounts, answers their INIT
//	                              <-         Views, with one mount descriptor for each (SCM_RIGHTS); closes its copies
//	(starts klw-init in its namespaces, passes the mounts on, joins it to the cgroup)
//	Attach                        ->         attaches BPF programs, makes veth and published ports
//	                              <-         Ready
//	(closes its end; the guard goes on alone)
//
// Instead of any answer the guard may send Failed; it then undoes what it did and exits. If klw-runc goes away before
// Ready, the guard undoes and exits. One message is one packet of JSON, at most MaxMessage bytes.
//
// The guard ends by itself when the container's cgroup has been populated and is empty again. "klw-guard cleanup"
// undoes what a killed guard left, as its Traces say; it is idempotent.
package handshake

import "klw/internal/inode"

// MaxMessage is the size of the largest message in bytes.
const MaxMessage = 192 << 10

// Message is one packet: exactly one field is set.
type Message struct {
	Setup  *Setup  `json:"setup,omitempty"`
	Views  *Views  `json:"views,omitempty"`
	Attach *Attach `json:"attach,omitempty"`
	Ready  *Ready  `json:"ready,omitempty"`
	Failed string  `json:"failed,omitempty"` // one line for the user (several if the policy has several errors)
}

// Setup tells the guard what to guard.
type Setup struct {
	ID     string `json:"id"`
	Root   string `json:"root"`   // layout.Root
	Bundle string `json:"bundle"` // absolute
	Policy string `json:"policy"` // path of the policy file, whose text as klw-runc read it is in layout.Dir.Policy
	// Views to make, in the order in which their descriptors are answered. The first is the root file system.
	Mounts []Mount `json:"mounts"`
	// Kernel are the mounts that stay the kernel's.
	Kernel []KernelMount `json:"kernel,omitempty"`
	// Cgroup is the container's v2 cgroup, absolute; it exists already.
	Cgroup string `json:"cgroup"`
	// Users are the container's user ids, if it has a user namespace; else they are the host's.
	Users []IDRange `json:"users,omitempty"`
	// RootMaySetuid says that the bundle leaves CAP_SETUID: root can become any user. It is only for a warning.
	RootMaySetuid bool `json:"rootMaySetuid,omitempty"`
	// MayTrace says that processes of the container may have CAP_SYS_PTRACE. Circles don't hold there.
	MayTrace bool `json:"mayTrace,omitempty"`
	// Learn: what can learn does so from the first instruction on, and refuses nothing.
	Learn bool `json:"learn,omitempty"`
}

// Mount is one file tree that the container sees through the guard.
type Mount struct {
	Source      string `json:"source"`      // on the host, absolute; a directory or a file
	Destination string `json:"destination"` // in the container, absolute and clean
	ReadOnly    bool   `json:"readOnly,omitempty"`
}

// IDRange is a range of ids in a user namespace, and what they are on the host.
type IDRange struct {
	Inside uint32 `json:"inside"`
	Host   uint32 `json:"host"`
	Size   uint32 `json:"size"`
}

// Inside gives the container's id of a user of the host.
func (s *Setup) Inside(uid uint32) (id uint32, known bool) {
	for _, r := range s.Users {
		if n := uid - r.Host; uid >= r.Host && n < r.Size {
			return r.Inside + n, true
		}
	}
	return 0, false
}

// Host gives a user's id on the host.
func (s *Setup) Host(id uint32) (uid uint32, known bool) {
	for _, r := range s.Users {
		if n := id - r.Inside; id >= r.Inside && n < r.Size {
			return r.Host + n, true
		}
	}
	return 0, false
}

// KernelMount is a mount that stays the kernel's (proc, tmpfs …): no guard sees what is on it.
type KernelMount struct {
	Destination string   `json:"destination"`
	Rules       []string `json:"rules,omitempty"` // paths of the rules that klw-runc has put into force there
}

// Views answers Setup. The packet carries len(Setup.Mounts) descriptors, in that order. Below each but those of single
// files klw-runc may look up RootAlias until Attach: it is the root once more, by a node that is cheaper to walk through.
type Views struct{}

// RootAlias is the name of a view's root below itself.
const RootAlias = ".klw-root"

// Attach tells the guard that the container's first process exists.
type Attach struct {
	PID    int  `json:"pid"`    // klw-init, as the host sees it
	NewNet bool `json:"newNet"` // it has a network namespace of its own, made for it: addresses, routes and publish are the guard's matter
}

// Ready answers Attach: everything that the policy asks for is in force.
type Ready struct{}

// Process identifies a process beyond the reuse of its number.
type Process struct {
	PID       int    `json:"pid"`
	StartTime uint64 `json:"startTime"` // field 22 of /proc/PID/stat
}

// Traces is what the guard writes to layout.Dir.Guard before it makes anything that outlives a kill -9 of itself.
type Traces struct {
	Guard     Process   `json:"guard"`
	Cgroup    string    `json:"cgroup,omitempty"` // v2 cgroup of the guard and its helpers, where klw-runc made one
	Table     string    `json:"table,omitempty"`  // nftables table, family ip
	Veth      string    `json:"veth,omitempty"`   // the host's end
	Replicafs []Replica `json:"replicafs,omitempty"`
}

// Replica is a replication that the guard started for this container.
type Replica struct {
	Source  string    `json:"source"`
	Process Process   `json:"process"`
	Inode   inode.Key `json:"inode"`
}
