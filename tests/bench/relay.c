/* relay.c - what a forwarded packet costs the SFU, beside Janus on the same work and the least it
 * could cost.
 *
 *   bench_relay PATH-OF-REALTIME-SFU [--quick] [--alone] [--only TEXT]
 *               [--server TEXT] [--seconds N]
 *
 * Publishers and subscribers are in this process, on this machine, without a browser; everybody
 * numbers packets and gives transport-wide feedback. A publisher sends the packets of a picture one
 * right behind the other, as Chromium does (of its pictures, captured as they leave, half are out
 * within 0.2 ms and nine tenths within 0.5); one row spaces them evenly instead. The server is held
 * to one core and the peers to another. CPU is the server's whole process, user and system time,
 * for each packet that arrived; of three windows the median. The floor, in the same run and to the
 * same sockets: encrypt each packet with OpenSSL's AES-128-GCM and send the lot with sendmmsg, from
 * a bare loop. A machine charges a sender on it with the receiver's kernel work, so trust the
 * ratios. A core that falls idle, a virtual one above all, takes its time to wake, and that is
 * charged to whoever is woken (here some 30 us for 6 us of work, and with it a third of the cost of
 * a server with little to do): a process that runs only when nobody else would keeps the server's
 * core awake, as other work does on a machine that has some. Viewers look at their sockets every 2
 * ms, for to wake them would be charged to the server. Latency is from before a packet is published
 * until the kernel has it for the viewer; of the time that other guests of the machine "stole" from
 * the server's core meanwhile it knows nothing.
 */
#include <dirent.h>
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/clock.h"
#include "tests/bench/relay_load.h"
#include "tests/bench/relay_server.h"

enum {
	WINDOWS = 3,
	SETTLE_TRIES = 12,
	REST_US = 3000000,
	SERVER_CORE = 0,
	PEER_CORE = 1,
	SERVERS_MAX = 3
};

static const struct relay_scenario scenarios[] = {
	{"1 -> 10", 1, 1, 10, 1, true, false},
	{"1 -> 50", 1, 1, 50, 1, true, false},
	{"1 -> 100", 1, 1, 100, 1, true, false},
	{"1 -> 200", 1, 1, 200, 1, true, false},
	{"1 -> 200, evenly spaced", 1, 1, 200, 1, false, false},
	{"1 -> 400", 1, 1, 400, 1, true, false},
	{"1 -> 1000", 1, 1, 1000, 1, true, true},
	{"1 room of 10", 1, 10, 10, 9, true, false},
	{"2 rooms of 10", 2, 10, 10, 9, true, false},
	{"3 rooms of 10", 3, 10, 10, 9, true, false},
	{"6 rooms of 10", 6, 10, 10, 9, true, true},
	{"8 rooms of 10", 8, 10, 10, 9, true, true},
	{"12 rooms of 10", 12, 10, 10, 9, true, true},
};

static const char *const quick_ones[] = {"1 -> 200", "1 room of 10"};

struct options {
	const char *program, *only, *server;
	bool quick, alone;
	double seconds;
};

struct figures {
	double cpu_us_per_packet, packets_per_second, core_percent, lost_percent, packets_per_call;
	uint32_t p50_us, p99_us;
	double stolen_percent; /* of the server's core, by the machine's other guests */
	double kib_per_viewer;
};

/* ---- cores ---- */

static bool has_two_cores(void)
{
	return sysconf(_SC_NPROCESSORS_ONLN) > 1;
}

static void run_on(int core)
{
	cpu_set_t set;

	if (!has_two_cores())
		return;
	CPU_ZERO(&set);
	CPU_SET((unsigned)core, &set);
	(void)sched_setaffinity(0, sizeof(set), &set); /* not allowed: then anywhere */
}

/* Returns the process that does, negative if none can. */
static pid_t keep_awake(int core)
{
	pid_t pid = has_two_cores() ? fork() : -1;

	if (pid != 0)
		return pid;
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	run_on(core);
	if (sched_setscheduler(0, SCHED_IDLE, &(struct sched_param){0}) < 0)
		_exit(1); /* it would take the server's time */
	for (;;)
		__asm__ volatile("" ::: "memory");
}

