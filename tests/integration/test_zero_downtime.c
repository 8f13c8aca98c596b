/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * nginx and Prometheus under load, while their configuration changes at a real
 * ZooKeeper, is rendered by a hook of zkcfgd, checked and reloaded: no request
 * fails, each change is in force before the next one is made, and versions that
 * are broken in one way or the other change nothing and are named.
 *
 * How long it takes from the change to its being in force is printed beside the
 * same reload without us: the file renamed into place and the program told.
 */
#include <check.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <curl/curl.h>

#include "base/file.h"
#include "support/daemon_host.h"
#include "support/load.h"
#include "support/program.h"

#define NGINX "/usr/sbin/nginx"
#define PROMETHEUS "/usr/bin/prometheus"
#define WRK "/usr/bin/wrk"

enum { CHANGES = 20, BROKEN = 5, FULL_CHANGES = 100, FULL_BROKEN = 20, MOST_CHANGES = FULL_CHANGES };
enum { CLIENTS = 2, AGREEING = 3, LOAD_NICENESS = 10 };

/* What is reloaded. In its texts $D is the directory, $P the port, and $V the version. */
struct reloaded {
	const char *name, *file;
	const char *document, *stylesheet, *hook; /* $V is of the document alone */
	const char *rendered;			  /* the same file as the stylesheet makes */
	const char *alone;			  /* the command that reloads it, and nothing else */
	const char *question, *answer;		  /* a path; what its answer has in it when $V is in force */
	const char *load;			  /* a path that is asked for all the time */
	const char *refused;			  /* a document that only the check refuses */
};

static struct daemon_host host;
static int port;
static int64_t ours_ns[MOST_CHANGES], alone_ns[MOST_CHANGES];
static unsigned time_count;

/* --- texts ------------------------------------------------------------------------------------ */

/* One of a few buffers, used by turns. */
static const char *fill(const char *text, const char *version)
{
	static char buffers[6][4096];
	static unsigned turn;
	char *filled = buffers[turn++ % 6], number[16];
	size_t used = 0;

	snprintf(number, sizeof(number), "%d", port);
	for (const char *at = text; *at; at++) {
		const char *value = strncmp(at, "$D", 2) == 0	? host.directory
				    : strncmp(at, "$P", 2) == 0 ? number
				    : strncmp(at, "$V", 2) == 0 ? version
								: NULL;

		ck_assert_uint_lt(used + 128, sizeof(buffers[0]));
		if (value)
			used += (size_t)sprintf(filled + used, "%.100s", value);
		else
			filled[used++] = *at;
		at += value != NULL;
	}
	filled[used] = '\0';
	return filled;
}

static void write_text(const char *name, const char *text)
{
	char path[128], new[128];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", host.directory, name);
	snprintf(new, sizeof(new), "%s/.new", host.directory);
	file = fopen(new, "w");
	ck_assert_ptr_nonnull(file);
	fputs(text, file);
	ck_assert_int_eq(fclose(file), 0);
	ck_assert_int_eq(rename(new, path), 0);
}

static void read_text(const char *name, struct buffer *text)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/%s", host.directory, name);
	buffer_clear(text);
	ck_assert_int_eq(file_read(path, 1 << 20, text), 0);
	buffer_append(text, "", 1);
}

/* --- what is in force ------------------------------------------------------------------------- */

static size_t take_answer(char *bytes, size_t size, size_t count, void *user)
{
	buffer_append(user, bytes, size * count);
	return size * count;
}

/* Ask over a new connection, as somebody does who comes now. */
static bool answers_with(const char *path, const char *expected)
{
	static struct buffer answer;
	char url[128];
	CURL *curl = curl_easy_init();
	bool is_so;

	buffer_clear(&answer);
	snprintf(url, sizeof(url), "http://127.0.0.1:%d%s", port, path);
	curl_easy_setopt(curl, CURLOPT_URL, url);
	curl_easy_setopt(curl, CURLOPT_PROXY, "");
	curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, 10000L);
	curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take_answer);
	curl_easy_setopt(curl, CURLOPT_WRITEDATA, &answer);
	is_so = curl_easy_perform(curl) == CURLE_OK;
	curl_easy_cleanup(curl);
	buffer_append(&answer, "", 1);
	return is_so && strstr(answer.bytes, expected) != NULL;
}

