package apps

import (
	"strings"
	"testing"
)

func TestNginx(t *testing.T) {
	application{
		name:  "nginx",
		ready: func(b *box) { b.listens("127.0.0.1:80") },
		use:   useNginx,
	}.test(t)
}

// useNginx asks for pages, through the proxy too, sends a body that goes through a temporary file, and reloads.
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
	b.ok(b.run("kill", b.id, "HUP"))  // new workers
	b.ok(b.run("kill", b.id, "USR1")) // logs opened anew
	ask("GET", "/", "")
	b.eventually("the requests are logged", func() bool {
		return strings.Count(b.read("rootfs/var/log/nginx/access.log"), "\n") >= 8
	})
	return said
}