static void let_sleep(pid_t pid)
{
	if (pid < 0)
		return;
	(void)kill(pid, SIGKILL);
	(void)waitpid(pid, NULL, 0);
}

/* ---- what a process uses ---- */

/* CPU time of all its threads, in µs; nanoseconds by the scheduler's own count. */
static double process_cpu_us(pid_t pid)
{
	char path[400];
	const struct dirent *entry;
	unsigned long long total_ns = 0, ns;
	DIR *threads;

	(void)snprintf(path, sizeof(path), "/proc/%d/task", pid);
	threads = opendir(path);
	while (threads && (entry = readdir(threads))) {
		FILE *file;

		(void)snprintf(path, sizeof(path), "/proc/%d/task/%s/schedstat", pid,
			       entry->d_name);
		file = entry->d_name[0] == '.' ? NULL : fopen(path, "re");
		if (!file)
			continue;
		if (fscanf(file, "%llu", &ns) == 1)
			total_ns += ns;
		(void)fclose(file);
	}
	if (threads)
		(void)closedir(threads);
	return (double)total_ns / 1000.0;
}

static double process_memory_kib(pid_t pid)
{
	char path[64];
	unsigned long pages = 0;
	FILE *file;

	(void)snprintf(path, sizeof(path), "/proc/%d/statm", pid);
	file = fopen(path, "re");
	if (!file)
		return 0;
	if (fscanf(file, "%*u %lu", &pages) != 1)
		pages = 0;
	(void)fclose(file);
	return (double)pages * (double)sysconf(_SC_PAGESIZE) / 1024.0;
}

/* What other guests of the machine have taken of the server's core, in ticks of 10 ms. */
static unsigned long stolen_ticks(void)
{
	unsigned long stolen = 0;
	char line[256], name[16];
	int length = snprintf(name, sizeof(name), "cpu%d ", SERVER_CORE);
	FILE *file = fopen("/proc/stat", "re");

	while (file && fgets(line, sizeof(line), file))
		if (strncmp(line, name, (size_t)length) == 0)
			(void)sscanf(line, "%*s %*u %*u %*u %*u %*u %*u %*u %lu", &stolen);
	if (file)
		(void)fclose(file);
	return stolen;
}

/* ---- one server under one load ---- */

struct run {
	const struct relay_server *server;
	struct relay_load *load;
	pid_t pid;
	double kib_of_first, kib_of_all; /* with the publishers and one viewer in it; with all */
};

static struct load_peer *next_peer(struct relay_load *load, const struct dtls_identity *identity)
{
	struct load_peer *peer = &load->peers[load->publisher_count + load->viewer_count];

	if (load_peer_init(peer, identity) < 0)
		return NULL;
	peer->with_audio = peer->with_transport_cc = true;
	return peer;
}

static int admit_publishers(struct run *run, const struct dtls_identity *identity)
{
	const struct relay_scenario *scenario = run->load->scenario;
	int r = 0;

	for (unsigned i = 0; r == 0 && i < scenario->rooms * scenario->publishers; i++) {
		struct load_peer *peer = next_peer(run->load, identity);

		r = peer ? run->server->publish(run->server->data, i / scenario->publishers, i,
						peer)
			 : -EMFILE;
		run->load->publisher_count++;
	}
	return r;
}

static int admit_viewers(struct run *run, const struct dtls_identity *identity)
{
	const struct relay_scenario *scenario = run->load->scenario;
	int r = 0;

	for (unsigned i = 0; r == 0 && i < scenario->rooms * scenario->viewers; i++) {
		struct load_peer *peer = next_peer(run->load, identity);
		unsigned room = i / scenario->viewers;

		r = peer ? run->server->watch(run->server->data, room,
					      run->load->publisher_count + i,
					      room * scenario->publishers, scenario->sees, peer)
			 : -EMFILE;
		if (r == 0)
			r = relay_load_watch(run->load, peer);
		run->load->viewer_count++;
		if (i == 0) {
			(void)usleep(500000);
			run->kib_of_first = process_memory_kib(run->pid);
		}
	}
	return r;
}

