/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include "fleet/fleet.h"

#include <errno.h>
#include <ftw.h>
#include <getopt.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/duration.h"
#include "fleet/phase.h"
#include "fleet/report.h"
#include "source/zookeeper.h"

#define HOSTS_MOST 10000 /* they have four digits */
#define ZNODES_MOST 1000
#define SPLAYS_MOST 8
/* A change of all is one request. */
#define REQUEST_MOST_BYTES (ZOOKEEPER_REQUEST_MOST_BYTES - 128 * 1024)

struct options {
	struct fleet fleet;
	const char *base;
	char *splays[SPLAYS_MOST];
	unsigned splay_count;
};

void fleet_die(const char *format, ...)
{
	va_list arguments;

	fflush(stdout);
	fputs("fleet: ", stderr);
	va_start(arguments, format);
	vfprintf(stderr, format, arguments);
	va_end(arguments);
	fputc('\n', stderr);
	_exit(1);
}

void *fleet_alloc(size_t count, size_t bytes)
{
	void *memory = calloc(count, bytes);

	if (!memory)
		fleet_die("out of memory");
	return memory;
}

void fleet_die_with(pid_t parent)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent) /* it was quicker */
		_exit(1);
}

int64_t fleet_cpu_ns(pid_t pid)
{
	struct timespec used;
	clockid_t clock;

	if (clock_getcpuclockid(pid, &clock) != 0 || clock_gettime(clock, &used) < 0)
		fleet_die("what process %d has used is not known: it has ended", (int)pid);
	return (int64_t)used.tv_sec * 1000000000 + used.tv_nsec;
}

/* --- a phase, and what is left of it --------------------------------------------- */

static int remove_entry(const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
	(void)st, (void)kind, (void)ftw;
	return remove(path);
}

/* In a child, so that server, hosts and directory go however it ends. The signals are blocked. */
static int guard_phase(const struct fleet *fleet, const char *splay, const sigset_t *signals,
		       const sigset_t *before)
{
	pid_t guard = getpid(), child;
	int status, received;

	fflush(stdout);
	child = fork();
	if (child < 0)
		fleet_die("cannot fork: %s", strerror(errno));
	if (child == 0) {
		fleet_die_with(guard);
		sigprocmask(SIG_SETMASK, before, NULL);
		exit(phase_run(fleet, splay));
	}
	while (waitpid(child, &status, WNOHANG) == 0)
		if (sigwait(signals, &received) == 0 && received != SIGCHLD)
			kill(child, SIGKILL);
	/* What it started dies with it, and is ours from then on. */
	while (waitpid(-1, NULL, 0) > 0)
		;
	if (WIFSIGNALED(status))
		fprintf(stderr, "fleet: ended by signal %d\n", WTERMSIG(status));
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}

static int run(struct options *options)
{
	struct fleet *fleet = &options->fleet;
	sigset_t signals, before;
	int status = 0;

	sigemptyset(&signals);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGHUP);
	sigaddset(&signals, SIGCHLD);
	sigprocmask(SIG_BLOCK, &signals, &before);
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	if ((size_t)snprintf(fleet->directory, sizeof(fleet->directory), "%s/zkcfg-fleet-XXXXXX",
			     options->base) >= sizeof(fleet->directory))
		fleet_die("the name of directory %s is too long", options->base);
	if (!mkdtemp(fleet->directory))
		fleet_die("cannot make a directory in %s: %s", options->base, strerror(errno));
	report_head(fleet);
	for (unsigned i = 0; status == 0 && i < options->splay_count; i++)
		status = guard_phase(fleet, options->splays[i], &signals, &before);
	nftw(fleet->directory, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
	return status;
}

/* --- options ------------------------------------------------------------------------ */

static void usage(void)
{
	puts("Usage: fleet [OPTION]...\n"
	     "\n"
	     "Let many hosts follow one set at one ZooKeeper server of its own, all on this machine, and\n"
	     "print how long it takes until all have synced, until all have a change of one znode, and\n"
	     "until all have one of all znodes; and what the server has to do for it.\n"
	     "\n"
	     "  --subscribers N  hosts, 1 to 10000; default 1000\n"
	     "  --rounds N       changes of one znode; default 10\n"
	     "  --znodes N       of the set, 1 to 1000; default 10\n"
	     "  --bytes N        of a znode; default 1024\n"
	     "  --processes N    that the hosts are in; default 4\n"
	     "  --splay LIST     a run for each of these durations; default 0s,2s\n"
	     "  --query TEXT     more options of the hosts' URI, as 'mode=pull&interval=1s'\n"
	     "  --idle D         nothing changes for so long, last: what the server has to do then\n"
	     "  --limit D        a host that has not synced, or has not a change, after this has missed it,\n"
	     "                   and the run ends; default 60s\n"
	     "  --directory DIR  for the server's data; default /tmp\n"
	     "\n"
	     "Exit status: 0 all hosts had everything in time, 1 not, 2 usage.");
}

