package apps

import (
	"testing"
)

func TestApacheCGI(t *testing.T) {
	application{
		name:  "apache-cgi",
		ready: func(b *box) { b.listens("127.0.0.1:80") },
		use:   useCGI,
	}.test(t)
}

// useCGI asks for pages and programs, before and after a graceful restart.
func useCGI(b *box) (said string) {
	b.Helper()
	ask := func(method, path, body string) {
		status, text := b.ask(method, path, body)
		said += method + " " + path + ": " + status + "\n" + text + "\n"
	}
	all := func() {
		ask("GET", "/", "")
		ask("GET", "/cgi-bin/hello?world", "")
		ask("POST", "/cgi-bin/hello", "12345")
		ask("POST", "/cgi-bin/guestbook", "was here")
		ask("GET", "/cgi-bin/guestbook", "")
		ask("GET", "/cgi-bin/nothing", "")
	}
	all()
	b.ok(b.run("kill", b.id, "USR1")) // graceful: the daemon that runs programs starts anew
	b.listens("127.0.0.1:80")
	all()
	return said
}