/* Everything arrives: estimates have grown to what it takes, and nobody asks for more. Or it never
 * will. */
static void settle(struct relay_load *load)
{
	for (int i = 0; i < SETTLE_TRIES; i++) {
		unsigned long published, received;

		relay_load_pause(load);
		published = atomic_load(&load->published);
		received = atomic_load(&load->received);
		relay_load_resume(load);
		(void)usleep(700000);
		relay_load_pause(load);
		published = atomic_load(&load->published) - published;
		received = atomic_load(&load->received) - received;
		relay_load_resume(load);
		if (i > 2 && published > 0 &&
		    (double)received >= 0.998 * (double)relay_load_expected(load, published))
			break;
	}
	/* What a call costs, and not how it begins: whoever was ramping up is left in peace. */
	(void)usleep(REST_US);
}

static int compare_u32(const void *a, const void *b)
{
	uint32_t left = *(const uint32_t *)a, right = *(const uint32_t *)b;

	return (left > right) - (left < right);
}

static struct figures measure_window(struct run *run, double seconds)
{
	struct relay_load *load = run->load;
	struct figures figures = {0};
	unsigned long published, received, out = 0, calls = 0, out_before = 0, calls_before = 0;
	uint64_t started_us;
	unsigned samples;
	double cpu_us, elapsed_us, stolen;

	relay_load_pause(load);
	atomic_store(&load->latency_count, 0);
	published = atomic_load(&load->published);
	received = atomic_load(&load->received);
	if (run->server->count_calls)
		run->server->count_calls(run->server->data, &out_before, &calls_before);
	cpu_us = process_cpu_us(run->pid);
	stolen = (double)stolen_ticks();
	started_us = clock_now_us();
	relay_load_resume(load);
	(void)usleep((useconds_t)(seconds * 1e6));
	elapsed_us = (double)(clock_now_us() - started_us);
	stolen = (double)stolen_ticks() - stolen;
	relay_load_pause(load);
	cpu_us = process_cpu_us(run->pid) - cpu_us;
	if (run->server->count_calls)
		run->server->count_calls(run->server->data, &out, &calls);
	published = atomic_load(&load->published) - published;
	received = atomic_load(&load->received) - received;
	samples = atomic_load(&load->latency_count);

	figures.cpu_us_per_packet = cpu_us / (double)(received ? received : 1);
	figures.packets_per_second = (double)received * 1e6 / elapsed_us;
	figures.core_percent = 100.0 * cpu_us / elapsed_us;
	figures.stolen_percent = 100.0 * stolen * 10000 / elapsed_us;
	figures.lost_percent =
		100.0 * (1.0 - (double)received / (double)relay_load_expected(load, published));
	figures.packets_per_call =
		calls > calls_before ? (double)(out - out_before) / (double)(calls - calls_before)
				     : 0;
	qsort(load->latencies_us, samples, sizeof(uint32_t), compare_u32);
	if (samples > 0) {
		figures.p50_us = load->latencies_us[samples / 2];
		figures.p99_us = load->latencies_us[(uint64_t)samples * 99 / 100];
	}
	return figures;
}

static int compare_cost(const void *a, const void *b)
{
	double left = ((const struct figures *)a)->cpu_us_per_packet,
	       right = ((const struct figures *)b)->cpu_us_per_packet;

	return (left > right) - (left < right);
}

/* The window with the median cost; of all of them what was lost. */
static struct figures measure(struct run *run, double seconds)
{
	struct figures windows[WINDOWS] = {0}, result;
	double lost_percent = 0;

