#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "core/bus.h"
#include "core/clock.h"
#include "core/log.h"
#include "sfu/edge/parts.h"
#include "sfu/edge/worker_private.h"
#include "sfu/model/pacer.h"

enum {
	TICK_US = 20000,
	TICK_SLICE_US = 100,  /* of each turn's time for what is due, and a quarter of the turn */
	BATCHES_PER_TURN = 4, /* then commands and timers get their chance */
	COMMANDS_PER_TURN = 16,
	REBIND_TRIES_PER_TICK = 64
};

/* Somebody waiting in worker_ask(). The one who comes last frees it. */
struct question {
	pthread_mutex_t lock;
	pthread_cond_t done;
	bool is_done, is_abandoned;
	worker_question_fn answer;
	json_t *asked, *result;
};

struct command {
	struct list link;
	worker_command_fn run; /* NULL: a question */
	json_t *body;
	uint32_t request_id;
	void *data;
	struct question *question;
};

/* ---- commands ---- */

static void wake(struct worker *worker)
{
	uint64_t one = 1;

	(void)!write(worker->wake_fd, &one, sizeof(one)); /* a full counter wakes just as well */
}

static void enqueue(struct worker *worker, struct command *command)
{
	(void)pthread_mutex_lock(&worker->lock);
	list_append(&worker->commands, &command->link);
	(void)pthread_mutex_unlock(&worker->lock);
	wake(worker);
}

void worker_post(struct worker *worker, worker_command_fn run, json_t *body, uint32_t request_id,
		 void *data)
{
	struct command *command = calloc(1, sizeof(*command));

	if (!command) {
		json_decref(body);
		LOG(LOG_ERROR, LOG_WEBRTC, "command_lost", LOG_TEXT("error", "no memory"));
		return;
	}
	*command =
		(struct command){.run = run, .body = body, .request_id = request_id, .data = data};
	enqueue(worker, command);
}

void worker_postpone(struct worker *worker, worker_command_fn run, json_t *body,
		     uint32_t request_id, void *data)
{
	struct command *command = calloc(1, sizeof(*command));

	if (!command) {
		LOG(LOG_ERROR, LOG_WEBRTC, "command_lost", LOG_TEXT("error", "no memory"));
		return;
	}
	*command = (struct command){
		.run = run, .body = json_incref(body), .request_id = request_id, .data = data};
	list_append(&worker->postponed, &command->link);
}

static void question_free(struct question *question)
{
	json_decref(question->result);
	json_decref(question->asked);
	(void)pthread_cond_destroy(&question->done);
	(void)pthread_mutex_destroy(&question->lock);
	free(question);
}

static void question_answer(struct question *question, json_t *result)
{
	bool is_abandoned;

	(void)pthread_mutex_lock(&question->lock);
	question->result = result;
	question->is_done = true;
	is_abandoned = question->is_abandoned;
	(void)pthread_cond_signal(&question->done);
	(void)pthread_mutex_unlock(&question->lock);
	if (is_abandoned)
		question_free(question);
}

json_t *worker_ask(struct worker *worker, worker_question_fn answer, const json_t *asked,
		   unsigned timeout_ms)
{
	struct question *question = calloc(1, sizeof(*question));
	struct command *command = calloc(1, sizeof(*command));
	struct timespec deadline;
	json_t *result = NULL;
	bool is_done;
	int r = 0;

	if (!question || !command) {
		free(question);
		free(command);
		return NULL;
	}
	(void)pthread_mutex_init(&question->lock, NULL);
	(void)pthread_cond_init(&question->done, NULL);
	question->answer = answer;
	question->asked = json_deep_copy(asked);
	command->question = question;
	(void)clock_gettime(CLOCK_REALTIME, &deadline);
	deadline.tv_sec +=
		timeout_ms / 1000 + (deadline.tv_nsec + timeout_ms % 1000 * 1000000L) / 1000000000;
	deadline.tv_nsec = (deadline.tv_nsec + timeout_ms % 1000 * 1000000L) % 1000000000;
	enqueue(worker, command);

	(void)pthread_mutex_lock(&question->lock);
	while (!question->is_done && r == 0)
		r = pthread_cond_timedwait(&question->done, &question->lock, &deadline);
	is_done = question->is_done;
	question->is_abandoned = !is_done;
	if (is_done)
		result = STEAL(question->result);
	(void)pthread_mutex_unlock(&question->lock);
	if (is_done)
		question_free(question);
	return result;
}

static struct command *next_command(struct worker *worker)
{
	struct list *first;

