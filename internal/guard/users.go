package guard

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"

	"github.com/cyphar/filepath-securejoin/pathrs-lite"
	"golang.org/x/sys/unix"

	"klw/fsguard"
	"klw/internal/handshake"
	"klw/internal/policy"
)

// maxPasswd bounds what is read of a file that the image gives.
const maxPasswd = 4 << 20

// containerUsers reads the container's own user list. A container without one knows no names.
func containerUsers(mounts []handshake.Mount) (fsguard.Users, error) {
	f, err := openInside(mounts, "/etc/passwd")
	if errors.Is(err, fs.ErrNotExist) {
		return fsguard.Passwd(strings.NewReader(""))
	}
	if err != nil {
		return nil, fmt.Errorf("read the container's /etc/passwd: %w", err)
	}
	defer f.Close()
	return fsguard.Passwd(io.LimitReader(f, maxPasswd))
}

// mappedUsers are the users of a container in a user namespace, by the ids that they have on the host: those that the
// kernel tells of callers.
type mappedUsers struct {
	inside fsguard.Users
	setup  *handshake.Setup
}

// UID gives a user's id on the host.
func (m mappedUsers) UID(user string) (uint32, error) {
	id, err := m.inside.UID(user)
	if err != nil {
		return 0, err
	}
	uid, ok := m.setup.Host(id)
	if !ok {
		return 0, fmt.Errorf("the container has no user %d: linux.uidMappings don't map it", id)
	}
	return uid, nil
}

// Name names a user by the id that he has on the host.
func (m mappedUsers) Name(uid uint32) policy.User {
	if id, ok := m.setup.Inside(uid); ok {
		return m.inside.Name(id)
	}
	return policy.User{ID: uid, HasID: true}
}

// Home gives a user's home, which no mapping changes.
func (m mappedUsers) Home(u policy.User) (string, error) { return m.inside.Home(u) }

// openInside opens a regular file of the container for reading. Links are followed inside the mount that the path
// lies in, never outside.
func openInside(mounts []handshake.Mount, name string) (*os.File, error) {
	m, rest, err := mountOf(mounts, name)
	if err != nil {
		return nil, err
	}
	var f *os.File
	if rest == "" { // a mount of the very file
		f, err = os.OpenFile(m.Source, unix.O_PATH, 0)
	} else {
		f, err = pathrs.OpenInRoot(m.Source, rest)
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
		return nil, errors.Join(err, fmt.Errorf("%s isn't a regular file", name))
	}
	return pathrs.Reopen(f, unix.O_RDONLY)
}

// mountOf finds the mount that a path of the container lies in, and the rest of the path below it.
func mountOf(mounts []handshake.Mount, name string) (handshake.Mount, string, error) {
	name = path.Clean(name)
	best := -1
	for i, m := range mounts {
		if below(name, m.Destination) && (best < 0 || len(m.Destination) >= len(mounts[best].Destination)) {
			best = i
		}
	}
	if best < 0 {
		return handshake.Mount{}, "", fmt.Errorf("%s lies in no mount of the container", name)
	}
	return mounts[best], strings.TrimPrefix(strings.TrimPrefix(name, mounts[best].Destination), "/"), nil
}

// below tells whether a path is dir or lies below it.
func below(name, dir string) bool {
	return dir == "/" || name == dir || strings.HasPrefix(name, dir+"/")
}
