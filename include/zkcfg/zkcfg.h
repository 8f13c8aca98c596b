/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libzkcfg: read configuration that zkcfgd publishes in shared memory.
 *
 * Open a set, pin a snapshot, look values up in it, unpin. A look-up takes no
 * lock, makes no system call and copies nothing: strings point into the
 * segment and stay as they are until the snapshot is unpinned. To learn of a
 * change, compare one counter: zkcfg_changed() is a single load.
 *
 * Every function that returns int returns 0, or a negative enum zkcfg_error,
 * and leaves its outputs untouched on failure.
 *
 * Threads: a handle may be used by several threads; a snapshot, a document and
 * their strings may be read by any number of threads while it is pinned.
 * Fork: a child may go on with the handles and snapshots it inherited, unless
 * another thread of the parent was inside a function of this library.
 */
#ifndef ZKCFG_ZKCFG_H
#define ZKCFG_ZKCFG_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define ZKCFG_API __attribute__((visibility("default")))
#else
#define ZKCFG_API
#endif

/** What can go wrong. Since 0.1. */
enum zkcfg_error {
	ZKCFG_OK = 0,
	ZKCFG_EINVAL = -1,     /**< an argument is not valid */
	ZKCFG_ENOMEM = -2,     /**< out of memory */
	ZKCFG_ESYSTEM = -3,    /**< a system call failed: see errno */
	ZKCFG_EACCES = -4,     /**< no permission to read the set */
	ZKCFG_ENOSET = -5,     /**< no zkcfgd serves a set of this name here */
	ZKCFG_EEMPTY = -6,     /**< the set is there, nothing is published yet */
	ZKCFG_ENODOC = -7,     /**< the snapshot has no such document */
	ZKCFG_ENOPATH = -8,    /**< the document has no such path */
	ZKCFG_ENOVALUE = -9,   /**< the path names an element that holds elements */
	ZKCFG_ETYPE = -10,     /**< the value is not of the type asked for */
	ZKCFG_ERANGE = -11,    /**< the value does not fit the type */
	ZKCFG_ETIMEDOUT = -12, /**< nothing newer in time */
	ZKCFG_EINTR = -13,     /**< a signal arrived: call again */
	ZKCFG_EEND = -14,      /**< an iteration is at its end */
	ZKCFG_EOWNER = -15,    /**< the segment belongs to somebody else */
	ZKCFG_EMODE = -16,     /**< others than its owner may write the segment */
	ZKCFG_ESIZE = -17,     /**< a file of the segment has an impossible size */
	ZKCFG_EMAGIC = -18,    /**< a file of the segment is none of zkcfg's */
	ZKCFG_ELAYOUT = -19,   /**< the segment is of another layout version */
	ZKCFG_ECORRUPT = -20,  /**< the segment contradicts itself */
	ZKCFG_EBUSY = -21,     /**< another zkcfgd serves the set */
	ZKCFG_ENOSPC = -22,    /**< no room left for the segment */
	ZKCFG_ESTALE = -23     /**< a version older than the published one */
};

/** A handle on one set. */
struct zkcfg;
/** One commit, pinned: all documents of that instant, unchanging. */
struct zkcfg_snapshot;
/** One document of a snapshot; lives as long as the snapshot is pinned. */
struct zkcfg_document;
/** The state of a set at one instant, copied out of shared memory. */
struct zkcfg_status;

/**
 * Say in a few English words what an error is.
 *
 * @error  0 or a negative enum zkcfg_error.
 *
 * Returns a static string. Thread-safe. Since 0.1.
 */
ZKCFG_API const char *zkcfg_strerror(int error);

/** The library's version, as "0.1.0". Static. Thread-safe. Since 0.1. */
ZKCFG_API const char *zkcfg_version(void);

