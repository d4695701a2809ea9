package journal

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"

	"golang.org/x/sys/unix"
)

// Version of the record format.
const Version = 1

// MaxData is the most payload that one record carries.
const MaxData = 1 << 20

// MaxRecord is the size of the largest record: payload, two names, a text of at most 64 KiB, header and checksum.
const MaxRecord = MaxData + 2*256 + 64<<10 + headerSize + 16

const (
	recordMagic = 0x4a574c4b // "KLWJ"
	headerSize  = 192
	maxText     = 64 << 10
	maxName     = 255
)

// Op is what a record does. The numbers are part of the format: never reuse one.
type Op uint16

// The operations of the journal.
const (
	Begin    Op = 1  // the journal starts; Text is the replication's UUID, Object is the root
	Create   Op = 2  // a regular file at Parent/Name (Parent 0: unnamed); Data holds extended attributes
	Mkdir    Op = 3  // a directory, as Create
	Mknod    Op = 4  // a device, FIFO or socket, as Create; Attr.Rdev counts
	Symlink  Op = 5  // a symbolic link, as Create; Text is the target
	Link     Op = 6  // a further name for Object
	Unlink   Op = 7  // the name is gone; with Gone, the object too
	Rmdir    Op = 8  // the directory is gone
	Rename   Op = 9  // Object moves; Other is what was at the new name (0: nothing; with Gone, it is gone)
	Exchange Op = 10 // Object and Other change places
	Write    Op = 11 // Data at Offset
	Truncate Op = 12 // the size is Attr.Size
	SetAttr  Op = 13 // mode, owner, times as Attr
	SetXattr Op = 14 // Text = Data
	DelXattr Op = 15 // Text is gone
	Allocate Op = 16 // fallocate(Arg, Offset, Count)
	Forget   Op = 17 // an unnamed object is gone
	Fetch    Op = 18 // make the contents equal to the source's; Text: path, Data: file handle (a first copy or resync)
	Mark     Op = 19 // Text says what: the end of a first copy, a resync and why
)

var opNames = [...]string{"", "begin", "create", "mkdir", "mknod", "symlink", "link", "unlink", "rmdir", "rename",
	"exchange", "write", "truncate", "setattr", "setxattr", "delxattr", "allocate", "forget", "fetch", "mark"}

// String gives the operation's name.
func (o Op) String() string {
	if o > 0 && int(o) < len(opNames) {
		return opNames[o]
	}
	return fmt.Sprintf("op(%d)", uint16(o))
}

// Flags of a record.
type Flags uint32

// The flags.
const (
	Gone      Flags = 1 << iota // the object that lost its name has no other and nobody has it open
	Writeback                   // a Write that came from a mapping: whole pages, later than the store
	Resync                      // not an operation that was seen, but a difference that was found
	Sync                        // the operation asked to be on disk (O_SYNC, O_DSYNC)
)

// Valid tells which fields of a record's attributes count.
type Valid uint32

// The members of Valid.
const (
	HasMode Valid = 1 << iota
	HasOwner
	HasSize
	HasAtime
	HasMtime
	HasParentMtime
	HasNewParentMtime
)

// Time is a file's time.
type Time struct {
	Sec  int64
	Nsec uint32
}

// Attr is the attributes of an object after the operation.
type Attr struct {
	Mode  uint32 // type and permission bits
	UID   uint32
	GID   uint32
	Nlink uint32
	Rdev  uint64
	Size  int64
	Atime Time
	Mtime Time
}

// Record is one operation with absolute values.
type Record struct {
	Epoch uint64
	Seq   uint64 // given by Append
	Prev  uint32 // checksum of the record before, given by Append
	Time  int64  // nanoseconds since 1970, given by Append if 0
	Op    Op
	Flags Flags

	Object    uint64 // 0 in a record that makes an object: Append puts Seq there
	Parent    uint64
	NewParent uint64
	Other     uint64
	Arg       uint32 // fallocate's mode
	Offset    int64
	Count     int64

	Valid          Valid
	Attr           Attr
	ParentMtime    Time
	NewParentMtime Time

	Name    string
	NewName string
	Text    string
	Data    []byte
}

// Maker is the operation that makes an object of a mode's type.
func Maker(mode uint32) Op {
	switch mode & unix.S_IFMT {
	case unix.S_IFDIR:
		return Mkdir
	case unix.S_IFREG:
		return Create
	case unix.S_IFLNK:
		return Symlink
	}
	return Mknod
}

// Makes tells whether the record makes a new object.
func (r *Record) Makes() bool {
	switch r.Op {
	case Create, Mkdir, Mknod, Symlink:
		return true
	}
	return false
}

// Size is the number of bytes that the record takes in the journal.
func (r *Record) Size() int { return Size(len(r.Name), len(r.NewName), len(r.Text), len(r.Data)) }

// Size is the number of bytes that a record with these variable parts takes in the journal.
func Size(name, newName, text, data int) int {
	return (headerSize + name + newName + text + data + 4 + 7) &^ 7
}

