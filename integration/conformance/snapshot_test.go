package conformance

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// describe tells all that can be seen of the tree and of open descriptors.
func (w *worker) describe() string {
	var b strings.Builder
	b.WriteString(describeTree())
	for i, o := range w.slots {
		if o == nil {
			continue
		}
		var st unix.Stat_t
		err := unix.Fstat(o.fd, &st)
		fmt.Fprintf(&b, "fd%d %s", i, done(err, shortStat(st)))
		if st.Mode&unix.S_IFMT == unix.S_IFREG {
			at, err := unix.Seek(o.fd, 0, unix.SEEK_CUR)
			buf := aligned(1 << 16)
			n, e := unix.Pread(o.fd, buf, 0)
			fmt.Fprintf(&b, " at %s data %s", done(err, at), done(e, digest(buf[:max(n, 0)])))
		}
		b.WriteString("\n")
	}
	return b.String()
}

// describeTree tells all that can be seen of the root directory and below.
func describeTree() string {
	var b strings.Builder
	objects := map[[2]uint64]int{}
	err := filepath.WalkDir("/", func(path string, d os.DirEntry, err error) error {
		if err != nil {
			fmt.Fprintf(&b, "%q: %v\n", path, err)
			return nil
		}
		var st unix.Stat_t
		if err := unix.Lstat(path, &st); err != nil {
			fmt.Fprintf(&b, "%q: %v\n", path, err)
			return nil
		}
		id := [2]uint64{st.Dev, st.Ino}
		if _, known := objects[id]; !known {
			objects[id] = len(objects)
		}
		fmt.Fprintf(&b, "%q #%d %s changed %s%s%s\n", path, objects[id], shortStat(st), moment(st.Mtim.Sec, st.Mtim.Nsec),
			contentOf(path, st), xattrsOf(path))
		return nil
	})
	if err != nil {
		fmt.Fprintln(&b, err)
	}
	return b.String()
}

// contentOf tells what a file or link holds.
func contentOf(path string, st unix.Stat_t) string {
	buf := make([]byte, 1<<16)
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFLNK:
		n, err := unix.Readlink(path, buf)
		return " to " + done(err, digest(buf[:max(n, 0)]))
	case unix.S_IFREG:
		fd, err := unix.Open(path, unix.O_RDONLY|unix.O_NOATIME|unix.O_CLOEXEC, 0)
		if err != nil {
			return " " + done(err)
		}
		defer unix.Close(fd)
		n, err := unix.Read(fd, buf)
		text := " data " + done(err, digest(buf[:max(n, 0)]))
		n, err = unix.Pread(fd, buf, max(0, st.Size-int64(len(buf))))
		return text + " end " + done(err, digest(buf[:max(n, 0)]))
	}
	return ""
}

func xattrsOf(path string) (text string) {
	buf := make([]byte, 1<<16)
	n, err := unix.Llistxattr(path, buf)
	if err != nil {
		return " xattrs " + done(err)
	}
	for _, name := range strings.Fields(xattrList(buf[:n])) {
		value := make([]byte, 1<<12)
		n, err := unix.Lgetxattr(path, name, value)
		text += " " + name + "=" + done(err, digest(value[:max(n, 0)]))
	}
	return text
}

// moment tells a time that a step has set from one that the clock did.
func moment(sec, nsec int64) string {
	if sec < 1e9 {
		return fmt.Sprintf("%d.%09d", sec, nsec)
	}
	return "now"
}
