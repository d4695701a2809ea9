package learn

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"klw/internal/policy"
)

// Options tell Build what it can't know itself.
type Options struct {
	Rules   policy.RuleSet  // in force: rules are made beside these
	Circles []policy.Circle // in force

	UID  func(policy.User) (uint32, error) // the id of a user that the policy names
	Name func(uint32) policy.User          // how a policy names a user

	// Follow tells where a path leads inside the container, and which symbolic links are on the way, by their own names.
	// nil: there are no links.
	Follow func(path string) (at string, links []string, err error)
	// Ruled tells whether there can be a rule about a path. nil: about all.
	Ruled func(path string) bool
}

func (o Options) follow(p string) (at string, links []string) {
	if o.Follow != nil {
		if at, links, err := o.Follow(p); err == nil {
			return at, links
		}
	}
	return p, nil
}

// Proposal is what Build gives: rules to be added.
type Proposal struct {
	General []Line
	PerUser []UserLines
	Users   []policy.User // who was active
	Omitted []string      // uses for which no rule is proposed, and why: one line each
}

// UserLines are the lines for one user.
type UserLines struct {
	User  policy.User
	Lines []Line
}

// Line is a rule to be added, and why. Exactly one of File and Socket is set.
type Line struct {
	File   *policy.FileRule
	Socket *policy.SocketRule
	Why    string // "" for what was used as it stands there
}

// Empty tells that there is nothing to add.
func (p *Proposal) Empty() bool { return len(p.General)+len(p.PerUser) == 0 }

// Build makes rules of what was used.
func Build(u Uses, o Options) (*Proposal, error) {
	old, err := readPolicy(o)
	if err != nil {
		return nil, err
	}
	b := &builder{
		o: o, old: old, nodes: map[string]*node{}, kids: map[string][]string{}, placed: map[string]bool{}, linked: map[string]bool{}, out: &Proposal{},
	}
	b.findUsers(u)
	b.takeFiles(u.Files)
	b.moveTrees(u.Ties)
	b.oneOfMany = oneOfMany(u.Ties)
	b.fold()
	final, aliases := b.settle(u.Ties)
	out := b.emit(final, aliases)
	b.sockets(u.Sockets, out)
	return b.finish(u, out), nil
}

// settle makes what depends on each other agree: links may take rules for folders, which may part tied places.
func (b *builder) settle(ties []Tie) (final *lists, aliases []alias) {
	for more := true; more; { // permissions only grow, so this ends
		b.tie(ties)
		b.dropEqual()
		final = b.rules()
		aliases, more = b.allowLinks(final)
	}
	b.tellApart(final, ties)
	return final, aliases
}

// builder makes one proposal.
type builder struct {
	oneOfMany map[string]bool // names that were taken once, see oneOfMany

	o      Options
	old    *inForce
	users  []uint32 // active ones
	nodes  map[string]*node
	kids   map[string][]string // the way to nodes: what is right below a folder
	placed map[string]bool     // what is in kids
	links  []Use               // symbolic links that were read

	linked map[string]bool // symbolic links to which something was done
	out    *Proposal
}

// node is a path that gets a rule of its own.
type node struct {
	need map[uint32]policy.Perm
	kind Kind

	files    int            // names folded into this one
	patterns map[string]int // how they look
	why      []string       // reasons for the rule to cover more than the name
}

func (n *node) add(uid uint32, perm policy.Perm) { n.need[uid] |= perm }

// class is what all users together need.
func (n *node) class() (p policy.Perm) {
	for _, perm := range n.need {
		p |= perm
	}
	return p
}

func (n *node) because(why string) {
	if !slices.Contains(n.why, why) {
		n.why = append(n.why, why)
	}
}

func (b *builder) node(p string) *node {
	n := b.nodes[p]
	if n == nil {
		n = &node{need: map[uint32]policy.Perm{}, patterns: map[string]int{}}
		b.nodes[p] = n
		b.lead(p)
	}
	return n
}

