// Package inode names the objects of file systems by identity.
package inode

import "fmt"

// Key is the identity of an object: the device, the inode number, and what tells a later object of the same number
// from an earlier one (the generation where the file system tells it, else the birth time in nanoseconds, else 0).
// Two names with the same Key are one object, whatever mount, link or path led there.
type Key struct {
	Dev uint64
	Ino uint64
	Gen uint64
}

// String gives the key as it appears in events: device:inode:generation, device as major,minor.
func (k Key) String() string {
	return fmt.Sprintf("%d,%d:%d:%x", major(k.Dev), minor(k.Dev), k.Ino, k.Gen)
}

func major(d uint64) uint64 { return (d>>8)&0xfff | (d>>32)&^0xfff }
func minor(d uint64) uint64 { return d&0xff | (d>>12)&^0xff }