static _Noreturn void refuse(const char *option, const char *value, const char *expected)
{
	fprintf(stderr, "fleet: --%s is \"%s\"; expected %s (see fleet --help)\n", option, value, expected);
	exit(2);
}

static unsigned take_number(const char *option, const char *value, unsigned most)
{
	char *end, expected[48];
	unsigned long number;

	errno = 0;
	number = strtoul(value, &end, 10);
	snprintf(expected, sizeof(expected), "a number, 1 to %u", most);
	if (*value < '0' || *value > '9' || *end != '\0' || errno != 0 || number < 1 || number > most)
		refuse(option, value, expected);
	return (unsigned)number;
}

static int64_t take_duration(const char *option, const char *value)
{
	int64_t ms;

	if (duration_parse(value, NULL, &ms) < 0)
		refuse(option, value, "a duration, as 60s");
	return ms;
}

static void take_splays(struct options *options, char *list)
{
	char *splay;
	int64_t ms;

	options->splay_count = 0;
	while ((splay = strsep(&list, ","))) {
		if (options->splay_count == SPLAYS_MOST || duration_parse(splay, NULL, &ms) < 0 ||
		    ms > ZOOKEEPER_SPLAY_MOST_MS)
			refuse("splay", splay, "up to 8 durations of at most 10 m, as 0s,500ms,2s");
		options->splays[options->splay_count++] = splay;
	}
}

static void take_option(struct options *options, const char *name, char *value)
{
	struct fleet *fleet = &options->fleet;

	if (strcmp(name, "subscribers") == 0)
		fleet->hosts = take_number(name, value, HOSTS_MOST);
	else if (strcmp(name, "rounds") == 0)
		fleet->rounds = take_number(name, value, 10000);
	else if (strcmp(name, "znodes") == 0)
		fleet->znodes = take_number(name, value, ZNODES_MOST);
	else if (strcmp(name, "bytes") == 0)
		fleet->znode_bytes = take_number(name, value, REQUEST_MOST_BYTES);
	else if (strcmp(name, "processes") == 0)
		fleet->processes = take_number(name, value, 100);
	else if (strcmp(name, "splay") == 0)
		take_splays(options, value);
	else if (strcmp(name, "directory") == 0)
		options->base = value;
	else if (strcmp(name, "query") == 0)
		fleet->query = value;
	else if (strcmp(name, "idle") == 0)
		fleet->idle_ms = take_duration(name, value);
	else if ((fleet->limit_ms = take_duration(name, value)) == 0)
		refuse(name, value, "a duration, as 60s");
}

static void check_options(struct options *options)
{
	struct fleet *fleet = &options->fleet;

	if (fleet->processes > fleet->hosts)
		fleet->processes = fleet->hosts;
	if (fleet->znodes * fleet->znode_bytes <= REQUEST_MOST_BYTES)
		return;
	fprintf(stderr, "fleet: %u znodes of %zu bytes; expected %d bytes in all, changed at once\n",
		fleet->znodes, fleet->znode_bytes, REQUEST_MOST_BYTES);
	exit(2);
}

int main(int argc, char **argv)
{
	static const struct option known[] = {
		{ "subscribers", required_argument, NULL, 0 },
		{ "rounds", required_argument, NULL, 0 },
		{ "znodes", required_argument, NULL, 0 },
		{ "bytes", required_argument, NULL, 0 },
		{ "processes", required_argument, NULL, 0 },
		{ "splay", required_argument, NULL, 0 },
		{ "query", required_argument, NULL, 0 },
		{ "idle", required_argument, NULL, 0 },
		{ "limit", required_argument, NULL, 0 },
		{ "directory", required_argument, NULL, 0 },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	char usual[] = "0s,2s";
	struct options options = {
		.fleet = { .hosts = 1000,
			   .processes = 4,
			   .znodes = 10,
			   .rounds = 10,
			   .znode_bytes = 1024,
			   .limit_ms = 60000,
			   .query = "" },
		.base = "/tmp",
	};
	int option, at;

	take_splays(&options, usual);
	while ((option = getopt_long(argc, argv, "", known, &at)) != -1) {
		if (option == 'h') {
			usage();
			return 0;
		}
		if (option != 0)
			return 2;
		take_option(&options, known[at].name, optarg);
	}
	if (optind < argc) {
		fprintf(stderr, "fleet: \"%s\" is no option (see fleet --help)\n", argv[optind]);
		return 2;
	}
	check_options(&options);
	return run(&options);
}