/**
 * Open a set for reading.
 *
 * @set      its name.
 * @shm_dir  where zkcfgd publishes; NULL: ZKCFG_SHM_DIR from the environment,
 *           else the user's own directory where that has the set
 *           (XDG_RUNTIME_DIR/zkcfg, or /dev/shm/zkcfg-UID), else /dev/shm/zkcfg.
 * @cfg      out: owned by the caller; ends with zkcfg_close().
 *
 * ZKCFG_EINVAL   the name is not [A-Za-z0-9._-], at most 64, no dot first.
 * ZKCFG_ENOSET   no such set (zkcfgd has not started yet, or does not serve it).
 * ZKCFG_EACCES   the set is not readable by this user.
 * ZKCFG_EOWNER, ZKCFG_EMODE, ZKCFG_ESIZE, ZKCFG_EMAGIC, ZKCFG_ELAYOUT
 *                the segment is not to be trusted.
 * ZKCFG_ENOMEM, ZKCFG_ESYSTEM
 *
 * Thread-safe. Since 0.1.
 */
ZKCFG_API int zkcfg_open(const char *set, const char *shm_dir, struct zkcfg **cfg);

/**
 * The directory that a handle reads, as "/dev/shm/zkcfg". Lives as long as the
 * handle. Thread-safe. Since 0.1.
 */
ZKCFG_API const char *zkcfg_directory(const struct zkcfg *cfg);

/**
 * Tell the name of every set in a directory, in no particular order.
 *
 * @shm_dir  NULL: every directory that zkcfg_open() would look in, a name that
 *           is in two of them once.
 * @tell     called for each; non-zero ends it.
 * @user     handed to `tell`.
 *
 * Returns 0, what `tell` returned, ZKCFG_EACCES or ZKCFG_ESYSTEM. A directory
 * that is not there has no sets. Thread-safe. Since 0.1.
 */
ZKCFG_API int zkcfg_list_sets(const char *shm_dir, int (*tell)(const char *set, void *user), void *user);

/** Close a handle; NULL is allowed. Pinned snapshots outlive it. Since 0.1. */
ZKCFG_API void zkcfg_close(struct zkcfg *cfg);

/**
 * The seq of the newest commit; 0 while nothing is published. One load.
 *
 * Thread-safe; no system call. Since 0.1.
 */
static inline uint64_t zkcfg_seq(const struct zkcfg *cfg)
{
	const uint64_t *counter;

	/* The handle begins with a pointer to the set's commit counter: ABI.
	 * The load pairs with the daemon's release store in a commit. */
	__builtin_memcpy(&counter, cfg, sizeof(counter));
	return __atomic_load_n(counter, __ATOMIC_ACQUIRE);
}

/**
 * Is there a commit other than `seen`? One load.
 *
 * A process that calls nothing but this should call zkcfg_pin() or
 * zkcfg_wait() every few seconds too: they find a segment that was removed
 * and made anew while no daemon was there to say so.
 *
 * @seen  seq the caller has, of zkcfg_snapshot_seq(); 0 for none.
 *
 * Returns 1 or 0. Thread-safe; no system call. Since 0.1.
 */
static inline int zkcfg_changed(const struct zkcfg *cfg, uint64_t seen)
{
	return zkcfg_seq(cfg) != seen;
}

/**
 * Wait until a commit newer than `seen` is published.
 *
 * @cfg         borrowed.
 * @seen        seq the caller has; 0 for none.
 * @timeout_ms  milliseconds; 0 polls, -1 waits forever.
 * @newest      out: newest seq; may be NULL.
 *
 * ZKCFG_ETIMEDOUT  nothing newer in time.
 * ZKCFG_EINTR      a signal arrived; call again.
 *
 * Thread-safe; allocates nothing. Since 0.1.
 */
ZKCFG_API int zkcfg_wait(struct zkcfg *cfg, uint64_t seen, int timeout_ms, uint64_t *newest);

