#include "realtime/edge/metrics_page.h"

#include <errno.h>
#include <string.h>

#include "realtime/edge/http.h"
#include "realtime/edge/peer_address.h"

static void add_connections(FILE *out, const struct server *server)
{
	metric_head(out, "realtime_connections", "gauge", "Connections that are open.");
	for (size_t i = 0; i < TRANSPORT_COUNT; i++) {
		char label[64];

		(void)snprintf(label, sizeof(label), "transport=\"%s\"",
			       transport_name((enum transport)i));
		metric_value(out, "realtime_connections", label, server->counts[i]);
	}
	metric_one(out, "realtime_connections_opened_total", "counter",
		   "Connections that were let in.", server->opened_count);
	metric_tally(out, "realtime_connections_refused_total",
		     "Requests to connect that were refused.", "reason", &server->refused);
	metric_tally(out, "realtime_connections_closed_total",
		     "Connections that have ended, by close code; 0: by the client or the network.",
		     "code", &server->closed);
}

static void add_messages(FILE *out, const struct hub *hub)
{
	const struct hub_stats *stats = &hub->stats;

	metric_one(out, "realtime_channels", "gauge", "Channels that somebody listens to.",
		   hub_channel_count(hub));
	metric_one(out, "realtime_subscriptions", "gauge", "Subscriptions to channels.",
		   hub_subscription_count(hub));
	metric_one(out, "realtime_messages_published_total", "counter",
		   "Messages that were published.", stats->published_count);
	metric_one(out, "realtime_messages_persistent_total", "counter",
		   "Of these, messages that were stored.", stats->persistent_count);
	metric_one(out, "realtime_messages_failed_total", "counter",
		   "Messages that the store did not take.", stats->refused_count);
	metric_one(out, "realtime_deliveries_total", "counter", "Messages queued for a subscriber.",
		   stats->delivered_count);
	metric_histogram(out, "realtime_fan_out_seconds",
			 "From a message's coming in to its being sent to the last subscriber.",
			 &stats->fan_out);
}

char *metrics_page(const struct server *server)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	if (!out)
		return NULL;
	add_connections(out, server);
	metric_one(out, "realtime_messages_received_total", "counter",
		   "Messages that clients have sent.", server->received_count);
	add_messages(out, server->hub);
	metric_histogram(out, "realtime_store_seconds",
			 "From asking the store to having its answer.",
			 store_thread_latency(server->store));
	metric_one(out, "realtime_sfu_connected", "gauge",
		   "Is the media server connected, so that calls can be made?",
		   server->board->is_sfu_connected);
	metric_process(out, "process=\"realtimed\"");
	if (fclose(out) == 0)
		return text;
	free(text);
	return NULL;
}

int metrics_answer(const struct server *server, struct lws *wsi)
{
	AUTO_FREE char *page = NULL;
	struct error error;

	if (!peer_is_local(wsi)) {
		(void)error_set(
			&error, -EACCES, "forbidden",
			"metrics are for this host alone; from elsewhere ask the web server "
			"with an API key");
		return http_answer_problem(wsi, &error);
	}
	page = metrics_page(server);
	if (!page)
		return -1;
	return http_answer(wsi, 200, "text/plain; version=0.0.4; charset=utf-8", page);
}
