package klwctl

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/urfave/cli/v3"

	"klw/internal/control"
	"klw/internal/exitcode"
	"klw/internal/layout"
)

// answerTime is how long a guard may take for an answer.
const answerTime = 10 * time.Second

// checkID keeps names that would lead out of the folders.
func checkID(id string) error {
	if id == "" || id == "." || id == ".." || id != filepath.Base(id) {
		return usage("%q can't be a container's id", id)
	}
	return nil
}

// guarded lists the containers that have, or had and lost, a guard.
func guarded(root layout.Root) ([]string, error) {
	entries, err := os.ReadDir(root.Containers())
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, coded(err)
	}
	var ids []string
	for _, e := range entries {
		if _, err := os.Lstat(root.Container(e.Name()).Control()); err == nil {
			ids = append(ids, e.Name())
		}
	}
	return ids, nil
}

// dial connects to a container's guard.
func dial(ctx context.Context, root layout.Root, id string) (*control.Client, error) {
	if err := checkID(id); err != nil {
		return nil, err
	}
	dir := root.Container(id)
	c, err := control.Dial(ctx, dir.Control())
	if err == nil {
		return c, nil
	}
	if _, statErr := os.Stat(string(dir)); errors.Is(statErr, fs.ErrNotExist) {
		return nil, exitcode.With(exitcode.NotFound, fmt.Errorf("there is no container %q in %s", id, root))
	}
	if _, statErr := os.Lstat(dir.Control()); errors.Is(statErr, fs.ErrNotExist) {
		return nil, exitcode.With(exitcode.NotRunning, fmt.Errorf("container %s has no guard: it runs without a policy, or is being made", id))
	}
	if errors.Is(err, control.ErrNotRunning) {
		return nil, exitcode.With(exitcode.NotRunning, fmt.Errorf("the guard of %s is gone and the container's files are closed: klw-runc delete -f %s", id, id))
	}
	return nil, coded(err)
}

// call asks a container's guard one thing.
func call(ctx context.Context, root layout.Root, id, method string, params, result any) error {
	return within(ctx, root, id, answerTime, func(ctx context.Context, c *control.Client) error {
		return c.Call(ctx, method, params, result)
	})
}

// within asks a container's guard something that may take so long.
func within(ctx context.Context, root layout.Root, id string, patience time.Duration, ask func(context.Context, *control.Client) error) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	c, err := dial(ctx, root, id)
	if err != nil {
		return err
	}
	defer c.Close()
	err = ask(ctx, c)
	if errors.Is(err, context.DeadlineExceeded) {
		return exitcode.With(exitcode.NotRunning, fmt.Errorf("the guard of %s doesn't answer within %v", id, patience))
	}
	return coded(err)
}

// completeIDs offers containers' ids besides the command's flags; the shell chooses what fits.
func completeIDs(ctx context.Context, c *cli.Command) {
	if ids, err := guarded(root(c)); err == nil && c.Args().Len() == 0 {
		for _, id := range ids {
			fmt.Fprintln(c.Root().Writer, id)
		}
	}
	cli.DefaultCompleteWithFlags(ctx, c)
}
