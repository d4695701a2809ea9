package runtime

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"

	"klw/internal/layout"
)

// Errors that callers tell apart. Engines look for these texts.
var (
	ErrNotExist   = errors.New("does not exist")
	ErrNotRunning = errors.New("container not running")
)

// Container is a container of a root.
type Container struct {
	ID    string
	Root  layout.Root
	Dir   layout.Dir
	State *State
}

const idChars = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_+.-"

// maxID leaves room in a file name for what klw appends to an id.
const maxID = 200

// CheckID says whether a container may have this id.
func CheckID(id string) error {
	switch {
	case id == "":
		return errors.New("the container's id is empty")
	case len(id) > maxID:
		return fmt.Errorf("invalid container id: %d characters, at most %d are allowed", len(id), maxID)
	case strings.Trim(id, idChars) != "" || id[0] == '.' || id[0] == '-':
		return fmt.Errorf("invalid container id %q, expected letters, digits, '_', '+', '-' and '.', and not '.' or '-' first", id)
	}
	return nil
}

// Open finds a container.
func Open(root layout.Root, id string) (*Container, error) {
	if err := CheckID(id); err != nil {
		return nil, err
	}
	c := &Container{ID: id, Root: root, Dir: root.Container(id)}
	if err := c.reload(); err != nil {
		return nil, err
	}
	return c, nil
}

func (c *Container) reload() (err error) {
	c.State, err = readState(c.Dir)
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("container %s %w", c.ID, ErrNotExist)
	}
	return err
}

// List gives all containers of a root, ordered by id. One that goes away meanwhile is left out; one whose state can't be
// read is in the error, beside the list of the others.
func List(root layout.Root) ([]*Container, error) {
	entries, err := os.ReadDir(root.Containers())
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	var list []*Container
	var unread []error
	for _, e := range entries {
		c, err := Open(root, e.Name())
		switch {
		case err == nil:
			list = append(list, c)
		case !errors.Is(err, ErrNotExist):
			unread = append(unread, err)
		}
	}
	return list, errors.Join(unread...)
}

// Status is what the container is doing now.
func (c *Container) Status() specs.ContainerState {
	s := c.State
	if !s.Done && alive(s.Creator) {
		return specs.StateCreating
	}
	if !alive(s.Init) {
		return specs.StateStopped
	}
	if _, err := os.Lstat(c.Dir.ExecFifo()); err == nil {
		return specs.StateCreated
	}
	return specs.StateRunning
}

// OCI is the state as the specification shows it.
func (c *Container) OCI() *specs.State { return c.State.oci(c.Status()) }
