package initproc

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// terminal makes a pseudo terminal in the container's devpts, gives its master to the console socket and makes its
// other end this session's terminal, standard input and output, and /dev/console.
func (p *proc) terminal() error {
	s := p.Config.Spec.Process
	if !s.Terminal {
		return nil
	}
	master, slave, err := openPTY(&p.root)
	if err != nil {
		return doing(err, "making a terminal (is devpts mounted on /dev/pts?)")
	}
	defer unix.Close(master)
	if !p.Config.Exec {
		if err := p.bindConsole(slave); err != nil {
			return doing(err, "mounting the terminal on /dev/console")
		}
	}
	if c := s.ConsoleSize; c != nil {
		size := &unix.Winsize{Row: uint16(c.Height), Col: uint16(c.Width)}
		if err := unix.IoctlSetWinsize(master, unix.TIOCSWINSZ, size); err != nil {
			return doing(err, "setting the terminal's size")
		}
	}
	err = unix.Sendmsg(p.Console, []byte("/dev/ptmx"), unix.UnixRights(master), nil, unix.MSG_NOSIGNAL)
	if err != nil {
		return doing(err, "handing the terminal to the console socket")
	}
	unix.Close(p.Console)
	if p.PIDNS == 0 { // else the session is made later
		if err := unix.IoctlSetInt(slave, unix.TIOCSCTTY, 0); err != nil {
			return doing(err, "making the terminal this session's")
		}
	}
	return useTerminal(slave)
}

func useTerminal(slave int) error {
	for fd := range 3 {
		if err := unix.Dup3(slave, fd, 0); err != nil {
			return doing(err, "using the terminal")
		}
	}
	return unix.Close(slave)
}

// openPTY opens the container's own ptmx, and makes sure that it is one.
func openPTY(r *root) (master, slave int, err error) {
	master, err = r.openPlain("/dev/pts/ptmx", unix.O_RDWR|unix.O_NOCTTY|unix.O_NONBLOCK)
	if err != nil {
		return -1, -1, err
	}
	if slave, err = openPeer(master); err != nil {
		unix.Close(master)
		return -1, -1, err
	}
	return master, slave, nil
}

func openPeer(master int) (int, error) {
	var st unix.Stat_t
	if err := unix.Fstat(master, &st); err != nil {
		return -1, err
	}
	if st.Mode&unix.S_IFMT != unix.S_IFCHR || st.Rdev != unix.Mkdev(5, 2) {
		return -1, fmt.Errorf("/dev/pts/ptmx is not a terminal multiplexer")
	}
	if err := unix.SetNonblock(master, false); err != nil {
		return -1, err
	}
	if err := unix.IoctlSetPointerInt(master, unix.TIOCSPTLCK, 0); err != nil {
		return -1, err
	}
	slave, _, e := unix.Syscall(unix.SYS_IOCTL, uintptr(master), unix.TIOCGPTPEER,
		unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC)
	if e != 0 {
		return -1, e
	}
	return int(slave), nil
}

func (p *proc) bindConsole(slave int) error {
	target, err := p.root.target("/dev/console", false)
	if err != nil {
		return err
	}
	defer unix.Close(target)
	fd, err := cloneTree(slave, "", false)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	return move(fd, target)
}

// ownStdio gives the process's user its own standard streams, as far as they are terminals, pipes or sockets: else it
// could not open /dev/stderr. Files of the caller keep their owner.
func ownStdio(uid uint32) error {
	for fd := range 3 {
		var st unix.Stat_t
		if err := unix.Fstat(fd, &st); err != nil {
			return doing(err, "looking at descriptor %d", fd)
		}
		kind := st.Mode & unix.S_IFMT
		tty := kind == unix.S_IFCHR && isTerminal(fd)
		if st.Uid == uid || !tty && kind != unix.S_IFIFO && kind != unix.S_IFSOCK {
			continue
		}
		err := unix.Fchown(fd, int(uid), -1)
		if err != nil && err != unix.EINVAL && err != unix.EPERM && err != unix.EROFS {
			return doing(err, "giving descriptor %d to uid %d", fd, uid)
		}
	}
	return nil
}

func isTerminal(fd int) bool {
	_, err := unix.IoctlGetTermios(fd, unix.TCGETS)
	return err == nil
}
