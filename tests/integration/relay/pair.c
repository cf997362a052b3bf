#include "tests/integration/relay/pair.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/clock.h"
#include "sfu/wire/rtcp.h"

/* ---- a group ---- */

struct setting {
	const char *name, *value;
};

/* Of an SFU; NULL: as it is without. */
struct setup {
	unsigned workers;
	const char *peers_per_worker, *cpu_limit;
	bool with_svc;
};

static int start(void **state, const struct setup *setup)
{
	const struct setting settings[] = {{"WEBRTC_PEERS_PER_WORKER", setup->peers_per_worker},
					   {"WEBRTC_CPU_LIMIT", setup->cpu_limit},
					   {"WEBRTC_SVC", setup->with_svc ? "true" : NULL}};
	const char *program = getenv("REALTIME_SFU");
	struct pair *pair = calloc(1, sizeof(*pair));

	assert_non_null(pair);
	*state = pair;
	if (!program)
		fail_msg("REALTIME_SFU must be the path of realtime-sfu");
	for (size_t i = 0; i < ARRAY_LEN(settings); i++)
		(void)(settings[i].value ? setenv(settings[i].name, settings[i].value, 1)
					 : unsetenv(settings[i].name));
	pair->with_svc = setup->with_svc;
	pair->video = LOAD_VP8;
	assert_int_equal(dtls_identity_new(&pair->identity, NULL), 0);
	(void)setenv("G_DEBUG", "fatal-warnings", 1); /* GStreamer's are of our making */
	return fake_hub_start(&pair->hub, program, setup->workers);
}

int pair_start_sfu(void **state)
{
	return start(state, &(struct setup){.workers = 1});
}

int pair_start_two_workers(void **state)
{
	return start(state, &(struct setup){.workers = 2, .peers_per_worker = "1"});
}

int pair_start_busy_worker(void **state)
{
	return start(state, &(struct setup){.workers = 1, .cpu_limit = "1"});
}

int pair_start_two_busy_workers(void **state)
{
	return start(state,
		     &(struct setup){.workers = 2, .peers_per_worker = "1", .cpu_limit = "3"});
}

int pair_start_svc(void **state)
{
	return start(state, &(struct setup){.workers = 1, .with_svc = true});
}

int pair_start_svc_on_two_workers(void **state)
{
	return start(state,
		     &(struct setup){.workers = 2, .peers_per_worker = "1", .with_svc = true});
}

int pair_stop_sfu(void **state)
{
	struct pair *pair = *state;
	int r = fake_hub_stop(&pair->hub);

	pair->identity = dtls_identity_free(pair->identity);
	free(pair);
	return r;
}

int pair_set_up(void **state)
{
	struct pair *pair = *state;

	pair_join(pair, &pair->publisher, "publisher", "whip", 0);
	pair_join(pair, &pair->viewer, "viewer", "whep", 1);
	pair->publisher.sequence_number = 65530; /* a wrap is always near */
	return 0;
}

int pair_tear_down(void **state)
{
	struct pair *pair = *state;

	fake_hub_close_room(&pair->hub, "relay");
	load_peer_fini(&pair->publisher);
	load_peer_fini(&pair->viewer);
	return 0;
}

/* ---- who else is in the room ---- */

char *pair_admit(struct pair *pair, struct load_peer *peer, const char *peer_id, const char *kind,
		 size_t sections)
{
	AUTO_FREE char *offer = NULL;
	char *answer = NULL;

	assert_int_equal(load_peer_init(peer, pair->identity), 0);
	offer = load_peer_offer(peer, sections);
	assert_int_equal(fake_hub_join(&pair->hub, "relay", peer_id, kind, offer, &answer), 0);
	return answer;
}

void pair_join(struct pair *pair, struct load_peer *peer, const char *peer_id, const char *kind,
	       size_t sections)
{
	AUTO_FREE char *answer = pair_admit(pair, peer, peer_id, kind, sections);

	assert_int_equal(load_peer_connect(peer, answer), 0);
}

void pair_join_with(struct pair *pair, struct load_peer *peer, const char *peer_id,
		    const char *kind, const char *offer)
{
	AUTO_FREE char *answer = NULL;

	assert_int_equal(fake_hub_join(&pair->hub, "relay", peer_id, kind, offer, &answer), 0);
	assert_int_equal(load_peer_connect(peer, answer), 0);
}

/* ---- media ---- */

uint16_t pair_start_flow(struct pair *pair)
{
	struct rtp_header header;
	uint8_t packet[2048];

	for (int i = 0; i < 100; i++) {
		size_t length;

		load_peer_publish(&pair->publisher, PACKET_BYTES, true);
		length = load_peer_receive(&pair->viewer, 20, packet);
		if (length > 0 && packet_kind_of(packet, length) == PACKET_RTP &&
		    rtp_header_decode(packet, length, false, &header) == 0)
			return header.sequence_number;
	}
	fail_msg("nothing arrived");
	return 0;
}

