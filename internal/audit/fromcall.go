package audit

import (
	"fmt"
	"os"
	"path"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"klw/hooks"
)

// FromCall describes a module's refusal of a call. Unless the call carries the caller's command name, /proc is asked for
// it, which has to happen while the caller waits.
func FromCall(c *hooks.Call, info hooks.Info, v hooks.Verdict) Event {
	e := Event{
		PID: c.Caller.PID, UID: c.Caller.UID, Comm: commOf(c.Caller),
		Operation: c.Op.String(), Path: v.Path, Address: Address(c),
		Module: info.Name, Decision: Refused, Rule: v.Rule, Errno: ErrnoName(v.Errno), Hint: v.Hint,
		Count: 1,
	}
	if e.Comm == "" {
		e.Comm = Comm(c.Caller.PID)
	}
	if e.Rule == "" {
		e.Rule = hooks.NoRule
	}
	if f := object(c); f != nil {
		e.Inode = f.Key().String()
	}
	if e.Path == "" {
		e.Path = pathOf(c)
	}
	return e
}

// object is the file that a call is about: what exists, else the directory it is to be in.
func object(c *hooks.Call) hooks.File {
	for _, f := range []hooks.File{c.File, c.Dir, c.NewDir} {
		if f != nil {
			return f
		}
	}
	return nil
}

// pathOf gives the name that the caller used where the call has one, else a name of the object.
func pathOf(c *hooks.Call) string {
	if c.Dir != nil && c.Name != "" {
		if dirs := c.Dir.Paths(); len(dirs) > 0 {
			return path.Join(dirs[0], c.Name)
		}
		return c.Name
	}
	if f := object(c); f != nil {
		if names := f.Paths(); len(names) > 0 {
			return names[0]
		}
	}
	return ""
}

// commOf prefers the name that the kernel gave with the call: the task may be gone by now.
func commOf(c hooks.Caller) string {
	if c.Comm != "" {
		return c.Comm
	}
	return Comm(c.PID)
}

// Comm gives the command name of a task, "" if it is gone or not known.
func Comm(pid uint32) string {
	if pid == 0 {
		return ""
	}
	name, err := os.ReadFile("/proc/" + strconv.FormatUint(uint64(pid), 10) + "/comm")
	if err != nil {
		return ""
	}
	return strings.TrimSuffix(string(name), "\n")
}

// ErrnoName gives the symbol of an errno, "" for none.
func ErrnoName(errno unix.Errno) string {
	if errno == 0 {
		return ""
	}
	if name := unix.ErrnoName(errno); name != "" {
		return name
	}
	return strconv.Itoa(int(errno))
}

// Address gives what a socket operation or a system call is about: "tcp 10.0.0.1:80", "unix @name", "netlink raw",
// "mount(…)".
func Address(c *hooks.Call) string {
	if c.Op == hooks.OpSyscall || c.Op == hooks.OpSetuid {
		return c.Text
	}
	s := c.Socket
	if s == nil {
		return ""
	}
	switch {
	case s.Family == unix.AF_UNIX && s.Name != "":
		return "unix @" + s.Name
	case s.Addr.IsValid():
		return protocolName(s) + " " + s.Addr.String()
	}
	return familyName(s.Family) + " " + protocolName(s)
}

func protocolName(s *hooks.Socket) string {
	switch s.Protocol {
	case unix.IPPROTO_TCP, unix.IPPROTO_MPTCP:
		return "tcp"
	case unix.IPPROTO_UDP:
		return "udp"
	case unix.IPPROTO_ICMP, unix.IPPROTO_ICMPV6:
		return "icmp"
	}
	inet := s.Family == unix.AF_INET || s.Family == unix.AF_INET6
	switch s.Type & 0xf { // without SOCK_CLOEXEC and SOCK_NONBLOCK
	case unix.SOCK_STREAM:
		if inet && s.Protocol == 0 {
			return "tcp"
		}
		return "stream"
	case unix.SOCK_DGRAM:
		if inet && s.Protocol == 0 {
			return "udp"
		}
		return "dgram"
	case unix.SOCK_RAW:
		return "raw"
	case unix.SOCK_SEQPACKET:
		return "seqpacket"
	}
	return fmt.Sprintf("type %d protocol %d", s.Type, s.Protocol)
}

var families = map[uint16]string{
	unix.AF_UNIX: "unix", unix.AF_INET: "inet", unix.AF_INET6: "inet6", unix.AF_NETLINK: "netlink",
	unix.AF_PACKET: "packet", unix.AF_VSOCK: "vsock", unix.AF_ALG: "alg", unix.AF_BLUETOOTH: "bluetooth",
	unix.AF_XDP: "xdp", unix.AF_KEY: "key", unix.AF_TIPC: "tipc", unix.AF_CAN: "can",
}

func familyName(family uint16) string {
	if name := families[family]; name != "" {
		return name
	}
	return fmt.Sprintf("family %d", family)
}
