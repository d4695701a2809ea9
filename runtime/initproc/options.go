package initproc

import (
	"strings"

	"golang.org/x/sys/unix"
)

// mountOptions is a parsed options list of config.json.
type mountOptions struct {
	bind, recursive bool
	set, clear      uint64   // attributes of this mount
	recSet, recClr  uint64   // attributes of it and all below
	propagation     []uint64 // MS_SHARED and such, with MS_REC, in order
	super           []string // flags of the super block
	data            []string // what the file system itself understands
	copyUp          bool     // tmpcopyup
}

type attrOption struct{ set, clear uint64 }

const atime = unix.MOUNT_ATTR__ATIME

var attrOptions = map[string]attrOption{
	"ro": {set: unix.MOUNT_ATTR_RDONLY}, "rw": {clear: unix.MOUNT_ATTR_RDONLY},
	"nosuid": {set: unix.MOUNT_ATTR_NOSUID}, "suid": {clear: unix.MOUNT_ATTR_NOSUID},
	"nodev": {set: unix.MOUNT_ATTR_NODEV}, "dev": {clear: unix.MOUNT_ATTR_NODEV},
	"noexec": {set: unix.MOUNT_ATTR_NOEXEC}, "exec": {clear: unix.MOUNT_ATTR_NOEXEC},
	"nodiratime": {set: unix.MOUNT_ATTR_NODIRATIME}, "diratime": {clear: unix.MOUNT_ATTR_NODIRATIME},
	"nosymfollow": {set: unix.MOUNT_ATTR_NOSYMFOLLOW}, "symfollow": {clear: unix.MOUNT_ATTR_NOSYMFOLLOW},
	"relatime": {set: unix.MOUNT_ATTR_RELATIME, clear: atime}, "norelatime": {clear: atime},
	"noatime": {set: unix.MOUNT_ATTR_NOATIME, clear: atime}, "atime": {clear: atime},
	"strictatime": {set: unix.MOUNT_ATTR_STRICTATIME, clear: atime}, "nostrictatime": {clear: atime},
}

var propagationOptions = map[string]uint64{
	"shared": unix.MS_SHARED, "rshared": unix.MS_SHARED | unix.MS_REC,
	"slave": unix.MS_SLAVE, "rslave": unix.MS_SLAVE | unix.MS_REC,
	"private": unix.MS_PRIVATE, "rprivate": unix.MS_PRIVATE | unix.MS_REC,
	"unbindable": unix.MS_UNBINDABLE, "runbindable": unix.MS_UNBINDABLE | unix.MS_REC,
}

var superOptions = map[string]bool{
	"sync": true, "async": true, "dirsync": true, "lazytime": true, "nolazytime": true, "mand": true, "nomand": true,
	"iversion": true, "noiversion": true, "silent": true, "loud": true, "acl": true, "noacl": true,
}

func parseOptions(list []string) mountOptions {
	var o mountOptions
	for _, word := range list {
		if p, ok := propagationOptions[word]; ok {
			o.propagation = append(o.propagation, p)
		} else if a, ok := attrOptions[word]; ok {
			apply(a, &o.set, &o.clear)
		} else if a, ok := attrOptions[strings.TrimPrefix(word, "r")]; ok && word[0] == 'r' {
			apply(a, &o.recSet, &o.recClr)
		} else {
			o.word(word)
		}
	}
	return o
}

// apply makes the later of two options win.
func apply(a attrOption, set, clear *uint64) {
	*set = *set&^a.clear | a.set
	*clear = *clear&^a.set | a.clear
}

func (o *mountOptions) word(word string) {
	switch {
	case word == "" || word == "defaults" || word == "idmap" || word == "ridmap": // klw-runc's
	case word == "bind":
		o.bind = true
	case word == "rbind":
		o.bind, o.recursive = true, true
	case word == "tmpcopyup":
		o.copyUp = true
	case superOptions[word]:
		o.super = append(o.super, word)
	default:
		o.data = append(o.data, word)
	}
}

// change makes a mount what the options say: attributes, those of the mounts below it, propagation.
func (o *mountOptions) change(fd int) error {
	if o.recSet|o.recClr != 0 {
		if err := setAttr(fd, o.recSet, o.recClr, 0, true); err != nil {
			return err
		}
	}
	if o.set|o.clear != 0 {
		if err := setAttr(fd, o.set, o.clear, 0, false); err != nil {
			return err
		}
	}
	return nil
}

// propagate comes after the mount is in its place.
func (o *mountOptions) propagate(fd int) error {
	for _, p := range o.propagation {
		if err := setAttr(fd, 0, 0, p&^unix.MS_REC, p&unix.MS_REC != 0); err != nil {
			return err
		}
	}
	return nil
}

func setAttr(fd int, set, clear, propagation uint64, recursive bool) error {
	flags := uint(unix.AT_EMPTY_PATH)
	if recursive {
		flags |= unix.AT_RECURSIVE
	}
	attr := &unix.MountAttr{Attr_set: set, Attr_clr: clear, Propagation: propagation}
	return unix.MountSetattr(fd, "", flags, attr)
}
