package learn

// sockets adds rules for sockets.
func (b *builder) sockets([]Socket, output) {}
