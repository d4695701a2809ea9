// Package control is the control channel (MISSION.md A5): a UNIX socket for each server (klw-guard, klw-replicafs),
// requests and answers as JSON lines. The socket is mode 0600 in a folder of mode 0700, and the server asks the kernel
// who calls (SO_PEERCRED): only uid 0 and the server's own uid are answered.
package control

import "encoding/json"

// Version of the protocol. A server refuses requests of another version and says which it speaks.
const Version = 1

// Request is one line from the client.
type Request struct {
	Version int             `json:"version"`
	Method  string          `json:"method"`
	Params  json.RawMessage `json:"params,omitempty"`
}

// Response is one line from the server. A streaming method sends many; the last has neither Result nor Error.
type Response struct {
	Result json.RawMessage `json:"result,omitempty"`
	Error  string          `json:"error,omitempty"`
}

// The methods of a guard.
const (
	MethodStatus        = "status"         // -> Status
	MethodModuleList    = "module.list"    // -> []Module
	MethodModuleLoad    = "module.load"    // Name ->
	MethodModuleUnload  = "module.unload"  // Name ->
	MethodPolicyShow    = "policy.show"    // -> PolicyText
	MethodPolicyExplain = "policy.explain" // Question -> Answer
	MethodLogLevel      = "log.level"      // Level -> Level
	MethodEvents        = "events"         // EventsQuery -> stream of audit.Event
	MethodReplicaStatus = "replica.status" // of klw-replicafs
	MethodReplicaVerify = "replica.verify" // of klw-replicafs
)
