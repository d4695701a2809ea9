package apps

import (
	"os"
	"regexp"
	"strings"
	"testing"
	"time"
)

func TestMail(t *testing.T) { mail().test(t) }

func mail() application {
	return application{
		name:  "mail",
		ready: func(b *box) { b.listens("127.0.0.1:25"); b.listens("127.0.0.1:143") },
		use:   useMail,
		attacks: []attack{
			{name: "the configuration changed by root", try: func(b *box) (bool, string) {
				r := b.exec("0:0", "/usr/sbin/postconf", "-e", "mynetworks=0.0.0.0/0")
				return r.code == 0, r.out
			}, module: "files", about: "create /etc/postfix/main.cf.tmp", rule: "file /etc/postfix "},
			{name: "mail sent to elsewhere by root", try: func(b *box) (bool, string) {
				bait := b.bait()
				r := b.exec("0:0", "/usr/sbin/posttls-finger", "-c", "-t", "2", "[127.0.0.1]:"+bait.port)
				return bait.caught.Load(), r.out
			}, module: "sockets", about: "connect tcp 127.0.0.1:", rule: "no rule"},
			{name: "another's file as a mail, by a link", try: func(b *box) (bool, string) {
				b.must(os.Symlink("/srv/secret", b.path("rootfs/var/vmail/bob/new/1.link.mail")))
				time.Sleep(1100 * time.Millisecond) // what the host changes shows within a second (package view)
				bob := b.imap("bob", "builder")
				bob.has(2)
				said := bob.say("a FETCH 2 BODY[]", "a ")
				return strings.Contains(said, "of nobody here"), said
			}, module: "files", about: "open /srv/secret", rule: "no rule"},
			{name: "all mail, by root", try: func(b *box) (bool, string) {
				r := b.exec("0:0", "/usr/bin/grep", "-r", "hello", "/var/vmail")
				return strings.Contains(r.out, "hello Bob"), r.out
			}, module: "files", about: "opendir /var/vmail", rule: "no rule"},
			{name: "a dropped program, by root", try: func(b *box) (bool, string) {
				b.must(command("cp", b.path("rootfs/usr/bin/true"), b.path("rootfs/var/spool/postfix/dropped")))
				r := b.exec("0:0", "/usr/bin/find", "/var/spool/postfix/dropped", "-exec", "{}", ";")
				return r.code == 0 && r.out == "", r.out
			}, module: "files", about: "exec /var/spool/postfix/dropped", rule: "file /var/spool/postfix "},
		},
	}
}

// useMail sends mail by SMTP and reads, moves and deletes it by IMAP.
func useMail(b *box) (said string) {
	b.Helper()
	alice, bob := b.imap("alice", "wonderland"), b.imap("bob", "builder")
	b.send("bob@example.org", "alice@example.org", "first", "hello Alice")
	alice.has(1)
	b.send("alice@example.org", "bob@example.org", "answer", "hello Bob")
	bob.has(1)
	b.send("bob@example.org", "alice@example.org", "large", strings.Repeat("0123456789abcdef\r\n", 20000))
	alice.has(2)
	said += alice.say("a FETCH 1:2 (BODY[HEADER.FIELDS (SUBJECT)])", "a ")
	for _, line := range []string{"CREATE kept", "COPY 1:2 kept", `STORE 1 +FLAGS (\Deleted)`, "EXPUNGE", `SEARCH SUBJECT "large"`,
		"SELECT kept", "STATUS INBOX (MESSAGES)", "RENAME kept other", "DELETE other"} {
		said += alice.say("b "+line, "b ")
	}
	alice.say("l LOGOUT", "l ")
	said += bob.say("c FETCH 1 (BODY[HEADER.FIELDS (FROM TO SUBJECT)] BODY[TEXT])", "c ")
	return changing.ReplaceAllString(said, "*")
}

// changing is what differs from run to run: how long it took, numbers made of the time, and when news are told.
var changing = regexp.MustCompile(`(?m)\(\d+\.\d+ \+[^)]*\)|UIDVALIDITY \d+|HIGHESTMODSEQ \d+|COPYUID [0-9: ]+| ?\\Recent|^\* \d+ (EXISTS|RECENT).*\n`)

// send delivers a mail as another mail server would.
func (b *box) send(from, to, subject, text string) {
	b.Helper()
	c := b.talk("127.0.0.1:25")
	for _, x := range []struct{ line, end string }{
		{"", "220 "}, {"EHLO test", "250 "}, {"MAIL FROM:<" + from + ">", "250 "}, {"RCPT TO:<" + to + ">", "250 "}, {"DATA", "354 "},
		{"From: " + from + "\r\nTo: " + to + "\r\nSubject: " + subject + "\r\n\r\n" + text + "\r\n.", "250 "}, {"QUIT", "221 "},
	} {
		c.say(x.line, x.end)
	}
}

// imap logs in and opens the inbox.
func (b *box) imap(user, password string) *talk {
	b.Helper()
	c := b.talk("127.0.0.1:143")
	c.say("", "* OK")
	if got := c.say("0 LOGIN "+user+" "+password, "0 "); !strings.Contains(got, "0 OK") {
		b.Fatalf("login: %s", got)
	}
	c.say("1 SELECT INBOX", "1 ")
	return c
}

// has waits for so many mails.
func (t *talk) has(n int) {
	t.Helper()
	t.eventually(itoa(n)+" mails are there", func() bool {
		_, found, _ := strings.Cut(t.say("n UID SEARCH ALL", "n "), "* SEARCH")
		found, _, _ = strings.Cut(found, "\r\n")
		return len(strings.Fields(found)) == n
	})
}