	(void)pthread_mutex_lock(&worker->lock);
	first = list_first(&worker->commands);
	if (first)
		list_remove(first);
	(void)pthread_mutex_unlock(&worker->lock);
	return first ? LIST_ITEM(first, struct command, link) : NULL;
}

static bool stop_is_wanted(struct worker *worker)
{
	bool wanted;

	(void)pthread_mutex_lock(&worker->lock);
	wanted = worker->should_stop;
	(void)pthread_mutex_unlock(&worker->lock);
	return wanted;
}

/* ---- other parts of the rooms ---- */

/* What another worker handed over before a command was posted is known when that runs. */
static void hear_parts(struct worker *worker)
{
	struct list *link;

	if (!worker->context.parts || !parts_receive(worker->context.parts, &worker->port.now_us))
		return;
	while ((link = list_first(&worker->postponed))) {
		list_remove(link);
		enqueue(worker, LIST_ITEM(link, struct command, link));
	}
}

void worker_tell_parts(struct worker *worker)
{
	if (worker->context.parts)
		parts_flush(worker->context.parts);
}

/* A few at a time: a storm of signals must not hold the packets up. */
static void run_commands(struct worker *worker)
{
	struct command *command;

	for (int i = 0; (command = next_command(worker)); i++) {
		hear_parts(worker);
		bus_take_request(command->body); /* none in questions */
		if (command->run)
			command->run(worker, command->body, command->request_id, command->data);
		else
			question_answer(
				command->question,
				command->question->answer(worker, command->question->asked));
		log_set_request(NULL);
		json_decref(command->body);
		free(command);
		if (i == COMMANDS_PER_TURN && !stop_is_wanted(worker)) {
			wake(worker);
			return;
		}
	}
}

/* ---- rooms ---- */

struct room *worker_room_find(struct worker *worker, const char *id)
{
	return g_hash_table_lookup(worker->rooms, id);
}

/* Timers run only while somebody is there, or it is still believed to be too busy. */
static void set_ticking(struct worker *worker)
{
	bool on = g_hash_table_size(worker->rooms) > 0 || worker->overload.refuses ||
		  worker->overload.share_percent != OVERLOAD_SHARE_ALL ||
		  (worker->port.tcp && tcp_port_connection_count(worker->port.tcp) > 0);
	struct itimerspec interval = {0};

	if (worker->is_ticking == on)
		return;
	worker->is_ticking = on;
	if (on)
		interval.it_value.tv_nsec = interval.it_interval.tv_nsec = TICK_US * 1000L;
	(void)timerfd_settime(worker->timer_fd, 0, &interval, NULL);
}

struct room *worker_room_get(struct worker *worker, const char *id)
{
	struct room *room = worker_room_find(worker, id);

	if (!room && room_new(id, &worker->context, &room) == 0) {
		g_hash_table_insert(worker->rooms, g_strdup(id), room);
		set_ticking(worker);
	}
	return room;
}

void worker_room_close(struct worker *worker, struct room *room)
{
	(void)g_hash_table_remove(worker->rooms, room_id(room)); /* frees it */
	set_ticking(worker);
}

void worker_room_release(struct worker *worker, struct room *room)
{
	if (room_is_empty(room))
		worker_room_close(worker, room);
}

static void free_room(gpointer room)
{
	(void)room_free(room);
}

static gboolean is_empty_room(gpointer key, gpointer room, gpointer data)
{
	(void)key;
	(void)data;
	return room_is_empty(room);
}

static void watch_load(struct worker *worker)
{
	const struct overload *overload = &worker->overload;
	unsigned load_percent = turn_pace_load_percent(&worker->pace);

	if (!overload_update(&worker->overload, load_percent, worker->port.now_us))
		return;
	if (worker->context.parts)
		parts_say_busy(worker->context.parts, overload->refuses);
	LOG(LOG_WARNING, LOG_WEBRTC, "load_changed", LOG_INT("worker", worker->index),
	    LOG_INT("load_percent", load_percent), LOG_INT("refuses_publishers", overload->refuses),
	    LOG_INT("share_percent", overload->share_percent));
}

static void tick(struct worker *worker)
{
	GHashTableIter iterator;
	gpointer room;
	uint64_t expirations;

	(void)!read(worker->timer_fd, &expirations, sizeof(expirations));
	watch_load(worker);
	if (worker->port.tcp)
		tcp_port_tick(worker->port.tcp, worker->port.now_us);
	worker->port.rebind_tries = REBIND_TRIES_PER_TICK;
	due_wheel_tick(&worker->wheel);
	g_hash_table_iter_init(&iterator, worker->rooms);
	while (g_hash_table_iter_next(&iterator, NULL, &room))
		room_tick(room);
	(void)g_hash_table_foreach_remove(worker->rooms, is_empty_room, NULL);
	set_ticking(worker);
}

