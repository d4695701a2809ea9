package seccomp

import "testing"

func TestAbout(t *testing.T) {
	for call, n := range map[string]int{"mount": 1, "read": 0, "ioctl": 3, "socket": 3, "setuid": 1} {
		if list, ok := About(call); !ok || len(list) != n {
			t.Errorf("%s: %d entries, %v", call, len(list), ok)
		}
	}
	if _, ok := About("nosuch"); ok {
		t.Error("a call that there isn't")
	}
}
