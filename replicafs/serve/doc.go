// Package serve is what the program klw-replicafs does: it replicates one source.
//
// # Its life
//
//	check the paths, take the folder's lock, take a dead predecessor's mount away
//	open the journal, start klw-replica, wait until it has applied what the journal holds
//	mount; before anything can change: compare source and replica, journal the differences   (first copy, resync)
//	"ready"; serve until SIGTERM, SIGINT, the control method replica.stop, or an unmount
//	unmount; tell klw-replica to finish; check that the replica has the last record on disk; note the clean end
//
// A klw-replica that dies is started again. If klw-replicafs itself dies, its mount answers ENOTCONN: nothing can be
// changed unseen through it. Whether the next start may trust sizes and times or must compare contents is told by the
// file that a clean end leaves.
//
// # Dangers
//
// While source and replica are compared, changes wait. At a start after an unclean end, the journal's rest is applied
// first, which may include contents still to be copied.
package serve
