package apps

import (
	"net/url"
	"os"
	"strings"
	"testing"
)

func TestApacheCGI(t *testing.T) { apacheCGI().test(t) }

func apacheCGI() application {
	return application{
		name:  "apache-cgi",
		ready: runsPrograms,
		use:   useCGI,
		attacks: []attack{
			{name: "another's file", try: report("cat", "; while read x; do echo $x; done </srv/secret", "of nobody here"),
				module: "files", about: "open /srv/secret", rule: "no rule"},
			{name: "the page defaced", try: report("deface", "; echo defaced >/var/www/html/index.html && echo done", "\ndone"),
				module: "files", about: "open /var/www/html/index.html", rule: "file /var/www/html "},
			{name: "a program that isn't for CGI", try: report("id", "; /usr/bin/id", "uid=33"),
				module: "files", about: "exec /usr/bin/id", rule: "file /bin "},
			{name: "a dropped program", try: func(b *box) (bool, string) {
				report("drop", `; printf '#!/bin/bash\necho dropped and run\n' >/var/lib/guestbook/program`, "")(b)
				b.must(os.Chmod(b.path("rootfs/var/lib/guestbook/program"), 0o755))
				return report("run", "; /var/lib/guestbook/program", "dropped and run")(b)
			}, module: "files", about: "exec /var/lib/guestbook/program", rule: "file /var/lib/guestbook "},
			{name: "a connection to elsewhere", try: func(b *box) (bool, string) {
				bait := b.bait()
				_, out := report("connect", "; exec 3<>/dev/tcp/127.0.0.1/"+bait.port, "")(b)
				return bait.caught.Load(), out
			}, module: "sockets", about: "connect tcp 127.0.0.1:", rule: "no rule"},
			{name: "the configuration emptied by root", try: func(b *box) (bool, string) {
				r := b.exec("0:0", "/usr/bin/perl", "-e", `open my $f, ">", "/etc/apache2/apache2.conf" or die $!`)
				return r.code == 0, r.out
			}, module: "files", about: "open /etc/apache2/apache2.conf", rule: "file /etc/apache2 "},
		},
	}
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
		ask("GET", "/cgi-bin/report?today", "")
		ask("GET", "/cgi-bin/nothing", "")
	}
	all()
	b.ok(b.run("kill", b.id, "USR1")) // graceful: the daemon that runs programs starts anew
	runsPrograms(b)
	all()
	return said
}

// runsPrograms waits for Apache, and for the daemon that it runs programs by: until then it answers 503.
func runsPrograms(b *box) {
	b.Helper()
	b.listens("127.0.0.1:80")
	b.eventually("programs are run", func() bool {
		status, _ := b.ask("GET", "/cgi-bin/hello?ready", "")
		return !strings.HasPrefix(status, "503")
	})
}

// report is an attack through the hole of the program of that name: a script of the shell, and what its output has if
// it worked.
func report(name, script, want string) func(*box) (bool, string) {
	return func(b *box) (bool, string) {
		b.Helper()
		_, out := b.ask("GET", "/cgi-bin/report?"+name+url.PathEscape(script), "")
		return strings.Contains(out, want), out
	}
}
