package compare

import (
	"bytes"
	"errors"
	"fmt"

	"golang.org/x/sys/unix"

	"klw/replicafs"
)

// attributes compares mode, owner, time and extended attributes.
func (c *Comparison) attributes(a, b int, full string) error {
	var sa, sb unix.Stat_t
	if err := errors.Join(fstat(a, &sa), fstat(b, &sb)); err != nil {
		return err
	}
	if sa.Mode != sb.Mode {
		c.differ(full, "mode", fmt.Sprintf("%#o", sa.Mode&0o7777), fmt.Sprintf("%#o", sb.Mode&0o7777))
	}
	if sa.Uid != sb.Uid || sa.Gid != sb.Gid {
		c.differ(full, "owner", fmt.Sprintf("%d:%d", sa.Uid, sa.Gid), fmt.Sprintf("%d:%d", sb.Uid, sb.Gid))
	}
	if sa.Mtim != sb.Mtim {
		c.differ(full, "mtime", stamp(sa.Mtim), stamp(sb.Mtim))
	}
	return c.xattrs(a, b, full)
}

func stamp(t unix.Timespec) string { return fmt.Sprintf("%d.%09d", t.Sec, t.Nsec) }

func (c *Comparison) xattrs(a, b int, full string) error {
	want, errA := replicafs.Xattrs(a)
	have, errB := replicafs.Xattrs(b)
	if err := errors.Join(errA, errB); err != nil {
		return err
	}
	values := map[string][]byte{}
	for _, x := range have {
		values[x.Name] = x.Value
	}
	for _, x := range want {
		value, ok := values[x.Name]
		delete(values, x.Name)
		if !ok {
			c.differ(full, "xattr "+x.Name, fmt.Sprintf("%q", x.Value), "")
		} else if !bytes.Equal(value, x.Value) {
			c.differ(full, "xattr "+x.Name, fmt.Sprintf("%q", x.Value), fmt.Sprintf("%q", value))
		}
	}
	for name, value := range values {
		c.differ(full, "xattr "+name, "", fmt.Sprintf("%q", value))
	}
	return nil
}
