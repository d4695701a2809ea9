package fsguard

import (
	"bufio"
	"fmt"
	"io"
	"strconv"
	"strings"

	"klw/internal/policy"
)

// UserLookup finds the id that calls of a user of the container come with: the container's own id, or where a user
// namespace maps ids the host's. A user is given as policies do, by a name or a number.
type UserLookup interface {
	UID(user string) (uint32, error)
}

// Users know the way back too.
type Users interface {
	UserLookup
	// Name names a user as a policy does whom calls come with that id of: by a number where there is no name.
	Name(uid uint32) policy.User
	// Home gives a user's home directory, as the container's user list has it.
	Home(policy.User) (string, error)
}

// asker finds the id of a user who is asked about; "" is somebody without rules of his own.
func asker(users UserLookup, user string) (uint32, error) {
	if user == "" {
		return nobody, nil
	}
	return users.UID(user)
}

// Passwd reads a user list in the format of /etc/passwd. The first line of a name counts, as in the C library. Lines
// without a proper id are left out: github.com/moby/sys/user takes them for user 0.
func Passwd(r io.Reader) (Users, error) {
	p, homes := passwd{}, map[string]string{}
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		f := strings.Split(lines.Text(), ":")
		if len(f) < 4 {
			continue
		}
		id, err := strconv.ParseUint(f[2], 10, 32)
		if _, known := p[f[0]]; err == nil && !known {
			p[f[0]] = uint32(id)
			if len(f) > 5 {
				homes[f[0]] = f[5]
			}
		}
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("read the user list: %w", err)
	}
	return accounts{p, homes}, nil
}

// accounts are users with their homes.
type accounts struct {
	passwd
	homes map[string]string
}

// Home goes by the name, for a number by the name that it has.
func (a accounts) Home(u policy.User) (string, error) {
	name := u.Name
	if u.HasID {
		name = a.Name(u.ID).Name
	}
	if dir := a.homes[name]; name != "" && dir != "" {
		return dir, nil
	}
	return "", fmt.Errorf("the container's /etc/passwd has none")
}

type passwd map[string]uint32

// Name gives the shortest if a user has several names.
func (p passwd) Name(uid uint32) policy.User {
	best, ok := "", false
	for name, id := range p {
		if id == uid && (!ok || len(name) < len(best) || len(name) == len(best) && name < best) {
			best, ok = name, true
		}
	}
	if !ok {
		return policy.User{ID: uid, HasID: true}
	}
	return policy.User{Name: best}
}

func (p passwd) UID(user string) (uint32, error) {
	if id, err := strconv.ParseUint(user, 10, 32); err == nil {
		return uint32(id), nil
	}
	if id, ok := p[user]; ok {
		return id, nil
	}
	return 0, fmt.Errorf("no user %q in the container's /etc/passwd", user)
}
