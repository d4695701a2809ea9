package audit

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"
)

// tail follows a folder until it has seen n events, or time is up.
func tail(t *testing.T, dir, id string, since time.Time, n int) (got []Event) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	enough := errors.New("enough")
	err := Tail(ctx, dir, id, since, nil, func(e Event) error {

		if got = append(got, e); len(got) == n {
			return enough
		}
		return nil
	})
	if !errors.Is(err, enough) {
		t.Fatalf("%v after %d events", err, len(got))
	}
	return got
}

func TestTailSeesLogsThatComeLater(t *testing.T) {
	dir := t.TempDir()
	go func() {
		for _, id := range []string{"a", "b", "a"} { // a comes again, with another guard
			time.Sleep(20 * time.Millisecond)
			l, err := Open(dir, id, Options{})
			if err != nil {
				t.Error(err)
				return
			}
			l.Record(Event{Path: "/" + id})
			l.Close()
		}
	}()
	got := tail(t, dir, "", time.Time{}, 3)
	for i, id := range []string{"a", "b", "a"} {
		if got[i].Container != id {
			t.Errorf("event %d is of %s", i, got[i].Container)
		}
	}
}

func TestTailSeesEveryLineOnceAcrossFiles(t *testing.T) {
	dir := t.TempDir()
	const n = 2000 // fill one file and part of the next: being two behind is the next test's matter
	l, err := Open(dir, "web", Options{MaxSize: 300 << 10})
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		for i := range n {
			l.Record(Event{Path: fmt.Sprint("/", i)})
		}
		l.Close()
	}()
	for i, e := range tail(t, dir, "web", time.Time{}, n) {
		if e.Path != fmt.Sprint("/", i) {
			t.Fatalf("event %d is %+v", i, e)
		}
	}
}

func TestTailThatIsTooSlowSaysSo(t *testing.T) {
	dir := t.TempDir()
	l, err := Open(dir, "web", Options{MaxSize: 2048})
	if err != nil {
		t.Fatal(err)
	}
	l.Record(Event{Path: "/first"})
	first := true
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	lost, enough := false, errors.New("enough")
	err = Tail(ctx, dir, "web", time.Time{}, nil, func(e Event) error {
		if first {
			first = false
			for i := range 100 {
				l.Record(Event{Path: fmt.Sprint("/", i)})
			}
			l.Close()
		}
		lost = lost || e.Decision == Lost
		if e.Path == "/99" {
			return enough
		}
		return nil
	})
	if !errors.Is(err, enough) || !lost {
		t.Fatalf("%v, lost %v", err, lost)
	}
}

func TestTailBeginsAtATime(t *testing.T) {
	dir := t.TempDir()
	l, err := Open(dir, "web", Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	l.Record(Event{Path: "/old"})
	for l.Counters().Lines == 0 {
		time.Sleep(time.Millisecond)
	}
	time.Sleep(10 * time.Millisecond)
	since := time.Now()
	go func() {
		time.Sleep(20 * time.Millisecond)
		l.Record(Event{Path: "/new"})
	}()
	if got := tail(t, dir, "web", since, 1); got[0].Path != "/new" {
		t.Errorf("%+v", got)
	}
}

func TestTailEndsAfterTheLastLine(t *testing.T) {
	dir := t.TempDir()
	l, err := Open(dir, "web", Options{})
	if err != nil {
		t.Fatal(err)
	}
	until := make(chan struct{})
	n := 0
	go func() {
		for i := range 100 {
			l.Record(Event{Path: fmt.Sprint("/", i)})
		}
		l.Close()
		close(until)
	}()
	if err := Tail(t.Context(), dir, "web", time.Time{}, until, func(Event) error { n++; return nil }); err != nil || n != 100 {
		t.Fatalf("%v after %d", err, n)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := Tail(ctx, dir, "web", time.Time{}, nil, func(Event) error { return nil }); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
}
