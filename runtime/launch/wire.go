package launch

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// Payload is what klw-init reads from its memfd: the configuration and the numbers of the descriptors it was given.
type Payload struct {
	Config  *Config `json:"config"`
	Views   []int   `json:"views,omitempty"`
	Sources []int   `json:"sources,omitempty"` // by mount: a detached mount to use, or 0
	Seccomp int     `json:"seccomp,omitempty"`
	Fifo    int     `json:"fifo,omitempty"`
	Console int     `json:"console,omitempty"`
	PIDNS   int     `json:"pidns,omitempty"` // Exec: the pid namespace that only the process itself enters
	Proc    int     `json:"proc,omitempty"`  // Exec: the host's /proc, if there is a label to set
	// Preserve is the number of descriptors from 3 on that go to the process.
	Preserve int `json:"preserve,omitempty"`
	// NewUser, NewNet: klw-init was made in a new namespace of that kind; UserNS: it isn't in the host's.
	NewNet bool `json:"newNet,omitempty"`
	UserNS bool `json:"userns,omitempty"`
}

// Step is a point that both sides wait for.
type Step string

// The steps, in order. Begin, Continue and Limited are klw-runc's, the others klw-init's.
const (
	StepBegin    Step = "begin"    // cgroup joined, guard attached
	StepMounted  Step = "mounted"  // mounts made, root not yet entered
	StepContinue Step = "continue" // prestart and createRuntime hooks are done
	StepLimit    Step = "limit"    // set my resource limits now
	StepLimited  Step = "limited"  // they are set
	StepReady    Step = "ready"    // at the exec fifo
	StepExecute  Step = "execute"  // execve is the next call; the end of the wire says that it worked
)

// Message is one packet of the wire between klw-runc and klw-init: exactly one field is set, PID beside Step or Error.
type Message struct {
	Step  Step   `json:"step,omitempty"`
	PID   int    `json:"pid,omitempty"` // Config.Exec: the process, a child of klw-runc's; beside Error to be reaped
	Warn  string `json:"warn,omitempty"`
	Error *Error `json:"error,omitempty"`
}

// Error is what klw-init couldn't do.
type Error struct {
	Text  string        `json:"text"`            // what was being done, on what, and why it failed
	Errno syscall.Errno `json:"errno,omitempty"` // the kernel's answer, if it was the kernel's
}

// Error gives the text.
func (e *Error) Error() string { return e.Text }

// Unwrap gives the kernel's answer, so that errors.Is works across the wire.
func (e *Error) Unwrap() error {
	if e.Errno == 0 {
		return nil
	}
	return e.Errno
}

// NewError makes an Error of any error.
func NewError(err error) *Error {
	e := &Error{Text: err.Error()}
	errors.As(err, &e.Errno)
	return e
}

// Wire is one end of the connection. klw-init's end is open in the process that an exec makes in the container's pid
// namespace, until that has executed: who may trace there can take it. klw-runc therefore listens to klw-init alone.
type Wire int

const maxPacket = 64 << 10

// Send sends one message.
func (w Wire) Send(m Message) error {
	b, err := json.Marshal(m)
	if err != nil {
		return fmt.Errorf("encoding a message: %w", err)
	}
	if err := unix.Sendto(int(w), b, unix.MSG_NOSIGNAL, nil); err != nil {
		return fmt.Errorf("sending to the other side: %w", err)
	}
	return nil
}

// ErrClosed says that the other end is gone.
var ErrClosed = errors.New("the other side has gone")

// Receive waits for one message.
func (w Wire) Receive() (Message, error) {
	m, _, err := w.receive()
	return m, err
}

// Identify makes the kernel name the sender of each message from now on.
func (w Wire) Identify() error {
	return os.NewSyscallError("setsockopt", unix.SetsockoptInt(int(w), unix.SOL_SOCKET, unix.SO_PASSCRED, 1))
}

// receive also gives the process that sent the message, 0 without Identify.
func (w Wire) receive() (m Message, sender int, err error) {
	b := make([]byte, maxPacket)
	oob := make([]byte, unix.CmsgSpace(unix.SizeofUcred))
	for {
		n, oobn, _, _, err := unix.Recvmsg(int(w), b, oob, unix.MSG_CMSG_CLOEXEC)
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case errors.Is(err, unix.ECONNRESET) || err == nil && n == 0:
			return m, 0, ErrClosed
		case err != nil:
			return m, 0, fmt.Errorf("receiving from the other side: %w", err)
		}
		if sender, err = credentials(oob[:oobn]); err != nil {
			return m, 0, fmt.Errorf("receiving from the other side: %w", err)
		}
		err = json.Unmarshal(b[:n], &m)
		if err != nil {
			err = fmt.Errorf("decoding a message: %w", err)
		}
		return m, sender, err
	}
}

func credentials(oob []byte) (pid int, err error) {
	messages, err := unix.ParseSocketControlMessage(oob)
	if err != nil {
		return 0, err
	}
	for i := range messages {
		if c, err := unix.ParseUnixCredentials(&messages[i]); err == nil {
			return int(c.Pid), nil
		}
	}
	return 0, nil
}
