package initproc

import (
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// host is what klw-init keeps of the host's files: the proc file system, opened before anything of the container is
// looked at and known to be one, so that nothing written to it can be led astray (CVE-2025-52881). It is closed before
// anything is done that the process's part of config.json names (CVE-2024-21626).
type host struct{ proc int }

func openHost() (host, error) {
	fd, err := unix.Open("/proc", unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return host{-1}, doing(err, "opening /proc")
	}
	var st unix.Statfs_t
	if err := unix.Fstatfs(fd, &st); err != nil || st.Type != unix.PROC_SUPER_MAGIC {
		unix.Close(fd)
		return host{-1}, fmt.Errorf("/proc of the host is no proc file system")
	}
	return host{fd}, nil
}

func (h *host) close() {
	if h.proc >= 0 {
		unix.Close(h.proc)
		h.proc = -1
	}
}

// write writes to a file below /proc. Links are followed only as far as they stay in it.
func (h *host) write(path, text string) error {
	how := &unix.OpenHow{Flags: unix.O_WRONLY | unix.O_CLOEXEC,
		Resolve: unix.RESOLVE_BENEATH | unix.RESOLVE_NO_XDEV | unix.RESOLVE_NO_MAGICLINKS}
	fd, err := unix.Openat2(h.proc, path, how)
	if err != nil {
		return err
	}
	f := os.NewFile(uintptr(fd), path)
	defer f.Close()
	_, err = f.WriteString(text)
	return err
}

// sysctl sets linux.sysctl. What belongs to a namespace is that of this thread.
func (p *proc) sysctl() error {
	if p.Config.Spec.Linux == nil {
		return nil
	}
	for name, value := range p.Config.Spec.Linux.Sysctl {
		path := "sys/" + sysctlPath(name)
		if err := p.host.write(path, value); err != nil {
			return fmt.Errorf("setting sysctl %s to %q: %w", name, value, err)
		}
	}
	return nil
}

// sysctlPath: the first separator, dot or slash, decides which is the separator; the other is part of a name.
func sysctlPath(name string) string {
	if i := strings.IndexAny(name, "./"); i < 0 || name[i] == '/' {
		return name
	}
	return strings.NewReplacer(".", "/", "/", ".").Replace(name)
}
