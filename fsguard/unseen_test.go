package fsguard

import (
	"os"
	"path/filepath"
	"testing"
)

// TestUnseenName: a file has what all of its names allow, also where the strictest is an old one that nobody has
// looked at, in the same view or in another.
func TestUnseenName(t *testing.T) {
	g := serve(t, "@general\nfile / read write\nfile /none none\nfile /deep/read read\nfile /other none\n",
		map[string]string{"open/f": "content", "open/g": "content", "open/h": "content", "none/": "", "deep/read/": "", "other/": "", "proc/": ""})
	other := t.TempDir()
	for from, to := range map[string]string{
		"open/f": filepath.Join(g.source, "none/f"),
		"open/g": filepath.Join(g.source, "deep/read/g"),
		"open/h": filepath.Join(other, "h"),
	} {
		check(t, os.Link(filepath.Join(g.source, from), to))
	}
	g.attach(other, "/other")
	g.want(0, `read /open/f = EACCES`)
	g.want(0, `write /open/g = EACCES`)
	g.want(0, `read /open/g = ok`)
	g.want(0, `read /open/h = EACCES`)
	g.want(0, `unlink /open/g = ok`)
}
