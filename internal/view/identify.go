package view

import "klw/internal/inode"

// Identify gives the key that the view knows an object of its source by. fd may be O_PATH.
func (v *View) Identify(fd int) (inode.Key, error) {
	id, err := v.source.identify(fd)
	return id.key, err
}
