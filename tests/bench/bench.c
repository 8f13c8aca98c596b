/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/bench.h"

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

#include "bench/propagate.h"
#include "bench/report.h"
#include "bench/writer.h"

static const struct figure *const groups[] = { figures_read, figures_write, figures_wake, figures_whole,
						figures_zookeeper, figures_source, figures_fleet };

#define GROUP_COUNT (sizeof(groups) / sizeof(groups[0]))

struct bench_thing {
	struct bench_thing *next;
	const struct bench_kind *kind;
	unsigned size;
	void *thing;
};

void bench_die(const char *format, ...)
{
	va_list arguments;

	fflush(stdout);
	fputs("bench: ", stderr);
	va_start(arguments, format);
	vfprintf(stderr, format, arguments);
	va_end(arguments);
	fputc('\n', stderr);
	_exit(1);
}

void *bench_alloc(size_t count, size_t bytes)
{
	void *memory = calloc(count, bytes);

	if (!memory)
		bench_die("out of memory");
	return memory;
}

void *bench_have(struct bench *bench, const struct bench_kind *kind, unsigned size)
{
	struct bench_thing *thing;

	for (thing = bench->things; thing; thing = thing->next)
		if (thing->kind == kind && thing->size == size)
			return thing->thing;
	thing = bench_alloc(1, sizeof(*thing));
	thing->kind = kind;
	thing->size = size;
	thing->thing = kind->make(bench, size);
	thing->next = bench->things;
	bench->things = thing;
	return thing->thing;
}

/* The last that was made goes first: it may use those before. */
static void bench_end_things(struct bench *bench)
{
	struct bench_thing *thing;

	while ((thing = bench->things)) {
		bench->things = thing->next;
		thing->kind->end(thing->thing);
		free(thing);
	}
}

void bench_pin(const struct bench *bench, unsigned number)
{
	cpu_set_t one;
	int cpu = -1;

	number %= (unsigned)CPU_COUNT(&bench->cpus);
	do
		cpu++;
	while (!CPU_ISSET(cpu, &bench->cpus) || number-- > 0);
	CPU_ZERO(&one);
	CPU_SET(cpu, &one);
	if (sched_setaffinity(0, sizeof(one), &one) < 0)
		bench_die("cannot run on cpu %d alone: %s", cpu, strerror(errno));
}

void bench_unpin(const struct bench *bench)
{
	if (sched_setaffinity(0, sizeof(bench->cpus), &bench->cpus) < 0)
		bench_die("cannot run on all cpus again: %s", strerror(errno));
}

int64_t bench_now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static int compare_doubles(const void *one, const void *other)
{
	const double *a = one, *b = other;

	return (*a > *b) - (*a < *b);
}

double bench_median(double *values, unsigned count)
{
	qsort(values, count, sizeof(*values), compare_doubles);
	return (values[(count - 1) / 2] + values[count / 2]) / 2;
}

/* A round of each that does not count, then by turns; who begins changes, too. */
static void bench_measure(struct bench *bench, const struct figure *figure, struct result *result)
{
	double ours[BENCH_ROUNDS], peer[BENCH_ROUNDS];

	if (!bench->is_quick) {
		figure->ours(bench);
		figure->peer(bench);
	}
	for (unsigned i = 0; i < bench->rounds; i++) {
		if (i % 2 == 0)
			ours[i] = figure->ours(bench);
		peer[i] = figure->peer(bench);
		if (i % 2 != 0)
			ours[i] = figure->ours(bench);
	}
	*result = (struct result){ .figure = figure,
				   .ours = bench_median(ours, bench->rounds),
				   .peer = bench_median(peer, bench->rounds) };
}

/* Is it in the list "name,name"? No list: all are. */
static bool is_wanted(const char *list, const char *name)
{
	size_t bytes = strlen(name);

	if (!list || !*list)
		return true;
	for (const char *at = list; (at = strstr(at, name)); at += bytes)
		if ((at == list || at[-1] == ',') && (at[bytes] == ',' || at[bytes] == '\0'))
			return true;
	return false;
}

/* Every name of the list is one of a figure. */
static void check_list(const char *list)
{
	char *copy = list ? strdup(list) : NULL, *rest = copy, *name;

	while (rest && (name = strsep(&rest, ","))) {
		bool is_known = !*name;

		for (size_t i = 0; i < GROUP_COUNT; i++)
			for (const struct figure *figure = groups[i]; figure->name; figure++)
				is_known = is_known || strcmp(figure->name, name) == 0;
		if (!is_known)
			bench_die("there is no figure \"%s\"; see bench --list", name);
	}
	free(copy);
}