static bool in_force(const struct reloaded *reloaded, const char *version)
{
	for (int i = 0; i < AGREEING; i++)
		if (!answers_with(reloaded->question, fill(reloaded->answer, version)))
			return false;
	return true;
}

/* Nobody gets anything else any more: an old worker of nginx answers until it hears that it shall end. */
static bool is_settled(const struct reloaded *reloaded, const char *version)
{
	for (int i = 0; i < 30; i++) {
		if (!answers_with(reloaded->question, fill(reloaded->answer, version)))
			return false;
		usleep(3000);
	}
	return true;
}

static bool is_named(const char *what)
{
	char printed[16384];

	program_run(printed, sizeof(printed),
		    "%s/zkcfg --shm-dir %s status app 2>&1; %s/zkcfg --shm-dir %s hooks 2>&1",
		    getenv("ZKCFG_BUILD"), host.shm_dir, getenv("ZKCFG_BUILD"), host.shm_dir);
	return strstr(printed, what) != NULL;
}

/* --- changes ---------------------------------------------------------------------------------- */

static void put(const char *document, const char *version)
{
	daemon_host_put(&host, "it.xml", fill(document, version));
}

static void change(const struct reloaded *reloaded, unsigned number)
{
	char version[32];
	int64_t began_ns = clock_monotonic_ns();

	snprintf(version, sizeof(version), "v%u.", number);
	put(reloaded->document, version);
	DAEMON_UNTIL(&host, in_force(reloaded, version));
	ours_ns[time_count] = clock_monotonic_ns() - began_ns;

	snprintf(version, sizeof(version), "alone%u.", number);
	began_ns = clock_monotonic_ns();
	write_text(reloaded->file, fill(reloaded->rendered, version));
	ck_assert_int_eq(system(fill(reloaded->alone, version)), 0);
	DAEMON_UNTIL(&host, in_force(reloaded, version));
	alone_ns[time_count++] = clock_monotonic_ns() - began_ns;
}

/* Nothing of it reaches the file or the program. It is named; a version that is good again is not held up by it. */
static void change_for_the_worse(const struct reloaded *reloaded, unsigned number)
{
	const struct {
		const char *document, *named;
	} ways[] = {
		{ "<it><version>bad$V</version>", "it.xml:1:" },
		{ "<it><version/></it>", "there is no version" },
		{ reloaded->refused, "bad$V" },
	};
	static struct buffer before, after;
	char version[32], good[32];

	snprintf(version, sizeof(version), "w%u.", number);
	snprintf(good, sizeof(good), "alone%u.", number);
	DAEMON_UNTIL(&host, is_settled(reloaded, good));
	read_text(reloaded->file, &before);
	ck_assert(!is_named(fill(ways[number % 3].named, version))); /* as one before it was */
	put(ways[number % 3].document, version);
	DAEMON_UNTIL(&host, is_named(fill(ways[number % 3].named, version)));
	read_text(reloaded->file, &after);
	ck_assert_str_eq(before.bytes, after.bytes);
	ck_assert(is_settled(reloaded, good));
}

static void change_often(const struct reloaded *reloaded)
{
	bool is_full = getenv("ZKCFG_TEST_FULL") != NULL;
	unsigned changes = is_full ? FULL_CHANGES : CHANGES, broken = is_full ? FULL_BROKEN : BROKEN;

	time_count = 0;
	for (unsigned i = 0, every = changes / broken; i < changes; i++) {
		change(reloaded, i);
		if (i % every == every - 1)
			change_for_the_worse(reloaded, i);
	}
}

