package policy

import (
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
)

// TestTexts wants a policy to be read again from what was kept of it, whatever has become of the files.
func TestTexts(t *testing.T) {
	folder := fstest.MapFS{
		"base.policy":  {Data: []byte("include deep\n@general\nfile /usr read execute\n")},
		"deep.policy":  {Data: []byte("@general\nfile \"/odd \\xff\" read # <&>\tä\n")},
		"other.policy": {Data: []byte("nonsense")},
	}
	text := "application a\ninclude base\n@general\nfile / none\r\n"
	p, texts, err := Collect("/dir/a.policy", []byte(text), folder)
	if err != nil {
		t.Fatal(err)
	}
	kept, err := texts.Encode()
	if err != nil {
		t.Fatal(err)
	}
	again, err := DecodeTexts(kept)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(texts, again); diff != "" || len(again.Included) != 2 || again.Text != text {
		t.Errorf("kept %+v\n%s", again, diff)
	}
	q, err := again.ParseAs("/dir/a.policy")
	if diff := cmp.Diff(p, q); err != nil || diff != "" {
		t.Errorf("%v\n%s", err, diff)
	}
	if q, err = again.Parse(); err != nil || q.General.Files[0].Pos.String() != "a.policy:4:1" {
		t.Error(q, err)
	}
	delete(again.Included, "deep.policy")
	if _, err = again.Parse(); err == nil || !strings.Contains(err.Error(), "base.policy:1:9: can't include deep") {
		t.Error(err)
	}
}
