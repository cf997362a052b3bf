/* Whether anything was committed, told from the index of SQLite's write-ahead log.
 *
 * Its header changes with every commit of any process, lies in memory that all of them share, and
 * stands there twice, so that a copy taken in the middle of a change is noticed. SQLite itself sees
 * by it whether what it has in memory is true still; but it takes locks first, since it goes on to
 * read the file. Format: https://sqlite.org/walformat.html, 2.1 "The WAL-Index Header".
 */
#include <assert.h>
#include <sqlite3.h>
#include <stdatomic.h>
#include <string.h>

#include "db/statement.h"

/* In 32-bit words: the format's number, what counts the changes, how long the log is, checksums and
 * salts. */
enum { HEADER_WORDS = 12, FORMAT_WORD = 0, FIRST_WORD = 2, INIT_BYTE = 12, FORMAT = 3007000 };
enum { INDEX_REGION_BYTES = 32768 };

static_assert(sizeof(struct store_mark) == (HEADER_WORDS - FIRST_WORD) * sizeof(uint32_t),
	      "all but the format's number and a word that is not used");

const void *store_mark_map(sqlite3 *handle)
{
	sqlite3_file *file = NULL;
	volatile void *index = NULL;

	if (sqlite3_file_control(handle, "main", SQLITE_FCNTL_FILE_POINTER, &file) != SQLITE_OK ||
	    !file || !file->pMethods || file->pMethods->iVersion < 2 || !file->pMethods->xShmMap)
		return NULL; /* a store in memory, say */
	if (file->pMethods->xShmMap(file, 0, INDEX_REGION_BYTES, 0, &index) != SQLITE_OK)
		return NULL;
	return (const void *)(uintptr_t)index;
}

static void copy_header(const _Atomic uint32_t *from, uint32_t to[HEADER_WORDS])
{
	for (size_t i = 0; i < HEADER_WORDS; i++)
		to[i] = atomic_load_explicit(&from[i], memory_order_relaxed);
}

bool store_mark_read(const void *index, struct store_mark *ret_mark)
{
	const _Atomic uint32_t *words = index;
	uint32_t first[HEADER_WORDS], second[HEADER_WORDS];

	if (!index)
		return false;
	/* Writers write the second first. */
	copy_header(words, first);
	atomic_thread_fence(memory_order_seq_cst);
	copy_header(words + HEADER_WORDS, second);
	if (memcmp(first, second, sizeof(first)) != 0 || first[FORMAT_WORD] != FORMAT ||
	    ((const uint8_t *)first)[INIT_BYTE] != 1)
		return false;
	memcpy(ret_mark->words, first + FIRST_WORD, sizeof(ret_mark->words));
	return true;
}
