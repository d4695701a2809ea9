package learn

import (
	"cmp"
	"maps"
	"path"
	"regexp"
	"slices"
	"strings"
	"unicode"

	"klw/internal/policy"
)

// pattern gives what a file's name has in common with others of its kind.
func pattern(name string) string {
	if madeUp(name) {
		return "*"
	}
	if at := strings.Index(name, ".so."); at > 0 {
		return "*.so.*"
	}
	if ext := path.Ext(name); len(ext) > 1 && len(ext) < 8 && ext != name && !strings.ContainsFunc(ext[1:], unicode.IsDigit) {
		return "*" + ext
	}
	return "*"
}

// patternsOf gives the most frequent patterns of a node, as text.
func patternsOf(n *node) string {
	list := slices.Collect(maps.Keys(n.patterns))
	slices.SortFunc(list, func(a, b string) int { return cmp.Or(n.patterns[b]-n.patterns[a], strings.Compare(a, b)) })
	if len(list) > 4 {
		list = append(list[:4], "…")
	}
	if len(list) == 1 && list[0] == "*" {
		return ""
	}
	return strings.Join(list, " ")
}

var (
	part        = regexp.MustCompile(`[0-9A-Za-z]+`)
	number      = regexp.MustCompile(`^[0-9]{3,}$`)
	hexadecimal = regexp.MustCompile(`^[0-9a-f]{8,}$`)
	temporary6  = regexp.MustCompile(`^\.?te?mp[._-]?[0-9A-Za-z_]{6,}$`)
	template    = regexp.MustCompile(`[._-]([0-9A-Za-z]{6}|[0-9A-Za-z]{8}|[0-9A-Za-z]{10}|[0-9A-Za-z]{12})$`)
	plain       = regexp.MustCompile(`^[A-Z]?[a-z]*[0-9]*$|^[A-Z]*[0-9]*$`)
)

// madeUp tells whether a file's name looks as if the next one will be called otherwise: a part of it is a number of three
// digits or more, a hexadecimal number, or such a mixture of letters and digits as mkstemp makes.
func madeUp(name string) bool {
	if temporary6.MatchString(name) {
		return true
	}
	if t := template.FindStringSubmatch(name); t != nil && !plain.MatchString(t[1]) {
		return true
	}
	for _, p := range part.FindAllString(name, -1) {
		if number.MatchString(p) || hexadecimal.MatchString(p) && strings.ContainsFunc(p, unicode.IsDigit) || mixed(p) {
			return true
		}
	}
	return false
}

// mixed tells of six characters or more that change between capitals, small letters and digits as words don't.
func mixed(p string) bool {
	changes := 0
	for i := 2; i < len(p); i++ { // a capital at the beginning is none
		if class(p[i]) != class(p[i-1]) {
			changes++
		}
	}
	return len(p) >= 6 && changes >= 3
}

func class(c byte) byte {
	switch {
	case c >= '0' && c <= '9':
		return '0'
	case c >= 'A' && c <= 'Z':
		return 'A'
	}
	return 'a'
}

// word writes a path as it stands in a policy.
func word(p string) string {
	return strings.TrimSuffix(strings.TrimPrefix(policy.FileRule{Path: p}.String(), "file "), " none")
}

// printable keeps a comment to characters that a reader sees.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsGraphic(r) && r != unicode.ReplacementChar && (r == ' ' || !unicode.IsSpace(r)) {
			return r
		}
		return '?'
	}, s)
}
