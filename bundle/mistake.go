package bundle

import (
	"fmt"
	"strings"
)

// Mistake is one place in a config.json that is not as the specification wants it.
type Mistake struct {
	Path string // of the value: process.args, mounts[3].destination
	Msg  string
}

// Mistakes are all that were found.
type Mistakes []Mistake

// Error gives one line for each mistake.
func (m Mistakes) Error() string {
	lines := make([]string, len(m))
	for i, x := range m {
		lines[i] = ConfigName + ": " + x.Path + ": " + x.Msg
	}
	return strings.Join(lines, "\n")
}

// add notes a mistake in the value at path.
func (m *Mistakes) add(path, format string, args ...any) {
	*m = append(*m, Mistake{path, fmt.Sprintf(format, args...)})
}

func index(list string, i int, field string) string {
	if field == "" {
		return fmt.Sprintf("%s[%d]", list, i)
	}
	return fmt.Sprintf("%s[%d].%s", list, i, field)
}
