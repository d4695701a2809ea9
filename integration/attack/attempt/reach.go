package main

import (
	"encoding/binary"
	"os"

	"golang.org/x/sys/unix"
)

// Ways to what isn't the container's, by way of what is.
func reachAttempts() {
	add("rule-link", "put a link in the place of a folder that a rule gives, for the next start", ruleLink)
	add("host-interfaces", "reach the host's network interfaces by the number of their namespace", hostInterfaces)
	add("console", "redirect the machine's console to a terminal of one's own", console)
}

// ruled is an empty folder that a rule of its own gives.
const ruled = "/attack/box"

func ruleLink(string) error {
	if err := os.Remove(ruled); err != nil {
		return err
	}
	err := os.Symlink("/root", ruled)
	if err == nil {
		err = os.Remove(ruled)
	}
	if again := os.Mkdir(ruled, 0o755); again != nil {
		return setupFailed("make the folder again", again)
	}
	return err
}

// hostInterfaces asks for the interfaces of namespace 0, which is where the other end of eth0 lies. Who may ask may
// change them, too.
func hostInterfaces(string) error {
	const targetNetnsID = 46 // IFLA_TARGET_NETNSID
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_ROUTE)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	b := binary.NativeEndian
	req := b.AppendUint32(nil, 40)
	req = b.AppendUint16(req, unix.RTM_GETLINK)
	req = b.AppendUint16(req, unix.NLM_F_REQUEST|unix.NLM_F_DUMP)
	req = append(req, make([]byte, 8+unix.SizeofIfInfomsg)...)
	req = b.AppendUint16(req, 8)
	req = b.AppendUint16(req, targetNetnsID)
	req = b.AppendUint32(req, 0)
	if err := unix.Sendto(fd, req, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return err
	}
	answer := make([]byte, 64<<10)
	n, _, err := unix.Recvfrom(fd, answer, 0)
	if err != nil {
		return err
	}
	if kind := b.Uint16(answer[4:]); n < 20 || kind != unix.NLMSG_ERROR && kind != unix.NLMSG_DONE {
		return nil
	}
	return unix.Errno(-int32(b.Uint32(answer[16:])))
}

// console gives it back by closing the terminal.
func console(string) error {
	master, err := unix.Open("/dev/pts/ptmx", unix.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		return err
	}
	defer unix.Close(master)
	if err := unix.IoctlSetPointerInt(master, unix.TIOCSPTLCK, 0); err != nil {
		return err
	}
	terminal, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(master), unix.TIOCGPTPEER, unix.O_RDWR|unix.O_NOCTTY)
	if errno != 0 {
		return errno
	}
	defer unix.Close(int(terminal))
	return unix.IoctlSetInt(int(terminal), unix.TIOCCONS, 0)
}
