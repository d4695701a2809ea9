// Package apps runs real applications from Debian's packages (make app-bundles), each in three ways: under runc, as
// control; under klw-runc with its finished policy of examples/policies, where it must answer the same and be refused
// nothing; and misused, where what works under runc must be refused under klw-runc with an event that names the rule.
//
// Each container has a root file system of its own: an overlay over the one that all share, as engines make them.
package apps
