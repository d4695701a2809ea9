package klwctl

import (
	"context"
	"io"
	"maps"
	"slices"

	"github.com/rogpeppe/go-internal/diff"
	"github.com/urfave/cli/v3"

	"klw/internal/control"
	"klw/internal/policy"
)

func diffCommand() *cli.Command {
	return &cli.Command{
		Name: "diff", Usage: "show what a policy would change", ArgsUsage: "ID FILE",
		Description: "Compares the policy in force, with all that it includes, with a file. Prints nothing where they are the same.\n\n" +
			"Example:\n   klwctl policy diff apache-bundle new.policy",
		ShellComplete: completeIDs, Action: diffPolicy,
	}
}

func diffPolicy(ctx context.Context, c *cli.Command) error {
	args, err := arguments(c, "ID", "FILE")
	if err != nil {
		return err
	}
	next, err := readTexts(args[1], root(c))
	if err != nil {
		return err
	}
	var now policy.Texts
	if err := call(ctx, root(c), args[0], control.MethodPolicyShow, nil, &now); err != nil {
		return err
	}
	text := difference(now, next)
	if c.Bool("json") {
		return printJSON(c.Root().Writer, struct {
			Same bool   `json:"same"`
			Diff string `json:"diff"`
		}{text == "", text})
	}
	_, err = io.WriteString(c.Root().Writer, text)
	return err
}

// difference is a unified diff of the policy's own file, then of those that it names.
func difference(now, next policy.Texts) string {
	all := compare(now.File, now.Text, next.File, next.Text)
	files := map[string]bool{}
	for name := range now.Included {
		files[name] = true
	}
	for name := range next.Included {
		files[name] = true
	}
	for _, name := range slices.Sorted(maps.Keys(files)) {
		all += compare(name+" (in force)", now.Included[name], name, next.Included[name])
	}
	return all
}

func compare(oldName, old, newName, text string) string {
	return string(diff.Diff(oldName, []byte(old), newName, []byte(text)))
}
