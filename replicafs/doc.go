// Package replicafs replicates a folder: every operation that succeeded on it is written to a journal, in order, and
// replayed on a replica (MISSION.md D).
//
// # Parts
//
//   - journal: the redo log. Versioned records in segments, each with the checksum of the one before.
//   - capture: the module "replicate" of the master. Before an operation it reserves room in the journal, afterwards it
//     writes one record with resulting (absolute) values.
//   - reconcile: compares the source with the replica and journals what differs. Against an empty replica this is the
//     first copy, after an unclean end it is the resync: there is one mechanism for both.
//   - replica: the destination, and how records are applied to it. Only klw-replica uses it.
//   - serve: what the program klw-replicafs does: the mount, the journal, the child klw-replica, the control socket.
//   - ops: what klwctl calls.
//
// # Names of objects
//
// The journal has object ids of its own, since device and inode numbers don't survive a restore. An object's id is
// the number of the record that made it, so ids are unique for ever and need no counter on disk. The replica carries
// them as the extended attribute trusted.klw.id of each object; a restarted server takes ids from there, by path. The
// root is object 1.
//
// # Guarantees
//
//  1. An operation that was answered as successful has its record in the journal before the answer. With ack=disk, a
//     successful fsync means that the journal is on disk.
//  2. An operation for which the journal has no room is refused with ENOSPC before it happens.
//  3. A failed operation leaves no record.
//  4. The replica passes through the states of the source in the journal's order. (Not during a first copy or resync:
//     there the contents of files arrive by and by; status says so.)
//  5. Applying a range of records again, after a crash at any point, ends in the same state.
//  6. A record that is torn or corrupted is never applied.
//  7. The applier touches nothing outside the destination, whatever symbolic links are planted there.
//
// # Dangers
//
// A store through a writable mapping reaches the journal when the kernel writes the page back (munmap, msync, close of
// the last descriptor, or some seconds later).
package replicafs