static int compare_times(const void *one, const void *other)
{
	int64_t left = *(const int64_t *)one, right = *(const int64_t *)other;

	return left < right ? -1 : left > right;
}

static void print_times(const struct reloaded *reloaded)
{
	double ours_ms, alone_ms;

	qsort(ours_ns, time_count, sizeof(ours_ns[0]), compare_times);
	qsort(alone_ns, time_count, sizeof(alone_ns[0]), compare_times);
	ours_ms = (double)ours_ns[time_count / 2] / CLOCK_NS_PER_MS;
	alone_ms = (double)alone_ns[time_count / 2] / CLOCK_NS_PER_MS;
	printf("%s: %u changes, each in force after %.0f ms (median; at most %.0f), the reload alone after %.0f ms "
	       "(at most %.0f): %.2f times as long\n",
	       reloaded->name, time_count, ours_ms, (double)ours_ns[time_count - 1] / CLOCK_NS_PER_MS,
	       alone_ms, (double)alone_ns[time_count - 1] / CLOCK_NS_PER_MS, ours_ms / alone_ms);
}

/* A hook for what runs already, and the first version by it. */
static void follow(const struct reloaded *reloaded)
{
	write_text("it.xsl", reloaded->stylesheet);
	host.elements = fill(reloaded->hook, "");
	put(reloaded->document, "first.");
	daemon_host_start(&host);
	DAEMON_UNTIL(&host, in_force(reloaded, "first."));
}

static struct load *begin_load(const struct reloaded *reloaded)
{
	char url[128];
	struct load *load;

	snprintf(url, sizeof(url), "http://127.0.0.1:%d%s", port, reloaded->load);
	load = load_begin(url, CLIENTS);
	DAEMON_UNTIL(&host, load_has_begun(load));
	return load;
}

static void end_load(const struct reloaded *reloaded, struct load *load)
{
	struct load_result result;

	load_end(load, &result);
	printf("%s: %llu requests over %llu connections, %llu failed\n", reloaded->name,
	       (unsigned long long)result.requests, (unsigned long long)result.connections,
	       (unsigned long long)result.failed);
	ck_assert_msg(result.failed == 0, "%llu of %llu failed, as: %s", (unsigned long long)result.failed,
		      (unsigned long long)result.requests, result.failure);
}

/* --- nginx ------------------------------------------------------------------------------------ */

#define NGINX_CONFIG(version)                                                                                \
	"daemon off; pid $D/nginx.pid; error_log $D/error.log; worker_processes 2;\n"                        \
	"events { worker_connections 256; }\n"                                                               \
	"http { access_log off; client_body_temp_path $D/b; proxy_temp_path $D/p; fastcgi_temp_path $D/f;\n" \
	"uwsgi_temp_path $D/u; scgi_temp_path $D/s; keepalive_requests 100000;\n"                            \
	"server { listen 127.0.0.1:$P; location / { return 200 \"" version "\"; } } }\n"

#define STYLESHEET(text)                                                                                         \
	"<xsl:stylesheet version=\"1.0\" xmlns:xsl=\"http://www.w3.org/1999/XSL/Transform\">"                    \
	"<xsl:output method=\"text\"/><xsl:template match=\"/it\">"                                              \
	"<xsl:if test=\"not(string(version))\"><xsl:message terminate=\"yes\">there is no version</xsl:message>" \
	"</xsl:if>" text "</xsl:template></xsl:stylesheet>"

