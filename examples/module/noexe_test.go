package noexe

import (
	"bytes"
	"log/slog"
	"strings"
	"syscall"
	"testing"

	"klw/hooks"
)

func TestModule(t *testing.T) {
	var log bytes.Buffer
	var told []string
	master := hooks.NewMaster(func(c *hooks.Call, i hooks.Info, v hooks.Verdict) { told = append(told, i.Name+" "+c.Op.String()) })
	if _, err := master.Register(&Module{Log: slog.New(slog.NewTextHandler(&log, nil))}); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		call    hooks.Call
		refused bool
	}{
		{hooks.Call{Op: hooks.OpCreate, Name: "a.txt"}, false},
		{hooks.Call{Op: hooks.OpCreate, Name: "a.EXE"}, true},
		{hooks.Call{Op: hooks.OpRename, Name: "a.txt", NewName: "a.exe"}, true},
		{hooks.Call{Op: hooks.OpRename, Name: "a.exe", NewName: "a.txt"}, false},
		{hooks.Call{Op: hooks.OpLink, NewName: "b.exe"}, true},
		{hooks.Call{Op: hooks.OpUnlink, Name: "a.exe"}, false},
		{hooks.Call{Op: hooks.OpMkdir, Name: "folder.exe"}, false}, // not monitored
	} {
		done := false
		r := master.Run(&tc.call, func() hooks.Result { done = true; return hooks.Result{} })
		if done == tc.refused || (r.Errno == syscall.EPERM) != tc.refused {
			t.Errorf("%v %q to %q: done %v, errno %v", tc.call.Op, tc.call.Name, tc.call.NewName, done, r.Errno)
		}
	}
	if got := strings.Join(told, ", "); got != "noexe create, noexe rename, noexe link" {
		t.Errorf("told: %s", got)
	}
	if n := strings.Count(log.String(), "deleted"); n != 1 || !strings.Contains(log.String(), "name=a.exe") {
		t.Errorf("log: %s", log.String())
	}
	if err := master.Unregister("noexe"); err != nil {
		t.Fatal(err)
	}
	r := master.Run(&hooks.Call{Op: hooks.OpCreate, Name: "b.exe"}, func() hooks.Result { return hooks.Result{} })
	if r.Errno != 0 {
		t.Error("it still refuses after it was unregistered")
	}
}
