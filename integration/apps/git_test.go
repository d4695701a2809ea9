package apps

import (
	"os"
	"strings"
	"testing"
	"time"
)

const (
	gitUser = "1000:1000"
	devUser = "1001:1001"
)

func TestGit(t *testing.T) { gitDaemon().test(t) }

func gitDaemon() application {
	return application{
		name:  "git",
		ready: func(b *box) { b.listens("127.0.0.1:9418") },
		use:   useGit,
		attacks: []attack{
			{name: "a hook that came with a tree", try: func(b *box) (bool, string) {
				hook := b.path("rootfs/home/dev/tree/.git/hooks/pre-commit")
				b.must(os.WriteFile(hook, []byte("#!/bin/sh\necho x >/home/dev/pwned\n"), 0o755))
				time.Sleep(1100 * time.Millisecond) // what the host changes shows within a second (package view)
				r := b.git(devUser, "/home/dev", "/home/dev/tree", "commit", "--allow-empty", "-qm", "third")
				_, err := os.Stat(b.path("rootfs/home/dev/pwned"))
				return err == nil, r.out
			}, module: "files", about: "exec /home/dev/tree/.git/hooks/pre-commit", rule: "file /home/dev "},
			{name: "another's file", try: func(b *box) (bool, string) {
				r := b.git(devUser, "/home/dev", "/home/dev/tree", "hash-object", "/srv/secret")
				return r.code == 0, r.out
			}, module: "files", about: "open /srv/secret", rule: "no rule"},
			{name: "a command in the place of a server", try: func(b *box) (bool, string) {
				r := b.git(gitUser, "/srv/git", "/srv/git", "-c", "protocol.ext.allow=always", "ls-remote", "ext::/usr/bin/install /etc/passwd /srv/git/pwned")
				_, err := os.Stat(b.path("rootfs/srv/git/pwned"))
				return err == nil, r.out
			}, module: "files", about: "exec /usr/bin/install", rule: "file /bin "},
			{name: "another server", try: func(b *box) (bool, string) {
				bait := b.bait()
				r := b.git(devUser, "/home/dev", "/home/dev", "ls-remote", "git://127.0.0.1:"+bait.port+"/site.git")
				return bait.caught.Load(), r.out
			}, module: "sockets", about: "connect tcp 127.0.0.1:", rule: "no rule"},
		},
	}
}

// git runs git in a folder, with times that don't change.
func (b *box) git(user, home, dir string, args ...string) result {
	b.Helper()
	at := []string{"exec", "--user", user, "--env", "HOME=" + home, "--cwd", dir,
		"--env", "GIT_AUTHOR_DATE=2020-01-01T00:00:00Z", "--env", "GIT_COMMITTER_DATE=2020-01-01T00:00:00Z", b.id, "/usr/bin/git"}
	return b.run(append(at, args...)...)
}

func (b *box) dev(dir string, args ...string) string {
	b.Helper()
	return b.ok(b.git(devUser, "/home/dev", dir, args...))
}

// useGit serves a repository to clones, pushes and fetches; branches, merges, packs and checks.
func useGit(b *box) (said string) {
	b.Helper()
	b.ok(b.git(gitUser, "/srv/git", "/srv/git", "init", "-q", "--bare", "site.git"))
	const tree, second = "/home/dev/tree", "/home/dev/second"
	b.dev("/home/dev", "clone", "-q", "git://127.0.0.1/site.git", tree)
	b.mustWrite(tree+"/README", "one\n")
	b.mustWrite(tree+"/folder/deep/file", strings.Repeat("line\n", 1000))
	b.mustWrite(tree+"/tool", "#!/bin/sh\n")
	b.dev(tree, "add", ".")
	b.dev(tree, "commit", "-qm", "first")
	b.dev(tree, "push", "-q", "origin", "main")
	b.dev(tree, "checkout", "-qb", "topic")
	b.dev(tree, "mv", "folder/deep/file", "folder/moved")
	b.dev(tree, "commit", "-qm", "moved")
	b.dev(tree, "checkout", "-q", "main")
	b.mustWrite(tree+"/README", "two\n")
	b.dev(tree, "commit", "-qam", "second")
	b.dev(tree, "merge", "-q", "-m", "merged", "topic")
	b.dev(tree, "stash", "list")
	b.dev(tree, "push", "-q", "origin", "main", "topic")
	b.dev(tree, "gc", "-q", "--prune=now")
	said += b.dev(tree, "count-objects", "-v") + b.dev(tree, "status", "--porcelain=v2", "--branch")
	b.dev("/home/dev", "clone", "-q", "git://127.0.0.1/site.git", second)
	said += b.dev(second, "log", "--format=%H %s", "--stat")
	said += b.dev(second, "fsck", "--full")
	b.dev("/home/dev", "clone", "-q", "file:///home/dev/second", "/home/dev/third")
	b.dev("/home/dev", "clone", "-q", "--local", second, "/home/dev/linked") // by hard links
	said += b.dev("/home/dev/linked", "ls-files", "-s")
	b.ok(b.git(gitUser, "/srv/git", "/srv/git/site.git", "gc", "-q"))
	return said + b.ok(b.git(gitUser, "/srv/git", "/srv/git/site.git", "show-ref"))
}

// mustWrite writes a file of the user dev, by a program of the container.
func (b *box) mustWrite(path, text string) {
	b.Helper()
	cmd := b.command("exec", "--user", devUser, b.id, "/usr/bin/install", "-D", "/dev/stdin", path)
	cmd.Stdin = strings.NewReader(text)
	b.ok(b.finish(cmd))
}