/* ---- the loop ---- */

static void receive(struct worker *worker)
{
	struct datagram *datagrams;

	for (int i = 0; i < BATCHES_PER_TURN; i++) {
		size_t count = media_port_receive(&worker->port, worker->batch, &datagrams);

		for (size_t j = 0; j < count; j++)
			transport_dispatch(&worker->port, &datagrams[j]);
		transport_deliver_pending(&worker->port);
		if (count < RECEIVE_BATCH)
			return;
		worker->port.now_us = clock_now_us();
	}
}

/* Everything leaves. */
static void flush(struct worker *worker)
{
	struct forward_delay *delay = &worker->port.forward_delay;

	worker_tell_parts(worker); /* first: they can begin meanwhile */
	egress_flush(worker->port.egress);
	if (worker->port.tcp)
		tcp_port_flush(worker->port.tcp);
	if (delay->count > 0)
		forward_delay_on_sent(delay, clock_now_us(), &worker->forwarding);
}

/* All peers at once would hold the packets up. */
static void tick_due_peers(struct worker *worker)
{
	uint64_t now_us = clock_now_us();

	if (list_is_empty(&worker->wheel.due))
		return;
	room_tick_due_peers(&worker->wheel,
			    now_us + TICK_SLICE_US + (now_us - worker->port.now_us) / 4);
	flush(worker);
}

/* Until something is there; where calls are going on, for a while, after which something is. */
static int await(struct worker *worker, struct epoll_event *events, int events_max)
{
	unsigned us = turn_pace_wait_us(&worker->pace);
	struct timespec pause = {.tv_nsec = us * 1000L};
	int timeout_ms = list_is_empty(&worker->port.pacing) ? -1 : PACER_TURN_MS;

	if (us > 0)
		(void)nanosleep(&pause, NULL); /* cut short, it just gathers less */
	if (us > 0 || !list_is_empty(&worker->wheel.due))
		timeout_ms = 0;
	return epoll_wait(worker->epoll_fd, events, events_max, timeout_ms);
}

static void loop(struct worker *worker)
{
	struct epoll_event events[5];
	uint64_t count_of_wakes;

	while (!stop_is_wanted(worker)) {
		int count = await(worker, events, ARRAY_LEN(events));
		uint64_t began_us;

		worker->port.now_us = began_us = clock_now_us();
		forward_delay_begin_turn(&worker->port.forward_delay, began_us);
		for (int i = 0; i < count; i++) {
			if (events[i].data.fd == worker->port.fd) {
				receive(worker);
			} else if (worker->port.tcp &&
				   events[i].data.fd == tcp_port_fd(worker->port.tcp)) {
				media_port_receive_tcp(&worker->port);
				transport_deliver_pending(&worker->port);
				set_ticking(worker);
			} else if (worker->context.parts &&
				   events[i].data.fd == parts_fd(worker->context.parts)) {
				(void)!read(events[i].data.fd, &count_of_wakes,
					    sizeof(count_of_wakes));
				hear_parts(worker);
			} else if (events[i].data.fd == worker->timer_fd) {
				tick(worker);
			} else {
				(void)!read(worker->wake_fd, &count_of_wakes,
					    sizeof(count_of_wakes));
				run_commands(worker);
			}
		}
		transport_release_due(&worker->port);
		flush(worker);
		tick_due_peers(worker);
		turn_pace_on_turn(&worker->pace, began_us, clock_now_us());
	}
}

/* ---- life ---- */

static int watch(struct worker *worker, int fd)
{
	struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};

	return epoll_ctl(worker->epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0 ? -errno : 0;
}

