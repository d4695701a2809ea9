package fsguard

import (
	"os"
	"regexp"
	"strings"
	"testing"
	"testing/fstest"

	"klw/internal/policy"
)

// TestReferenceDecisions asks the decisions that docs/policy.md shows of the policy above them.
func TestReferenceDecisions(t *testing.T) {
	text, err := os.ReadFile("../docs/policy.md")
	check(t, err)
	var p *policy.Policy
	asked := 0
	folder := fstest.MapFS{}
	for _, b := range regexp.MustCompile("(?s)```(policy|decisions|file [^\n]*)\n(.*?)```").FindAllStringSubmatch(string(text), -1) {
		if name, ok := strings.CutPrefix(b[1], "file "); ok {
			folder[name] = &fstest.MapFile{Data: []byte(b[2])}
			continue
		}
		if b[1] == "policy" {
			p, err = policy.ParseWith("p", []byte(b[2]), policy.FolderResolver(folder))
			check(t, err)
			continue
		}
		for line := range strings.SplitSeq(strings.TrimSpace(b[2]), "\n") {
			asked++
			decision(t, p, line)
		}
	}
	if asked < 30 {
		t.Errorf("only %d decisions", asked)
	}
}

// decision checks one line: user, permission, path, answer, the rule's text or "no rule".
func decision(t *testing.T, p *policy.Policy, line string) {
	f := strings.Fields(line)
	perm := map[string]policy.Perm{"read": policy.Read, "write": policy.Write, "execute": policy.Execute}[f[1]]
	a, err := Explain(p, f[0], f[2], perm)
	check(t, err)
	got := "refused "
	if a.Allowed {
		got = "allowed "
	}
	if a.Line != "" {
		got += a.Line
	} else {
		got += a.Rule
	}
	if want := strings.Join(f[3:], " "); got != want {
		t.Errorf("%s: %s", line, got)
	}
}