static int bench_run(struct bench *bench, const char *list, const char *json_path)
{
	struct report *report = report_begin(bench);
	struct result result;

	for (size_t i = 0; i < GROUP_COUNT; i++) {
		for (const struct figure *figure = groups[i]; figure->name; figure++) {
			if (!is_wanted(list, figure->name))
				continue;
			if (!figure->peer) {
				report_left_out(report, figure);
				continue;
			}
			bench_pin(bench, 0);
			bench_measure(bench, figure, &result);
			report_row(report, &result);
		}
		bench_end_things(bench);
	}
	return report_end(report, json_path);
}

static int remove_entry(const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
	(void)st, (void)kind, (void)ftw;
	return remove(path);
}

/*
 * The work is done by a child, so that what it leaves in shared memory (a GB
 * or two) goes however it ends: a crash and Ctrl-C among them.
 */
static int bench_guard(struct bench *bench, const char *list, const char *json_path)
{
	sigset_t signals, before;
	int status, received;
	pid_t child;

	sigemptyset(&signals);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGHUP);
	sigaddset(&signals, SIGCHLD);
	sigprocmask(SIG_BLOCK, &signals, &before);
	child = fork();
	if (child < 0)
		bench_die("cannot fork: %s", strerror(errno));
	if (child == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		sigprocmask(SIG_SETMASK, &before, NULL);
		exit(bench_run(bench, list, json_path));
	}
	while (waitpid(child, &status, WNOHANG) == 0)
		if (sigwait(&signals, &received) == 0 && received != SIGCHLD)
			kill(child, SIGKILL);
	nftw(bench->directory, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
	if (WIFSIGNALED(status))
		fprintf(stderr, "bench: ended by signal %d\n", WTERMSIG(status));
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}

static void bench_list(void)
{
	for (size_t i = 0; i < GROUP_COUNT; i++)
		for (const struct figure *figure = groups[i]; figure->name; figure++)
			puts(figure->name);
}

static void bench_usage(void)
{
	puts("Usage: bench [--quick] [--json FILE] [--directory DIR] [NAME,NAME...]\n"
	     "\n"
	     "Measure the figures of these names, or all; ours and a peer by turns, median of five.\n"
	     "\n"
	     "  --json FILE      write there too: an array of {name, ours, peer, peer_name, unit, ratio}\n"
	     "  --quick          tiny sizes and one short round: does every figure work?\n"
	     "  --directory DIR  a tmpfs for what is measured, up to 3 GB; default /dev/shm\n"
	     "  --list           the names");
}

static void bench_make_directory(struct bench *bench, const char *base)
{
	if ((size_t)snprintf(bench->directory, sizeof(bench->directory), "%s/zkcfg-bench-XXXXXX", base) >=
	    sizeof(bench->directory))
		bench_die("the name of directory %s is too long", base);
	if (!mkdtemp(bench->directory))
		bench_die("cannot make a directory in %s: %s", base, strerror(errno));
}

int main(int argc, char **argv)
{
	static const struct option options[] = { { "quick", no_argument, NULL, 'q' },
						 { "json", required_argument, NULL, 'j' },
						 { "directory", required_argument, NULL, 'd' },
						 { "list", no_argument, NULL, 'l' },
						 { "help", no_argument, NULL, 'h' },
						 { NULL, 0, NULL, 0 } };
	struct bench bench = { .round_ns = 100000000, .rounds = BENCH_ROUNDS };
	const char *json_path = NULL, *base = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
	int option;

	if (propagate_watches(argc, argv))
		return 1;
	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (option) {
		case 'q':
			bench.is_quick = true;
			bench.round_ns = 1;
			bench.rounds = 1;
			break;
		case 'j':
			json_path = optarg;
			break;
		case 'd':
			base = optarg;
			break;
		case 'l':
			bench_list();
			return 0;
		case 'h':
			bench_usage();
			return 0;
		default:
			return 2;
		}
	}
	if (argc - optind > 1)
		bench_die("one list of names is expected, as check,get_10k; see bench --help");
	check_list(argv[optind]);
	if (sched_getaffinity(0, sizeof(bench.cpus), &bench.cpus) < 0)
		bench_die("cannot tell on which cpus we may run: %s", strerror(errno));
	bench_make_directory(&bench, base);
	writer_start();
	return bench_guard(&bench, argv[optind], json_path);
}
