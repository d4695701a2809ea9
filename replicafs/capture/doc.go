// Package capture is the module "replicate" of the master of klw-replicafs: it turns every operation that succeeded
// into a record of the journal.
//
// Pre reserves the room that the record will take, so that a full disk refuses the operation before it happens, and
// with ack=disk brings the journal to disk before an fsync goes on. Post writes the record, with the attributes that
// the object has afterwards. The view runs both under the inode's lock or the name space's lock (view.Options.Ordered),
// so records come in the order of the operations.
//
// # Guarantees
//
//  1. One successful operation is one record, a failed one is none. (A setattr that changes several things at once
//     is one operation for each in the master, and a record for each.)
//  2. When the journal can't be written any more, every further change is refused with EIO: the source never gets
//     ahead of it by more than the operations that were running.
//  3. While Exclusive's function runs, no operation that changes anything does.
//
// # Dangers
//
// An object that the module doesn't know was made past the mount. Its path is handed to Options.Unknown, which must
// have it compared (package reconcile); until then its operations are not recorded.
//
// Lock order: the view's locks, then the gate, then Module.mu, then the journal's.
package capture
