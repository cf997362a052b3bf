/* test_track_ids.c - publishers that call their tracks the same, by chance or on purpose. */
#include "tests/integration/relay/pair.h"

#include <stdlib.h>
#include <unistd.h>

/* An offer to publish in which the track has this name; malloc()ed. */
static char *offer_named(const struct load_peer *peer, const char *track_id)
{
	static const char mid[] = "a=mid:0\r\n";
	AUTO_FREE char *offer = load_peer_offer(peer, 0);
	const char *at = strstr(offer, mid);
	size_t before;
	char *named = malloc(strlen(offer) + 400);

	assert_non_null(at);
	assert_non_null(named);
	before = (size_t)(at - offer) + strlen(mid);
	(void)snprintf(named, strlen(offer) + 400, "%.*sa=msid:s %s\r\n%s", (int)before, offer,
		       track_id, offer + before);
	return named;
}

static void publish_as(struct pair *pair, struct load_peer *peer, const char *peer_id,
		       const char *track_id)
{
	AUTO_FREE char *offer = NULL;

	assert_int_equal(load_peer_init(peer, pair->identity), 0);
	offer = offer_named(peer, track_id);
	pair_join_with(pair, peer, peer_id, "whip", offer);
}

/* {track_id: peer_id} of all tracks of the room; fewer than there are where names meet. */
static json_t *names_in(struct pair *pair, const char *room_id, size_t *ret_count)
{
	AUTO_JSON room = fake_hub_room(&pair->hub, room_id);
	const json_t *peer, *track;
	json_t *names = json_object();
	size_t i, j;

	*ret_count = 0;
	json_array_foreach (json_object_get(room, "peers"), i, peer) {
		json_array_foreach (json_object_get(peer, "tracks"), j, track) {
			(void)json_object_set(names, json_text_of(track, "track_id"),
					      json_object_get(peer, "peer_id"));
			++*ret_count;
		}
	}
	return names;
}

static bool have_own_names(struct pair *pair, const char *room_id, size_t count)
{
	size_t found = 0;
	AUTO_JSON names = names_in(pair, room_id, &found);

	return found == count && json_object_size(names) == count;
}

/* Whose pictures the watcher has paused: how many, and the last one's publisher. */
static size_t count_paused(struct pair *pair, char ret_publisher[65])
{
	AUTO_JSON room = fake_hub_room(&pair->hub, "relay");
	const json_t *peer, *subscription;
	size_t i, j, count = 0;

	json_array_foreach (json_object_get(room, "peers"), i, peer) {
		if (strcmp(json_text_of(peer, "peer_id"), "watcher") != 0)
			continue;
		json_array_foreach (json_object_get(peer, "subscriptions"), j, subscription) {
			if (!json_is_true(json_object_get(subscription, "paused")))
				continue;
			(void)snprintf(ret_publisher, 65, "%s",
				       json_text_of(subscription, "publisher_peer_id"));
			count++;
		}
	}
	return count;
}

static void a_name_means_one_track(void **state)
{
	struct pair *pair = *state;
	struct load_peer one, two, thief, talker, watcher;
	char publisher[65] = "", endless[101];
	size_t count = 0;

	memset(endless, 'x', sizeof(endless));
	endless[sizeof(endless) - 1] = '\0';
	publish_as(pair, &one, "one", "webrtctransceiver1");
	publish_as(pair, &two, "two", "webrtctransceiver1");
	publish_as(pair, &thief, "thief", "publisher-0"); /* as the pair's publisher has it */
	publish_as(pair, &talker, "talker", endless);	  /* nobody could say it */
	{
		AUTO_JSON names = names_in(pair, "relay", &count);

		assert_int_equal(count, 5);
		assert_int_equal(json_object_size(names), 5);
		/* Who comes first keeps its name. */
		assert_string_equal(json_text_of(names, "webrtctransceiver1"), "one");
		assert_string_equal(json_text_of(names, "two-0"), "two");
		assert_string_equal(json_text_of(names, "publisher-0"), "publisher");
		assert_string_equal(json_text_of(names, "thief-0"), "thief");
		assert_string_equal(json_text_of(names, "talker-0"), "talker");
	}
	pair_join(pair, &watcher, "watcher", "whep", 5);
	fake_hub_pause(&pair->hub, "relay", "watcher", "webrtctransceiver1", true);
	for (int i = 0; i < 200 && count_paused(pair, publisher) == 0; i++)
		(void)usleep(10000);
	assert_int_equal(count_paused(pair, publisher), 1);
	assert_string_equal(publisher, "one");
	load_peer_fini(&one);
	load_peer_fini(&two);
	load_peer_fini(&thief);
	load_peer_fini(&talker);
	load_peer_fini(&watcher);
}

/* On two workers, neither of which has heard of the other's yet. */
static void who_comes_at_the_same_time_gets_a_name_of_its_own(void **state)
{
	enum { ROUNDS = 10 };
	struct pair *pair = *state;

	for (int round = 0; round < ROUNDS; round++) {
		struct load_peer peers[2];
		char room_id[32];

		(void)snprintf(room_id, sizeof(room_id), "race%d", round);
		pair_halt_sfu(pair);
		for (size_t i = 0; i < ARRAY_LEN(peers); i++) {
			AUTO_FREE char *offer = NULL;

			assert_int_equal(load_peer_init(&peers[i], pair->identity), 0);
			offer = offer_named(&peers[i], "webrtctransceiver1");
			fake_hub_join_unheard(&pair->hub, room_id, i == 0 ? "one" : "two", "whip",
					      offer);
		}
		pair_resume_sfu(pair);
		for (int i = 0; i < 500 && !have_own_names(pair, room_id, 2); i++)
			(void)usleep(10000);
		assert_true(have_own_names(pair, room_id, 2));
		for (size_t i = 0; i < ARRAY_LEN(peers); i++)
			load_peer_fini(&peers[i]);
		fake_hub_close_room(&pair->hub, room_id);
	}
}

int main(void)
{
	const struct CMUnitTest one[] = {
		PAIR_TEST(a_name_means_one_track),
	};
	const struct CMUnitTest two[] = {
		PAIR_TEST(a_name_means_one_track),
		PAIR_TEST(who_comes_at_the_same_time_gets_a_name_of_its_own),
	};
	int failed = RUN_ON_ONE_WORKER(one);

	return failed + RUN_ON_TWO_WORKERS(two);
}
