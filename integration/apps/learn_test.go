package apps

import (
	"os"
	"testing"
)

// A policy that was learned from a run lets the same run pass without a refusal, and refuses the misuses.
func TestLearn(t *testing.T) {
	for a, header := range map[string]string{
		"nginx":      "users root www-data\n",
		"apache-cgi": "users root www-data\n",
		"postgresql": "users postgres\n",
		"git":        "users git dev\n",
		"mail":       "users root\nseal off\n",
	} {
		t.Run(a, func(t *testing.T) { applications()[a].learn(t, "application "+a+"\n"+header) })
	}
}

func applications() map[string]application {
	all := map[string]application{}
	for _, a := range []application{nginx(), apacheCGI(), postgreSQL(), gitDaemon(), mail()} {
		all[a.name] = a
	}
	return all
}

func (a application) learn(t *testing.T, policy string) {
	t.Parallel()
	teacher := newBox(t, a.name, "klw-runc")
	teacher.learning = true
	teacher.must(os.WriteFile(teacher.path("klw.policy"), []byte(policy), 0o644))
	teacher.start()
	a.ready(teacher)
	said := a.use(teacher)
	teacher.ok(teacher.ctl("policy", "learn", teacher.id, "--write", teacher.path("learned.policy")))

	b := newBox(t, a.name, "klw-runc")
	b.must(command("cp", teacher.path("learned.policy"), b.path("klw.policy")))
	b.start()
	a.ready(b)
	if again := a.use(b); again != said {
		t.Errorf("while learning:\n%s\nunder what was learned:\n%s", said, again)
	}
	b.refusedNothing()
	for _, x := range a.attacks { // where each fails is the learned policy's matter: often earlier than with a finished one
		before := len(b.refusals())
		if worked, out := x.try(b); worked {
			t.Errorf("%s: worked: %s", x.name, out)
			continue
		}
		b.eventually(x.name+" is told", func() bool { return len(b.refusals()) > before })
	}
	if t.Failed() {
		t.Logf("learned:\n%s", b.read("klw.policy"))
	}
}