	settle(run->load);
	for (int i = 0; i < WINDOWS; i++) {
		windows[i] = measure_window(run, seconds);
		lost_percent += windows[i].lost_percent / WINDOWS;
		relay_load_resume(run->load);
	}
	qsort(windows, WINDOWS, sizeof(windows[0]), compare_cost);
	result = windows[WINDOWS / 2];
	result.lost_percent = lost_percent;
	if (run->load->viewer_count > 1)
		result.kib_per_viewer =
			(run->kib_of_all - run->kib_of_first) / (run->load->viewer_count - 1);
	return result;
}

static int run_server(const struct relay_server *server, const struct relay_scenario *scenario,
		      const struct dtls_identity *identity, double seconds,
		      struct figures *ret_figures, double *ret_floor_us)
{
	AUTO(relay_load) load = relay_load_new(scenario);
	struct run run = {.server = server, .load = load};
	int r, stopped;

	if (!load)
		return -ENOMEM;
	run_on(SERVER_CORE);
	r = server->start(server->data, &run.pid);
	run_on(PEER_CORE);
	if (r == 0)
		r = admit_publishers(&run, identity);
	if (r == 0)
		r = relay_load_start(load);
	if (r == 0)
		r = admit_viewers(&run, identity);
	(void)usleep(4000000); /* media has begun for the last one, and handshakes are forgotten */
	run.kib_of_all = process_memory_kib(run.pid); /* before what is kept of tracks fills up */
	relay_load_fill(load);
	if (r == 0)
		*ret_figures = measure(&run, seconds);
	if (r == 0 && atomic_load(&load->received) == 0)
		r = -EIO;
	relay_load_pause(load);
	stopped = server->stop(server->data);
	if (r == 0 && server->is_ours) {
		run_on(SERVER_CORE);
		*ret_floor_us = relay_load_floor_us(load, seconds);
		run_on(PEER_CORE);
	}
	return r < 0 ? r : stopped;
}

/* ---- the table ---- */

static void print_header(void)
{
	if (has_two_cores())
		(void)printf("The server has core %d to itself, the peers have core %d.\n\n",
			     SERVER_CORE, PEER_CORE);
	else
		(void)printf(
			"One core only: server and peers share it, so latencies say little.\n\n");
	(void)printf("%-27s %-22s %9s %6s %9s %8s %8s %8s %7s %7s %7s %9s\n", "", "", "packets/s",
		     "core %", "us/packet", "ratio", "p50 ms", "p99 ms", "stolen", "lost %",
		     "KiB/sub", "pkts/call");
}

static void print_figures(const struct relay_scenario *scenario, const char *name,
			  const struct figures *figures, const char *ratio)
{
	(void)printf("%-27s %-22s %9.0f %6.0f %9.2f %8s %8.2f %8.2f %6.1f%% %7.3f %7.0f",
		     scenario->name, name, figures->packets_per_second, figures->core_percent,
		     figures->cpu_us_per_packet, ratio, figures->p50_us / 1000.0,
		     figures->p99_us / 1000.0, figures->stolen_percent, figures->lost_percent,
		     figures->kib_per_viewer);
	if (figures->packets_per_call > 0)
		(void)printf(" %9.1f", figures->packets_per_call);
	(void)printf("\n");
	(void)fflush(stdout);
}

/* Its servers one after the other, ours last. What Janus cannot carry is said and passed over. */
static int run_scenario(const struct relay_scenario *scenario, const struct relay_server *servers,
			size_t count, const struct dtls_identity *identity, double seconds)
{
	double best_us = 0, floor_us = 0;
	char ratio[16];

	for (size_t i = 0; i < count; i++) {
		const struct relay_server *server = &servers[i];
		struct figures figures = {0};
		int r;

		if (scenario->is_for_us_alone && !server->is_ours)
			continue;
		r = run_server(server, scenario, identity, seconds, &figures, &floor_us);
		if (r < 0) {
			(void)printf("%-27s %-22s failed: %s\n", scenario->name, server->name,
				     strerror(-r));
			if (server->is_ours)
				return r;
			continue;
		}
		ratio[0] = '\0';
		if (server->is_ours && best_us > 0)
			(void)snprintf(ratio, sizeof(ratio), "%.2f",
				       figures.cpu_us_per_packet / best_us);
		print_figures(scenario, server->name, &figures, ratio);
		if (!server->is_ours && (best_us <= 0 || figures.cpu_us_per_packet < best_us))
			best_us = figures.cpu_us_per_packet;
	}
	if (floor_us > 0)
		(void)printf("%-27s %-22s %9s %6s %9.2f\n", scenario->name, "the floor", "", "",
			     floor_us);
	(void)fflush(stdout);
	return 0;
}

