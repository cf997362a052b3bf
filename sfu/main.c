/* realtime-sfu: relays the media of calls. Reading order: sfu/README.md. */
#include <errno.h>
#include <gst/gst.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/sysinfo.h>
#include <systemd/sd-daemon.h>

#include "core/config.h"
#include "core/heap.h"
#include "core/log.h"
#include "sfu/edge/bridge.h"
#include "sfu/edge/bus_link.h"
#include "sfu/edge/control.h"
#include "sfu/edge/net.h"

static void print_help(void)
{
	(void)printf("Usage: realtime-sfu [--help | --version]\n\n"
		     "Relays WebRTC audio and video among the participants of a room.\n"
		     "It takes its orders from realtimed over the bus (REALTIME_BUS) and serves\n"
		     "one UDP port for each worker thread, from WEBRTC_UDP_PORT on.\n\n");
	config_print_help(stdout);
}

static int fail(const struct error *error, int r)
{
	(void)fprintf(stderr, "realtime-sfu: %s\n",
		      *error->message ? error->message : strerror(-r));
	return 1;
}

struct sfu {
	struct config *config;
	struct dtls_identity *dtls;
	struct sdp_candidate *candidates;
	size_t candidate_count;
	struct codec_preferences preferences;
	struct workers workers;
	struct bridge *bridge;
	struct bus_link *link;
	struct control *control;
};

static size_t worker_count(const struct sfu *sfu)
{
	size_t count = (size_t)sfu->config->WEBRTC_WORKERS;

	if (count == 0)
		count = (size_t)get_nprocs();
	return count < WORKERS_MAX ? count : WORKERS_MAX;
}

/* The lanes between the workers; none where rooms stay on one. */
static int make_bridge(struct sfu *sfu)
{
	sfu->workers.peers_per_worker = (size_t)sfu->config->WEBRTC_PEERS_PER_WORKER;
	if (worker_count(sfu) == 1 || sfu->workers.peers_per_worker == 0)
		return 0;
	sfu->bridge = bridge_new(worker_count(sfu));
	return sfu->bridge ? 0 : -ENOMEM;
}

static int start_workers(struct sfu *sfu, struct error *reterr)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < worker_count(sfu); i++) {
		struct worker_config config = {
			.index = (unsigned)i,
			.port = (uint16_t)(sfu->config->WEBRTC_UDP_PORT + (int64_t)i),
			.candidates = sfu->candidates,
			.candidate_count = sfu->candidate_count,
			.dtls = sfu->dtls,
			.room_events = &bus_link_room_events,
			.room_events_data = sfu->link,
			.preferences = sfu->preferences,
			.audio_streams_max = (size_t)sfu->config->WEBRTC_AUDIO_STREAMS,
			.video_streams_max = (size_t)sfu->config->WEBRTC_VIDEO_STREAMS,
			.with_tcp = sfu->config->WEBRTC_TCP,
			.with_svc = sfu->config->WEBRTC_SVC,
			.bridge = sfu->bridge,
			.cpu_limit_percent = (unsigned)sfu->config->WEBRTC_CPU_LIMIT};

		r = worker_new(&config, &sfu->workers.worker[i], reterr);
		if (r == 0)
			sfu->workers.count++;
	}
	return r;
}

struct codec_reading {
	struct codec_preferences *preferences;
	struct error *reterr;
	int r;
};

static void read_codec(void *data, const char *name)
{
	struct codec_reading *reading = data;
	struct error error;

	if (reading->r == 0 && codec_preferences_add(reading->preferences, name, &error) < 0)
		reading->r = error_set_field(reading->reterr, -EINVAL, "bad_setting",
					     "WEBRTC_CODECS", "WEBRTC_CODECS: %s", error.message);
}

static int read_codecs(struct sfu *sfu, struct error *reterr)
{
	struct codec_reading reading = {.preferences = &sfu->preferences, .reterr = reterr};

	config_list_for_each(sfu->config->WEBRTC_CODECS, read_codec, &reading);
	return reading.r;
}

