package launch

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// namespaces is what becomes of the spec's list.
type namespaces struct {
	flags uintptr // new ones, made by clone; the cgroup namespace klw-init makes itself
	time  bool    // a new time namespace
	joins []int   // descriptors of existing ones, in the order in which they are entered
	pidns int     // Config.Exec: the one that only the process enters
	user  bool    // it will be in a user namespace other than ours

	joinUser int // an existing user namespace, or -1
}

// kinds in the order in which existing ones are entered; the user namespace has its turn in package fork.
var kinds = []struct {
	kind specs.LinuxNamespaceType
	flag uintptr
	file string
}{
	{specs.UserNamespace, unix.CLONE_NEWUSER, "user"},
	{specs.CgroupNamespace, unix.CLONE_NEWCGROUP, "cgroup"},
	{specs.IPCNamespace, unix.CLONE_NEWIPC, "ipc"},
	{specs.UTSNamespace, unix.CLONE_NEWUTS, "uts"},
	{specs.NetworkNamespace, unix.CLONE_NEWNET, "net"},
	{specs.TimeNamespace, unix.CLONE_NEWTIME, "time"},
	{specs.PIDNamespace, unix.CLONE_NEWPID, "pid"},
	{specs.MountNamespace, unix.CLONE_NEWNS, "mnt"},
}

func (s *starter) findNamespaces() error {
	s.ns.pidns, s.ns.joinUser = -1, -1
	if s.o.Config.Exec {
		return s.findRunning()
	}
	paths := map[specs.LinuxNamespaceType]*string{}
	if s.o.Config.Spec.Linux != nil {
		for _, n := range s.o.Config.Spec.Linux.Namespaces {
			if paths[n.Type] != nil {
				return fmt.Errorf("linux.namespaces: %q is listed twice", n.Type)
			}
			paths[n.Type] = &n.Path
		}
	}
	for _, k := range kinds {
		path := paths[k.kind]
		delete(paths, k.kind)
		switch {
		case path == nil:
		case *path != "":
			if err := s.join(k.flag, *path); err != nil {
				return err
			}
		case k.flag == unix.CLONE_NEWUSER:
			s.ns.user = true
			s.ns.flags |= k.flag
		case k.flag == unix.CLONE_NEWTIME:
			s.ns.time = true
		case k.flag != unix.CLONE_NEWCGROUP:
			s.ns.flags |= k.flag
		}
	}
	for kind := range paths {
		return fmt.Errorf("linux.namespaces: unknown type %q", kind)
	}
	return nil
}

// findRunning lists the namespaces of the running container that differ from ours.
func (s *starter) findRunning() error {
	for _, k := range kinds {
		path := fmt.Sprintf("/proc/%d/ns/%s", s.o.JoinPID, k.file)
		theirs, err := os.Readlink(path)
		if err != nil {
			if os.IsNotExist(err) && k.flag == unix.CLONE_NEWTIME {
				continue // a kernel without time namespaces
			}
			if os.IsNotExist(err) { // it is about to be a zombie; an engine takes the kernel's words for a missing program
				return errors.New("the container's first process has ended")
			}
			return fmt.Errorf("looking at the container's %s namespace: %w", k.file, err)
		}
		ours, err := os.Readlink("/proc/self/ns/" + k.file)
		if err != nil {
			return fmt.Errorf("looking at our %s namespace: %w", k.file, err)
		}
		if theirs == ours && k.flag != unix.CLONE_NEWNS {
			continue
		}
		if k.flag == unix.CLONE_NEWPID {
			fd, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC, 0)
			if err != nil {
				return fmt.Errorf("opening the container's pid namespace: %w", err)
			}
			s.ns.pidns = s.own(fd)
			continue
		}
		if err := s.join(k.flag, path); err != nil {
			return err
		}
	}
	return nil
}

// join opens an existing namespace and makes sure that it is one, of that kind.
func (s *starter) join(flag uintptr, path string) error {
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("opening the namespace %s: %w", path, err)
	}
	s.own(fd)
	kind, err := unix.IoctlRetInt(fd, unix.NS_GET_NSTYPE)
	if err != nil {
		return fmt.Errorf("%s is no namespace: %w", path, err)
	}
	if uintptr(kind) != flag {
		return fmt.Errorf("the namespace %s is of another kind than config.json says", path)
	}
	if flag == unix.CLONE_NEWUSER {
		same, err := sameAsOurs(fd)
		if err != nil || same {
			return err // entering one's own user namespace is refused by the kernel
		}
		s.ns.user, s.ns.joinUser = true, fd
		return nil
	}
	s.ns.joins = append(s.ns.joins, fd)
	return nil
}

func sameAsOurs(user int) (bool, error) {
	var a, b unix.Stat_t
	if err := unix.Fstat(user, &a); err != nil {
		return false, fmt.Errorf("looking at a user namespace: %w", err)
	}
	if err := unix.Stat("/proc/self/ns/user", &b); err != nil {
		return false, fmt.Errorf("looking at our user namespace: %w", err)
	}
	return a.Ino == b.Ino && a.Dev == b.Dev, nil
}

// writeMaps gives a new user namespace its id maps.
func writeMaps(pid int, uids, gids []specs.LinuxIDMapping) error {
	for _, m := range []struct {
		file string
		ids  []specs.LinuxIDMapping
	}{{"uid", uids}, {"gid", gids}} {
		if len(m.ids) == 0 {
			return fmt.Errorf("a new user namespace needs %sMappings", m.file)
		}
		var text strings.Builder
		for _, id := range m.ids {
			fmt.Fprintf(&text, "%d %d %d\n", id.ContainerID, id.HostID, id.Size)
		}
		path := fmt.Sprintf("/proc/%d/%s_map", pid, m.file)
		if err := os.WriteFile(path, []byte(text.String()), 0); err != nil {
			return fmt.Errorf("mapping ids of the user namespace: %w", err)
		}
	}
	return nil
}

// writeOffsets gives a new time namespace its offsets, while nobody is in it.
func (s *starter) writeOffsets(pid int) error {
	path := fmt.Sprintf("/proc/%d/timens_offsets", pid)
	for clock, o := range s.o.Config.Spec.Linux.TimeOffsets {
		line := fmt.Sprintf("%s %d %d\n", clock, o.Secs, o.Nanosecs)
		if err := os.WriteFile(path, []byte(line), 0); err != nil {
			return fmt.Errorf("setting the offset of clock %q: %w", clock, err)
		}
	}
	return nil
}
