package fsguard

import (
	"errors"
	"fmt"
	"os"
	"testing"

	"golang.org/x/sys/unix"
)

func init() {
	// adopt makes a file that everybody may write and moves it to a place of the owner's, again and again.
	try["adopt"] = func(a []string) error {
		moved := 0
		for range 400 {
			fd, err := unix.Open(a[0], unix.O_WRONLY|unix.O_CREAT, 0o666)
			if err != nil {
				return err
			}
			if err := errors.Join(unix.Fchmod(fd, 0o666), unix.Close(fd)); err != nil {
				return err
			}
			switch err := unix.Rename(a[0], a[1]); err {
			case nil:
				moved++
			case unix.EXDEV:
				if err := unix.Unlink(a[0]); err != nil {
					return err
				}
			default:
				return err
			}
		}
		if moved == 0 {
			return errors.New("nothing was moved")
		}
		return unix.Mkdir(a[2], 0o777) // the end of the race
	}
	// snatch opens that file for writing, again and again, and looks whether it then holds what is the owner's.
	try["snatch"] = func(a []string) error {
		opened := 0
		for {
			if _, err := os.Stat(a[2]); err == nil {
				if opened == 0 {
					return errors.New("nothing was opened")
				}
				return nil
			}
			fd, err := unix.Open(a[0], unix.O_WRONLY, 0)
			if err != nil {
				continue
			}
			opened++
			for range 3 {
				var mine, reserved unix.Stat_t
				if unix.Fstat(fd, &mine) == nil && unix.Stat(a[1], &reserved) == nil && mine.Ino == reserved.Ino {
					return fmt.Errorf("holds the owner's file after %d opens", opened)
				}
			}
			unix.Close(fd)
		}
	}
}

// TestReplaceRaced: somebody opens a file for writing while its owner moves it into a circle. Whoever comes second is told.
func TestReplaceRaced(t *testing.T) {
	files := circledFiles()
	files["tmp/"] = ""
	g := serveOf(t, 1000, circled, files)
	other := make(chan string, 1)
	go func() {
		defer close(other)
		other <- tryAs(t, 33, g.mount, "snatch /tmp/x /etc/passwd /tmp/end")[0]
	}()
	if got := tryAs(t, 1000, g.mount, "adopt /tmp/x /etc/passwd /tmp/end")[0]; got != "ok" {
		t.Error("the owner:", got)
		check(t, os.Mkdir(g.source+"/tmp/end", 0o777))
	}
	if got := <-other; got != "ok" {
		t.Error("somebody else:", got)
	}
}
