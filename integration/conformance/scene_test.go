package conformance

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"klw/internal/view"
)

// scene is a course of system calls written by hand. What it tells must be the same natively and in a view, but for
// what docs/file-operations.md says.
type scene struct {
	name    string
	rows    []string // of docs/file-operations.md, that it proves
	play    func(s *stage)
	differs []difference
}

// difference is a line that a scene may tell otherwise in a view. What differs nowhere any more is an error too.
type difference struct {
	row          string // of docs/file-operations.md, that says so
	key          string // regular expression for what was done
	native, view string // what the results begin with; "" is anything
	kinds        string // of views, all if ""
	rare         bool   // depends on the moment
}

// throughServer are the kinds of views whose data goes through the server.
const throughServer = "without cached ordered"

// scenes are all scenes. They stand in files by what they are about.
var scenes = joinScenes(groupScenes, setIDScenes, rangeScenes, leaseScenes, dirScenes, xattrScenes, attrScenes, mapScenes,
	nameScenes, openScenes, specialScenes, watchScenes, lockScenes, privilegeScenes)

func joinScenes(lists ...[]scene) (all []scene) {
	for _, l := range lists {
		all = append(all, l...)
	}
	return all
}

// stage is where a scene is played.
type stage struct {
	w     *worker
	who   int
	dir   int // the scene's folder, which is the working directory too
	other int // a folder of another view
	host  int // the folder behind
	base  string
	lines []string
}

// tell notes a result.
func (s *stage) tell(key string, err error, more ...any) {
	s.lines = append(s.lines, key+": "+done(err, more...))
}

// as runs f as somebody.
func (s *stage) as(who int, f func()) {
	if s.who == who {
		f()
		return
	}
	was := s.who
	s.w.on(who, func() {
		s.who = who
		demand("fchdir", unix.Fchdir(s.dir))
		f()
	})
	s.who = was
}

// file makes a file.
func (s *stage) file(name, text string, mode uint32, uid, gid int) {
	s.as(0, func() {
		_ = unix.Unlink(name)
		demand("write "+name, os.WriteFile(filepath.Join(s.base, name), []byte(text), 0o600))
		demand("chown "+name, unix.Chown(name, uid, gid))
		demand("chmod "+name, unix.Chmod(name, mode))
	})
}

// folder makes a directory.
func (s *stage) folder(name string, mode uint32, uid, gid int) {
	s.as(0, func() {
		demand("mkdir "+name, unix.Mkdir(name, 0o700))
		demand("chown "+name, unix.Chown(name, uid, gid))
		demand("chmod "+name, unix.Chmod(name, mode))
	})
}

// open opens, or tells why not.
func (s *stage) open(name string, flags int) int {
	fd, err := unix.Open(name, flags|unix.O_CLOEXEC, 0o666)
	if err != nil {
		s.tell("open "+name, err)
	}
	return fd
}

// text reads a file.
func (s *stage) text(name string) (text string) {
	s.as(0, func() {
		fd := s.open(name, unix.O_RDONLY)
		defer unix.Close(fd)
		b := make([]byte, 1<<16)
		n, _ := unix.Read(fd, b)
		text = string(b[:max(n, 0)])
	})
	return text
}

// seen describes an object.
func (s *stage) seen(name string) string {
	var st unix.Stat_t
	if err := unix.Lstat(name, &st); err != nil {
		return done(err)
	}
	n, _ := unix.Lgetxattr(name, "security.capability", make([]byte, 64))
	a, _ := unix.Lgetxattr(name, "system.posix_acl_access", make([]byte, 512))
	return fmt.Sprintf("%s caps %d acl %d", strings.TrimSuffix(describeMode(st), " "), max(n, 0), max(a, 0))
}

func describeMode(st unix.Stat_t) string {
	return fmt.Sprintf("%06o %d:%d links %d", st.Mode, st.Uid, st.Gid, st.Nlink)
}

