package apps

import (
	"strconv"
	"strings"
	"testing"
	"time"

	"klw/internal/audit"
)

// application is one of the bundles.
type application struct {
	name    string
	ready   func(*box)        // waits until it serves
	use     func(*box) string // works with it as its users do, and gives what it answered
	attacks []attack
}

// attack is one misuse. What it does must work under runc.
type attack struct {
	name   string
	try    func(*box) (worked bool, said string)
	module string // that refuses it
	about  string // what the event is about: operation and path or address
	rule   string // the policy's line that decided, or "no rule"
}

// test runs an application in the three ways.
func (a application) test(t *testing.T) {
	t.Parallel()
	plain, guarded := newBox(t, a.name, "runc"), newBox(t, a.name, "klw-runc")
	said := map[*box]string{}
	for _, b := range []*box{plain, guarded} {
		b.start()
		a.ready(b)
		said[b] = a.use(b)
	}
	if said[plain] != said[guarded] {
		t.Errorf("under runc:\n%s\nunder klw-runc:\n%s", said[plain], said[guarded])
	}
	guarded.refusedNothing()
	for _, x := range a.attacks {
		if worked, out := x.try(plain); !worked {
			t.Errorf("%s: doesn't work under runc, so it proves nothing: %s", x.name, out)
			continue
		}
		if worked, out := x.try(guarded); worked {
			t.Errorf("%s: worked: %s", x.name, out)
			continue
		}
		guarded.told(x)
	}
}

func (b *box) refusedNothing() {
	b.Helper()
	for _, e := range b.refusals() {
		b.Errorf("refused: %s by %s (%s) to %s, uid %d | %s", about(e), e.Module, e.Rule, e.Comm, e.UID, e.Hint)
	}
}

// told checks that a refusal was told, with the rule that decided.
func (b *box) told(x attack) {
	b.Helper()
	rule := x.rule
	if rule != "no rule" {
		before, _, ok := strings.Cut(b.read("klw.policy"), "\n"+rule)
		if !ok {
			b.Fatalf("the policy has no line %q", rule)
		}
		rule = "klw.policy:" + itoa(strings.Count(before, "\n")+2)
	}
	var seen []string
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		seen = nil
		for _, e := range b.refusals() {
			if e.Module == x.module && strings.HasPrefix(about(e), x.about) && e.Rule == rule {
				return
			}
			seen = append(seen, about(e)+" by "+e.Module+" ("+e.Rule+")")
		}
	}
	b.Errorf("%s: no event says %s by %s (%s), but:\n%s", x.name, x.about, x.module, rule, strings.Join(seen, "\n"))
}

func about(e audit.Event) string { return e.Operation + " " + e.Path + e.Address }

func itoa(n int) string { return strconv.Itoa(n) }
