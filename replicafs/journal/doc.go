// Package journal is the redo log of a replication.
//
// # Format
//
// A journal is a folder of segments, files of equal size named after the sequence number of their first record
// (00000000000000000001.seg). A segment starts with a header of 64 bytes, then come records, each a multiple of 8 bytes.
// Numbers are little-endian. A record is: magic, length, version, operation, flags, epoch, sequence number, checksum of
// the record before, time, object ids, offset and length, resulting attributes, names, payload, crc32c. Sequence
// numbers grow by one without gaps. Offsets are in record.go.
//
// Segments are allocated when they are made and recycled when the replica has their records on disk. What lies behind
// the last record is zeros or records of an earlier life of the segment; these have lower numbers and can't be taken
// for new ones.
//
// # Guarantees
//
//  1. Append after a Reserve that returned nil doesn't run out of space.
//  2. When Append has returned the record survives the death of the process; when Sync has returned, that of the machine.
//  3. Concurrent Syncs share one write to the disk.
//  4. A reader hands out a record only if its checksum is right and its number is the next one.
//  5. Open finds the last whole record and goes on behind it. If what follows shows that records were lost in the
//     middle (not torn at the end), Open says so.
//
// Lock order: Writer.mu; it is not held during a Sync's write to the disk.
package journal