// playAll plays all scenes below a folder.
func (w *worker) playAll(j job) map[string][]string {
	told := map[string][]string{}
	for _, sc := range scenes {
		s := &stage{w: w, who: -1, base: filepath.Join(j.Root, sc.name)}
		var err error
		for _, at := range []struct {
			fd   *int
			path string
		}{{&s.dir, j.Root}, {&s.other, j.Other}, {&s.host, j.Host}} {
			*at.fd, err = unix.Open(filepath.Join(at.path, sc.name), unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
			demand("open a folder of "+sc.name, err)
			defer unix.Close(*at.fd)
		}
		s.as(0, func() { sc.play(s) })
		told[sc.name] = s.lines
	}
	return told
}

// sceneKinds are the ways in which views are served that scenes are played in.
var sceneKinds = append(append(kinds[:0:0], kinds...), struct {
	name    string
	options view.Options
}{"locking", view.Options{Locking: view.ShareAllLocks}})

// TestScenes plays every scene on views and on native file systems.
func TestScenes(t *testing.T) {
	found := map[string]bool{}
	for _, b := range backings {
		t.Run(b.name, func(t *testing.T) {
			base := b.mount(t)
			var native map[string][]string
			for _, k := range sceneKinds {
				if b.name != "ext4" && b.name != "view" && k.name != "passthrough" && k.name != "ordered" {
					continue
				}
				t.Run(k.name, func(t *testing.T) {
					p := newPair(t, b.name, base, k.options)
					if native == nil {
						native = p.play(p.native, p.native, p.native+"-other")
					}
					compareScenes(t, k.name, native, p.play(p.view, p.behind, ""), found)
				})
			}
		})
	}
	t.Run("differences", func(t *testing.T) {
		for _, sc := range scenes {
			for _, d := range sc.differs {
				if !found[sc.name+d.key] && !d.rare {
					t.Errorf("%s: %s differs nowhere", sc.name, d.key)
				}
			}
		}
	})
}

// play plays all scenes in a folder and gives what they told. Without another folder, that is one in another view.
func (p *pair) play(root, host, other string) map[string][]string {
	back := other
	if other == "" {
		back, other = p.behind+"-other", p.t.TempDir()
	}
	check(p.t, os.Mkdir(back, 0o755))
	if back != other {
		o := p.options
		o.Source, o.Inside = back, "/other"
		attach(p.t, p.server, o, other)
	}
	for _, sc := range scenes {
		for _, dir := range []string{host, back} {
			check(p.t, os.Mkdir(filepath.Join(dir, sc.name), 0o700))
			check(p.t, os.Chmod(filepath.Join(dir, sc.name), 0o777))
		}
	}
	return work(p.t, job{Root: root, Host: host, Other: other, Scenes: true}).Scenes
}

// compareScenes compares what was told, and notes the differences that it found.
func compareScenes(t *testing.T, kind string, native, shown map[string][]string, found map[string]bool) {
	for _, sc := range scenes {
		a, b := native[sc.name], shown[sc.name]
		if len(a) != len(b) {
			t.Errorf("%s: %d lines natively, %d in the view:\n%s", sc.name, len(a), len(b), versus(strings.Join(a, "\n"), strings.Join(b, "\n")))
			continue
		}
		for i := range a {
			if a[i] == b[i] {
				continue
			}
			if d := sc.explained(a[i], b[i], kind); d != "" {
				found[sc.name+d] = true
			} else {
				t.Errorf("%s: natively %q, in the view %q", sc.name, a[i], b[i])
			}
		}
	}
}

// explained gives the difference that two lines are, "" if none.
func (sc *scene) explained(native, shown, kind string) string {
	key, a, _ := strings.Cut(native, ": ")
	other, b, _ := strings.Cut(shown, ": ")
	for _, d := range sc.differs {
		if key == other && regexp.MustCompile("^(?:"+d.key+")$").MatchString(key) && strings.HasPrefix(a, d.native) && strings.HasPrefix(b, d.view) &&
			(d.kinds == "" || strings.Contains(d.kinds, kind)) {
			return d.key
		}
	}
	return ""
}