/**
 * Wait until a commit differs from a snapshot in what the caller cares about.
 *
 * Commits that touch nothing of it go by. A document that comes or goes is a
 * difference, and so is a new revision of it; with a path, a difference is a
 * name or value of the element or attribute there, or of anything below it.
 * "/server/pool" covers "/server/pool/@max", and not "/server/pool[2]".
 *
 * @cfg         borrowed.
 * @since       what the caller has; may be of an older segment, and NULL: nothing.
 * @document    its name; NULL: any commit newer than `since` will do.
 * @path        as for zkcfg_get_string(); NULL: the document as a whole.
 * @timeout_ms  milliseconds; 0 polls, -1 waits forever.
 * @snapshot    out: the commit that differs, pinned; ends with zkcfg_unpin().
 *
 * ZKCFG_ETIMEDOUT  no difference in time.
 * ZKCFG_EINTR      a signal arrived; call again.
 * ZKCFG_EINVAL     the path is not of the form it has to have, or has no document.
 * And the errors of zkcfg_pin().
 *
 * Thread-safe. Since 0.1.
 */
ZKCFG_API int zkcfg_wait_for(struct zkcfg *cfg, const struct zkcfg_snapshot *since, const char *document,
			     const char *path, int timeout_ms, struct zkcfg_snapshot **snapshot);

/**
 * A descriptor for poll(), epoll, libevent or libuv: readable when there may be
 * a new commit.
 *
 *	loop: when it is readable
 *		zkcfg_descriptor_clear(cfg);
 *		if (zkcfg_changed(cfg, seen)) ...
 *
 * It may become readable for no reason, above all while no daemon runs: once a
 * second, then, so that a segment that was made anew is found. It is never
 * silent when there is a reason. It stays the same, through restarts of the
 * daemon, until the handle is closed.
 *
 * @cfg  borrowed.
 * @fd   out: the handle's; neither to be read nor to be closed by the caller.
 *
 * ZKCFG_ESYSTEM  no descriptor is to be had: see errno.
 *
 * Thread-safe. A child of fork() opens a handle of its own for this. Since 0.1.
 */
ZKCFG_API int zkcfg_descriptor(struct zkcfg *cfg, int *fd);

/**
 * Take the reason away why the descriptor is readable: it will be so again for
 * a commit that comes any time after this call. Look with zkcfg_changed() or
 * zkcfg_pin() afterwards, not before.
 *
 * ZKCFG_EINVAL  zkcfg_descriptor() was not called.
 *
 * Thread-safe; some system calls, allocates nothing. Since 0.1.
 */
ZKCFG_API int zkcfg_descriptor_clear(struct zkcfg *cfg);

/**
 * Pin the newest commit.
 *
 * @cfg       borrowed.
 * @snapshot  out: owned by the caller; ends with zkcfg_unpin().
 *
 * ZKCFG_EEMPTY    nothing is published yet.
 * ZKCFG_ENOSET    the segment, or a file of it, was removed and is not made anew yet.
 * ZKCFG_ECORRUPT  the segment contradicts itself; nothing of it was used.
 * ZKCFG_ENOMEM, ZKCFG_ESYSTEM, and the trust errors of zkcfg_open().
 *
 * Thread-safe. A system call only when the daemon began a new file. Since 0.1.
 */
ZKCFG_API int zkcfg_pin(struct zkcfg *cfg, struct zkcfg_snapshot **snapshot);

/** Let a snapshot go; NULL is allowed. Thread-safe. Since 0.1. */
ZKCFG_API void zkcfg_unpin(struct zkcfg_snapshot *snapshot);

/** The commit's number. Thread-safe. Since 0.1. */
ZKCFG_API uint64_t zkcfg_snapshot_seq(const struct zkcfg_snapshot *snapshot);

/** When it was committed: nanoseconds since 1970, UTC. Thread-safe. Since 0.1. */
ZKCFG_API int64_t zkcfg_snapshot_time_ns(const struct zkcfg_snapshot *snapshot);

/** How many documents it has. Thread-safe. Since 0.1. */
ZKCFG_API size_t zkcfg_snapshot_document_count(const struct zkcfg_snapshot *snapshot);

/** A place in the documents of a snapshot; its contents are private. Since 0.1. */
struct zkcfg_iterator {
	uint64_t opaque[48];
};

/** Begin to go through the documents, in no particular order. Since 0.1. */
ZKCFG_API void zkcfg_iterator_init(struct zkcfg_iterator *iterator, const struct zkcfg_snapshot *snapshot);

