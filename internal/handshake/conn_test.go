package handshake

import (
	"errors"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func pair(t *testing.T) (*Conn, *Conn) {
	t.Helper()
	a, f, err := Pair()
	if err != nil {
		t.Fatal(err)
	}
	fd, err := unix.FcntlInt(f.Fd(), unix.F_DUPFD_CLOEXEC, 3)
	if err != nil {
		t.Fatal(err)
	}
	f.Close()
	b, err := NewConn(fd)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { a.Close(); b.Close() })
	return a, b
}

func TestMessagesCarryFilesInOrder(t *testing.T) {
	a, b := pair(t)
	var sent []*os.File
	for _, text := range []string{"one", "two", "three"} {
		r, w, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		io.WriteString(w, text)
		w.Close()
		sent = append(sent, r)
	}
	if err := a.Send(&Message{Views: &Views{}}, sent...); err != nil {
		t.Fatal(err)
	}
	closeAll(sent)
	m, files, err := b.Recv()
	if err != nil || m.Views == nil || len(files) != 3 {
		t.Fatalf("got %+v, %d files, %v", m, len(files), err)
	}
	defer closeAll(files)
	for i, want := range []string{"one", "two", "three"} {
		text, _ := io.ReadAll(files[i])
		if string(text) != want {
			t.Errorf("file %d holds %q, want %q", i, text, want)
		}
		if flags, _ := unix.FcntlInt(files[i].Fd(), unix.F_GETFD, 0); flags&unix.FD_CLOEXEC == 0 {
			t.Errorf("file %d is inherited over exec", i)
		}
	}
}

func TestLargestMessagePassesAndALargerOneIsRefused(t *testing.T) {
	a, b := pair(t)
	if err := a.Send(&Message{Failed: strings.Repeat("x", MaxMessage-100)}); err != nil {
		t.Fatal(err)
	}
	if m, _, err := b.Recv(); err != nil || len(m.Failed) != MaxMessage-100 {
		t.Fatalf("largest message: %v", err)
	}
	if err := a.Send(&Message{Failed: strings.Repeat("x", MaxMessage)}); err == nil {
		t.Fatal("a message over the limit was sent")
	}
}

func TestRecvTellsTheEndAndObeysTheDeadline(t *testing.T) {
	a, b := pair(t)
	b.SetDeadline(time.Now().Add(20 * time.Millisecond))
	if _, _, err := b.Recv(); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("without a message: %v", err)
	}
	b.SetDeadline(time.Time{})
	a.Close()
	if _, _, err := b.Recv(); !errors.Is(err, io.EOF) {
		t.Fatalf("after the end: %v", err)
	}
}

func TestProcessIsToldFromALaterOne(t *testing.T) {
	cmd := exec.Command("sleep", "60")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { cmd.Process.Kill(); cmd.Wait() }()
	p, err := FindProcess(cmd.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	f, err := p.Open()
	if err != nil {
		t.Fatal(err)
	}
	f.Close()
	p.StartTime++
	if _, err := p.Open(); !errors.Is(err, unix.ESRCH) {
		t.Fatalf("a process with another start time was opened: %v", err)
	}
}
