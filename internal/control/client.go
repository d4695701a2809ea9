package control

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"golang.org/x/sys/unix"
)

// ErrNotRunning says that no server listens on a socket.
var ErrNotRunning = errors.New("no server listens there")

// maxResponse bounds the memory for one line from a server: a policy, with what JSON makes of it.
const maxResponse = 6*MaxPolicy + MaxRequest

// Client is one connection to a server. It is used by one goroutine at a time.
type Client struct {
	conn *net.UnixConn
	in   *bufio.Reader
}

// Dial connects to the server of a socket.
func Dial(ctx context.Context, path string) (*Client, error) {
	conn, err := dial(ctx, path)
	if errors.Is(err, unix.ECONNREFUSED) || errors.Is(err, unix.ENOENT) {
		return nil, fmt.Errorf("control socket %s: %w", path, ErrNotRunning)
	}
	if err != nil {
		return nil, fmt.Errorf("control socket %s: %w", path, err)
	}
	return &Client{conn: conn, in: bufio.NewReader(conn)}, nil
}

// Close ends the connection.
func (c *Client) Close() error { return c.conn.Close() }

// Call asks a method and decodes its result into result, unless that is nil. ctx limits how long it takes.
func (c *Client) Call(ctx context.Context, method string, params, result any) error {
	return c.call(ctx, result, func() error { return c.request(method, params) })
}

// CallLarge is Call for a method whose parameters come as a body.
func (c *Client) CallLarge(ctx context.Context, method string, params, result any) error {
	return c.call(ctx, result, func() error { return c.requestLarge(method, params) })
}

func (c *Client) call(ctx context.Context, result any, request func() error) error {
	defer c.obey(ctx)()
	if err := request(); err != nil {
		return explain(ctx, err)
	}
	r, err := c.response()
	if err != nil {
		return explain(ctx, err)
	}
	if result == nil {
		return nil
	}
	return json.Unmarshal(r.Result, result)
}

// Stream asks a streaming method and calls each for every result, until the stream ends (nil), ctx ends, or each
// fails. The client can't be used afterwards.
func (c *Client) Stream(ctx context.Context, method string, params any, each func(json.RawMessage) error) error {
	defer c.obey(ctx)()
	if err := c.request(method, params); err != nil {
		return explain(ctx, err)
	}
	for {
		r, err := c.response()
		if err != nil {
			return explain(ctx, err)
		}
		if r.Result == nil {
			return nil
		}
		if err := each(r.Result); err != nil {
			return err
		}
	}
}

// obey ends what the connection waits for when ctx ends.
func (c *Client) obey(ctx context.Context) (stop func() bool) {
	return context.AfterFunc(ctx, func() { c.conn.SetDeadline(time.Unix(1, 0)) })
}

func explain(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if errors.Is(err, io.EOF) {
		return fmt.Errorf("the server closed the connection: %w", io.ErrUnexpectedEOF)
	}
	return err
}

func (c *Client) request(method string, params any) error {
	r := Request{Version: Version, Method: method}
	if params != nil {
		raw, err := json.Marshal(params)
		if err != nil {
			return err
		}
		r.Params = raw
	}
	return c.send(r, nil)
}

func (c *Client) requestLarge(method string, params any) error {
	body, err := json.Marshal(params)
	if err != nil {
		return err
	}
	return c.send(Request{Version: Version, Method: method, Body: len(body)}, body)
}

func (c *Client) send(r Request, body []byte) error {
	line, err := json.Marshal(r)
	if err != nil {
		return err
	}
	_, err = c.conn.Write(append(append(line, '\n'), body...))
	var why *Error
	if errors.Is(err, unix.EPIPE) { // the server may have said why it doesn't listen to the end
		if _, said := c.response(); errors.As(said, &why) {
			return why
		}
	}
	return err
}

func (c *Client) response() (Response, error) {
	var r Response
	var line []byte
	for {
		part, err := c.in.ReadSlice('\n')
		line = append(line, part...)
		if err == nil {
			break
		}
		if !errors.Is(err, bufio.ErrBufferFull) {
			return r, err
		}
		if len(line) > maxResponse {
			return r, errors.New("the server's answer is too large")
		}
	}
	if err := json.Unmarshal(line, &r); err != nil {
		return r, fmt.Errorf("the server's answer: %w", err)
	}
	if r.Error != "" {
		return r, &Error{Code: r.Code, Msg: r.Error}
	}
	return r, nil
}