/**
 * The next document.
 *
 * @iterator  of zkcfg_iterator_init().
 * @document  out: lives until the snapshot is unpinned.
 *
 * ZKCFG_EEND      there is none left.
 * ZKCFG_ECORRUPT  the segment contradicts itself.
 *
 * An iterator is for one thread at a time; allocates nothing. Since 0.1.
 */
ZKCFG_API int zkcfg_iterator_next(struct zkcfg_iterator *iterator, const struct zkcfg_document **document);

/**
 * Find a document by name.
 *
 * @snapshot  borrowed.
 * @name      path relative to the set's root, as "db/pool.xml".
 * @document  out: lives until the snapshot is unpinned.
 *
 * ZKCFG_ENODOC    there is no such document.
 * ZKCFG_ECORRUPT  the segment contradicts itself.
 *
 * Thread-safe; no system call, no allocation. Since 0.1.
 */
ZKCFG_API int zkcfg_find(const struct zkcfg_snapshot *snapshot, const char *name,
			 const struct zkcfg_document **document);

/** A document's name. Since 0.1. */
ZKCFG_API const char *zkcfg_document_name(const struct zkcfg_document *document);

/** Its revision at the source, rising with each change (ZooKeeper: mzxid). Since 0.1. */
ZKCFG_API uint64_t zkcfg_document_revision(const struct zkcfg_document *document);

/** Its version at the source, or -1 (ZooKeeper: the znode's version). Since 0.1. */
ZKCFG_API int64_t zkcfg_document_version(const struct zkcfg_document *document);

/**
 * The document's bytes as they were fetched.
 *
 * @size_bytes  out: their number; may be NULL.
 *
 * Returns them, with a NUL behind that does not count; they live until the
 * snapshot is unpinned. Thread-safe; no system call. Since 0.1.
 */
ZKCFG_API const char *zkcfg_document_raw(const struct zkcfg_document *document, size_t *size_bytes);

/**
 * Get a value of a document.
 *
 * A path is made of steps from the root element, as
 * "/server/upstream[2]/host", "/server/upstream[@name='a']/host",
 * "/server/pool/@max". A step without a position means the first element of
 * that name. The value of an element is its text, as XPath's string() gives
 * it; an element that holds elements and nothing but white space between them
 * has none.
 *
 * string       the text as it is, lives until the snapshot is unpinned.
 * int64        decimal, or hexadecimal with 0x.
 * double       as strtod() in the C locale; finite.
 * bool         true, yes, on, 1 / false, no, off, 0; gives 1 or 0.
 * duration_ms  a number with ms, s, m or h, as "250ms" or "1.5s"; or 0.
 * size_bytes   a number with k, M or G (times 1024), or without: bytes.
 * White space around all but strings is passed over.
 *
 * ZKCFG_ENODOC, ZKCFG_ENOPATH, ZKCFG_ENOVALUE  it is not there.
 * ZKCFG_ETYPE      it does not look like that.
 * ZKCFG_ERANGE     it does not fit.
 * ZKCFG_EINVAL     the path is not of the form above.
 * ZKCFG_ECORRUPT   the segment contradicts itself.
 *
 * Thread-safe; no lock, no system call, no allocation. Since 0.1.
 */
ZKCFG_API int zkcfg_get_string(const struct zkcfg_snapshot *snapshot, const char *document,
			       const char *path, const char **value);
ZKCFG_API int zkcfg_get_int64(const struct zkcfg_snapshot *snapshot, const char *document,
			      const char *path, int64_t *value);
ZKCFG_API int zkcfg_get_double(const struct zkcfg_snapshot *snapshot, const char *document,
			       const char *path, double *value);
ZKCFG_API int zkcfg_get_bool(const struct zkcfg_snapshot *snapshot, const char *document,
			     const char *path, int *value);
ZKCFG_API int zkcfg_get_duration_ms(const struct zkcfg_snapshot *snapshot, const char *document,
				    const char *path, int64_t *value);
ZKCFG_API int zkcfg_get_size_bytes(const struct zkcfg_snapshot *snapshot, const char *document,
				   const char *path, uint64_t *value);

