package control

import (
	"bufio"
	"context"
	"io"
)

// MaxPolicy is how many bytes the texts of a policy that is loaded may have, as JSON.
const MaxPolicy = 32 << 20

// maxPiece is what a client has IdleTime for.
const maxPiece = 1 << 20

// large answers a request that has a body. After an error there is nothing more to say to that client: what it sends
// can't be told from a body.
func (s *Server) large(ctx context.Context, h handler, r Request, wrong error, in *bufio.Reader, out *writer) error {
	switch {
	case wrong != nil:
	case h.body == 0:
		wrong = Errorf(CodeRequest, "method %s takes no body", r.Method)
	case len(r.Params) > 0:
		wrong = Errorf(CodeRequest, "method %s takes a body or parameters, not both", r.Method)
	case r.Body < 0 || r.Body > h.body:
		wrong = Errorf(CodeRequest, "body of %d bytes, method %s takes at most %d", r.Body, r.Method, h.body)
	}
	if wrong != nil {
		_ = out.fail(wrong)
		return wrong
	}
	select {
	case s.bodies <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { <-s.bodies }()
	body, err := readBody(in, r.Body, out)
	if err != nil {
		return err
	}
	return s.answer(ctx, h, body, out)
}

// readBody takes memory as the bytes come, not as they are announced.
func readBody(in io.Reader, size int, out *writer) (body []byte, err error) {
	for len(body) < size {
		out.patience(IdleTime)
		piece := make([]byte, min(size-len(body), maxPiece))
		if _, err := io.ReadFull(in, piece); err != nil {
			return nil, err
		}
		body = append(body, piece...)
	}
	return body, nil
}
