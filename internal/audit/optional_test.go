package audit

import (
	"encoding/json"
	"testing"
)

func TestContainerUIDInEvents(t *testing.T) {
	dir := t.TempDir()
	l := open(t, dir, Options{Inside: func(uid uint32) (uint32, bool) { return uid - 100000, uid >= 100000 }})
	l.Record(Event{UID: 100000, Decision: Refused})
	l.Record(Event{UID: 7, Decision: Refused})
	l.Record(Event{UID: 100000, Decision: Notice})
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	want := map[OptionalID]bool{{ID: 0, Known: true}: true, {}: true}
	events := all(t, dir)
	if len(events) != 3 {
		t.Fatalf("%d events: %v", len(events), events)
	}
	for _, e := range events {
		if !want[e.ContainerUID] || e.ContainerUID.Known != (e.UID == 100000 && e.Decision == Refused) {
			t.Errorf("%+v", e)
		}
	}
	if text, err := json.Marshal(OptionalID{}); err != nil || string(text) != "null" {
		t.Errorf("none is %s, %v", text, err)
	}
}
