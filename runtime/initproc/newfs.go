package initproc

import (
	"fmt"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// newFS makes a detached mount of a file system that isn't there yet.
func newFS(m specs.Mount, o *mountOptions) (int, error) {
	fs, err := unix.Fsopen(m.Type, unix.FSOPEN_CLOEXEC)
	if err != nil {
		return -1, doing(err, "file system type %q", m.Type)
	}
	defer unix.Close(fs)
	if err := configure(fs, m, o); err != nil {
		return -1, withLog(fs, err)
	}
	if err := unix.FsconfigCreate(fs); err != nil {
		return -1, withLog(fs, err)
	}
	fd, err := unix.Fsmount(fs, unix.FSMOUNT_CLOEXEC, 0)
	return fd, withLog(fs, err)
}

func configure(fs int, m specs.Mount, o *mountOptions) error {
	if m.Source != "" {
		if err := unix.FsconfigSetString(fs, "source", m.Source); err != nil {
			return doing(err, "source %q", m.Source)
		}
	}
	for _, word := range append(o.super, o.data...) {
		key, value, hasValue := strings.Cut(word, "=")
		var err error
		if hasValue {
			err = unix.FsconfigSetString(fs, key, value)
		} else {
			err = unix.FsconfigSetFlag(fs, key)
		}
		if err != nil {
			return doing(err, "option %q", word)
		}
	}
	return nil
}

// withLog adds what the file system has to say about an error.
func withLog(fs int, err error) error {
	if err == nil {
		return nil
	}
	b := make([]byte, 512)
	var said []string
	for {
		n, readErr := unix.Read(fs, b)
		if readErr != nil || n <= 0 {
			break
		}
		// Each message begins with its level: "e text".
		said = append(said, strings.TrimSpace(strings.TrimLeft(string(b[:n]), "eiw ")))
	}
	if len(said) == 0 {
		return err
	}
	return fmt.Errorf("%w (%s)", err, strings.Join(said, "; "))
}
