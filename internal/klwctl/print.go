package klwctl

import (
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"
	"text/tabwriter"
	"unicode"

	"github.com/urfave/cli/v3"
)

// show prints a value as JSON if that is wanted, else as people read it.
func show(c *cli.Command, value any, human func(io.Writer)) error {
	out := c.Root().Writer
	if c.Bool("json") {
		return printJSON(out, value)
	}
	t := tabwriter.NewWriter(out, 0, 8, 2, ' ', 0)
	human(t)
	return t.Flush()
}

func printJSON(out io.Writer, value any) error {
	e := json.NewEncoder(out)
	e.SetEscapeHTML(false)
	return e.Encode(value)
}

// clean makes text from inside a container harmless for a terminal and for columns.
func clean(s string) string {
	bad := func(r rune) bool { return !unicode.IsPrint(r) || r == unicode.ReplacementChar }
	if strings.IndexFunc(s, bad) < 0 {
		return s
	}
	var b strings.Builder
	for _, r := range s {
		if bad(r) && r != unicode.ReplacementChar {
			quoted := strconv.QuoteRune(r)
			b.WriteString(quoted[1 : len(quoted)-1])
		} else {
			b.WriteRune(r)
		}
	}
	return b.String()
}

// lines prints a titled list, nothing if it is empty.
func lines(out io.Writer, title string, list []string) {
	for _, l := range list {
		fmt.Fprintf(out, "  %s\t%s\n", title, clean(l))
	}
}
