package seccomp

import (
	"encoding/json"
	"reflect"
	"testing"
)

func TestWire(t *testing.T) {
	for _, p := range []Program{{}, Contain(Options{}), {Filter: Contain(Options{}).Filter[:1], Flags: 6}} {
		text, err := json.Marshal(p)
		if err != nil {
			t.Fatal(err)
		}
		var got Program
		if err := json.Unmarshal(text, &got); err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(got, p) {
			t.Errorf("%s: got %v, want %v", text, got, p)
		}
	}
	var p Program
	for _, text := range []string{`{"filter":"AAAA"}`, `{"filter":3}`, `[]`} {
		if err := json.Unmarshal([]byte(text), &p); err == nil {
			t.Errorf("%s: no error", text)
		}
	}
}