static bool is_wanted(const struct options *options, const char *name)
{
	if (options->only)
		return strstr(name, options->only) != NULL;
	if (!options->quick)
		return true;
	for (size_t i = 0; i < ARRAY_LEN(quick_ones); i++)
		if (strcmp(quick_ones[i], name) == 0)
			return true;
	return false;
}

static int parse(int argc, char **argv, struct options *options)
{
	*options = (struct options){.seconds = 4};
	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--quick") == 0) {
			options->quick = true;
			options->seconds = 2;
		} else if (strcmp(argv[i], "--alone") == 0) {
			options->alone = true;
		} else if (strcmp(argv[i], "--server") == 0 && i + 1 < argc) {
			options->server = argv[++i];
		} else if (strcmp(argv[i], "--only") == 0 && i + 1 < argc) {
			options->only = argv[++i];
		} else if (strcmp(argv[i], "--seconds") == 0 && i + 1 < argc) {
			options->seconds = strtod(argv[++i], NULL);
		} else if (argv[i][0] != '-' && !options->program) {
			options->program = argv[i];
		} else {
			return -EINVAL;
		}
	}
	return options->program && options->seconds > 0 ? 0 : -EINVAL;
}

static void allow_many_sockets(void)
{
	struct rlimit limit;

	(void)getrlimit(RLIMIT_NOFILE, &limit);
	limit.rlim_cur = limit.rlim_max;
	(void)setrlimit(RLIMIT_NOFILE, &limit);
}

/* Those whose names have this in them stay. */
static size_t choose(struct relay_server *servers, size_t count, const char *part)
{
	size_t kept = 0;

	for (size_t i = 0; i < count; i++)
		if (!part || strstr(servers[i].name, part))
			servers[kept++] = servers[i];
	return kept;
}

static int run_all(const struct options *options, const struct relay_server *servers, size_t count)
{
	struct dtls_identity *identity;
	int r = dtls_identity_new(&identity, NULL);
	pid_t waker;

	if (r < 0)
		return r;
	print_header();
	waker = keep_awake(SERVER_CORE);
	for (size_t i = 0; r == 0 && i < ARRAY_LEN(scenarios); i++)
		if (is_wanted(options, scenarios[i].name))
			r = run_scenario(&scenarios[i], servers, count, identity, options->seconds);
	let_sleep(waker);
	(void)dtls_identity_free(identity);
	return r;
}

int main(int argc, char **argv)
{
	struct relay_server servers[SERVERS_MAX];
	struct janus *as_shipped = janus_new(0), *one_loop = janus_new(1);
	struct our_relay *ours;
	struct options options;
	size_t count = 0;
	int r;

	if (parse(argc, argv, &options) < 0) {
		(void)fprintf(stderr, "usage: bench_relay PATH-OF-REALTIME-SFU [--quick] [--alone] "
				      "[--only TEXT] [--server TEXT] [--seconds N]\n");
		return 2;
	}
	allow_many_sockets();
	ours = our_relay_new(options.program);
	if (!options.alone && janus_is_installed()) {
		servers[count++] = janus_server(as_shipped);
		servers[count++] = janus_server(one_loop);
	} else if (!options.alone) {
		(void)printf("Janus is not installed (apt-get install janus): without it, then.\n");
	}
	servers[count++] = our_relay_server(ours);
	r = run_all(&options, servers, choose(servers, count, options.server));
	(void)our_relay_free(ours);
	(void)janus_free(as_shipped);
	(void)janus_free(one_loop);
	return r < 0;
}
