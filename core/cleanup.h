/* cleanup.h - scope-bound ownership.
 *
 * AUTO(room) room = NULL;   room_freep(&room) runs on every way out of the scope
 * return STEAL(room);       the value leaves, the variable is NULL, nothing is freed
 *
 * A type opts in with DEFINE_AUTO(type, free_function). Thread: any.
 */
#ifndef CORE_CLEANUP_H
#define CORE_CLEANUP_H

#include <stdlib.h>
#include <unistd.h>

#define MUST_CHECK __attribute__((warn_unused_result))
#define PRINTF_LIKE(format_index, first_arg)                                                       \
	__attribute__((format(printf, format_index, first_arg)))

#define DEFINE_AUTO(type, free_function)                                                           \
	static inline void type##_freep(struct type **value)                                       \
	{                                                                                          \
		if (*value)                                                                        \
			free_function(*value);                                                     \
	}                                                                                          \
	struct type

#define AUTO(type) __attribute__((cleanup(type##_freep))) struct type *

#define STEAL(pointer)                                                                             \
	__extension__({                                                                            \
		__typeof__(pointer) stolen_ = (pointer);                                           \
		(pointer) = NULL;                                                                  \
		stolen_;                                                                           \
	})

static inline void cleanup_freep(void *pointer)
{
	free(*(void **)pointer);
}
static inline void cleanup_closep(const int *fd)
{
	if (*fd >= 0)
		(void)close(*fd); /* nothing better can be done with a failing close here */
}

/* For plain malloc()ed memory and for file descriptors. */
#define AUTO_FREE __attribute__((cleanup(cleanup_freep)))
#define AUTO_CLOSE __attribute__((cleanup(cleanup_closep)))

#define ARRAY_LEN(array) (sizeof(array) / sizeof((array)[0]))
#define CONTAINER_OF(pointer, type, member)                                                        \
	__extension__({                                                                            \
		__typeof__(((type *)0)->member) *member_ = (pointer);                              \
		(type *)(void *)((char *)member_ - offsetof(type, member));                        \
	})

#endif
