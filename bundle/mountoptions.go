package bundle

import "slices"

// MountOptions are the mount options that klw knows itself. Others are passed on to the file system.
func MountOptions() []string {
	list := []string{
		"async", "atime", "bind", "defaults", "dev", "diratime", "dirsync", "exec", "idmap", "lazytime",
		"mand", "noatime", "nodev", "nodiratime", "noexec", "nolazytime", "nomand",
		"norelatime", "nostrictatime", "nosuid", "nosymfollow", "private", "rbind", "relatime", "ridmap", "ro", "rprivate",
		"rshared", "rslave", "runbindable", "rw", "shared", "slave", "strictatime", "suid", "symfollow", "sync",
		"tmpcopyup", "unbindable",
	}
	for _, o := range []string{
		"atime", "dev", "diratime", "exec", "noatime", "nodev", "nodiratime", "noexec", "norelatime", "nostrictatime",
		"nosuid", "nosymfollow", "relatime", "ro", "rw", "strictatime", "suid", "symfollow",
	} {
		list = append(list, "r"+o)
	}
	slices.Sort(list)
	return list
}

// NamespaceTypes are the namespaces that klw knows.
func NamespaceTypes() []string {
	var list []string
	for _, t := range namespaceTypes {
		list = append(list, string(t))
	}
	return list
}
