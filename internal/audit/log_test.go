package audit

import (
	"context"
	"errors"
	"fmt"
	"os"
	"reflect"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func open(t *testing.T, dir string, o Options) *Log {
	t.Helper()
	l, err := Open(dir, "web", o)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func all(t *testing.T, dir string) []Event {
	t.Helper()
	var events []Event
	if err := Read(dir, "web", time.Time{}, func(e Event) error { events = append(events, e); return nil }); err != nil {
		t.Fatal(err)
	}
	return events
}

func counts(events []Event, path string) (c []uint64) {
	for _, e := range events {
		if e.Path == path {
			c = append(c, e.Count)
		}
	}
	return c
}

func TestRepeatsAreFoldedWithinASecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		l := open(t, dir, Options{Application: "apache", Compartment: "web"})
		for range 5 {
			l.Record(Event{Path: "/a"})
			time.Sleep(100 * time.Millisecond)
		}
		l.Record(Event{Path: "/a", PID: 7}) // another process: not equal
		synctest.Wait()
		if got := counts(all(t, dir), "/a"); !reflect.DeepEqual(got, []uint64{1, 1}) {
			t.Fatalf("before the second was over: %v", got)
		}
		time.Sleep(time.Second)
		l.Record(Event{Path: "/a"})
		synctest.Wait()
		if got := counts(all(t, dir), "/a"); !reflect.DeepEqual(got, []uint64{1, 1, 4}) {
			t.Fatalf("after it: %v", got)
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		events := all(t, dir)
		if got := counts(events, "/a"); !reflect.DeepEqual(got, []uint64{1, 1, 4, 1}) {
			t.Fatalf("after Close: %v", got)
		}
		e := events[0]
		if e.Container != "web" || e.Application != "apache" || e.Compartment != "web" || e.Time.IsZero() {
			t.Errorf("not filled in: %+v", e)
		}
	})
}

func TestAfterAQuietSecondTheNextIsWrittenAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		l := open(t, dir, Options{})
		defer l.Close()
		for range 3 {
			l.Record(Event{Path: "/a"})
			time.Sleep(1100 * time.Millisecond)
			synctest.Wait()
		}
		if got := counts(all(t, dir), "/a"); !reflect.DeepEqual(got, []uint64{1, 1, 1}) {
			t.Fatalf("%v", got)
		}
	})
}

// Guarantee 3, with losses: whatever happens, the counts add up.
func TestCountsAddUpWithLosses(t *testing.T) {
	dir := t.TempDir()
	l := open(t, dir, Options{MaxQueue: 16, MaxSize: 64 << 20})
	const goroutines, each = 8, 2000
	var wg sync.WaitGroup
	for g := range goroutines {
		wg.Go(func() {
			for i := range each {
				l.Record(Event{PID: uint32(g), Path: fmt.Sprint("/", i%50)})
			}
		})
	}
	wg.Wait()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	var sum, lost uint64
	for _, e := range all(t, dir) {
		sum += e.Count
		if e.Decision == Lost {
			lost += e.Count
		}
	}
	c := l.Counters()
	if sum != goroutines*each || c.Recorded != sum || c.Lost != lost {
		t.Fatalf("%d recorded, lines stand for %d, lost %d, %+v", goroutines*each, sum, lost, c)
	}
	if lost == 0 {
		t.Fatal("a queue of 16 lost nothing: this test tests nothing")
	}
}

func TestFullDiskLosesAndTells(t *testing.T) {
	dir := t.TempDir()
	l := open(t, dir, Options{})
	good := l.file.file
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	swap := func(f *os.File) { l.fileMu.Lock(); l.file.file = f; l.fileMu.Unlock() }
	swap(full)
	for i := range 3 {
		l.Record(Event{Path: fmt.Sprint("/", i)})
		for l.Counters().Lost != uint64(i+1) {
			time.Sleep(time.Millisecond)
		}
	}
	swap(good)
	full.Close()
	l.Record(Event{Path: "/after"})
	l.Close()
	events := all(t, dir)
	if len(events) != 2 || events[0].Path != "/after" || events[1].Decision != Lost || events[1].Count != 3 {
		t.Fatalf("%+v", events)
	}
}

