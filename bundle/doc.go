// Package bundle reads and checks what a container is made from: config.json and, where there is one, its policy.
//
// # Concepts
//
// A bundle is a folder with a config.json (OCI runtime specification). A container is under a policy if the bundle
// holds a file klw.policy, or if the annotation io.klw.policy names one of the administrator's policies: a name in
// layout.Root.Policies, never a path, because annotations come from less trusted places than the administrator's
// folder. Annotations of that kind may tighten and never loosen: a bundle's own policy can't be replaced by naming
// another one, so both together are an error.
//
// # Guarantees
//
//  1. Load changes nothing, neither on disk nor elsewhere.
//  2. Load reports every mistake it can see at once, one line each: JSON errors as config.json:line:column, violations
//     of the specification by the JSON path of the value, the policy's as file:line:column.
//  3. A bundle that Load returns has a root folder, a process with arguments, absolute destinations, known and unique
//     namespaces, and a policy that parses, if it has one.
//  4. What the specification allows and klw does not implement is an error here, not a silent omission later.
package bundle