static int set_up(struct worker *worker, struct error *reterr)
{
	const struct worker_config *config = worker->config;
	int r = media_port_open(&worker->port, config->port, config->candidates,
				config->candidate_count, config->with_tcp, reterr);

	if (r < 0)
		return r;
	worker->port.take = transport_dispatch;
	overload_init(&worker->overload, config->cpu_limit_percent);
	due_wheel_init(&worker->wheel);
	worker->context = (struct room_context){.port = &worker->port,
						.wheel = &worker->wheel,
						.preferences = config->preferences,
						.audio_streams_max = config->audio_streams_max,
						.video_streams_max = config->video_streams_max,
						.with_svc = config->with_svc,
						.overload = &worker->overload,
						.dtls = config->dtls,
						.events = config->room_events,
						.events_data = config->room_events_data};
	if (config->bridge) {
		worker->context.parts = parts_new(config->bridge, worker->index);
		if (!worker->context.parts)
			return -ENOMEM;
	}
	worker->rooms = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, free_room);
	worker->batch = receive_batch_new();
	worker->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	worker->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (!worker->batch || worker->epoll_fd < 0 || worker->timer_fd < 0 ||
	    (worker->port.tcp && watch(worker, tcp_port_fd(worker->port.tcp)) < 0) ||
	    watch(worker, worker->port.fd) < 0 || watch(worker, worker->timer_fd) < 0 ||
	    (worker->context.parts && watch(worker, parts_fd(worker->context.parts)) < 0) ||
	    watch(worker, worker->wake_fd) < 0)
		return error_set(reterr, -ENOMEM, "no_resources", "worker %u cannot start: %s",
				 worker->index, strerror(errno));
	worker->port.now_us = clock_now_us();
	return 0;
}

static void forget_postponed(struct worker *worker)
{
	struct list *link;

	while ((link = list_first(&worker->postponed))) {
		struct command *command = LIST_ITEM(link, struct command, link);

		list_remove(link);
		json_decref(command->body);
		free(command);
	}
}

static void tear_down(struct worker *worker)
{
	run_commands(worker); /* whoever still asks is answered */
	g_clear_pointer(&worker->rooms, g_hash_table_unref);
	worker->context.parts = parts_free(worker->context.parts);
	forget_postponed(worker);
	if (worker->port.egress)
		egress_flush(worker->port.egress);
	worker->batch = receive_batch_free(worker->batch);
	media_port_close(&worker->port);
	if (worker->epoll_fd >= 0)
		(void)close(worker->epoll_fd);
	if (worker->timer_fd >= 0)
		(void)close(worker->timer_fd);
}

static void *run(void *argument)
{
	struct worker *worker = argument;
	int r = set_up(worker, &worker->start_error);

	(void)pthread_mutex_lock(&worker->start_lock);
	worker->start_result = r;
	worker->has_started = true;
	(void)pthread_cond_signal(&worker->started);
	(void)pthread_mutex_unlock(&worker->start_lock);
	if (r == 0)
		loop(worker);
	tear_down(worker);
	return NULL;
}

static void worker_destroy(struct worker *worker)
{
	(void)pthread_mutex_destroy(&worker->lock);
	(void)pthread_mutex_destroy(&worker->start_lock);
	(void)pthread_cond_destroy(&worker->started);
	(void)close(worker->wake_fd);
	free(worker);
}

int worker_new(const struct worker_config *config, struct worker **ret_worker, struct error *reterr)
{
	struct worker *worker = calloc(1, sizeof(*worker));
	char name[16];
	int r;

	if (!worker)
		return -ENOMEM;
	worker->index = config->index;
	worker->number = config->port;
	worker->config = config;
	worker->epoll_fd = worker->timer_fd = -1;
	worker->port.fd = -1;
	list_init(&worker->commands);
	list_init(&worker->postponed);
	(void)pthread_mutex_init(&worker->lock, NULL);
	(void)pthread_mutex_init(&worker->start_lock, NULL);
	(void)pthread_cond_init(&worker->started, NULL);
	worker->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	r = worker->wake_fd < 0 ? -errno : -pthread_create(&worker->thread, NULL, run, worker);
	if (r < 0) {
		worker_destroy(worker);
		return r;
	}
	(void)snprintf(name, sizeof(name), "media-%u", worker->index);
	(void)pthread_setname_np(worker->thread, name);
	(void)pthread_mutex_lock(&worker->start_lock);
	while (!worker->has_started)
		(void)pthread_cond_wait(&worker->started, &worker->start_lock);
	(void)pthread_mutex_unlock(&worker->start_lock);
	if (worker->start_result < 0) {
		r = worker->start_result;
		if (reterr)
			*reterr = worker->start_error;
		(void)pthread_join(worker->thread, NULL);
		worker_destroy(worker);
		return r;
	}
	*ret_worker = worker;
	return 0;
}

struct worker *worker_free(struct worker *worker)
{
	if (!worker)
		return NULL;
	(void)pthread_mutex_lock(&worker->lock);
	worker->should_stop = true;
	(void)pthread_mutex_unlock(&worker->lock);
	wake(worker);
	(void)pthread_join(worker->thread, NULL);
	worker_destroy(worker);
	return NULL;
}

uint16_t worker_port(const struct worker *worker)
{
	return worker->number;
}

unsigned worker_index(const struct worker *worker)
{
	return worker->index;
}
