// Package replica is the destination of a replication and the way in which records are applied to it.
//
// # The destination
//
// The destination looks like the source, with one folder more, [Hidden], which only root may enter:
//
//	origin   JSON: which replication this is the replica of; what doesn't have it is never written to
//	cursor   JSON: the last record that is on disk here
//	lock     held (flock) by the one process that applies
//	limbo/   objects without a name, called by their ids: unlinked but open in the source, or on their way
//
// Each object carries its journal id as the extended attribute trusted.klw.id. From these the index is built when the
// replica is opened: there is no second place that could disagree.
//
// # How a record is applied
//
// A name is a fact "in directory P the name N leads to object O", and each record of the name space says how facts
// are afterwards. New objects are built in limbo and renamed into place whole. What loses its last name goes to limbo
// unless the record says that it is gone. This holds also when the replica is ahead of the records, as after a crash
// (the cursor is older than what was done): then an object that a record doesn't find was deleted by a later one.
//
// # Guarantees
//
//  1. Everything is reached from the root's descriptor by one component at a time, never through a symbolic link or a
//     mount point, and an object is only touched if it carries the id that the record names.
//  2. Applying records from any number at or before the last one applied, up to at least that one, ends in the state of
//     the last.
//  3. The cursor on disk never names a record that is not on disk (syncfs first).
//
// An Applier belongs to one goroutine, but Checkpoint may run beside it.
package replica