// lead notes the way to a node.
func (b *builder) lead(p string) {
	for p != "/" && !b.placed[p] {
		b.placed[p] = true
		dir := path.Dir(p)
		b.kids[dir] = append(b.kids[dir], p)
		p = dir
	}
}

// children gives the nodes right below a folder that a rule for the folder would reach, sorted.
func (b *builder) children(dir string) (list []string) {
	for _, p := range b.kids[dir] {
		if b.nodes[p] != nil && !b.old.ruledAt(p) {
			list = append(list, p)
		}
	}
	slices.Sort(list)
	return list
}

// below gives the nodes strictly below a folder that a rule for the folder would reach, sorted: between there is no rule
// in force.
func (b *builder) below(dir string) []string {
	list := b.gather(dir, nil)
	slices.Sort(list)
	return list
}

func (b *builder) gather(dir string, list []string) []string {
	for _, p := range b.kids[dir] {
		if b.old.ruledAt(p) {
			continue
		}
		if b.nodes[p] != nil {
			list = append(list, p)
		}
		list = b.gather(p, list)
	}
	return list
}

func (b *builder) findUsers(u Uses) {
	seen := map[uint32]bool{Everybody: true}
	note := func(uid uint32) {
		if !seen[uid] {
			seen[uid] = true
			b.users = append(b.users, uid)
		}
	}
	for _, f := range u.Files {
		note(f.User)
	}
	for _, s := range u.Sockets {
		note(s.User)
	}
	slices.Sort(b.users)
	for _, uid := range b.users {
		b.out.Users = append(b.out.Users, b.o.Name(uid))
	}
}

// takeFiles makes a node of each use that the policy in force doesn't allow.
func (b *builder) takeFiles(uses []Use) {
	uses = slices.Clone(uses)
	slices.SortFunc(uses, func(x, y Use) int {
		if c := strings.Compare(x.Path, y.Path); c != 0 {
			return c
		}
		return int(int64(x.User) - int64(y.User))
	})
	for _, u := range uses {
		if u.Kind&Special != 0 {
			u.User = Everybody
		}
		if u.Kind&Link != 0 && u.Perm&policy.Write != 0 {
			b.linked[u.Path] = true
		}
		lacks := b.lacks(u)
		if lacks == policy.None {
			continue
		}
		if c := b.old.closes(u.User, u.Path, lacks); c != nil {
			b.omit(u.User, u.Perm, u.Path, c.rule)
			continue
		}
		b.take(u)
	}
}

// lacks gives what the policy in force refuses of a use; of everybody's, what it refuses anybody.
func (b *builder) lacks(u Use) policy.Perm {
	lacks := u.Perm &^ b.old.has(u.User, u.Path)
	if u.User == Everybody {
		for uid := range b.old.user {
			lacks |= u.Perm &^ b.old.has(uid, u.Path)
		}
	}
	return lacks
}

func (b *builder) take(u Use) {
	if u.Kind&Link != 0 {
		b.takeLink(u)
		return
	}
	if why := b.unruled(u); why != "" {
		b.omit(u.User, u.Perm, u.Path, why)
		return
	}
	n := b.node(u.Path)
	n.add(u.User, u.Perm)
	n.kind |= u.Kind
	switch {
	case u.Kind&Special != 0:
		n.because("a FIFO or a socket: the kernel asks nobody who opens it, so everybody may or nobody")
	case u.Kind&Folder == 0:
	case u.Kind&Made != 0:
		n.because("the application made this folder")
	case u.Kind&Listed != 0 && u.Perm&policy.Write != 0:
		n.because("the folder was listed and changed, and a rule for it covers what is below")
	case u.Kind&Listed != 0:
		n.because("the folder was listed, and a rule for it covers what is below")
	default:
		n.because("the folder itself was changed, and a rule for it covers what is below")
	}
}

