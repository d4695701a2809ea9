package control

import (
	"context"
	"net"
	"os"

	"klw/internal/peer"
)

// Caller is who made a connection, as the kernel tells.
type Caller struct {
	PID, UID uint32
}

type callerKey struct{}

// CallerOf gives who asks, from the context of a handler.
func CallerOf(ctx context.Context) Caller {
	c, _ := ctx.Value(callerKey{}).(Caller)
	return c
}

// identify lets root and the server's own user in.
func identify(ctx context.Context, conn *net.UnixConn) (context.Context, error) {
	cred, err := peer.Cred(conn)
	if err != nil {
		return nil, err
	}
	if cred.Uid != 0 && cred.Uid != uint32(os.Geteuid()) {
		return nil, Errorf(CodeRequest, "uid %d may not use this control socket", cred.Uid)
	}
	return context.WithValue(ctx, callerKey{}, Caller{PID: uint32(cred.Pid), UID: cred.Uid}), nil
}