/** The same of a document already found: one look-up less each. Since 0.1. */
ZKCFG_API int zkcfg_document_string(const struct zkcfg_document *document, const char *path, const char **value);
ZKCFG_API int zkcfg_document_int64(const struct zkcfg_document *document, const char *path, int64_t *value);
ZKCFG_API int zkcfg_document_double(const struct zkcfg_document *document, const char *path, double *value);
ZKCFG_API int zkcfg_document_bool(const struct zkcfg_document *document, const char *path, int *value);
ZKCFG_API int zkcfg_document_duration_ms(const struct zkcfg_document *document, const char *path, int64_t *value);
ZKCFG_API int zkcfg_document_size_bytes(const struct zkcfg_document *document, const char *path, uint64_t *value);

/** One of many values to get. Since 0.1. */
struct zkcfg_request {
	const char *document; /**< its name */
	const char *path;     /**< as for zkcfg_get_string() */
	const char *value;    /**< out: the string, or NULL; lives until the snapshot is unpinned */
	int error;            /**< out: 0, or what zkcfg_get_string() would return */
};

/**
 * Get many strings of a snapshot at once: cheaper than one by one, above all
 * over many documents. Requests of one document belong next to each other.
 *
 * @snapshot  borrowed.
 * @requests  borrowed; every one is tried, whatever becomes of the others.
 * @count     their number.
 *
 * Returns 0, or the error of the first request that has one. ZKCFG_EINVAL with
 * nothing tried where a document or path is NULL.
 *
 * Thread-safe; no lock, no system call, no allocation. Since 0.1.
 */
ZKCFG_API int zkcfg_get_batch(const struct zkcfg_snapshot *snapshot, struct zkcfg_request *requests, size_t count);

/** The most sources that a value may have or hide. Since 0.1. */
enum {
	ZKCFG_ORIGINS_MOST = 16
};

/** A source that a value is from. Since 0.1. */
struct zkcfg_origin {
	const char *uri;   /**< without secrets; NULL: the set has one source, zkcfg_status_source() tells it */
	uint64_t revision; /**< of the document there, when this version of it was accepted */
};

/**
 * Ask which source of its set a value is from, and which others' it hides.
 *
 * The first origin is the source that the value is from. Where sources are
 * merged (merge="paths", zkcfgd.xml(5)), there follow those that have a value
 * of that path, too, which this one takes the place of: the uppermost first.
 * Their values are not kept.
 *
 * @snapshot  borrowed.
 * @document  its name.
 * @path      as for zkcfg_get_string().
 * @origins   out: URIs live until the snapshot is unpinned; NULL where most is 0.
 * @most      how many there is room for; ZKCFG_ORIGINS_MOST are enough.
 * @count     out: how many there are, 1 at least; not more than `most` are given.
 *
 * ZKCFG_ENODOC, ZKCFG_ENOPATH, ZKCFG_ENOVALUE  it is not there.
 * ZKCFG_EINVAL     the path is none, or an argument is NULL.
 * ZKCFG_ECORRUPT   the segment contradicts itself.
 *
 * Thread-safe; no lock, no system call, no allocation. For people and tools:
 * slower than a get. Since 0.1.
 */
ZKCFG_API int zkcfg_value_origin(const struct zkcfg_snapshot *snapshot, const char *document, const char *path,
				 struct zkcfg_origin *origins, size_t most, size_t *count);

/** What a cursor stands on. Since 0.1. */
enum zkcfg_node_kind {
	ZKCFG_ELEMENT = 1,
	ZKCFG_ATTRIBUTE = 2
};

/** A place in a document's tree; its contents are private. Since 0.1. */
struct zkcfg_cursor {
	uint64_t opaque[8];
};

/**
 * Put a cursor on an element or attribute.
 *
 * @document  borrowed; the cursor lives as long.
 * @path      where to begin; NULL: the root element.
 * @cursor    out.
 *
 * ZKCFG_ENOPATH, ZKCFG_EINVAL, ZKCFG_ECORRUPT as for zkcfg_get_string().
 *
 * A cursor is for one thread at a time; allocates nothing. Since 0.1.
 */
