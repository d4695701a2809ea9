package guard

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"

	"klw/internal/handshake"
	"klw/internal/layout"
)

// traces keeps the file that says what a killed guard leaves.
type traces struct {
	path string
	mu   sync.Mutex
	now  handshake.Traces
}

// change alters the traces and brings them to disk before it returns.
func (t *traces) change(f func(*handshake.Traces)) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	f(&t.now)
	text, err := json.Marshal(t.now)
	if err != nil {
		return err
	}
	if err := writeSynced(t.path, text); err != nil {
		return fmt.Errorf("write down what the guard makes: %w", err)
	}
	return nil
}

// remove is for when nothing is left.
func (t *traces) remove() error {
	if t.path == "" {
		return nil
	}
	err := os.Remove(t.path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// writeSynced replaces a file whole or not at all.
func writeSynced(path string, text []byte) error {
	if err := writeBeside(path, text); err != nil {
		return err
	}
	return putInPlace(path)
}

// beside is what a file is called until it is complete.
func beside(path string) string { return path + ".tmp" }

// writeBeside brings to disk what putInPlace then gives its name.
func writeBeside(path string, text []byte) error {
	f, err := os.OpenFile(beside(path), os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	if err == nil {
		err = f.Sync()
	}
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		os.Remove(beside(path))
	}
	return err
}

func putInPlace(path string) error {
	if err := os.Rename(beside(path), path); err != nil {
		os.Remove(beside(path))
		return err
	}
	return syncDir(filepath.Dir(path))
}

func syncDir(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}

// readTraces gives nil if there are none.
func readTraces(dir layout.Dir) (*handshake.Traces, error) {
	text, err := os.ReadFile(dir.Guard())
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	t := new(handshake.Traces)
	if err := json.Unmarshal(text, t); err != nil {
		return nil, fmt.Errorf("%s: %w", dir.Guard(), err)
	}
	return t, nil
}
