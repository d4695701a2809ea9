package klwctl

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"time"

	"github.com/coreos/go-systemd/v22/journal"
	"github.com/urfave/cli/v3"

	"klw/internal/audit"
	"klw/internal/exitcode"
	"klw/internal/layout"
)

func eventsCommand() *cli.Command {
	return &cli.Command{
		Name: "events", Usage: "show what guards refused and recorded",
		Description: "Of running containers and of those that have ended, oldest first. With -f: from now on (or --since), as they\n" +
			"come, of every container that has or gets a guard; with --container until that guard ends. With --json each line is one event\n" +
			"(docs/events.schema.json). Conditions (--module, --path …) must all be met; that events were lost is always told.\n" +
			"With --journald events go to the systemd journal instead (journalctl -t klw, KLW_CONTAINER=…): what a service runs with -f.\n\n" +
			"Example:\n   klwctl events --since 1h --container apache-bundle --decision refused --path /etc\n   klwctl events -f",
		Flags: append([]cli.Flag{
			&cli.BoolFlag{Name: "follow", Aliases: []string{"f"}, Usage: "go on as events come"},
			&cli.StringFlag{Name: "container", Usage: "only of container `ID`"},
			&cli.StringFlag{Name: "since", Usage: "only later than `TIME`: 2026-01-31T12:00:00Z, or how long ago: 10m, 2h; \"all\""},
			&cli.BoolFlag{Name: "journald", Usage: "give events to the systemd journal"},
		}, filterFlags()...),
		Action: func(ctx context.Context, c *cli.Command) error {
			if _, err := arguments(c); err != nil {
				return err
			}
			q, err := eventsQuery(c, time.Now())
			if err != nil {
				return err
			}
			if c.Bool("follow") {
				return follow(ctx, q)
			}
			return past(q)
		},
	}
}

// query is what events are asked for.
type query struct {
	root  layout.Root
	id    string // "": of all containers
	since time.Time
	print func(audit.Event) error
}

func eventsQuery(c *cli.Command, now time.Time) (query, error) {
	q := query{root: root(c), id: c.String("container")}
	if q.id != "" {
		if err := checkID(q.id); err != nil {
			return q, err
		}
	}
	since := c.String("since")
	if since == "" && c.Bool("follow") {
		q.since = now
	}
	if since != "" && since != "all" {
		var err error
		if q.since, err = parseSince(since, now); err != nil {
			return q, err
		}
	}
	wanted, err := newFilter(c)
	if err != nil {
		return q, err
	}
	put, err := printer(c)
	if err != nil {
		return q, err
	}
	q.print = func(e audit.Event) error {
		if !wanted.shows(e) {
			return nil
		}
		return put(e)
	}
	return q, nil
}

// printer says where events go, and how.
func printer(c *cli.Command) (func(audit.Event) error, error) {
	out := c.Root().Writer
	switch {
	case c.Bool("journald") && c.Bool("json"):
		return nil, usage("--journald and --json exclude each other: the journal gets every field anyway")
	case c.Bool("journald"):
		if !journal.Enabled() {
			return nil, errNoJournal
		}
		return toJournal, nil
	case c.Bool("json"):
		return func(e audit.Event) error { return printJSON(out, e) }, nil
	}
	return func(e audit.Event) error {
		_, err := fmt.Fprintln(out, line(e))
		return err
	}, nil
}

func parseSince(text string, now time.Time) (time.Time, error) {
	if d, err := time.ParseDuration(text); err == nil && d >= 0 {
		return now.Add(-d), nil
	}
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return t, usage("--since %q, expected a time like 2026-01-31T12:00:00Z, or how long ago, like 10m or 2h", text)
	}
	return t, nil
}

// past prints what the logs hold.
func past(q query) error {
	ids := []string{q.id}
	if q.id == "" {
		var err error
		if ids, err = audit.IDs(q.root.Events()); err != nil {
			return coded(err)
		}
	}
	if len(ids) == 1 { // no need to keep anything
		return readLog(q, ids[0], q.print)
	}
	var all []audit.Event
	for _, id := range ids {
		if err := readLog(q, id, func(e audit.Event) error { all = append(all, e); return nil }); err != nil {
			return err
		}
	}
	slices.SortStableFunc(all, func(a, b audit.Event) int { return a.Time.Compare(b.Time) })
	for _, e := range all {
		if err := q.print(e); err != nil {
			return err
		}
	}
	return nil
}

func readLog(q query, id string, each func(audit.Event) error) error {
	err := audit.Read(q.root.Events(), id, q.since, each)
	if errors.Is(err, fs.ErrNotExist) {
		return exitcode.With(exitcode.NotFound, fmt.Errorf("there are no events of a container %q in %s", id, q.root.Events()))
	}
	return coded(err)
}

// user names who did it: in a user namespace by the id that the policy knows, with the host's beside it.
func user(e audit.Event) string {
	if e.ContainerUID.Known {
		return fmt.Sprintf("uid %d (%d on the host)", e.ContainerUID.ID, e.UID)
	}
	return fmt.Sprintf("uid %d", e.UID)
}

// line is an event for people: time, container, who, operation, what, decision, rule, hint.
func line(e audit.Event) string {
	return e.Time.Local().Format("2006-01-02 15:04:05.000") + " " + untimed(e)
}

// untimed is line without the time.
func untimed(e audit.Event) string {
	var b strings.Builder
	b.WriteString(clean(e.Container) + " ")
	if e.Decision != audit.Notice && e.Decision != audit.Lost {
		fmt.Fprintf(&b, "%s %s[%d] ", user(e), clean(or(e.Comm, "?")), e.PID)
	}
	if e.Decision == audit.Lost {
		fmt.Fprintf(&b, "LOST %d events", e.Count)
		return b.String()
	}
	b.WriteString(e.Operation)
	if e.Decision == audit.Notice {
		b.WriteString(" " + e.Module)
	}
	if what := or(e.Path, e.Address); what != "" {
		b.WriteString(" " + clean(what))
	}
	switch e.Decision {
	case audit.Refused:
		fmt.Fprintf(&b, " REFUSED %s by %s (%s)", e.Errno, e.Module, clean(e.Rule))
	case audit.Audit:
		b.WriteString(" " + or(e.Errno, "ok"))
	}
	if e.Count > 1 {
		fmt.Fprintf(&b, " %d times", e.Count)
	}
	if e.Hint != "" {
		b.WriteString(" | " + clean(e.Hint))
	}
	return b.String()
}

func or(a, b string) string {
	if a != "" {
		return a
	}
	return b
}
