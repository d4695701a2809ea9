package initproc

import "fmt"

// takeView gives the mount that was handed over for a destination. Each is taken once: a second mount on the same
// destination is the bundle's own.
func (p *proc) takeView(destination string) (int, bool) {
	for i, d := range p.Config.Views {
		if d == destination && p.Views[i] >= 0 {
			fd := p.Views[i]
			p.Views[i] = -1
			return fd, true
		}
	}
	return -1, false
}

// unusedViews: a view without a place would leave something unguarded.
func (p *proc) unusedViews() error {
	for i, fd := range p.Views {
		if fd >= 0 {
			return fmt.Errorf("no mount of config.json is at the view's destination %s", p.Config.Views[i])
		}
	}
	return nil
}
