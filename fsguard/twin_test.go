package fsguard

import (
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// TestTwinUnseen: two mounts of one folder are one matter, also when nobody has looked at the stricter one yet, and
// whatever the folder is called outside.
func TestTwinUnseen(t *testing.T) {
	files := map[string]string{"a/b/f": "content", "a/g": "content", "twin/": "", "file": "", "proc/": ""}
	policy := "@general\nfile / read\nfile /twin read write\nfile /file read write\n"
	for name, source := range map[string]func(g *guarded) string{
		"below": func(g *guarded) string { return filepath.Join(g.source, "a/b") },
		"bound elsewhere": func(g *guarded) string {
			dir := t.TempDir()
			check(t, unix.Mount(filepath.Join(g.source, "a/b"), dir, "", unix.MS_BIND, ""))
			t.Cleanup(func() { check(t, unix.Unmount(dir, unix.MNT_DETACH)) })
			return dir
		},
	} {
		t.Run(name, func(t *testing.T) {
			g := serve(t, policy, files)
			g.attach(source(g), "/twin")
			g.want(0, `write /twin/f = EACCES`)
			g.want(0, `read /twin/f = ok`)
		})
	}
	t.Run("a file", func(t *testing.T) {
		g := serve(t, policy, files)
		g.attach(filepath.Join(g.source, "a/g"), "/file")
		g.want(0, `write /file = EACCES`)
		g.want(0, `read /file = ok`)
	})
	t.Run("the other way round", func(t *testing.T) {
		g := serve(t, "@general\nfile / read write\nfile /inner read\n", map[string]string{"a/b/f": "content", "inner/": "", "outer/": "", "proc/": ""})
		g.attach(filepath.Join(g.source, "a/b"), "/inner")
		g.attach(filepath.Join(g.source, "a"), "/outer")
		g.want(0, `write /outer/b/f = EACCES`)
	})
}
