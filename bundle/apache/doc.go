// Package apache holds what the Apache bundle is made of: config.json, and the script that unpacks Debian's packages
// around it. The policy is examples/policies/apache.policy.
package apache

import "embed"

//go:generate go run generate.go

// Files are config.json and the script, for tests that check them.
//
//go:embed config.json make-bundle
var Files embed.FS
