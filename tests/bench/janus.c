/* janus.c - Janus' VideoRoom as a relay to be measured, spoken to over its HTTP API. */
#include <arpa/inet.h>
#include <curl/curl.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/json.h"
#include "tests/bench/relay_server.h"

enum { PATIENCE_S = 10, ROOM_OF_ZERO = 1000, FEEDS_MAX = 64 };

static const char program[] = "/usr/bin/janus";

struct janus {
	unsigned event_loops;
	char folder[64];
	unsigned port;
	pid_t pid;
	CURL *curl;
	json_int_t session;
	unsigned transactions;
	json_int_t feeds[FEEDS_MAX]; /* by the peer's number */
};

bool janus_is_installed(void)
{
	return access(program, X_OK) == 0;
}

struct janus *janus_new(unsigned event_loops)
{
	struct janus *janus = calloc(1, sizeof(*janus));

	if (janus)
		janus->event_loops = event_loops;
	return janus;
}

struct janus *janus_free(struct janus *janus)
{
	free(janus);
	return NULL;
}

/* ---- its process ---- */

static int write_file(const struct janus *janus, const char *name, const char *text)
{
	char path[128];
	FILE *file;

	(void)snprintf(path, sizeof(path), "%s/%s", janus->folder, name);
	file = fopen(path, "we");
	if (!file)
		return -errno;
	(void)fputs(text, file);
	return fclose(file) == 0 ? 0 : -errno;
}

/* A port that nobody listens on just now. */
static unsigned free_port(void)
{
	struct sockaddr_in address = {.sin_family = AF_INET,
				      .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t length = sizeof(address);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void)bind(fd, (struct sockaddr *)&address, sizeof(address));
	(void)getsockname(fd, (struct sockaddr *)&address, &length);
	(void)close(fd);
	return ntohs(address.sin_port);
}

/* As shipped, but for what it listens on and logs; ICE-lite, as ours is, which the peers rely on.
 */
static int configure(struct janus *janus)
{
	char loops[64] = "", text[1024];
	int r;

	if (janus->event_loops)
		(void)snprintf(loops, sizeof(loops), "\tevent_loops = %u\n", janus->event_loops);
	(void)snprintf(text, sizeof(text),
		       "general: {\n\tdebug_level = 2\n\tsession_timeout = 0\n%s}\n"
		       "nat: {\n\tice_lite = true\n\tice_ignore_list = \"vmnet\"\n}\n"
		       "transports: {\n\tdisable = \"libjanus_mqtt.so,libjanus_nanomsg.so,"
		       "libjanus_pfunix.so,libjanus_rabbitmq.so,libjanus_websockets.so\"\n}\n",
		       loops);
	r = write_file(janus, "janus.jcfg", text);
	(void)snprintf(text, sizeof(text),
		       "general: {\n\tjson = \"compact\"\n\tbase_path = \"/janus\"\n\thttp = true\n"
		       "\tport = %u\n\tip = \"127.0.0.1\"\n\thttps = false\n}\n",
		       janus->port);
	return r < 0 ? r : write_file(janus, "janus.transport.http.jcfg", text);
}

static pid_t spawn(const struct janus *janus)
{
	char config[128], log[128];
	pid_t pid;
	int fd;

	(void)snprintf(config, sizeof(config), "%s/janus.jcfg", janus->folder);
	(void)snprintf(log, sizeof(log), "%s/log", janus->folder);
	pid = fork();
	if (pid != 0)
		return pid < 0 ? -errno : pid;
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL); /* it does not outlive us */
	fd = open(log, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	(void)dup2(fd, STDOUT_FILENO);
	(void)dup2(fd, STDERR_FILENO);
	(void)execl(program, program, "--configs-folder", janus->folder, "--config", config,
		    (char *)NULL);
	_exit(127);
}

/* ---- its API ---- */

static size_t keep(char *bytes, size_t size, size_t count, void *data)
{
	return fwrite(bytes, size, count, data) * size;
}

