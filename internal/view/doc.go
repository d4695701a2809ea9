// Package view is the inode-keyed FUSE server that the file guard and the replicating file system share.
//
// # Concepts
//
// A [Server] serves any number of views. A [View] shows one directory or file of the host (its source) as a FUSE mount
// that the application sees at its Inside path. The mount is made detached: it is nowhere in a tree until somebody
// moves it there ([View.Mount], [View.AttachTo]), and the session ends by itself with the last mount of it.
//
// An [Inode] is one object of the backing file systems, known by its key: device, inode number and generation. The
// Server has one Inode per key, however many views, names and mounts show it. What leads to it is kept as a graph of
// names: a name in a directory's Inode, up to Inodes at which views begin. [Inode.Paths] reads it backwards. Where one
// view begins inside another's tree that name is looked for when the views are made.
//
// Each request of the kernel becomes a [hooks.Call] and goes through the Server's master if a module monitors the
// operation; a refusal's errno goes to the kernel. The file operations.go lists what is asked for what.
//
// # Guarantees
//
//  1. LOOKUP and GETATTR are never refused and tell every caller the same: a refused look-up would make the kernel
//     detach what is mounted below. Neither are reads of ACLs and file capabilities, by which the kernel itself checks
//     permission.
//  2. The backing is only reached by handle, by descriptor, or by one name relative to its parent's descriptor, never
//     through a symbolic link. What is reached is checked to be the object that was asked for.
//  3. Between a module's check of a name and the operation on it the name can't be made to lead elsewhere through any
//     view of the Server. (The host can.)
//  4. A view's source is a private copy of the mount the source was on when the view was made. Mounts below it are not
//     part of it, nor is what the host mounts there later.
//  5. New objects belong to the caller, with the caller's umask or the directory's default ACL, and the group of a
//     set-group-ID directory. Nobody makes device nodes.
//  6. Data passes between application and backing in the kernel (passthrough) unless the view is Cached. Where the
//     kernel lacks passthrough, or refuses it for a file, that file's data goes through the server; so it does for a file
//     whose open a module marks (hooks.Call.Revocable, Watched), as long as none is open by passthrough already. A mapping
//     of data that passes through outlives what the server knows to be open: Inode.Passed tells of it.
//  7. In a Cached view every write(2) is a write by the server before it returns. Stores to mappings become writes at
//     msync, munmap, close or write-back.
//  8. In an Ordered view an operation and its Post run under a lock: one per inode for data and attributes, one per
//     Server for names. Posts come in the order in which the operations took effect, results have attributes
//     (Result.Stat), and Call.Offset of an appending write is where it went. Waiting for these locks ends when the
//     caller is killed.
//  9. Descriptors are bounded: one per file and kind of open (however often it is open), one per open directory, one per
//     object that has lost its last name while in use, and two caches (of 2048, and of 256 per view).
//  10. After [Server.KnowAllNames] a module that is asked about an object hears all names that it has inside the views,
//     also those that nobody has looked up. (What the host does to names is heard of when they are looked up again.)
//  11. No answer makes the kernel stop asking: an errno that would is replaced.
//  12. Nothing beside the backing rests on the kernel sending what it should: a name that isn't one name in a directory
//     is refused, and so is whatever else is malformed. A message too short to be a request may end the session.
//
// # Choices
//
// Names and attributes are valid for a second in the kernel: what the host changes shows within that time, what is
// changed through the view at once. The kernel keeps directory lists and, in Cached views, pages, as long as time of
// change and size stay the same.
//
// Locks (flock, fcntl) are the kernel's own, per view, or the backing's, by [Options.Locking]: then they hold between all
// views of a file, and the host. OpLock is asked about the latter only. A file that was opened to read tells nobody of
// closes; fcntl locks got through it end with its last close, not with the first.
//
// Identity is the file handle's where the file system has handles that last; on others the birth time stands for the
// generation; on overlay (whose birth times change with copy-up) and FUSE it is the number alone, and an object is
// reached again by its name in its parent.
//
// What the kernel opens by itself (FIFOs, sockets) is nobody's operation. [Server.LimitSpecial] limits it by what
// attributes show. A socket or FIFO is never shared between a view and the host.
//
// # Dangers
//
// go-fuse answers the name .go-fuse-epoll-hack in a view's root by itself: an empty file that leads nowhere.
//
// go-fuse allocates as much for an answer as a request says that it can take, up to 4 GiB, and a request works on the
// descriptor of its file even if another request releases that meanwhile. The kernel does neither; nobody else may get
// hold of the connection's descriptor.
//
// What a Pre makes of open flags counts for the server's descriptor only; with passthrough the kernel goes by what the
// caller asked for.
//
// Modules run on the request's goroutine: what blocks there blocks a task in the kernel.
//
// Threads that made something keep working directory and umask of their own (unshare(CLONE_FS)): a process with views
// must not chdir, nor change its umask.
//
// A process must not wait for a view of its own in a way that stops its other threads: fork with a working directory or
// a program in the view does.
//
// Writes by the kernel on the server's behalf (passthrough) carry the ids of nobody (65534), and those by the server the
// writer's user id, neither with CAP_SYS_RESOURCE: what a file system keeps for root, or beyond a quota, isn't given to
// others. The blocks by which a directory grows at a link or rename are the server's.
//
// Nobody who has locked a directory may wait for a survey: it looks names up.
//
// Lock order: Server.names (Ordered), Inode.dir (by id), Inode.gate (Ordered, by id), backing.mu, View.mu, Server.mu,
// fdCache.mu. Modules run with the first three held, and may call Paths and Pin's results but not Pin.
package view
