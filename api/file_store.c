#include "api/file_store.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "core/id.h"

/* The group may read: a web server that is in it hands out files itself. */
enum {
	FOLDER_MODE = 0750,
	FILE_MODE = 0640,
	NAME_SIZE = ID_SIZE + 8,
	PLACE_SIZE = 6 + SHA256_SIZE
};

static const char lock_name[] = "lock";

struct file_store {
	int folder_fd, incoming_fd, partial_fd;
	int lock_fd; /* locked for as long as this process may be writing in incoming/ */
};

struct file_draft {
	const struct file_store *files; /* borrowed */
	int fd;
	int from_fd;  /* the folder it is in; borrowed */
	bool is_kept; /* placed, or not to be removed with the draft */
	int64_t size_bytes;
	EVP_MD_CTX *digest; /* owned; NULL once sealed */
	char name[NAME_SIZE];
	char sha256[SHA256_SIZE];
	size_t head_length;
	uint8_t head[FILE_HEAD_MAX];
};

static int failed(int number, const char *what, struct error *reterr)
{
	if (number == ENOSPC || number == EDQUOT)
		return error_set(reterr, -ENOSPC, "disk_full", "there is no space left for files");
	return error_set(reterr, -EIO, "files_failed", "cannot %s: %s", what, strerror(number));
}

static bool sha256_is_valid(const char *text)
{
	return strlen(text) == SHA256_SIZE - 1 &&
	       strspn(text, "0123456789abcdef") == SHA256_SIZE - 1;
}

/* "ab/cd/abcd…" */
static void place_of(const char *sha256, char out[PLACE_SIZE])
{
	(void)snprintf(out, PLACE_SIZE, "%.2s/%.2s/%s", sha256, sha256 + 2, sha256);
}

/* ---- life ---- */

static int open_folder(int at, const char *name, bool *ret_is_new)
{
	int r = mkdirat(at, name, FOLDER_MODE);

	if (r < 0 && errno != EEXIST)
		return -errno;
	if (ret_is_new)
		*ret_is_new = r == 0;
	r = openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return r < 0 ? -errno : r;
}

/* A folder's own list of names; NULL with errno. */
static DIR *list_folder(int at, const char *name)
{
	int fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	DIR *listing = fd < 0 ? NULL : fdopendir(fd);

	if (!listing && fd >= 0)
		(void)close(fd);
	return listing;
}

static int clear_incoming(const struct file_store *files)
{
	DIR *listing = list_folder(files->incoming_fd, ".");
	const struct dirent *entry;
	int r = listing ? 0 : -errno;

	while (listing && (entry = readdir(listing)))
		if (*entry->d_name != '.' && strcmp(entry->d_name, lock_name) != 0 &&
		    unlinkat(files->incoming_fd, entry->d_name, 0) < 0)
			r = -errno;
	if (listing)
		(void)closedir(listing);
	return r;
}

/* Alone here: nobody else can be writing, so what lies about is dead. In any case the others will
 * know about us. */
static int take_lock(struct file_store *files)
{
	files->lock_fd = openat(files->incoming_fd, lock_name,
				O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, FILE_MODE);
	if (files->lock_fd < 0)
		return -errno;
	if (flock(files->lock_fd, LOCK_EX | LOCK_NB) == 0) {
		int r = clear_incoming(files);

		if (r < 0)
			return r;
	}
	return flock(files->lock_fd, LOCK_SH) < 0 ? -errno : 0;
}

