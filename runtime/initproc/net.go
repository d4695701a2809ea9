package initproc

import "golang.org/x/sys/unix"

// loopback sets lo up in a network namespace made for this container.
func (p *proc) loopback() error {
	if !p.NewNet {
		return nil
	}
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return doing(err, "setting the loopback interface up")
	}
	defer unix.Close(fd)
	req, err := unix.NewIfreq("lo")
	if err != nil {
		return doing(err, "setting the loopback interface up")
	}
	req.SetUint16(unix.IFF_UP | unix.IFF_RUNNING)
	return doing(unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, req), "setting the loopback interface up")
}
