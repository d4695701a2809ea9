package view

import (
	"sync"

	"golang.org/x/sys/unix"
)

// file is an open file description of a view.
type file struct {
	fh    uint64
	fd    int
	node  *node
	flags uint32
	uses  *backing // counted there until closed
	dir   *dirStream
}

func (f *file) writable() bool { return f.flags&unix.O_ACCMODE != unix.O_RDONLY }

// addFile makes an open descriptor known. fd belongs to the file from then on.
func (v *View) addFile(f *file) bool {
	v.mu.Lock()
	if v.files == nil {
		v.mu.Unlock()
		unix.Close(f.fd)
		return false
	}
	v.lastFH++
	f.fh = v.lastFH
	v.files[f.fh] = f
	v.mu.Unlock()
	v.srv.mu.Lock()
	f.node.files = append(f.node.files, f)
	v.srv.mu.Unlock()
	return true
}

// takeFile ends a file handle.
func (v *View) takeFile(fh uint64) *file {
	v.mu.Lock()
	defer v.mu.Unlock()
	f := v.files[fh]
	delete(v.files, fh)
	return f
}

func (v *View) closeFile(f *file) {
	v.releaseBacking(f)
	v.srv.mu.Lock()
	defer v.srv.mu.Unlock()
	files := f.node.files
	for i, g := range files {
		if g == f {
			f.node.files = append(files[:i], files[i+1:]...)
			break
		}
	}
	unix.Close(f.fd) // under the lock: reachOpen relies on it
}

// backing is how the kernel reaches a node's data. All opens of a node at one time go one way: the kernel refuses a
// mixture.
type backing struct {
	mu    sync.Mutex
	opens int
	id    int32 // 0: through the server
	seen  version
}
