#include "sfu/edge/packet.h"

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

struct packet_pool {
	pthread_t owner;
	struct packet *free;		   /* the owner's */
	_Atomic(struct packet *) returned; /* by other threads; the owner takes them all at once */
	atomic_size_t outstanding;	   /* packets, and one for the owner */
};

/* ---- a GstAllocator that only describes our memory ---- */

typedef struct {
	GstAllocator parent;
} PacketAllocator;
typedef struct {
	GstAllocatorClass parent;
} PacketAllocatorClass;

GType packet_allocator_get_type(void);
G_DEFINE_TYPE(PacketAllocator, packet_allocator, GST_TYPE_ALLOCATOR)

static gpointer packet_map(GstMemory *memory, gsize size, GstMapFlags flags)
{
	(void)size;
	(void)flags;
	return ((struct packet *)(void *)memory)->bytes;
}

static void packet_unmap(GstMemory *memory)
{
	(void)memory;
}

/* A share or copy is for those who leave the relay (a recorder, say): plain memory. */
static GstMemory *packet_copy(GstMemory *memory, gssize offset, gssize size)
{
	struct packet *packet = (struct packet *)(void *)memory;
	gsize start = memory->offset + (gsize)offset;
	gsize count = size < 0 ? memory->size - (gsize)offset : (gsize)size;
	GstMemory *copy = gst_allocator_alloc(NULL, count, NULL);
	GstMapInfo map;

	if (gst_memory_map(copy, &map, GST_MAP_WRITE)) {
		memcpy(map.data, packet->bytes + start, count);
		gst_memory_unmap(copy, &map);
	}
	return copy;
}

static GstMemory *packet_alloc(GstAllocator *allocator, gsize size, GstAllocationParams *params)
{
	(void)allocator;
	return gst_allocator_alloc(NULL, size, params); /* nobody asks; be correct all the same */
}

static void packet_memory_free(GstAllocator *allocator, GstMemory *memory)
{
	(void)allocator;
	free(memory);
}

static void packet_allocator_class_init(PacketAllocatorClass *class)
{
	GST_ALLOCATOR_CLASS(class)->alloc = packet_alloc;
	GST_ALLOCATOR_CLASS(class)->free = packet_memory_free;
}

static void packet_allocator_init(PacketAllocator *self)
{
	GstAllocator *allocator = GST_ALLOCATOR_CAST(self);

	allocator->mem_type = "RtcPacket";
	allocator->mem_map = packet_map;
	allocator->mem_unmap = packet_unmap;
	allocator->mem_copy = packet_copy;
	allocator->mem_share = packet_copy;
	GST_OBJECT_FLAG_SET(allocator, GST_ALLOCATOR_FLAG_CUSTOM_ALLOC);
}

static GstAllocator *packet_allocator(void)
{
	static GstAllocator *allocator;
	static gsize once;

	if (g_once_init_enter(&once)) {
		allocator = g_object_new(packet_allocator_get_type(), NULL);
		gst_object_ref_sink(allocator);
		GST_OBJECT_FLAG_SET(allocator, GST_OBJECT_FLAG_MAY_BE_LEAKED);
		g_once_init_leave(&once, 1);
	}
	return allocator;
}

/* ---- the pool ---- */

static void free_chain(struct packet *packet)
{
	while (packet) {
		struct packet *next = packet->next_free;

		packet->pool = NULL;
		gst_buffer_unref(packet->buffer); /* frees the memory, and so the packet */
		packet = next;
	}
}

static void pool_unref(struct packet_pool *pool)
{
	if (atomic_fetch_sub(&pool->outstanding, 1) != 1)
		return;
	free_chain(pool->free);
	free_chain(atomic_load(&pool->returned));
	free(pool);
}

/* The last reference went: bring the buffer home instead of freeing it. */
static gboolean packet_on_dispose(GstMiniObject *object)
{
	GstBuffer *buffer = GST_BUFFER_CAST(object);
	struct packet *packet = packet_of_buffer(buffer);
	struct packet_pool *pool;

	if (!packet || packet->buffer != buffer)
		return TRUE;
	pool = packet->pool;
	if (!pool)
		return TRUE; /* the pool is being emptied */
	gst_buffer_ref(buffer);
	if (pthread_equal(pthread_self(), pool->owner)) {
		packet->next_free = pool->free;
		pool->free = packet;
	} else {
		struct packet *head = atomic_load(&pool->returned);

		do
			packet->next_free = head;
		while (!atomic_compare_exchange_weak(&pool->returned, &head, packet));
	}
	pool_unref(pool);
	return FALSE;
}

struct packet_pool *packet_pool_new(void)
{
	struct packet_pool *pool = calloc(1, sizeof(*pool));

	if (!pool)
		return NULL;
	pool->owner = pthread_self();
	atomic_init(&pool->returned, NULL);
	atomic_init(&pool->outstanding, 1);
	return pool;
}

void packet_pool_release(struct packet_pool *pool)
{
	if (pool)
		pool_unref(pool);
}

static struct packet *packet_new(struct packet_pool *pool)
{
	struct packet *packet = calloc(1, sizeof(*packet));

	if (!packet)
		return NULL;
	gst_memory_init(&packet->memory, 0, packet_allocator(), NULL, PACKET_BYTES_MAX, 0, 0, 0);
	packet->pool = pool;
	packet->buffer = gst_buffer_new();
	gst_buffer_append_memory(packet->buffer, &packet->memory);
	GST_MINI_OBJECT_CAST(packet->buffer)->dispose = packet_on_dispose;
	return packet;
}

struct packet *packet_take(struct packet_pool *pool)
{
	struct packet *packet;

	if (!pool->free)
		pool->free = atomic_exchange(&pool->returned, NULL);
	packet = pool->free;
	if (packet)
		pool->free = packet->next_free;
	else
		packet = packet_new(pool);
	if (packet) {
		atomic_fetch_add(&pool->outstanding, 1);
		packet->length = 0;
		packet->is_keyframe_start = false;
		packet->added_padding = 0;
	}
	return packet;
}

void packet_set_length(struct packet *packet, size_t length)
{
	packet->length = length;
	packet->memory.size = length;
}

void packet_pad(struct packet *packet, uint8_t byte_count)
{
	memset(packet->bytes + packet->length, 0, byte_count);
	packet->bytes[packet->length + byte_count - 1] = byte_count; /* RFC 3550 section 5.1 */
	packet->added_padding = byte_count;
}

struct packet *packet_of_buffer(GstBuffer *buffer)
{
	GstMemory *memory = gst_buffer_peek_memory(buffer, 0);

	if (!memory || memory->allocator != packet_allocator())
		return NULL;
	return (struct packet *)(void *)memory;
}
