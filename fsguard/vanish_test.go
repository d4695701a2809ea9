package fsguard

import (
	"testing"

	"klw/hooks"
)

// vanishing is a folder that has a name for whoever asks first, and then none for some time: somebody moves what is above it
// too deep down and back, or the host does.
type vanishing struct {
	*fake
	asked, named int
}

func (v *vanishing) Paths() []string {
	if v.asked++; v.asked <= v.named {
		return v.names
	}
	return nil
}

// TestVanishing: a folder that loses its name while a call about it is decided ends nothing, and gives nothing: names that
// are not known are never as good as others that aren't.
func TestVanishing(t *testing.T) {
	g := serve(t, circled, circledFiles())
	strict := parse(t, "@general\nfile / read write execute\nfile /tmp/strict read write\n"+circled[len("@general\nfile / read write execute\n"):])
	b, _, err := BindPolicy(strict, g.server, people)
	check(t, err)
	defer b.Close()
	m := NewCircleModule(b.Circles)
	for named := range 8 {
		for _, op := range []hooks.Operation{hooks.OpRename, hooks.OpLink, hooks.OpUnlink} {
			folder := func(name string) hooks.File { return &vanishing{fake: dir(name), named: named} }
			c := &hooks.Call{Op: op, Caller: hooks.Caller{UID: 1000}, File: file("/tmp/strict/a", "/tmp/b"), NewFile: file("/home/bob/x", "/tmp/x"),
				Dir: folder("/tmp/strict"), Name: "a", NewDir: folder("/home/bob"), NewName: "a"}
			if v := b.Files[0].decide(c); !v.Refused() && op != hooks.OpUnlink {
				t.Errorf("%s with %d names: let pass", op, named)
			}
			m.Pre(c)
		}
	}
}
