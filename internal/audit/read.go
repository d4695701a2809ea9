package audit

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"time"
)

// Read gives the events that container id's log holds, since a time (zero: all), oldest first. It works on the log of
// a container that runs as on one that has ended. An error of each ends it.
func Read(dir, id string, since time.Time, each func(Event) error) error {
	files, err := openBoth(dir, id)
	if err != nil {
		return err
	}
	for _, f := range files {
		defer f.Close()
	}
	for _, f := range files {
		if err := scan(f, since, each); err != nil {
			return err
		}
	}
	return nil
}

// IDs lists the containers that have a log.
func IDs(dir string) ([]string, error) {
	names, err := filepath.Glob(filepath.Join(dir, "*.jsonl"))
	if err != nil {
		return nil, err
	}
	var ids []string
	for _, name := range names {
		ids = append(ids, strings.TrimSuffix(filepath.Base(name), ".jsonl"))
	}
	sort.Strings(ids)
	return ids, nil
}

// openBoth opens the previous file, if there is one, and the current, as they follow each other.
func openBoth(dir, id string) ([]*os.File, error) {
	for {
		var files []*os.File
		old, err := os.Open(previous(dir, id))
		if err == nil {
			files = append(files, old)
		} else if !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
		f, err := os.Open(current(dir, id))
		if err != nil {
			closeFiles(files)
			return nil, err
		}
		files = append(files, f)
		if stillPrevious(old, previous(dir, id)) {
			return files, nil
		}
		closeFiles(files) // the log was turned over in between
	}
}

func stillPrevious(old *os.File, name string) bool {
	now, err := os.Stat(name)
	if old == nil {
		return err != nil
	}
	was, statErr := old.Stat()
	return err == nil && statErr == nil && os.SameFile(was, now)
}

func closeFiles(files []*os.File) {
	for _, f := range files {
		f.Close()
	}
}

// scan gives the events of whole lines of r. A line that isn't an event (cut off by a crash) is passed over.
func scan(r io.Reader, since time.Time, each func(Event) error) error {
	in := bufio.NewReader(r)
	for {
		line, err := in.ReadBytes('\n')
		if err == io.EOF {
			return nil // what follows the last newline is being written
		}
		if err != nil {
			return err
		}
		var e Event
		if json.Unmarshal(bytes.TrimSpace(line), &e) != nil || e.Time.Before(since) {
			continue
		}
		if err := each(e); err != nil {
			return err
		}
	}
}
