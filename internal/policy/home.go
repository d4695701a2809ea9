package policy

import (
	"fmt"
	"path"
	"strings"
)

// ResolveHomes puts users' homes into the paths that begin with ~. home is asked once for each user who has such a rule.
// With an error (an [ErrorList], one for each user) nothing has changed.
func (p *Policy) ResolveHomes(home func(User) (string, error)) error {
	sets := []*RuleSet{&p.RuleSet}
	for i := range p.Stack {
		sets = append(sets, &p.Stack[i].RuleSet)
	}
	var errs ErrorList
	var changes []func()
	for _, set := range sets {
		for i := range set.PerUser {
			l := &set.PerUser[i]
			files, err := atHome(*l, home)
			if err != nil {
				errs = append(errs, err)
				continue
			}
			changes = append(changes, func() { l.Files = files })
		}
	}
	if errs != nil {
		return errs
	}
	for _, change := range changes {
		change()
	}
	return nil
}

// atHome gives a user's rules with his home in them; without such rules the list as it is.
func atHome(l UserRules, home func(User) (string, error)) ([]FileRule, *Error) {
	var dir string
	files := append([]FileRule(nil), l.Files...)
	for i, r := range files {
		rest, ok := strings.CutPrefix(r.Path, "~")
		if !ok {
			continue
		}
		if dir == "" {
			found, err := home(l.User)
			if err == nil {
				err = checkHome(found)
			}
			if err != nil {
				return nil, &Error{Pos: r.Pos, Msg: fmt.Sprintf("the home of %s: %v", l.User, err), Expected: "a user with a home, or the path itself"}
			}
			dir = path.Clean(found)
		}
		files[i].Path = dir + rest
	}
	return files, nil
}

// checkHome refuses what system users have for a home: a rule for it would be about everything.
func checkHome(dir string) error {
	switch {
	case !strings.HasPrefix(dir, "/"):
		return fmt.Errorf("%q is no absolute path", dir)
	case path.Clean(dir) == "/":
		return fmt.Errorf("it is /, and all is below that")
	}
	return nil
}

// UsualHome is where homes are by convention, for a policy that is looked at without a container.
func UsualHome(u User) (string, error) {
	switch {
	case u.HasID && u.ID == 0 || u.Name == "root":
		return "/root", nil
	}
	return "/home/" + u.String(), nil
}