/* POST `body`, or GET without one. The answer is a new reference, NULL if none came. */
static json_t *exchange(struct janus *janus, const char *path, const json_t *body)
{
	AUTO_FREE char *text = body ? json_dumps(body, JSON_COMPACT) : NULL;
	AUTO_FREE char *answer = NULL;
	char url[256];
	size_t length = 0;
	FILE *sink = open_memstream(&answer, &length);
	CURLcode result;

	(void)snprintf(url, sizeof(url), "http://127.0.0.1:%u/janus%s", janus->port, path);
	curl_easy_reset(janus->curl);
	(void)curl_easy_setopt(janus->curl, CURLOPT_URL, url);
	(void)curl_easy_setopt(janus->curl, CURLOPT_WRITEFUNCTION, keep);
	(void)curl_easy_setopt(janus->curl, CURLOPT_WRITEDATA, sink);
	(void)curl_easy_setopt(janus->curl, CURLOPT_TIMEOUT, (long)PATIENCE_S);
	(void)curl_easy_setopt(janus->curl, CURLOPT_NOSIGNAL, 1L);
	(void)curl_easy_setopt(janus->curl, CURLOPT_PROXY, "");
	if (text)
		(void)curl_easy_setopt(janus->curl, CURLOPT_POSTFIELDS, text);
	result = curl_easy_perform(janus->curl);
	(void)fclose(sink);
	if (result != CURLE_OK && janus->session)
		(void)fprintf(stderr, "Janus does not answer: %s\n", curl_easy_strerror(result));
	return result == CURLE_OK ? json_loadb(answer, length, 0, NULL) : NULL;
}

static void complain(const char *kind, const json_t *answer)
{
	(void)fprintf(stderr, "Janus to %s: ", kind);
	(void)json_dumpf(answer, stderr, JSON_COMPACT);
	(void)fprintf(stderr, "\n");
}

/* A request with `extra` (taken) in it; what it answers, a new reference, or NULL. A long one is
 * acknowledged first, and answered by an event. */
static json_t *ask(struct janus *janus, const char *kind, json_int_t handle, json_t *extra)
{
	AUTO_JSON request = extra ? extra : json_object();
	AUTO_JSON answer = NULL;
	uint64_t until_us = clock_now_us() + PATIENCE_S * 1000000u;
	char transaction[16], path[96] = "", events[96];

	(void)snprintf(transaction, sizeof(transaction), "t%u", janus->transactions++);
	(void)json_object_set_new(request, "janus", json_string(kind));
	(void)json_object_set_new(request, "transaction", json_string(transaction));
	if (handle)
		(void)snprintf(path, sizeof(path),
			       "/%" JSON_INTEGER_FORMAT "/%" JSON_INTEGER_FORMAT, janus->session,
			       handle);
	else if (janus->session)
		(void)snprintf(path, sizeof(path), "/%" JSON_INTEGER_FORMAT, janus->session);
	(void)snprintf(events, sizeof(events), "/%" JSON_INTEGER_FORMAT, janus->session);
	answer = exchange(janus, path, request);
	while (answer &&
	       strcmp(json_string_value(json_object_get(answer, "janus")), "success") != 0) {
		const char *whose = json_string_value(json_object_get(answer, "transaction"));

		if (json_object_get(answer, "jsep") || json_object_get(answer, "plugindata"))
			if (whose && strcmp(whose, transaction) == 0)
				break;
		if (json_object_get(answer, "error") || clock_now_us() > until_us) {
			complain(kind, answer);
			return NULL;
		}
		json_decref(answer);
		answer = exchange(janus, events, NULL);
	}
	return answer ? json_incref(answer) : NULL;
}

static json_int_t id_of(const json_t *answer)
{
	return json_integer_value(json_object_get(json_object_get(answer, "data"), "id"));
}

static json_t *plugin_data(const json_t *answer)
{
	return json_object_get(json_object_get(answer, "plugindata"), "data");
}

/* A handle at the VideoRoom, 0 if it gives none. */
static json_int_t attach(struct janus *janus)
{
	AUTO_JSON answer =
		ask(janus, "attach", 0, json_pack("{s:s}", "plugin", "janus.plugin.videoroom"));

	return id_of(answer);
}

static json_t *message(struct janus *janus, json_int_t handle, json_t *body, const char *type,
		       const char *sdp)
{
	json_t *request = json_pack("{s:o}", "body", body);

	if (sdp)
		(void)json_object_set_new(
			request, "jsep",
			json_pack("{s:s, s:s, s:b}", "type", type, "sdp", sdp, "trickle", 0));
	return ask(janus, "message", handle, request);
}

/* ---- the relay_server ---- */

static int start(void *data, pid_t *ret_pid)
{
	struct janus *janus = data;
	uint64_t until_us = clock_now_us() + PATIENCE_S * 1000000u;
	AUTO_JSON session = NULL;

	(void)snprintf(janus->folder, sizeof(janus->folder), "/tmp/relay-janus-XXXXXX");
	if (!mkdtemp(janus->folder))
		return -errno;
	janus->port = free_port();
	janus->session = 0;
	janus->curl = curl_easy_init();
	if (!janus->curl || configure(janus) < 0 || (janus->pid = spawn(janus)) < 0)
		return -EIO;
	*ret_pid = janus->pid;
	while (!(session = ask(janus, "create", 0, NULL)) && clock_now_us() < until_us)
		(void)usleep(50000);
	janus->session = id_of(session);
	return janus->session ? 0 : -ETIMEDOUT;
}