static const struct reloaded nginx = {
	.name = "nginx",
	.file = "nginx.conf",
	.document = "<it><version>$V</version><connections>256</connections></it>",
	.stylesheet = NULL, /* of nginx_stylesheet() */
	.hook = "<hook name=\"web\"><watch document=\"it.xml\"/>"
		"<render document=\"it.xml\" file=\"$D/nginx.conf\" stylesheet=\"$D/it.xsl\"/>"
		"<check command=\"" NGINX " -t -q -e $D/error.log -c {}\"/>"
		"<action command=\"" NGINX " -e $D/error.log -c $D/nginx.conf -s reload\"/></hook>",
	.rendered = NGINX_CONFIG("$V"),
	.alone = NGINX " -e $D/error.log -c $D/nginx.conf -s reload",
	.question = "/",
	.answer = "$V",
	.load = "/",
	.refused = "<it><version>bad$V\"; bad$V \"</version></it>",
};

/* wrk, until it is ended; its report is in a file. */
static pid_t begin_wrk(const char *report, const char *header)
{
	char url[64], path[128];
	const char *argv[] = { WRK, "-t1", "-c4", "-d1h", "--timeout", "20s", "-H", header, url, NULL };

	snprintf(url, sizeof(url), "http://127.0.0.1:%d/", port);
	snprintf(path, sizeof(path), "%s/%s", host.directory, report);
	return program_begin(argv, path, LOAD_NICENESS);
}

struct wrk_result {
	unsigned long long requests, connect, read, write, timeout, status;
};

static void end_wrk(pid_t pid, const char *report, struct wrk_result *result)
{
	static struct buffer text;
	const char *at;
	int how = program_end(pid, SIGINT);

	*result = (struct wrk_result){ 0 };
	read_text(report, &text);
	ck_assert_msg(WIFEXITED(how) && WEXITSTATUS(how) == 0, "%#x: %s", (unsigned)how, text.bytes);
	at = strstr(text.bytes, " requests in ");
	ck_assert_msg(at != NULL, "%s", text.bytes);
	while (at > text.bytes && at[-1] != '\n')
		at--;
	ck_assert_int_eq(sscanf(at, " %llu", &result->requests), 1);
	at = strstr(text.bytes, "Socket errors:");
	if (at) /* it says nothing where there are none */
		ck_assert_int_eq(sscanf(at,
					"Socket errors: connect %llu, read %llu, write %llu, timeout %llu",
					&result->connect, &result->read, &result->write, &result->timeout),
				 4);
	at = strstr(text.bytes, "Non-2xx or 3xx responses:");
	if (at)
		ck_assert_int_eq(sscanf(at, "Non-2xx or 3xx responses: %llu", &result->status), 1);
}

static pid_t begin_nginx(void)
{
	const char *argv[] = { NGINX, "-e", fill("$D/error.log", ""), "-c", fill("$D/nginx.conf", ""), NULL };
	pid_t pid;

	write_text("nginx.conf", fill(nginx.rendered, "before."));
	pid = program_begin(argv, fill("$D/nginx.log", ""), 0);
	DAEMON_UNTIL(&host, in_force(&nginx, "before."));
	return pid;
}

/*
 * wrk sends the next request into a connection the moment it has an answer, and counts as read errors those that
 * nginx closes with such a request in them, as each reload does to all connections that wait, with us or without;
 * it does not send it again. So these are printed; they are judged by the clients of load.h, who do.
 */