bool pair_flows(struct pair *pair)
{
	uint8_t packet[2048];

	for (int i = 0; i < 20; i++) {
		size_t length;

		load_peer_publish(&pair->publisher, PACKET_BYTES, true);
		length = load_peer_receive(&pair->viewer, 20, packet);
		if (length > 0 && packet_kind_of(packet, length) == PACKET_RTP)
			return true;
	}
	return false;
}

bool next_media(struct load_peer *viewer, uint8_t packet[2048], struct rtp_header *header)
{
	size_t length;

	while ((length = load_peer_receive(viewer, PATIENCE_MS, packet)) > 0)
		if (packet_kind_of(packet, length) == PACKET_RTP &&
		    rtp_header_decode(packet, length, false, header) == 0)
			return true;
	return false;
}

size_t next_sealed(const struct load_peer *viewer, uint8_t packet[2048])
{
	for (int i = 0; i < 100; i++) {
		ssize_t got = recv(viewer->fd, packet, 2048, 0);

		if (got > 0 && packet_kind_of(packet, (size_t)got) == PACKET_RTP)
			return (size_t)got;
		if (got <= 0)
			(void)usleep(5000);
	}
	return 0;
}

/* What is read here of the header is not encrypted. */
void ask_again_for_sealed(struct load_peer *viewer, const uint8_t *sealed)
{
	const uint16_t wanted = (uint16_t)(sealed[2] << 8 | sealed[3]);
	const uint32_t ssrc = (uint32_t)sealed[8] << 24 | (uint32_t)sealed[9] << 16 |
			      (uint32_t)sealed[10] << 8 | sealed[11];
	uint8_t packet[256];
	struct writer writer = writer_over(packet, sizeof(packet));

	rtcp_write_nack(&writer, 1, ssrc, &wanted, 1);
	load_peer_send_rtcp(viewer, packet, writer.offset, sizeof(packet));
}

void pair_speak(struct load_peer *speaker, const struct spoken *spoken)
{
	uint8_t packet[256] = {0}, payload[100] = {spoken->first_byte};
	const uint8_t extension[8] = {0xbe,	     0xde, 0, 1, (uint8_t)(spoken->level_id << 4),
				      spoken->level, 0,	   0};
	int r;

	rtp_header_encode(packet, spoken->payload_type, false, true, false, spoken->sequence_number,
			  960u * spoken->sequence_number, spoken->ssrc);
	memcpy(packet + RTP_HEADER_BYTES, extension, sizeof(extension));
	r = media_crypto_protect_rtp(speaker->out, packet, sizeof(packet),
				     RTP_HEADER_BYTES + sizeof(extension), NULL, 0, payload,
				     sizeof(payload));
	assert_true(r > 0);
	(void)send(speaker->fd, packet, (size_t)r, 0);
}

/* ---- the SFU ---- */

void pair_halt_sfu(struct pair *pair)
{
	int status = 0;

	assert_int_equal(kill(pair->hub.sfu, SIGSTOP), 0);
	/* It takes a moment. */
	assert_int_equal(waitpid(pair->hub.sfu, &status, WUNTRACED), pair->hub.sfu);
	assert_true(WIFSTOPPED(status));
}

void pair_resume_sfu(struct pair *pair)
{
	assert_int_equal(kill(pair->hub.sfu, SIGCONT), 0);
}

json_int_t pair_counter_of(struct pair *pair, const char *group, const char *name)
{
	AUTO_JSON status = fake_hub_status(&pair->hub);
	const json_t *worker;
	json_int_t sum = 0;
	size_t i;

	json_array_foreach (json_object_get(status, "workers"), i, worker) {
		const json_t *told = group ? json_object_get(worker, group) : worker;

		sum += json_integer_value(json_object_get(told, name));
	}
	return sum;
}

json_int_t pair_counter(struct pair *pair, const char *name)
{
	return pair_counter_of(pair, NULL, name);
}

json_int_t pair_peers_of_worker(struct pair *pair, size_t worker)
{
	AUTO_JSON status = fake_hub_status(&pair->hub);
	const json_t *workers = json_object_get(status, "workers");

	return json_integer_value(json_object_get(json_array_get(workers, worker), "peers"));
}

void pair_wait_until(struct pair *pair, const char *counter, json_int_t value)
{
	for (int i = 0; i < 200 && pair_counter(pair, counter) != value; i++)
		(void)usleep(10000);
	assert_int_equal(pair_counter(pair, counter), value);
}

void pair_wait_for_packets(struct pair *pair, json_int_t before, json_int_t more)
{
	for (int i = 0; i < 200 && pair_counter(pair, "packets_in") < before + more; i++)
		(void)usleep(10000);
	assert_true(pair_counter(pair, "packets_in") >= before + more);
}
