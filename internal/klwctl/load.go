package klwctl

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/urfave/cli/v3"

	"klw/internal/control"
	"klw/internal/exitcode"
	"klw/internal/layout"
	"klw/internal/policy"
)

// loadTime is how long a guard may take to put a policy into force.
const loadTime = 5 * time.Minute

func loadCommand() *cli.Command {
	return &cli.Command{
		Name: "load", Usage: "put another policy into force while the container runs", ArgsUsage: "ID FILE",
		Description: "All of it, or with any mistake nothing. It is in force on the next operation; an event records it. What counts\n" +
			"only when a container is created (application, compartment, seal, publish, @replicate, rules on the kernel's own\n" +
			"mounts) must stay as it is.\n\nExample:\n   klwctl policy load apache-bundle new.policy",
		ShellComplete: completeIDs, Action: loadPolicy,
	}
}

func clearCommand() *cli.Command {
	return &cli.Command{
		Name: "clear", Usage: "take all rules away: everything is refused", ArgsUsage: "ID",
		Description: "Until a policy is loaded again every file and every address is refused; an event records it.\n\n" +
			"Example:\n   klwctl policy clear apache-bundle",
		ShellComplete: completeIDs, Action: clearPolicy,
	}
}

// readTexts reads a policy and everything that it names.
func readTexts(file string, root layout.Root) (policy.Texts, error) {
	abs, err := filepath.Abs(file)
	if err != nil {
		return policy.Texts{}, err
	}
	text, err := os.ReadFile(file)
	if errors.Is(err, os.ErrNotExist) {
		return policy.Texts{}, exitcode.With(exitcode.NotFound, err)
	}
	if err != nil {
		return policy.Texts{}, err
	}
	_, texts, err := policy.Collect(file, text, os.DirFS(root.Policies()))
	texts.File = abs
	return texts, exitcode.With(exitcode.BadPolicy, err)
}

func loadPolicy(ctx context.Context, c *cli.Command) error {
	args, err := arguments(c, "ID", "FILE")
	if err != nil {
		return err
	}
	id := args[0]
	texts, err := readTexts(args[1], root(c))
	if err != nil {
		return err
	}
	var done control.PolicyLoaded
	err = within(ctx, root(c), id, loadTime, func(ctx context.Context, client *control.Client) error {
		return client.CallLarge(ctx, control.MethodPolicyLoad, texts, &done)
	})
	if err != nil {
		return err
	}
	return showLoaded(c, id, done, fmt.Sprintf("%s: the policy %s is in force", id, args[1]))
}

func clearPolicy(ctx context.Context, c *cli.Command) error {
	args, err := arguments(c, "ID")
	if err != nil {
		return err
	}
	id := args[0]
	var done control.PolicyLoaded
	if err := call(ctx, root(c), id, control.MethodPolicyClear, nil, &done); err != nil {
		return err
	}
	return showLoaded(c, id, done, fmt.Sprintf("%s: there are no rules, so everything is refused, until: klwctl policy load %s FILE", id, id))
}

func showLoaded(c *cli.Command, id string, done control.PolicyLoaded, sentence string) error {
	result := struct {
		Container string `json:"container"`
		control.PolicyLoaded
	}{id, done}
	return show(c, result, func(w io.Writer) {
		fmt.Fprintln(w, sentence)
		lines(w, "warning", done.Warnings)
		lines(w, "revoked", done.Revoked)
	})
}
