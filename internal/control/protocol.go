// Package control is the control channel (MISSION.md A5): a UNIX socket for each server (klw-guard, klw-replicafs),
// requests and answers as JSON lines. The socket is mode 0600 in a folder of mode 0700, and the server asks the kernel
// who calls (SO_PEERCRED): only uid 0 and the server's own uid are answered.
//
// # Concepts
//
// A client sends one [Request] a line and reads one [Response] a line; then it may send the next. The answer to a
// streaming method (events) is any number of Responses with a Result and one without, after which the server closes
// the connection. A client ends a stream by closing its end.
//
// The parameters of a few methods (policy.load) don't fit a line: they follow it as so many bytes of JSON as the line
// says in "body".
//
// # Guarantees
//
//  1. A request of another protocol version, an unknown method, unknown or malformed parameters are answered with an
//     error that says what was expected; nothing is done.
//  2. A request is at most MaxRequest bytes, a body what its method takes and one at a time in the whole server, and at
//     most MaxConns connections are served: what comes beyond is closed.
//  3. A client that sends or takes nothing for IdleTime is disconnected; a stream may be quiet, and its reader slow,
//     for any time.
//  4. Close returns when no handler runs; it cancels their contexts, and closes their connections after CloseTime.
package control

import (
	"encoding/json"
	"time"
)

// Version of the protocol. A server refuses requests of another version and says which it speaks.
const Version = 1

// Limits of a server.
const (
	MaxRequest = 64 << 10
	MaxConns   = 64
	IdleTime   = 30 * time.Second
	CloseTime  = time.Second
)

// Request is one line from the client.
type Request struct {
	Version int             `json:"version"`
	Method  string          `json:"method"`
	Params  json.RawMessage `json:"params,omitempty"`
	Body    int             `json:"body,omitempty"` // instead of Params: their length, behind this line
}

// Response is one line from the server. A streaming method sends many; the last has neither Result nor Error.
type Response struct {
	Result json.RawMessage `json:"result,omitempty"`
	Error  string          `json:"error,omitempty"`
	Code   Code            `json:"code,omitempty"` // of the Error
}

// Code is the kind of an error, for programs.
type Code string

// The kinds of error.
const (
	CodeRequest  Code = "request"   // the request can't be understood, or is of another version
	CodeNotFound Code = "not-found" // what it names doesn't exist
	CodeConflict Code = "conflict"  // it can't be done in the present state (loaded already, permanent …)
	CodePolicy   Code = "policy"    // a policy has mistakes; the message has one a line
	CodeFailed   Code = "failed"    // it was tried and failed
)

// The methods of a guard.
const (
	MethodStatus        = "status"         // -> Status
	MethodModuleList    = "module.list"    // -> []Module
	MethodModuleLoad    = "module.load"    // Name ->
	MethodModuleUnload  = "module.unload"  // Name ->
	MethodPolicyShow    = "policy.show"    // -> policy.Texts
	MethodPolicyLoad    = "policy.load"    // policy.Texts, as a body -> PolicyLoaded
	MethodPolicyIdle    = "policy.idle"    // -> []policy.FileRule that decided nothing since they are in force
	MethodPolicyClear   = "policy.clear"   // -> PolicyLoaded
	MethodPolicyExplain = "policy.explain" // Question -> Answer
	MethodPolicyLearn   = "policy.learn"   // Learn -> Learned
	MethodLogLevel      = "log.level"      // Level -> Level
	MethodEvents        = "events"         // EventsQuery -> stream of audit.Event
	MethodReplicaStatus = "replica.status" // of klw-replicafs
	MethodReplicaVerify = "replica.verify" // of klw-replicafs
)
