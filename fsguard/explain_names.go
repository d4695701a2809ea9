package fsguard

import (
	"path"
	"slices"

	"klw/hooks"
)

// lookedAt is what a path of the container leads to, as Explain sees it.
type lookedAt struct {
	at    string
	names []string // all that decide, at among them
	links []string // symbolic links on the way, by their own names
}

// finder is a Resolver that can find names which nobody has looked up.
type finder interface {
	AllNames(f hooks.File) error
}

// look follows a path and finds all names that decide about what is there, or about what would be made there.
func look(views Resolver, file string) (n lookedAt, err error) {
	f, at, links, err := views.Follow(file)
	if err != nil {
		return n, err
	}
	n.at, n.links = at, links
	rest := ""
	for dir := at; f == nil && dir != "/"; { // a folder that is mounted twice makes names of what isn't there yet
		rest, dir = path.Join(path.Base(dir), rest), path.Dir(dir)
		if f, _, _, err = views.Follow(dir); err != nil {
			return n, err
		}
	}
	if f != nil {
		defer views.Unpin(f)
		if v, ok := views.(finder); ok {
			if err := v.AllNames(f); err != nil {
				return n, err
			}
		}
	}
	for _, name := range namesOf(f) {
		n.names = append(n.names, join(name, rest))
	}
	if !slices.Contains(n.names, at) {
		n.names = append([]string{at}, n.names...)
	}
	return n, nil
}
