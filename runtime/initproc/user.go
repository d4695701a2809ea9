package initproc

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"strings"
	"unsafe"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// become takes the process's user, groups, umask and capabilities.
func (p *proc) become(s *specs.Process) error {
	sets, err := p.capabilities(s)
	if err != nil {
		return err
	}
	if err := sets.bound(); err != nil {
		return err
	}
	if err := ownStdio(s.User.UID); err != nil {
		return err
	}
	if err := p.switchUser(s.User); err != nil {
		return err
	}
	if err := sets.apply(); err != nil {
		return err
	}
	umask := 0o022
	if s.User.Umask != nil {
		umask = int(*s.User.Umask)
	}
	unix.Umask(umask)
	if s.NoNewPrivileges {
		return doing(unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "setting no_new_privs")
	}
	return nil
}

// switchUser uses the bare system calls: Go's own would change other threads, which no longer matter, as well.
func (p *proc) switchUser(u specs.User) error {
	if err := unix.Prctl(unix.PR_SET_KEEPCAPS, 1, 0, 0, 0); err != nil {
		return doing(err, "keeping capabilities")
	}
	if err := setGroups(u.AdditionalGids, p.UserNS); err != nil {
		return err
	}
	if _, _, e := unix.RawSyscall(unix.SYS_SETRESGID, uintptr(u.GID), uintptr(u.GID), uintptr(u.GID)); e != 0 {
		return doing(e, "becoming gid %d", u.GID)
	}
	if _, _, e := unix.RawSyscall(unix.SYS_SETRESUID, uintptr(u.UID), uintptr(u.UID), uintptr(u.UID)); e != 0 {
		return doing(e, "becoming uid %d", u.UID)
	}
	return doing(unix.Prctl(unix.PR_SET_KEEPCAPS, 0, 0, 0, 0), "no longer keeping capabilities")
}

// setGroups: a user namespace made without privilege doesn't let its groups be changed; then nobody asked for any.
func setGroups(gids []uint32, fixed bool) error {
	_, _, e := unix.RawSyscall(unix.SYS_SETGROUPS, uintptr(len(gids)), uintptr(unsafe.Pointer(unsafe.SliceData(gids))), 0)
	if e != 0 && !(fixed && len(gids) == 0) {
		return doing(e, "taking the additional gids %v", gids)
	}
	return nil
}

// environment is the process's: of several values the last counts, and HOME comes from the container's own list of
// users if it isn't given.
func environment(s *specs.Process) []string {
	var env []string
	place := map[string]int{}
	for _, v := range s.Env {
		name, _, _ := strings.Cut(v, "=")
		if at, ok := place[name]; ok {
			env[at] = v
			continue
		}
		place[name] = len(env)
		env = append(env, v)
	}
	if at, ok := place["HOME"]; !ok {
		env = append(env, "HOME="+home(s.User.UID))
	} else if env[at] == "HOME=" {
		env[at] += home(s.User.UID)
	}
	return env
}

func home(uid uint32) string {
	// Not blocking, and only so much of it: in an exec the file is anything that the container wants it to be.
	fd, err := unix.Open("/etc/passwd", unix.O_RDONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return "/"
	}
	f := os.NewFile(uintptr(fd), "/etc/passwd")
	defer f.Close()
	if st, err := f.Stat(); err != nil || !st.Mode().IsRegular() {
		return "/"
	}
	id := fmt.Sprint(uid)
	for lines := bufio.NewScanner(io.LimitReader(f, 1<<20)); lines.Scan(); {
		f := strings.Split(lines.Text(), ":")
		if len(f) >= 6 && f[2] == id && f[5] != "" {
			return f[5]
		}
	}
	return "/"
}
