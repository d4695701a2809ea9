package klwctl

import (
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/urfave/cli/v3"

	"klw/internal/audit"
	"klw/internal/policy"
)

// filter chooses events. An event is shown if it meets every condition that is given.
type filter struct {
	words []wordFilter
	path  string // and what is below it
	uid   *uint32
}

// wordFilter wants one of several words in a field.
type wordFilter struct {
	of   func(audit.Event) string
	want []string
}

// filterFlags are the conditions that events can be chosen by.
func filterFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "decision", Usage: "only with these `DECISIONS`: refused, audit, notice, lost; several with commas between, as in all of these"},
		&cli.StringFlag{Name: "module", Usage: "only of these `MODULES`"},
		&cli.StringFlag{Name: "operation", Usage: "only these `OPERATIONS`: open, connect, rename …"},
		&cli.StringFlag{Name: "application", Usage: "only of these `APPLICATIONS`"},
		&cli.StringFlag{Name: "compartment", Usage: "only of these `COMPARTMENTS`"},
		&cli.StringFlag{Name: "command", Usage: "only of tasks with these `NAMES`"},
		&cli.StringFlag{Name: "path", Usage: "only about `PATH` and what is below it"},
		&cli.StringFlag{Name: "uid", Usage: "only of the user with this `UID` on the host"},
	}
}

var wordFields = []struct {
	flag string
	of   func(audit.Event) string
}{
	{"decision", func(e audit.Event) string { return e.Decision }},
	{"module", func(e audit.Event) string { return e.Module }},
	{"operation", func(e audit.Event) string { return e.Operation }},
	{"application", func(e audit.Event) string { return e.Application }},
	{"compartment", func(e audit.Event) string { return e.Compartment }},
	{"command", func(e audit.Event) string { return e.Comm }},
}

var decisions = []string{audit.Refused, audit.Audit, audit.Notice, audit.Lost}

// newFilter reads the conditions of a command line.
func newFilter(c *cli.Command) (f filter, err error) {
	for _, w := range wordFields {
		if text := c.String(w.flag); text != "" {
			f.words = append(f.words, wordFilter{w.of, strings.Split(text, ",")})
		}
	}
	if text := c.String("decision"); text != "" {
		for word := range strings.SplitSeq(text, ",") {
			if !slices.Contains(decisions, word) {
				return f, usage("--decision %q, expected one of %s", word, strings.Join(decisions, ", "))
			}
		}
	}
	if text := c.String("path"); text != "" {
		if !path.IsAbs(text) {
			return f, usage("--path %q, expected an absolute path", text)
		}
		f.path = path.Clean(text)
	}
	if text := c.String("uid"); text != "" {
		id, err := strconv.ParseUint(text, 10, 32)
		if err != nil {
			return f, usage("--uid %q, expected a number", text)
		}
		uid := uint32(id)
		f.uid = &uid
	}
	return f, nil
}

// shows tells whether an event meets the conditions. That events were lost is always shown: what is missing may have
// been among those that were asked for.
func (f filter) shows(e audit.Event) bool {
	if e.Decision == audit.Lost {
		return true
	}
	for _, w := range f.words {
		if !slices.Contains(w.want, w.of(e)) {
			return false
		}
	}
	if f.path != "" && !policy.Below(e.Path, f.path) {
		return false
	}
	return f.uid == nil || *f.uid == e.UID
}