static int start(struct sfu *sfu, struct error *reterr)
{
	const struct config *config = sfu->config;
	int r = dtls_identity_new(&sfu->dtls, reterr);

	if (r == 0)
		r = read_codecs(sfu, reterr);
	if (r == 0)
		r = net_candidates(config->WEBRTC_ANNOUNCED_IPS, config->WEBRTC_ANNOUNCE_LOOPBACK,
				   &sfu->candidates, &sfu->candidate_count, reterr);
	if (r < 0)
		return r;
	r = make_bridge(sfu);
	if (r < 0)
		return r;
	sfu->link = bus_link_new(config->REALTIME_BUS, &sfu->workers, worker_count(sfu));
	if (!sfu->link)
		return -ENOMEM;
	r = start_workers(sfu, reterr);
	if (r == 0)
		r = control_new(config->REALTIME_SFU_CONTROL, &sfu->workers, &sfu->control, reterr);
	if (r == 0)
		r = bus_link_start(sfu->link);
	return r;
}

static void stop(struct sfu *sfu)
{
	sfu->control = control_free(sfu->control);
	if (sfu->link)
		bus_link_stop(sfu->link);
	for (size_t i = 0; i < sfu->workers.count; i++)
		(void)worker_free(sfu->workers.worker[i]);
	sfu->bridge = bridge_free(sfu->bridge);
	sfu->link = bus_link_free(sfu->link);
	sfu->dtls = dtls_identity_free(sfu->dtls);
	free(sfu->candidates);
	sfu->config = config_free(sfu->config);
}

static void log_start(const struct sfu *sfu)
{
	for (size_t i = 0; i < sfu->candidate_count; i++)
		LOG(LOG_INFO, LOG_WEBRTC, "announcing",
		    LOG_TEXT("address", sfu->candidates[i].address),
		    LOG_INT("first_port", sfu->config->WEBRTC_UDP_PORT),
		    LOG_INT("workers", sfu->workers.count));
	if (sfu->candidate_count == 0)
		LOG(LOG_WARNING, LOG_WEBRTC, "no_address",
		    LOG_TEXT("detail", "no interface has an address that clients could reach; set "
				       "WEBRTC_ANNOUNCED_IPS"));
}

/* This thread has nothing else to do. */
static int wait_for_signal(const sigset_t *signals)
{
	const struct timespec interval = {.tv_sec = 2};
	int signal_number;

	while ((signal_number = sigtimedwait(signals, NULL, &interval)) < 0)
		(void)heap_give_back();
	return signal_number;
}

int main(int argc, char **argv)
{
	struct sfu sfu = {0};
	struct error error = {0};
	sigset_t signals;
	int signal_number, r;

	if (argc == 2 && strcmp(argv[1], "--help") == 0) {
		print_help();
		return 0;
	}
	if (argc == 2 && strcmp(argv[1], "--version") == 0) {
		(void)printf("realtime-sfu %s\n", RT_VERSION);
		return 0;
	}
	if (argc > 1) {
		(void)fprintf(stderr, "realtime-sfu: unknown argument %s; try --help\n", argv[1]);
		return 1;
	}
	/* Blocked before any thread starts, so that they all inherit it. */
	(void)sigemptyset(&signals);
	(void)sigaddset(&signals, SIGINT);
	(void)sigaddset(&signals, SIGTERM);
	(void)pthread_sigmask(SIG_BLOCK, &signals, NULL);
	(void)signal(SIGPIPE, SIG_IGN);

	r = config_load(&sfu.config, &error);
	if (r < 0)
		return fail(&error, r);
	config_apply_log(sfu.config, "sfu");
	gst_init(NULL, NULL);
	r = start(&sfu, &error);
	if (r < 0) {
		stop(&sfu);
		return fail(&error, r);
	}
	log_start(&sfu);
	(void)sd_notify(0, "READY=1");
	signal_number = wait_for_signal(&signals);
	LOG(LOG_INFO, LOG_MAIN, "stopping", LOG_INT("signal", signal_number));
	(void)sd_notify(0, "STOPPING=1");
	stop(&sfu);
	gst_deinit();
	return 0;
}
