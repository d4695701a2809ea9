package control

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"time"
)

// handler answers one method: one of the two is set.
type handler struct {
	body   int // how many bytes of parameters it takes behind the request; 0: they are in it
	answer func(ctx context.Context, params json.RawMessage) (any, error)
	stream func(ctx context.Context, params json.RawMessage, send func(any) error) error
}

// Server answers requests on one socket. Register methods with Handle and HandleStream before Serve.
type Server struct {
	path     string
	listener *net.UnixListener
	methods  map[string]handler
	ctx      context.Context
	cancel   context.CancelFunc
	running  sync.WaitGroup
	bodies   chan struct{} // holds a token while a body is in memory

	mu    sync.Mutex
	conns map[*net.UnixConn]bool
}

// Listen makes the socket. A socket file that nobody listens on any more is replaced.
func Listen(path string) (*Server, error) {
	listener, err := listen(path)
	if err != nil {
		return nil, fmt.Errorf("listen on control socket %s: %w", path, err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	return &Server{
		path: path, listener: listener, methods: map[string]handler{}, ctx: ctx, cancel: cancel,
		conns: map[*net.UnixConn]bool{}, bodies: make(chan struct{}, 1),
	}, nil
}

// Handle registers a method that takes a P and gives an R. Unknown fields of the parameters are refused.
func Handle[P, R any](s *Server, method string, f func(context.Context, P) (R, error)) {
	HandleLarge(s, method, 0, f)
}

// HandleLarge is Handle for parameters of up to so many bytes, which come as a body.
func HandleLarge[P, R any](s *Server, method string, most int, f func(context.Context, P) (R, error)) {
	s.methods[method] = handler{body: most, answer: func(ctx context.Context, raw json.RawMessage) (any, error) {
		params, err := decode[P](raw)
		if err != nil {
			return nil, err
		}
		return f(ctx, params)
	}}
}

// HandleStream registers a method that takes a P and sends any number of results.
func HandleStream[P any](s *Server, method string, f func(ctx context.Context, params P, send func(any) error) error) {
	s.methods[method] = handler{stream: func(ctx context.Context, raw json.RawMessage, send func(any) error) error {
		params, err := decode[P](raw)
		if err != nil {
			return err
		}
		return f(ctx, params, send)
	}}
}

// Serve answers until Close; then it returns nil.
func (s *Server) Serve() error {
	for {
		conn, err := s.listener.AcceptUnix()
		if errors.Is(err, net.ErrClosed) {
			return nil
		}
		if err != nil {
			select {
			case <-s.ctx.Done():
				return nil
			case <-time.After(50 * time.Millisecond): // out of descriptors
				continue
			}
		}
		if !s.admit(conn) {
			conn.Close()
			continue
		}
		go s.converse(conn)
	}
}

// admit counts a connection in, unless there are too many or the server ends.
func (s *Server) admit(conn *net.UnixConn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ctx.Err() != nil || len(s.conns) >= MaxConns {
		return false
	}
	s.conns[conn] = true
	s.running.Add(1)
	return true
}

func (s *Server) dismiss(conn *net.UnixConn) {
	conn.Close()
	s.mu.Lock()
	delete(s.conns, conn)
	s.mu.Unlock()
	s.running.Done()
}

// Close ends the server and removes its socket.
func (s *Server) Close() error {
	s.mu.Lock()
	s.cancel()
	for conn := range s.conns {
		conn.SetReadDeadline(time.Now()) // nothing more is asked; what is being answered may be finished
		conn.SetWriteDeadline(time.Now().Add(CloseTime))
	}
	s.mu.Unlock()
	s.listener.Close()
	err := os.Remove(s.path)
	s.running.Wait()
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	return err
}

// converse serves one connection.
func (s *Server) converse(conn *net.UnixConn) {
	defer s.dismiss(conn)
	out := &writer{conn: conn, server: s}
	ctx, err := identify(s.ctx, conn)
	if err != nil {
		_ = out.fail(err)
		return
	}
	in := bufio.NewReaderSize(conn, MaxRequest)
	for {
		out.patience(IdleTime)
		line, err := in.ReadSlice('\n')
		if errors.Is(err, bufio.ErrBufferFull) {
			_ = out.fail(Errorf(CodeRequest, "request of more than %d bytes", MaxRequest))
			return
		}
		if err != nil {
			return
		}
		h, r, err := s.parse(line)
		switch {
		case r.Body != 0:
			err = s.large(ctx, h, r, err, in, out)
		case err != nil:
			err = out.fail(err)
		case h.stream != nil:
			s.stream(ctx, h, r.Params, conn, out)
			return
		default:
			err = s.answer(ctx, h, r.Params, out)
		}
		if err != nil {
			return
		}
	}
}

// parse finds what a request line asks for.
func (s *Server) parse(line []byte) (handler, Request, error) {
	r, err := parseRequest(line)
	if err != nil {
		return handler{}, r, err
	}
	r.Params = append(json.RawMessage(nil), r.Params...)
	h, ok := s.methods[r.Method]
	if !ok {
		return handler{}, r, Errorf(CodeRequest, "unknown method %q", r.Method)
	}
	return h, r, nil
}

func (s *Server) answer(ctx context.Context, h handler, params json.RawMessage, out *writer) error {
	result, err := h.answer(ctx, params)
	out.patience(IdleTime)
	if err != nil {
		return out.fail(err)
	}
	return out.result(result)
}

// stream runs a streaming method until it ends, the client closes its end, or the server is closed.
func (s *Server) stream(ctx context.Context, h handler, params json.RawMessage, conn *net.UnixConn, out *writer) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	out.patience(0)
	s.running.Go(func() {
		_, _ = conn.Read(make([]byte, 1)) // returns when the client is gone; it has nothing more to say
		cancel()
	})
	err := h.stream(ctx, params, out.result)
	out.finish(err)
	conn.Close() // ends the reader above
}
