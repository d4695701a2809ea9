package policy

import "strings"

// apart keeps clean paths of which none may lie in another.
type apart struct {
	at    map[string]entry
	above map[string]entry // what lies below a path, by that path
}

type entry struct {
	path string
	pos  Pos
}

func newApart() *apart { return &apart{map[string]entry{}, map[string]entry{}} }

// meets gives a path that is the same, lies above, or lies below.
func (a *apart) meets(path string) (entry, bool) {
	if e, ok := a.above[path]; ok {
		return e, true
	}
	return nearest(a.at, path)
}

func (a *apart) add(path string, pos Pos) {
	e := entry{path, pos}
	a.at[path] = e
	for dir, ok := parent(path); ok; dir, ok = parent(dir) {
		if _, known := a.above[dir]; known {
			return // and so all above it
		}
		a.above[dir] = e
	}
}

// nearest finds what a map has for a clean path, or else for the longest path above it.
func nearest[V any](m map[string]V, path string) (v V, ok bool) {
	for dir, more := path, true; more; dir, more = parent(dir) {
		if v, ok = m[dir]; ok {
			return v, true
		}
	}
	return v, false
}

// parent gives the path above a clean one: what is above / or above . has none.
func parent(path string) (dir string, ok bool) {
	switch i := strings.LastIndexByte(path, '/'); {
	case path == "/" || path == ".":
		return "", false
	case i < 0:
		return ".", true
	case i == 0:
		return "/", true
	default:
		return path[:i], true
	}
}