START_TEST(nginx_answers_whatever_changes)
{
	char stylesheet[4096];
	struct reloaded reloaded = nginx;
	struct wrk_result closing, keeping;
	pid_t master, closing_pid, keeping_pid;
	struct load *load;

	snprintf(stylesheet, sizeof(stylesheet), "%s",
		 fill(STYLESHEET(NGINX_CONFIG("<xsl:value-of select=\"version\"/>")), ""));
	reloaded.stylesheet = stylesheet;
	master = begin_nginx();
	follow(&reloaded);
	load = begin_load(&reloaded);
	closing_pid = begin_wrk("closing", "Connection: close");
	keeping_pid = begin_wrk("keeping", "Connection: keep-alive");
	change_often(&reloaded);
	end_wrk(closing_pid, "closing", &closing);
	end_wrk(keeping_pid, "keeping", &keeping);
	print_times(&reloaded);
	printf("nginx: wrk without keep-alive: %llu requests, %llu failed\n", closing.requests,
	       closing.connect + closing.read + closing.write + closing.timeout + closing.status);
	printf("nginx: wrk with keep-alive: %llu requests, %llu answered with an error, %llu connections closed by "
	       "the %u reloads\n",
	       keeping.requests, keeping.status, keeping.read, 2 * time_count);
	end_load(&reloaded, load);
	ck_assert_uint_gt(closing.requests, 0);
	ck_assert_uint_eq(closing.connect + closing.read + closing.write + closing.timeout + closing.status,
			  0);
	ck_assert_uint_gt(keeping.requests, 0);
	ck_assert_uint_eq(keeping.connect + keeping.write + keeping.timeout + keeping.status, 0);
	ck_assert_uint_le(keeping.read, 4 * 2 * (time_count + 1)); /* its connections, once a reload */
	program_end(master, SIGTERM);
}
END_TEST

/* --- Prometheus ------------------------------------------------------------------------------- */

#define PROMETHEUS_CONFIG(version, interval) \
	"global:\n  scrape_interval: " interval "\n  external_labels:\n    version: \"" version "\"\n"

static const struct reloaded prometheus = {
	.name = "Prometheus",
	.file = "prometheus.yml",
	.document = "<it><version>$V</version><interval>1h</interval></it>",
	.stylesheet = STYLESHEET(PROMETHEUS_CONFIG("<xsl:value-of select=\"version\"/>",
						   "<xsl:value-of select=\"interval\"/>")),
	.hook = "<hook name=\"monitor\"><watch document=\"it.xml\"/>"
		"<render document=\"it.xml\" file=\"$D/prometheus.yml\" stylesheet=\"$D/it.xsl\"/>"
		"<check command=\"/usr/bin/promtool check config {}\"/>"
		"<action url=\"http://127.0.0.1:$P/-/reload\"/></hook>",
	.rendered = PROMETHEUS_CONFIG("$V", "1h"),
	.alone = "curl -sSf -X POST http://127.0.0.1:$P/-/reload",
	.question = "/api/v1/status/config",
	.answer = "version: $V",
	.load = "/api/v1/query?query=vector(1)",
	.refused = "<it><version>$V</version><interval>bad$V</interval></it>",
};

START_TEST(prometheus_answers_whatever_changes)
{
	char address[64], file[128], data[128];
	const char *argv[] = { PROMETHEUS, file, data, address, "--web.enable-lifecycle", NULL };
	struct load *load;
	pid_t pid;

	snprintf(address, sizeof(address), "--web.listen-address=127.0.0.1:%d", port);
	snprintf(file, sizeof(file), "--config.file=%s/prometheus.yml", host.directory);
	snprintf(data, sizeof(data), "--storage.tsdb.path=%s/data", host.directory);
	write_text("prometheus.yml", fill(prometheus.rendered, "before."));
	pid = program_begin(argv, fill("$D/prometheus.log", ""), 0);
	DAEMON_UNTIL(&host, in_force(&prometheus, "before."));
	follow(&prometheus);
	load = begin_load(&prometheus);
	change_often(&prometheus);
	print_times(&prometheus);
	end_load(&prometheus, load);
	program_end(pid, SIGTERM);
}
END_TEST

/* ---------------------------------------------------------------------------------------------- */

static void begin(void)
{
	daemon_host_begin(&host);
	port = program_free_port();
}

static void end(void)
{
	daemon_host_end(&host);
}

int main(void)
{
	Suite *suite = suite_create("zero downtime");
	TCase *tcase = tcase_create("under load");
	SRunner *runner;
	int failed;

	tcase_set_timeout(tcase, 240);
	tcase_add_checked_fixture(tcase, begin, end);
	tcase_add_test(tcase, nginx_answers_whatever_changes);
	tcase_add_test(tcase, prometheus_answers_whatever_changes);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
