package view

// Close gives back the descriptors that a server keeps for objects known for good, once its views are Done. They keep
// the backing file systems busy: one that is to be unmounted can't be while they are there.
func (s *Server) Close() { s.fds.closeIdle() }

// closeUnlessServing is Close after the last view has ended.
func (s *Server) closeUnlessServing() {
	s.mu.RLock()
	serving := len(s.views) > 0
	s.mu.RUnlock()
	if !serving {
		s.survey.end()
		s.Close()
	}
}

func (c *fdCache) closeIdle() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for c.idle.Len() > 0 {
		c.forget(c.idle.Back().Value.(*pathFD))
	}
}