int file_store_new(const char *data_dir, struct file_store **ret_files, struct error *reterr)
{
	AUTO(file_store) files = calloc(1, sizeof(*files));
	AUTO_CLOSE int data_fd = open(data_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int r = data_fd < 0 ? -errno : 0;

	if (!files)
		return -ENOMEM;
	files->folder_fd = files->incoming_fd = files->partial_fd = files->lock_fd = -1;
	if (r == 0)
		r = files->folder_fd = open_folder(data_fd, "files", NULL);
	if (r >= 0)
		r = files->incoming_fd = open_folder(files->folder_fd, "incoming", NULL);
	if (r >= 0)
		r = files->partial_fd = open_folder(files->folder_fd, "partial", NULL);
	if (r >= 0)
		r = take_lock(files);
	if (r < 0)
		return error_set(reterr, r, "files_unavailable",
				 "%s/files cannot be used (REALTIME_DATA_DIR): %s", data_dir,
				 strerror(-r));
	*ret_files = STEAL(files);
	return 0;
}

struct file_store *file_store_free(struct file_store *files)
{
	if (!files)
		return NULL;
	cleanup_closep(&files->lock_fd);
	cleanup_closep(&files->partial_fd);
	cleanup_closep(&files->incoming_fd);
	cleanup_closep(&files->folder_fd);
	free(files);
	return NULL;
}

/* ---- files that are there ---- */

int file_store_open(const struct file_store *files, const char *sha256, struct error *reterr)
{
	char place[PLACE_SIZE];
	int fd;

	if (!sha256_is_valid(sha256))
		return error_set(reterr, -EIO, "files_failed", "a file's SHA-256 is none");
	place_of(sha256, place);
	fd = openat(files->folder_fd, place, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	if (fd >= 0)
		return fd;
	if (errno == ENOENT)
		return error_set(reterr, -ENOENT, "file_not_found", "there is no such file");
	return failed(errno, "open a file", reterr);
}

int file_store_remove(const struct file_store *files, const char *sha256, struct error *reterr)
{
	char place[PLACE_SIZE];

	if (!sha256_is_valid(sha256))
		return error_set(reterr, -EIO, "files_failed", "a file's SHA-256 is none");
	place_of(sha256, place);
	if (unlinkat(files->folder_fd, place, 0) < 0 && errno != ENOENT)
		return failed(errno, "remove a file", reterr);
	return 0;
}

/* What for_each does with the names of a folder, on each level. */
struct walk {
	const struct file_store *files;
	int (*visit)(void *data, const char *sha256);
	void *data;
};

static int walk_names(const struct walk *walk, const char *path, unsigned level)
{
	DIR *listing = list_folder(walk->files->folder_fd, path);
	const struct dirent *entry;
	int r = 0;

	if (!listing)
		return errno == ENOENT || errno == ENOTDIR ? 0 : -errno;
	while (r >= 0 && (entry = readdir(listing))) {
		char deeper[PLACE_SIZE];

		if (level == 2 && sha256_is_valid(entry->d_name))
			r = walk->visit(walk->data, entry->d_name);
		else if (level < 2 && strlen(entry->d_name) == 2 && *entry->d_name != '.') {
			(void)snprintf(deeper, sizeof(deeper), "%.3s%s%.2s", level ? path : "",
				       level ? "/" : "", entry->d_name);
			r = walk_names(walk, deeper, level + 1);
		}
	}
	(void)closedir(listing);
	return r;
}

int file_store_for_each(const struct file_store *files,
			int (*visit)(void *data, const char *sha256), void *data,
			struct error *reterr)
{
	const struct walk walk = {files, visit, data};
	int r = walk_names(&walk, ".", 0);

	return r < 0 ? failed(-r, "look through the files", reterr) : 0;
}

/* ---- files that arrive ---- */

/* Without a file yet. -ENOMEM */
static int new_draft(const struct file_store *files, struct file_draft **ret_draft)
{
	AUTO(file_draft) draft = calloc(1, sizeof(*draft));

	if (!draft)
		return -ENOMEM;
	draft->fd = -1;
	draft->files = files;
	draft->from_fd = files->incoming_fd;
	draft->digest = EVP_MD_CTX_new();
	if (!draft->digest || EVP_DigestInit_ex(draft->digest, EVP_sha256(), NULL) != 1)
		return -ENOMEM;
	*ret_draft = STEAL(draft);
	return 0;
}

int file_draft_new(const struct file_store *files, struct file_draft **ret_draft,
		   struct error *reterr)
{
	AUTO(file_draft) draft = NULL;
	int r = new_draft(files, &draft);

	if (r < 0)
		return r;
	id_new("file", draft->name, sizeof(draft->name));
	draft->fd = openat(files->incoming_fd, draft->name,
			   O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, FILE_MODE);
	if (draft->fd < 0)
		return failed(errno, "make a file", reterr);
	*ret_draft = STEAL(draft);
	return 0;
}

struct file_draft *file_draft_free(struct file_draft *draft)
{
	if (!draft)
		return NULL;
	if (draft->fd >= 0) {
		(void)close(draft->fd); /* sealed, or of no use */
		if (!draft->is_kept)
			(void)unlinkat(draft->files->incoming_fd, draft->name,
				       0); /* or the next start */
	}
	EVP_MD_CTX_free(draft->digest);
	free(draft);
	return NULL;
}

/* Remember it, but write nothing. -ENOMEM */
static int note_bytes(struct file_draft *draft, const uint8_t *bytes, size_t length)
{
	size_t head = FILE_HEAD_MAX - draft->head_length;

	if (head > length)
		head = length;
	memcpy(draft->head + draft->head_length, bytes, head);
	draft->head_length += head;
	draft->size_bytes += (int64_t)length;
	return EVP_DigestUpdate(draft->digest, bytes, length) == 1 ? 0 : -ENOMEM;
}

int file_draft_write(struct file_draft *draft, const void *bytes, size_t length,
		     struct error *reterr)
{
	const uint8_t *at = bytes;
	int r = note_bytes(draft, at, length);

	if (r < 0)
		return r;
	while (length > 0) {
		ssize_t written = write(draft->fd, at, length);

		if (written < 0 && errno == EINTR)
			continue;
		if (written < 0)
			return failed(errno, "write a file", reterr);
		at += written;
		length -= (size_t)written;
	}
	return 0;
}

int file_draft_seal(struct file_draft *draft, struct error *reterr)
{
	uint8_t sum[EVP_MAX_MD_SIZE];
	int r = EVP_DigestFinal_ex(draft->digest, sum, NULL);

	EVP_MD_CTX_free(draft->digest);
	draft->digest = NULL;
	if (r != 1)
		return -ENOMEM;
	for (size_t i = 0; i < 32; i++)
		(void)snprintf(draft->sha256 + 2 * i, 3, "%02x", sum[i]);
	return fsync(draft->fd) < 0 ? failed(errno, "write a file", reterr) : 0;
}

/* The folder of one level; a new one's name is put on the disk as well. */
static int enter(int at, const char *sha256)
{
	const char name[] = {sha256[0], sha256[1], '\0'};
	bool is_new;
	int fd = open_folder(at, name, &is_new);

	if (fd >= 0 && is_new && fsync(at) < 0) {
		int number = errno;

		(void)close(fd);
		return -number;
	}
	return fd;
}

int file_draft_place(struct file_draft *draft, struct error *reterr)
{
	const struct file_store *files = draft->files;
	AUTO_CLOSE int outer_fd = enter(files->folder_fd, draft->sha256);
	AUTO_CLOSE int fd = outer_fd < 0 ? outer_fd : enter(outer_fd, draft->sha256 + 2);

	if (fd < 0)
		return failed(-fd, "make a folder", reterr);
	/* One that is there already has the same bytes. What came piece by piece has both names,
	 * until its upload knows that it is kept. */
	if (draft->from_fd == files->partial_fd
		    ? linkat(draft->from_fd, draft->name, fd, draft->sha256, 0) < 0 &&
			      errno != EEXIST
		    : renameat(draft->from_fd, draft->name, fd, draft->sha256) < 0)
		return failed(errno, "name a file", reterr);
	draft->is_kept = true;
	return fsync(fd) < 0 ? failed(errno, "name a file", reterr) : 0;
}

int64_t file_draft_size(const struct file_draft *draft)
{
	return draft->size_bytes;
}

size_t file_draft_head(const struct file_draft *draft, const uint8_t **ret_bytes)
{
	*ret_bytes = draft->head;
	return draft->head_length;
}

const char *file_draft_sha256(const struct file_draft *draft)
{
	return draft->sha256;
}

int file_draft_read(const struct file_draft *draft, void *into, size_t length, struct error *reterr)
{
	size_t done = 0;

	while (done < length && (int64_t)done < draft->size_bytes) {
		ssize_t got = pread(draft->fd, (uint8_t *)into + done, length - done, (off_t)done);

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return failed(got < 0 ? errno : EIO, "read a file", reterr);
		done += (size_t)got;
	}
	return 0;
}

/* ---- files that come piece by piece ---- */

int file_partial_new(const struct file_store *files, const char *upload_id, struct error *reterr)
{
	AUTO_CLOSE int fd = openat(files->partial_fd, upload_id,
				   O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, FILE_MODE);

	if (fd < 0 || fsync(files->partial_fd) < 0)
		return failed(errno, "make a file", reterr);
	return 0;
}

int file_partial_open(const struct file_store *files, const char *upload_id, int64_t *ret_size,
		      struct error *reterr)
{
	int fd = openat(files->partial_fd, upload_id, O_RDWR | O_APPEND | O_NOFOLLOW | O_CLOEXEC);
	struct stat status;

	if (fd < 0)
		return errno == ENOENT ? error_set(reterr, -ENOENT, "upload_not_found",
						   "there is no such upload, or not any more")
				       : failed(errno, "open a file", reterr);
	if (flock(fd, LOCK_EX | LOCK_NB) < 0 || fstat(fd, &status) < 0) {
		(void)close(fd);
		return error_set(reterr, -EBUSY, "upload_locked",
				 "another request is adding to this upload");
	}
	*ret_size = status.st_size;
	return fd;
}

int file_partial_remove(const struct file_store *files, const char *upload_id, struct error *reterr)
{
	if (unlinkat(files->partial_fd, upload_id, 0) < 0 && errno != ENOENT)
		return failed(errno, "remove a file", reterr);
	return 0;
}

int file_partial_for_each(const struct file_store *files,
			  int (*visit)(void *data, const char *upload_id), void *data,
			  struct error *reterr)
{
	DIR *listing = list_folder(files->partial_fd, ".");
	const struct dirent *entry;
	int r = listing ? 0 : failed(errno, "look through the uploads", reterr);

	while (r >= 0 && (entry = readdir(listing)))
		if (*entry->d_name != '.')
			r = visit(data, entry->d_name);
	if (listing)
		(void)closedir(listing);
	return r;
}

/* All bytes once through the digest. */
static int read_through(struct file_draft *draft, struct error *reterr)
{
	enum { AT_ONCE = 65536 };
	AUTO_FREE uint8_t *bytes = malloc(AT_ONCE);
	ssize_t got;
	int r = bytes ? 0 : -ENOMEM;

	while (r == 0 && (got = pread(draft->fd, bytes, AT_ONCE, draft->size_bytes)) != 0)
		r = got < 0 ? failed(errno, "read a file", reterr)
			    : note_bytes(draft, bytes, (size_t)got);
	return r;
}

int file_partial_seal(const struct file_store *files, const char *upload_id, int fd,
		      struct file_draft **ret_draft, struct error *reterr)
{
	AUTO(file_draft) draft = NULL;
	int r = new_draft(files, &draft);

	if (r < 0)
		return r;
	draft->from_fd = files->partial_fd;
	draft->is_kept = true;
	(void)snprintf(draft->name, sizeof(draft->name), "%s", upload_id);
	draft->fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	if (draft->fd < 0)
		return failed(errno, "read a file", reterr);
	r = read_through(draft, reterr);
	if (r == 0)
		r = file_draft_seal(draft, reterr);
	if (r == 0)
		*ret_draft = STEAL(draft);
	return r;
}