ZKCFG_API int zkcfg_cursor_init(struct zkcfg_cursor *cursor, const struct zkcfg_document *document,
				const char *path);

/**
 * Go on to the next node in document order: an element's attributes, then its
 * elements, then what follows; never out of the subtree where it began.
 *
 * ZKCFG_EEND  that was the last; the cursor stays.
 *
 * Since 0.1.
 */
ZKCFG_API int zkcfg_cursor_next(struct zkcfg_cursor *cursor);

/** As zkcfg_cursor_next(), past everything below this node. Since 0.1. */
ZKCFG_API int zkcfg_cursor_skip(struct zkcfg_cursor *cursor);

/** Element or attribute. Since 0.1. */
ZKCFG_API enum zkcfg_node_kind zkcfg_cursor_kind(const struct zkcfg_cursor *cursor);

/** Its depth below the root element, which has 0. Since 0.1. */
ZKCFG_API unsigned zkcfg_cursor_depth(const struct zkcfg_cursor *cursor);

/** Its name with prefix, as written, or NULL in a corrupt segment. Since 0.1. */
ZKCFG_API const char *zkcfg_cursor_name(const struct zkcfg_cursor *cursor);

/** Its canonical path, or NULL in a corrupt segment. Since 0.1. */
ZKCFG_API const char *zkcfg_cursor_path(const struct zkcfg_cursor *cursor);

/** Its value, or NULL where it has none (see ZKCFG_ENOVALUE). Since 0.1. */
ZKCFG_API const char *zkcfg_cursor_value(const struct zkcfg_cursor *cursor);

/** How something differs between two snapshots. Since 0.1. */
enum zkcfg_change_kind {
	ZKCFG_ADDED = 1,
	ZKCFG_REMOVED = 2,
	ZKCFG_CHANGED = 3
};

/** One difference; made by the library, may grow at its end. Since 0.1. */
struct zkcfg_change {
	enum zkcfg_change_kind kind;
	const char *document;
	const char *path;      /**< NULL: the document itself came or went */
	const char *old_value; /**< NULL: none */
	const char *new_value; /**< NULL: none */
};

/**
 * Tell what differs between two snapshots of one set, at the cost of what
 * differs. A document that came or went is told once, with no path, and then
 * each value of it.
 *
 * @older   may be NULL: everything of `newer` was added.
 * @newer   may not be NULL.
 * @tell    called for each difference; non-zero ends it.
 * @user    handed to `tell`.
 *
 * Returns 0, what `tell` returned, ZKCFG_ECORRUPT or ZKCFG_EINVAL.
 * Thread-safe; allocates nothing. Since 0.1.
 */
ZKCFG_API int zkcfg_diff(const struct zkcfg_snapshot *older, const struct zkcfg_snapshot *newer,
			 int (*tell)(const struct zkcfg_change *change, void *user), void *user);

/** How a set stands to its source. Since 0.1. */
enum zkcfg_source_state {
	ZKCFG_SOURCE_NONE = 0,      /**< no daemon has said anything yet */
	ZKCFG_SOURCE_CONNECTING = 1, /**< not reached since the daemon started */
	ZKCFG_SOURCE_SYNCING = 2,   /**< reached, not everything read yet */
	ZKCFG_SOURCE_FOLLOWING = 3, /**< everything read, changes arrive */
	ZKCFG_SOURCE_AWAY = 4,      /**< was reached, is not now */
	ZKCFG_SOURCE_REFUSED = 5    /**< it does not let us read */
};

/** How a set learns of changes at its source. Since 0.1. */
enum zkcfg_source_mode {
	ZKCFG_MODE_NONE = 0,         /**< no daemon has said anything yet */
	ZKCFG_MODE_PUSH = 1,         /**< the source tells; an audit looks for what it did not tell */
	ZKCFG_MODE_PULL = 2,         /**< the daemon asks, each interval */
	ZKCFG_MODE_PUSH_AND_PULL = 3 /**< several sources, some by push and some by pull */
};

