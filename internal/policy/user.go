package policy

import "strconv"

// String gives the user as a policy names one.
func (u User) String() string {
	if u.HasID {
		return strconv.FormatUint(uint64(u.ID), 10)
	}
	return u.Name
}

// Is tells whether this is the user with that id and name. name may be empty where it isn't known.
func (u User) Is(uid uint32, name string) bool {
	if u.HasID {
		return u.ID == uid
	}
	return name != "" && u.Name == name
}

// plain gives the user without a place: two are the same by what is written if that is.
func (u User) plain() User {
	u.Pos = Pos{}
	return u
}

// Permits tells whether the user with that id and name (in the container) may run the application: anybody if the
// policy has no users line.
func (p *Policy) Permits(uid uint32, name string) bool {
	if len(p.Users) == 0 {
		return true
	}
	for _, u := range p.Users {
		if u.Is(uid, name) {
			return true
		}
	}
	return false
}
