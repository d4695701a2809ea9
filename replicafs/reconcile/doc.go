// Package reconcile journals what the replica has otherwise than the source: with an empty replica everything, which
// is the first copy; after an unclean end, or when something was changed past the mount, the differences.
//
// It walks both trees side by side while nothing is changed through the mount. Names, attributes and extended
// attributes are compared at once, so that the records behind theirs find the name space they expect. Contents are
// not: a file whose contents may differ gets a Fetch record, and the applier compares and copies in its own time,
// while changes go on. An object of the source keeps the id of what the replica has in its place if that is of the
// same type; names that differ are removed and made anew.
//
// # Guarantees
//
//  1. When the applier has applied the records and those that were written meanwhile, the replica is equal.
//  2. A second name of an object becomes a link, whatever the replica had there.
package reconcile