/* The room is made for its first publisher. */
static int make_room(struct janus *janus, json_int_t handle, unsigned room)
{
	AUTO_JSON answer =
		message(janus, handle,
			json_pack("{s:s, s:i, s:i, s:i, s:s, s:s}", "request", "create", "room",
				  (int)(ROOM_OF_ZERO + room), "publishers", 100, "bitrate", 4000000,
				  "audiocodec", "opus", "videocodec", "vp8"),
			NULL, NULL);

	return plugin_data(answer) ? 0 : -EPROTO;
}

static int publish(void *data, unsigned room, unsigned number, struct load_peer *peer)
{
	struct janus *janus = data;
	AUTO_FREE char *offer = load_peer_offer(peer, 0);
	AUTO_JSON answer = NULL;
	const char *sdp;
	json_int_t handle = attach(janus);

	peer->is_checked = true; /* its library does, even where it says that it is lite */
	if (!handle || number >= FEEDS_MAX || make_room(janus, handle, room) < 0)
		return -EPROTO;
	answer = message(janus, handle,
			 json_pack("{s:s, s:s, s:i}", "request", "joinandconfigure", "ptype",
				   "publisher", "room", (int)(ROOM_OF_ZERO + room)),
			 "offer", offer);
	janus->feeds[number] = json_integer_value(json_object_get(plugin_data(answer), "id"));
	sdp = json_string_value(json_object_get(json_object_get(answer, "jsep"), "sdp"));
	return sdp ? load_peer_connect(peer, sdp) : -EPROTO;
}

/* The offer to watch these streams, a new reference. A publisher is not known before its media is.
 */
static json_t *subscribe(struct janus *janus, json_int_t handle, unsigned room, json_t *streams)
{
	uint64_t until_us = clock_now_us() + PATIENCE_S * 1000000u;

	for (;;) {
		json_t *offered = message(janus, handle,
					  json_pack("{s:s, s:s, s:i, s:O}", "request", "join",
						    "ptype", "subscriber", "room",
						    (int)(ROOM_OF_ZERO + room), "streams", streams),
					  NULL, NULL);

		if (!offered || json_object_get(offered, "jsep"))
			return offered;
		if (clock_now_us() > until_us) {
			complain("subscribe", offered);
			json_decref(offered);
			return NULL;
		}
		json_decref(offered);
		(void)usleep(20000);
	}
}

static int watch(void *data, unsigned room, unsigned number, unsigned first, unsigned sees,
		 struct load_peer *peer)
{
	struct janus *janus = data;
	AUTO_JSON streams = json_array();
	AUTO_JSON offered = NULL;
	AUTO_JSON started = NULL;
	AUTO_FREE char *answer = NULL;
	const char *offer;
	json_int_t handle = attach(janus);

	(void)number;
	peer->is_checked = true;
	for (unsigned i = 0; i < sees; i++)
		(void)json_array_append_new(streams,
					    json_pack("{s:I}", "feed", janus->feeds[first + i]));
	offered = subscribe(janus, handle, room, streams);
	offer = json_string_value(json_object_get(json_object_get(offered, "jsep"), "sdp"));
	answer = offer ? load_peer_answer(peer, offer) : NULL;
	if (!answer)
		return -EPROTO;
	started = message(
		janus, handle,
		json_pack("{s:s, s:i}", "request", "start", "room", (int)(ROOM_OF_ZERO + room)),
		"answer", answer);
	return started ? load_peer_connect(peer, offer) : -EPROTO;
}

static int stop(void *data)
{
	static const char *const files[] = {"janus.jcfg", "janus.transport.http.jcfg", "log"};
	struct janus *janus = data;
	char path[128];

	if (janus->pid > 0) {
		(void)kill(janus->pid,
			   SIGKILL); /* it takes long to end by itself; nothing is lost */
		(void)waitpid(janus->pid, NULL, 0);
	}
	janus->pid = 0;
	if (janus->curl)
		curl_easy_cleanup(janus->curl);
	janus->curl = NULL;
	for (size_t i = 0; i < ARRAY_LEN(files); i++) {
		(void)snprintf(path, sizeof(path), "%s/%s", janus->folder, files[i]);
		(void)unlink(path);
	}
	(void)rmdir(janus->folder);
	return 0;
}

struct relay_server janus_server(struct janus *janus)
{
	return (struct relay_server){.name = janus->event_loops ? "Janus, one event loop"
								: "Janus as shipped",
				     .start = start,
				     .publish = publish,
				     .watch = watch,
				     .stop = stop,
				     .data = janus};
}
