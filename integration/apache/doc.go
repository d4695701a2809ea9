// Package apache runs the main job with the real programs of bin/ and the bundle that make apache-bundle made: Apache in
// a container under its policy, its site replicated. What a user types is what these tests type.
//
// Each test has a copy of the bundle, a state root and a published port of its own. Whatever a test does, after
// "klw-runc delete -f" nothing may be left of its container: [box.nothingLeft] looks at every kind of thing that klw
// makes.
package apache