// unruled says why a use gets no rule, or "".
func (b *builder) unruled(u Use) string {
	if u.Kind&Folder != 0 && (u.Kind&Made == 0 || u.Path == "/") && top(u.Path) {
		return "a rule for this folder would cover all that is below"
	}
	if b.o.Ruled != nil && !b.o.Ruled(u.Path) {
		return "no view shows it"
	}
	if u.Kind&Special != 0 && b.parted(u.Path) {
		return "what is for everybody can't be given where a user has less than everybody"
	}
	return ""
}

// takeLink: a rule's path is followed, so there is none for a link itself. Reading one is allowed by a rule whose path
// goes through it (allowLinks); the rest is the folder's matter.
func (b *builder) takeLink(u Use) {
	if u.Perm&^policy.Read == 0 {
		b.links = append(b.links, u)
		return
	}
	dir := path.Dir(u.Path)
	if !b.foldable(dir) {
		b.omit(u.User, u.Perm, u.Path, "symbolic links are made or removed there, which takes a rule for "+dir)
		return
	}
	n := b.node(dir)
	n.add(u.User, u.Perm)
	n.kind |= Folder
	n.because("symbolic links in it were made, moved or removed, which takes a rule for the folder")
}

func (b *builder) omit(uid uint32, perm policy.Perm, what, why string) {
	b.out.Omitted = append(b.out.Omitted, fmt.Sprintf("%s: %s %s: %s", b.userName(uid), perm, word(what), why))
}

func (b *builder) userName(uid uint32) string {
	if uid == Everybody {
		return "everybody"
	}
	return b.o.Name(uid).String()
}

// multiple tells whether it matters who did something.
func (b *builder) multiple() bool { return len(b.users) > 1 }

// shared gives what a node gives to everybody.
func (b *builder) shared(p string, n *node) policy.Perm {
	if b.parted(p) || b.old.closes(Everybody, p, all) != nil {
		return policy.None
	}
	if !b.multiple() {
		return n.class()
	}
	var once, twice policy.Perm
	for _, perm := range n.need {
		twice |= once & perm
		once |= perm
	}
	return twice | n.need[Everybody]
}

// parted tells whether the policy in force gives some user less than everybody at a path. A general rule for it, which
// has to carry what everybody has, would give it to that user too.
func (b *builder) parted(p string) bool {
	general := b.old.has(Everybody, p)
	for uid := range b.old.user {
		if general&^b.old.has(uid, p) != 0 {
			return true
		}
	}
	return false
}

// rules joins the policy in force with the nodes.
func (b *builder) rules() *lists {
	l := b.old.clone()
	for p, n := range b.nodes {
		b.put(l, p, n)
	}
	return l
}

// put adds a node's rules. A longer rule hides shorter ones, so each carries what was there before.
func (b *builder) put(l *lists, p string, n *node) {
	if shared := b.shared(p, n); shared&^b.old.has(Everybody, p) != 0 {
		general := shared | b.old.has(Everybody, p)
		l.add(Everybody, p, general)
		for uid := range b.old.user {
			if had := b.old.has(uid, p); had&^general != 0 {
				l.add(uid, p, had&^general)
			}
		}
	}
	general := l.general[p]
	for uid, need := range n.need {
		want := need | b.old.has(uid, p)
		if uid == Everybody || need&^(b.old.has(uid, p)|general) == 0 {
			continue
		}
		l.add(uid, p, want&^general)
	}
}

// listed gives the users that have a list of their own in the policy in force.
func (b *builder) listed() []uint32 {
	var list []uint32
	for uid := range b.old.user {
		list = append(list, uid)
	}
	slices.Sort(list)
	return list
}

// subjects are all between whom rules can differ.
func (b *builder) subjects() []uint32 {
	list := append(slices.Clone(b.users), Everybody)
	for _, uid := range b.listed() {
		if !slices.Contains(list, uid) {
			list = append(list, uid)
		}
	}
	return list
}

// gives tells what a node's rules give to a user.
func (b *builder) gives(uid uint32, p string, n *node) policy.Perm {
	perm := b.shared(p, n) | b.old.has(uid, p)
	if uid != Everybody {
		perm |= n.need[uid]
	}
	return perm
}
