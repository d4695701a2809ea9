package explain

import (
	"os"
	"regexp"
	"strings"
	"testing"
	"testing/fstest"

	"klw/internal/policy"
)

// TestReferenceExpectations asks what the policies of docs/policy.md expect of themselves.
func TestReferenceExpectations(t *testing.T) {
	text, err := os.ReadFile("../../../docs/policy.md")
	if err != nil {
		t.Fatal(err)
	}
	folder := fstest.MapFS{}
	asked := 0
	for _, b := range regexp.MustCompile("(?s)```(policy|file [^\n]*)\n(.*?)```").FindAllStringSubmatch(string(text), -1) {
		if name, ok := strings.CutPrefix(b[1], "file "); ok {
			folder[name] = &fstest.MapFile{Data: []byte(b[2])}
			continue
		}
		p, err := policy.ParseWith("policy", []byte(b[2]), policy.FolderResolver(folder))
		if err != nil {
			t.Fatal(err)
		}
		asked += len(p.Tests)
		failed, err := FromPolicy(p).Unmet(p.Tests)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range failed {
			t.Errorf("%s in\n%s\n%s", f.Expectation, p, f.Answer.Text)
		}
	}
	if asked < 8 {
		t.Errorf("only %d expectations", asked)
	}
}
