package control

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"time"
)

// Error is an error with its kind, as it goes over the socket.
type Error struct {
	Code Code
	Msg  string
}

// Error gives the message.
func (e *Error) Error() string { return e.Msg }

// Errorf makes an Error.
func Errorf(code Code, format string, args ...any) *Error {
	return &Error{Code: code, Msg: fmt.Sprintf(format, args...)}
}

// parseRequest reads one request line of this version.
func parseRequest(line []byte) (Request, error) {
	var r Request
	if err := strict(line, &r); err != nil {
		return r, Errorf(CodeRequest, "request isn't one JSON object: %v", err)
	}
	if r.Version != Version {
		return r, Errorf(CodeRequest, "request of protocol version %d, this server speaks %d: use the klwctl of the same klw", r.Version, Version)
	}
	return r, nil
}

// decode reads the parameters of a method.
func decode[P any](raw json.RawMessage) (P, error) {
	var params P
	if len(raw) == 0 {
		raw = json.RawMessage("{}")
	}
	if err := strict(raw, &params); err != nil {
		return params, Errorf(CodeRequest, "parameters: %v", err)
	}
	return params, nil
}

// strict decodes exactly one JSON value without unknown fields.
func strict(text []byte, into any) error {
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return err
	}
	if _, err := d.Token(); err != io.EOF {
		return errors.New("something follows the value")
	}
	return nil
}

// writer sends responses over one connection.
type writer struct {
	conn   *net.UnixConn
	server *Server
}

// patience says how long the client may take; 0: for ever. A server that ends has its own limit.
func (w *writer) patience(d time.Duration) {
	w.server.mu.Lock()
	defer w.server.mu.Unlock()
	switch {
	case w.server.ctx.Err() != nil:
	case d == 0:
		w.conn.SetDeadline(time.Time{})
	default:
		w.conn.SetDeadline(time.Now().Add(d))
	}
}

func (w *writer) send(r Response) error {
	line, err := json.Marshal(r)
	if err != nil {
		return err
	}
	_, err = w.conn.Write(append(line, '\n'))
	return err
}

func (w *writer) result(v any) error {
	raw, err := json.Marshal(v)
	if err != nil {
		return w.fail(err)
	}
	return w.send(Response{Result: raw})
}

func (w *writer) fail(err error) error {
	r := Response{Error: err.Error(), Code: CodeFailed}
	var coded *Error
	if errors.As(err, &coded) {
		r.Code = coded.Code
	}
	if r.Error == "" {
		r.Error = "unknown error"
	}
	return w.send(r)
}

// finish ends a stream.
func (w *writer) finish(err error) {
	if err != nil && w.server.ctx.Err() == nil {
		_ = w.fail(err)
		return
	}
	_ = w.send(Response{})
}
