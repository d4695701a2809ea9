package apps

import (
	"os"
	"strings"
	"testing"
)

func TestNginx(t *testing.T) { nginx().test(t) }

func nginx() application {
	return application{
		name:  "nginx",
		ready: func(b *box) { b.listens("127.0.0.1:80") },
		use:   useNginx,
		attacks: []attack{
			{name: "a page outside of the site, by a mistake in an alias", try: func(b *box) (bool, string) {
				status, body := b.ask("GET", "/files../private/keys", "")
				return strings.Contains(body, "nobody outside"), status
			}, module: "files", about: "open /var/www/private/keys", rule: "no rule"},
			{name: "a connection to another service, by a mistake in a proxy", try: func(b *box) (bool, string) {
				bait := b.bait()
				status, _ := b.ask("GET", "/fetch?port="+bait.port, "")
				return bait.caught.Load(), status
			}, module: "sockets", about: "connect tcp 127.0.0.1:", rule: "no rule"},
			{name: "the server run as root with another log, to write to the site", try: func(b *box) (bool, string) {
				r := b.exec("0:0", "/usr/sbin/nginx", "-t", "-g", "error_log /var/www/static/new.html;")
				_, err := os.Stat(b.path("rootfs/var/www/static/new.html"))
				return err == nil, r.out
			}, module: "files", about: "create /var/www/static/new.html", rule: "file /var/www/static "},
			{name: "a shell", try: func(b *box) (bool, string) {
				r := b.exec("33:33", "/usr/bin/bash", "-c", "true")
				return r.code == 0, r.out
			}, module: "files", about: "exec /usr/bin/bash", rule: "file /usr "},
		},
	}
}

// useNginx asks for pages, through the proxy too, sends a body that goes through a temporary file, and has workers replaced.
func useNginx(b *box) (said string) {
	b.Helper()
	ask := func(method, path, body string) {
		status, text := b.ask(method, path, body)
		if len(text) > 200 {
			text = itoa(len(text)) + " bytes\n"
		}
		said += method + " " + path + ": " + status + "\n" + text
	}
	ask("GET", "/", "")
	ask("GET", "/nothing", "")
	ask("GET", "/large.bin", "")
	ask("GET", "/app/index.html", "")
	ask("GET", "/app/large.bin", "") // more than the proxy's buffers: through a file
	ask("POST", "/upload/index.html", strings.Repeat("x", 500000))
	b.ok(b.run("kill", b.id, "HUP")) // new workers
	ask("GET", "/", "")
	b.eventually("the requests are logged", func() bool {
		return strings.Count(b.read("rootfs/var/log/nginx/access.log"), "\n") >= 7
	})
	return said
}