// Errors about what is found in a journal.
var (
	errNone = errors.New("no record")           // zeros, or an earlier life of the segment
	errTorn = errors.New("a torn record")       // starts right, but is not whole
	errVers = errors.New("an unknown version")  // written by a later klw
	errLong = errors.New("a record is too big") // for the format
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func (r *Record) check() error {
	if len(r.Name) > maxName || len(r.NewName) > maxName || len(r.Text) > maxText || len(r.Data) > MaxData {
		return fmt.Errorf("%s: %w", r.Op, errLong)
	}
	return nil
}

// encode puts the record behind b, and gives its checksum.
func (r *Record) encode(b []byte) ([]byte, uint32) {
	start, size := len(b), r.Size()
	b = append(b, make([]byte, headerSize)...)
	r.encodeHeader(b[start:], size)
	b = append(b, r.Name...)
	b = append(b, r.NewName...)
	b = append(b, r.Text...)
	b = append(b, r.Data...)
	for len(b) < start+size-4 {
		b = append(b, 0)
	}
	sum := crc32.Checksum(b[start:], castagnoli)
	return binary.LittleEndian.AppendUint32(b, sum), sum
}

func (r *Record) encodeHeader(h []byte, size int) {
	le := binary.LittleEndian
	le.PutUint32(h[0:], recordMagic)
	le.PutUint32(h[4:], uint32(size))
	le.PutUint16(h[8:], Version)
	le.PutUint16(h[10:], uint16(r.Op))
	le.PutUint32(h[12:], uint32(r.Flags))
	le.PutUint64(h[16:], r.Epoch)
	le.PutUint64(h[24:], r.Seq)
	le.PutUint32(h[32:], r.Prev)
	le.PutUint32(h[36:], uint32(r.Valid))
	le.PutUint64(h[40:], uint64(r.Time))
	le.PutUint64(h[48:], r.Object)
	le.PutUint64(h[56:], r.Parent)
	le.PutUint64(h[64:], r.NewParent)
	le.PutUint64(h[72:], r.Other)
	le.PutUint64(h[80:], uint64(r.Offset))
	le.PutUint64(h[88:], uint64(r.Count))
	le.PutUint32(h[96:], r.Attr.Mode)
	le.PutUint32(h[100:], r.Attr.UID)
	le.PutUint32(h[104:], r.Attr.GID)
	le.PutUint32(h[108:], r.Attr.Nlink)
	le.PutUint64(h[112:], r.Attr.Rdev)
	le.PutUint64(h[120:], uint64(r.Attr.Size))
	for i, t := range []Time{r.Attr.Atime, r.Attr.Mtime, r.ParentMtime, r.NewParentMtime} {
		le.PutUint64(h[128+8*i:], uint64(t.Sec))
		le.PutUint32(h[160+4*i:], t.Nsec)
	}
	le.PutUint16(h[176:], uint16(len(r.Name)))
	le.PutUint16(h[178:], uint16(len(r.NewName)))
	le.PutUint32(h[180:], uint32(len(r.Text)))
	le.PutUint32(h[184:], uint32(len(r.Data)))
	le.PutUint32(h[188:], r.Arg)
}

// recordLength looks at a header and says how long the record is. Of the answer nothing is sure until decode.
func recordLength(h []byte) (int, error) {
	le := binary.LittleEndian
	if le.Uint32(h[0:]) != recordMagic {
		return 0, errNone
	}
	n := le.Uint32(h[4:])
	if n < headerSize+4 || n > MaxRecord || n%8 != 0 {
		return 0, errTorn
	}
	return int(n), nil
}

// decode reads the record that b is. Data refers to b.
func decode(b []byte) (*Record, uint32, error) {
	le := binary.LittleEndian
	body := len(b) - 4
	sum := crc32.Checksum(b[:body], castagnoli)
	if le.Uint32(b[body:]) != sum {
		return nil, 0, errTorn
	}
	if v := le.Uint16(b[8:]); v != Version {
		return nil, 0, fmt.Errorf("%w: %d", errVers, v)
	}
	r := &Record{
		Op: Op(le.Uint16(b[10:])), Flags: Flags(le.Uint32(b[12:])),
		Epoch: le.Uint64(b[16:]), Seq: le.Uint64(b[24:]), Prev: le.Uint32(b[32:]),
		Valid: Valid(le.Uint32(b[36:])), Time: int64(le.Uint64(b[40:])),
		Object: le.Uint64(b[48:]), Parent: le.Uint64(b[56:]), NewParent: le.Uint64(b[64:]), Other: le.Uint64(b[72:]),
		Offset: int64(le.Uint64(b[80:])), Count: int64(le.Uint64(b[88:])), Arg: le.Uint32(b[188:]),
		Attr: Attr{
			Mode: le.Uint32(b[96:]), UID: le.Uint32(b[100:]), GID: le.Uint32(b[104:]), Nlink: le.Uint32(b[108:]),
			Rdev: le.Uint64(b[112:]), Size: int64(le.Uint64(b[120:])),
		},
	}
	for i, t := range []*Time{&r.Attr.Atime, &r.Attr.Mtime, &r.ParentMtime, &r.NewParentMtime} {
		t.Sec, t.Nsec = int64(le.Uint64(b[128+8*i:])), le.Uint32(b[160+4*i:])
	}
	return r, sum, r.decodeParts(b[:body])
}

func (r *Record) decodeParts(b []byte) error {
	le := binary.LittleEndian
	lengths := []int{int(le.Uint16(b[176:])), int(le.Uint16(b[178:])), int(le.Uint32(b[180:])), int(le.Uint32(b[184:]))}
	rest := b[headerSize:]
	var parts [4][]byte
	for i, n := range lengths {
		if n > len(rest) {
			return errTorn
		}
		parts[i], rest = rest[:n:n], rest[n:]
	}
	r.Name, r.NewName, r.Text, r.Data = string(parts[0]), string(parts[1]), string(parts[2]), parts[3]
	return nil
}