func TestLogIsBoundedAndTurnedOver(t *testing.T) {
	dir := t.TempDir()
	l := open(t, dir, Options{MaxSize: 4096})
	for i := range 200 {
		l.Record(Event{Path: fmt.Sprint("/", i)})
	}
	l.Close()
	for _, name := range []string{current(dir, "web"), previous(dir, "web")} {
		info, err := os.Stat(name)
		if err != nil || info.Size() > 4096 {
			t.Errorf("%s: %v, %v", name, info.Size(), err)
		}
	}
	events := all(t, dir)
	for i, e := range events {
		if want := fmt.Sprint("/", 200-len(events)+i); e.Path != want {
			t.Fatalf("event %d of %d is %s, want %s", i, len(events), e.Path, want)
		}
	}
}

func TestTornLineIsPassedOver(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(current(dir, "web"), []byte(`{"path":"/torn`), 0o600); err != nil {
		t.Fatal(err)
	}
	l := open(t, dir, Options{})
	l.Record(Event{Path: "/a"})
	l.Close()
	if events := all(t, dir); len(events) != 1 || events[0].Path != "/a" {
		t.Fatalf("%+v", events)
	}
}

func TestBadIDIsRefused(t *testing.T) {
	for _, id := range []string{"", ".", "..", "a/b", "../x", ".hidden"} {
		if l, err := Open(t.TempDir(), id, Options{}); err == nil {
			l.Close()
			t.Errorf("%q was taken", id)
		}
	}
}

func TestFollowerSeesEveryLineOnce(t *testing.T) {
	dir := t.TempDir()
	l := open(t, dir, Options{MaxSize: 1 << 20})
	const before, after = 300, 3000
	for i := range before {
		l.Record(Event{Path: fmt.Sprint("/", i)})
	}
	got := make([][]string, 3)
	var wg sync.WaitGroup
	for f := range got {
		wg.Go(func() {
			l.Follow(context.Background(), time.Time{}, true, func(e Event) error {
				got[f] = append(got[f], e.Path)
				return nil
			})
		})
	}
	for i := range after {
		l.Record(Event{Path: fmt.Sprint("/", before+i)})
	}
	l.Close()
	wg.Wait()
	for f := range got {
		if len(got[f]) != before+after {
			t.Fatalf("follower %d saw %d lines", f, len(got[f]))
		}
		for i, p := range got[f] {
			if p != fmt.Sprint("/", i) {
				t.Fatalf("follower %d: line %d is %s", f, i, p)
			}
		}
	}
}

func TestSlowFollowerIsToldWhatItMissed(t *testing.T) {
	dir := t.TempDir()
	l := open(t, dir, Options{MaxSize: 4096})
	l.Record(Event{Path: "/first"})
	reading, written := make(chan struct{}), make(chan struct{})
	go func() {
		<-reading
		for i := range 500 {
			l.Record(Event{Path: fmt.Sprint("/", i)})
		}
		l.Close()
		close(written)
	}()
	var sum, missed uint64
	err := l.Follow(context.Background(), time.Time{}, true, func(e Event) error {
		if e.Path == "/first" {
			close(reading)
			<-written
		}
		if e.Decision == Lost {
			missed += e.Count
		}
		sum += e.Count
		return nil
	})
	if err != nil || sum != 501 || missed == 0 {
		t.Fatalf("%v: %d in all, %d missed", err, sum, missed)
	}
}

func TestFollowEndsWithItsContext(t *testing.T) {
	l := open(t, t.TempDir(), Options{})
	defer l.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
	defer cancel()
	if err := l.Follow(ctx, time.Time{}, true, func(Event) error { return nil }); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatal(err)
	}
}

func TestReadSinceAndIDs(t *testing.T) {
	dir := t.TempDir()
	l := open(t, dir, Options{})
	early := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	l.Record(Event{Path: "/old", Time: early})
	l.Record(Event{Path: "/new", Time: early.Add(time.Hour)})
	l.Close()
	var paths []string
	err := Read(dir, "web", early.Add(time.Minute), func(e Event) error { paths = append(paths, e.Path); return nil })
	if err != nil || strings.Join(paths, " ") != "/new" {
		t.Fatalf("%v %v", paths, err)
	}
	if ids, err := IDs(dir); err != nil || !reflect.DeepEqual(ids, []string{"web"}) {
		t.Fatalf("%v %v", ids, err)
	}
}

func TestLossesElsewhereAreTold(t *testing.T) {
	dir := t.TempDir()
	l := open(t, dir, Options{})
	l.Lose(5)
	l.Close()
	if events := all(t, dir); len(events) != 1 || events[0].Decision != Lost || events[0].Count != 5 {
		t.Fatalf("%+v", events)
	}
	if c := l.Counters(); c.Lost != 5 || c.Recorded != 5 {
		t.Fatalf("%+v", c)
	}
}
