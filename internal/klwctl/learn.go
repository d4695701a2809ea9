package klwctl

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/urfave/cli/v3"

	"klw/internal/control"
)

func learnCommand() *cli.Command {
	return &cli.Command{
		Name: "learn", Usage: "record what an application uses instead of refusing, and make a policy of it",
		ArgsUsage: "ID --start | --stop | --show | --write FILE",
		Description: "While a module learns it refuses nothing; status says so. --show prints what was learned as a change of the\n" +
			"policy in force, --write the whole changed policy, with a reason beside each rule that covers more than was used.\n" +
			"docs/learning.md goes through it.\n\n" +
			"Example:\n   klwctl policy learn apache-bundle --start\n   klwctl policy learn apache-bundle --write learned.policy",
		Flags: []cli.Flag{
			&cli.BoolFlag{Name: "start", Usage: "learn from now on; what was learned before is forgotten"},
			&cli.BoolFlag{Name: "stop", Usage: "enforce again; what was learned is kept"},
			&cli.BoolFlag{Name: "show", Usage: "print the change as a unified diff"},
			&cli.StringFlag{Name: "write", Usage: "write the changed policy to `FILE`"},
			&cli.StringSliceFlag{Name: "module", Usage: "only `MODULE`: files, files:NAME or sockets"},
		},
		ShellComplete: completeIDs, Action: learnPolicy,
	}
}

func learnPolicy(ctx context.Context, c *cli.Command) error {
	args, err := arguments(c, "ID")
	if err != nil {
		return err
	}
	q := control.Learn{Modules: c.StringSlice("module")}
	chosen := 0
	for _, action := range []string{"start", "stop", "show"} {
		if c.Bool(action) {
			q.Action = action
			chosen++
		}
	}
	if c.String("write") != "" {
		q.Action = "show"
		chosen++
	}
	if chosen != 1 {
		return usage("usage: %s %s, one of them", c.FullName(), c.ArgsUsage)
	}
	var l control.Learned
	if err := call(ctx, root(c), args[0], control.MethodPolicyLearn, q, &l); err != nil {
		return err
	}
	warnLost(c.Root().ErrWriter, l.Modules)
	if file := c.String("write"); file != "" {
		if err := replaceFile(file, l.Text); err != nil {
			return err
		}
	}
	return show(c, struct {
		Modules []control.Lesson `json:"modules"`
		Diff    string           `json:"diff,omitempty"`
	}{l.Modules, learnedDiff(l)}, func(w io.Writer) { printLearned(c.Root().Writer, w, q.Action, c.String("write"), args[0], l) })
}

func printLearned(raw, w io.Writer, action, file, id string, l control.Learned) {
	switch {
	case file != "":
		fmt.Fprintf(w, "%s: written; read it, then: klwctl policy load %s %s\n", file, id, file)
	case action == "show" && l.Text == l.Old:
		fmt.Fprintf(w, "%s: the policy in force allows all that was used\n", id)
	case action == "show":
		_, _ = io.WriteString(raw, learnedDiff(l)) // as it is written, tabs and all
	default:
		for _, m := range l.Modules {
			state := "enforces"
			if m.Learning {
				state = "learns: it refuses nothing"
			}
			fmt.Fprintf(w, "%s: module %s %s (%d uses, of which %d are not in the policy)\n", id, m.Module, state, m.Uses, m.Unlisted)
		}
	}
}

func learnedDiff(l control.Learned) string {
	return compare(l.File, l.Old, l.File+" (learned)", l.Text)
}

// warnLost says where the policy may lack something.
func warnLost(w io.Writer, modules []control.Lesson) {
	for _, m := range modules {
		if m.Lost > 0 {
			fmt.Fprintf(w, "klwctl: module %s: %d uses could not be recorded: the policy may be incomplete\n", m.Module, m.Lost)
		}
	}
}

// replaceFile writes a file whole or not at all.
func replaceFile(file, text string) error {
	f, err := os.CreateTemp(filepath.Dir(file), "."+filepath.Base(file)+".")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	_, err = f.WriteString(text)
	if err == nil {
		err = f.Chmod(0o644)
	}
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		return err
	}
	return os.Rename(f.Name(), file)
}