/** A version that was fetched and not accepted; the active one is served. Since 0.1. */
struct zkcfg_candidate {
	const char *document;
	const char *reason;
	uint64_t revision;  /**< at the source */
	int64_t since_ns;   /**< nanoseconds since 1970, UTC */
	uint32_t line;      /**< 0: none */
	uint32_t column;    /**< 0: none */
};

/**
 * Copy a set's state.
 *
 * @cfg     borrowed.
 * @status  out: owned by the caller; ends with zkcfg_status_free().
 *
 * ZKCFG_ENOMEM, ZKCFG_ECORRUPT
 *
 * Thread-safe; makes no connection. Since 0.1.
 */
ZKCFG_API int zkcfg_status_read(struct zkcfg *cfg, struct zkcfg_status **status);

/** Free it; NULL is allowed. Since 0.1. */
ZKCFG_API void zkcfg_status_free(struct zkcfg_status *status);

/** The newest seq when it was read. Since 0.1. */
ZKCFG_API uint64_t zkcfg_status_seq(const struct zkcfg_status *status);

/** The segment's id: 32 hexadecimal digits; another one means that seq began anew. Since 0.1. */
ZKCFG_API const char *zkcfg_status_segment_id(const struct zkcfg_status *status);

/** The source's state as the daemon last said; see zkcfg_status_daemon_age_ms(). Since 0.1. */
ZKCFG_API enum zkcfg_source_state zkcfg_status_source_state(const struct zkcfg_status *status);

/**
 * The source's URI without secrets. Of a set of several sources a line for
 * each: "layer" or "fallback", the URI, its state, and detail or "", with tabs
 * between them. Since 0.1.
 */
ZKCFG_API const char *zkcfg_status_source(const struct zkcfg_status *status);

/** What the daemon last said of the source or of itself, "" for nothing. Since 0.1. */
ZKCFG_API const char *zkcfg_status_detail(const struct zkcfg_status *status);

/** When the source's state last changed: nanoseconds since 1970, UTC; 0 unknown. Since 0.1. */
ZKCFG_API int64_t zkcfg_status_since_ns(const struct zkcfg_status *status);

/** Milliseconds since the source last vouched for what is published; -1: never. Since 0.1. */
ZKCFG_API int64_t zkcfg_status_unverified_ms(const struct zkcfg_status *status);

/** Milliseconds since the daemon's last sign of life; -1: never since boot. Since 0.1. */
ZKCFG_API int64_t zkcfg_status_daemon_age_ms(const struct zkcfg_status *status);

/** The daemon's process id, as it sees itself; 0: it ended, and said so. Since 0.1. */
ZKCFG_API int64_t zkcfg_status_daemon_pid(const struct zkcfg_status *status);

/** How the set learns of changes. Since 0.1. */
ZKCFG_API enum zkcfg_source_mode zkcfg_status_source_mode(const struct zkcfg_status *status);

/** Milliseconds since the source last told of a change, to a second or so; -1: never since boot. Since 0.1. */
ZKCFG_API int64_t zkcfg_status_told_ms(const struct zkcfg_status *status);

/**
 * Milliseconds since the source was last asked without having said anything, by
 * pull or an audit, to a second or so; -1: never since boot. Since 0.1.
 */
ZKCFG_API int64_t zkcfg_status_asked_ms(const struct zkcfg_status *status);

/** Changes that only an audit found, since the daemon began. Since 0.1. */
ZKCFG_API uint64_t zkcfg_status_repair_count(const struct zkcfg_status *status);

/** How many candidates wait; more than are kept in shared memory, perhaps. Since 0.1. */
ZKCFG_API size_t zkcfg_status_candidate_count(const struct zkcfg_status *status);

/**
 * One of the candidates kept.
 *
 * @index      from 0.
 * @candidate  out: its strings live as long as the status.
 *
 * ZKCFG_EEND  that many are not kept.
 *
 * Since 0.1.
 */
ZKCFG_API int zkcfg_status_candidate(const struct zkcfg_status *status, size_t index,
				     struct zkcfg_candidate *candidate);

#ifdef __cplusplus
}
#endif

#endif
