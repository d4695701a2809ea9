package policy

var reserveWords = []string{"reserve"}

const reserveUsage = "reserve PATH write, or reserve PATH read write"

// circleLine is what a line of a circle reserves.
type circleLine struct {
	circle int
	dead   bool // stands again further down, as a layer's
	Reserve
}

// circleOf gives the index of a user's circle, which it begins if there is none yet.
func (p *parser) circleOf(u User) int {
	i, known := p.circles[u.plain()]
	if !known {
		i = len(p.policy.Circles)
		p.circles[u.plain()] = i
		p.policy.Circles = append(p.policy.Circles, Circle{Owner: u})
	}
	return i
}

// parseReserve reads a line of @circle: reserve PATH PERMISSION…
func (p *parser) parseReserve(words []word) {
	if words[0].text != "reserve" {
		p.misplaced(words[0], reserveWords, "line of a circle")
		return
	}
	args, ok := p.args(words, 2, 3, reserveUsage)
	if !ok {
		return
	}
	r := Reserve{Path: args[0].text, Pos: p.pos(words[0].col)}
	if p.module > 0 {
		r.Layer = p.policy.Stack[p.module-1].Name
	}
	ok = p.path(args[0], r.Path)
	if ok = p.reservable(args[1:], &r) && ok; ok {
		p.reserve(r, args[0].col)
	}
}

// reservable reads what is reserved: write, or read and write.
func (p *parser) reservable(words []word, r *Reserve) bool {
	for _, w := range words {
		bit := perms[w.text] &^ Execute
		if w.text == "execute" {
			p.errorf(w.col, "write, or read write", "execute can't be reserved: who may read a file can run what is in it")
			return false
		}
		if bit == None {
			p.errorf(w.col, "write, or read write"+suggest(w.text, []string{"read", "write"}), "%q can't be reserved", w.text)
			return false
		}
		if r.Perm&bit != 0 {
			p.errorf(w.col, "each permission once", "%s is given twice", w.text)
			return false
		}
		r.Perm |= bit
	}
	if r.Perm == Read {
		p.errorf(words[0].col, "read write", "read reserved alone: others could write what they may not read")
		return false
	}
	return true
}

// reserve notes a line of the circle being read. A path is in one circle at most, and once. A file that the policy
// includes and a layer too is read twice: its lines are the layer's.
func (p *parser) reserve(r Reserve, col int) {
	if i, known := p.listed[r.Path]; known && p.lines[i].Pos == r.Pos {
		if p.lines[i].Layer != "" || r.Layer == "" {
			return
		}
		p.lines[i].dead = true
	} else if old, ok := p.reserved.meets(r.Path); ok {
		p.secondListing(r, old, col)
		return
	} else {
		p.reserved.add(r.Path, r.Pos)
	}
	p.listed[r.Path] = len(p.lines)
	p.lines = append(p.lines, circleLine{circle: p.circle, Reserve: r})
}

func (p *parser) secondListing(r Reserve, old entry, col int) {
	owner := p.policy.Circles[p.lines[p.listed[old.path]].circle].Owner
	switch {
	case old.path == r.Path:
		p.errorf(col, "a path in one circle, and once", "%s is in the circle of %s already (%s)", quote(r.Path), owner, old.pos.Rule())
	case Below(r.Path, old.path):
		p.errorf(col, "a path in one circle, and once", "%s lies below %s, which is in the circle of %s already (%s)",
			quote(r.Path), quote(old.path), owner, old.pos.Rule())
	default:
		p.errorf(col, "a path in one circle, and once", "%s lies above %s, which is in the circle of %s already (%s)",
			quote(r.Path), quote(old.path), owner, old.pos.Rule())
	}
}

// gatherCircles gives the circles what their lines say, the policy's own lines first.
func (p *parser) gatherCircles() {
	for _, l := range p.lines {
		if !l.dead {
			c := &p.policy.Circles[l.circle]
			c.Reserves = append(c.Reserves, l.Reserve)
		}
	}
}
