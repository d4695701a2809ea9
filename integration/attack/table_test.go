package attack

import "net"

// row is one attempt: who tries it, and what it is given.
type row struct {
	name string
	user string                         // "0:0" or "33:33"
	arg  func(*column, *outside) string // nil: none
	in   bool                           // somebody outside connects to the port that the attempt prints
	// silent says why no event is due although the attack is refused: the kernel's own refusal, which klw arranged but
	// does not see. docs/threat-model.md lists them.
	silent string
	// ofHost says why the kernel lets nobody try in a user namespace: no module of ours is asked there.
	ofHost string
}

const (
	root    = "0:0"
	webuser = "33:33"
)

func tcp(c *column, o *outside) string  { return net.JoinHostPort(c.gateway, o.tcpPort) }
func udp(c *column, o *outside) string  { return net.JoinHostPort(c.gateway, o.udpPort) }
func abstract(*column, *outside) string { return abstractName }
func program(path string) func(*column, *outside) string {
	return func(*column, *outside) string { return path }
}

const abstractName = "klw-attack-peer"

var rows = []row{
	{name: "write-path", user: root},
	{name: "write-relative", user: root},
	{name: "write-hardlink", user: root},
	{name: "write-symlink", user: root},
	{name: "write-proc-self-root", user: root},
	{name: "write-proc-pid-root", user: root},
	{name: "write-dirfd", user: root},
	{name: "write-proc-fd", user: root},
	{name: "rename-over", user: root},
	{name: "rename-folder", user: root},
	{name: "tmpfile-link", user: root},
	{name: "truncate", user: root},
	{name: "mmap-write", user: root},
	{name: "mprotect-write", user: root},
	{name: "unlink", user: root},
	{name: "create", user: root},
	{name: "mkdir", user: root},
	{name: "chmod", user: root},
	{name: "chown", user: root},
	{name: "utimes", user: root},
	{name: "setxattr", user: root},
	{name: "fallocate", user: root},
	{name: "race-swap", user: root},
	{name: "read-refused", user: root},
	{name: "list-refused", user: root},
	{name: "read-hardlink", user: root},
	{name: "read-unseen-link", user: root},
	{name: "exec-own", user: root},
	{name: "read-dotdot", user: root},
	{name: "list-slashes", user: root},
	{name: "read-cwd", user: root},
	{name: "read-chroot", user: root},
	{name: "read-opath", user: root},
	{name: "list-opath", user: root},
	{name: "read-symlink", user: root},
	{name: "link-opath", user: root},
	{name: "read-moved", user: root},
	{name: "readlink-refused", user: root},
	{name: "listxattr-refused", user: root},
	{name: "getxattr-refused", user: root},
	{name: "write-twin", user: root},
	{name: "write-map-files", ofHost: "needs capabilities of the host's user namespace", user: root},
	{name: "race-folder", user: root},
	{name: "exchange", user: root},
	{name: "truncate-reading", user: root},
	{name: "fchmod", user: root},
	{name: "fchown", user: root},
	{name: "futimes", user: root},
	{name: "fsetxattr", user: root},
	{name: "acl", user: root},
	{name: "rmdir", user: root},
	{name: "plant-symlink", user: root},
	{name: "plant-fifo", user: root},
	{name: "plant-link", user: root},
	{name: "uring-write", user: root},
	{name: "exec-script", user: root},
	{name: "exec-fd", user: root},
	{name: "exec-refused", user: root},
	{name: "connect-tcp", user: root, arg: tcp},
	{name: "connect-tcp", user: webuser, arg: tcp},
	{name: "connect-tcp-mapped", user: webuser, arg: tcp},
	{name: "connect-mptcp", user: webuser, arg: tcp},
	{name: "connect-fastopen", user: webuser, arg: tcp},
	{name: "connect-uring", user: root, arg: tcp},
	{name: "connect-udp", user: webuser, arg: udp},
	{name: "send-udp", user: webuser, arg: udp},
	{name: "send-udp-mapped", user: webuser, arg: udp},
	{name: "connect-abstract", user: webuser, arg: abstract},
	{name: "socket-raw", user: root},
	{name: "socket-packet", user: root},
	{name: "socket-netlink", user: root},
	{name: "socket-netlink-uevent", user: root},
	{name: "listen-other", user: webuser, in: true},
	{name: "listen-unbound", user: webuser, in: true},
	{name: "bind-other", user: root},
	{name: "suid-program", user: webuser, arg: program("/attack/suid"), silent: "the kernel ignores the bit (no_new_privs, nosuid)"},
	{name: "filecap-program", user: webuser, arg: program("/attack/filecap")},
	{name: "setuid-saved", user: root},
	{name: "setuid-high-bits", user: root},
	{name: "setreuid-saved", user: root},
	{name: "setresuid-saved", user: root},
	{name: "setfsuid-saved", user: root},
	{name: "userns", user: root},
	{name: "userns-clone", user: webuser},
	{name: "unshare-mount", user: root},
	{name: "mount-over", user: root},
	{name: "mount-bind", user: root},
	{name: "mount-new-api", user: root},
	{name: "open-tree", user: root},
	{name: "umount", user: root},
	{name: "core-pattern", user: root},
	{name: "mknod-disk", user: root},
	{name: "file-handle", user: root},
	{name: "bpf", user: root},
	{name: "keyring", user: root},
	{name: "cgroup-escape", user: root},
	{name: "cgroup-own", user: root},
	{name: "sysfs-write", user: root},
	{name: "mknod-dev", user: root},
	{name: "mount-debugfs", user: root},
	{name: "mount-tracefs", user: root},
	{name: "mount-bpf", user: root},
	{name: "mount-binfmt_misc", user: root},
	{name: "rule-link", user: root},
	{name: "host-interfaces", user: root, silent: "nobody has CAP_NET_ADMIN under a policy"},
	{name: "console", user: root},
	{name: "setns-mount", user: root},
	{name: "pivot-root", user: root},
	{name: "fanotify", user: root},
	{name: "userfaultfd", user: root},
	{name: "perf-event", user: root},
	{name: "kernel-log", user: root},
}
