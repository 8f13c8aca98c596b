/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/cli.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/clock.h"
#include "base/file.h"

static const char accept_older_help[] =
	"Tells zkcfgd that the source of a set went back, as a ZooKeeper ensemble does that was restored\n"
	"from a backup. Otherwise a version that is older than the one served is refused. zkcfgd then\n"
	"begins anew with the source and accepts whatever it has, older or not, until it has been read\n"
	"once; what is not there has been removed (on-delete in zkcfgd.xml(5)). seq goes on. Waits until\n"
	"that is done and says what came of it. Without a running zkcfgd the request stays for its next\n"
	"start.\n"
	"\n"
	"  --state-dir DIR  that of zkcfgd (/var/lib/zkcfg for root; who may not write there cannot ask)\n"
	"  --timeout TIME   exit status 6 after so long: a number with ms, s, m or h, or seconds (30s)\n"
	"\n"
	"example:\n"
	"  zkcfg accept-older app\n";

#define ACCEPT_TIMEOUT_MS 30000
#define ACCEPT_EVERY_MS 50
#define ACCEPT_ANSWER_LIMIT_BYTES 4096
/* zkcfgd gives a sign of life every second. */
#define ACCEPT_ALIVE_MS 3000

/* In the set's state directory; zkcfgd(8) names them. */
#define REQUEST "accept-older"
#define ANSWER "accept-older.answer"

struct request {
	const char *set;
	char directory[PATH_MAX - 32];
	int fd; /* of the directory */
	char timeout[OUTPUT_AGE_BYTES];
	int64_t deadline_ns;
};

static const char *accept_older_environment(const char *name)
{
	const char *value = getenv(name);

	return value && value[0] == '/' ? value : NULL;
}

/* Where zkcfgd keeps state when nobody says; "": nowhere. */
static void accept_older_default(char *path, size_t path_bytes)
{
	const char *systemd = accept_older_environment("STATE_DIRECTORY");
	const char *state = accept_older_environment("XDG_STATE_HOME"),
		   *home = accept_older_environment("HOME");

	path[0] = '\0';
	if (systemd)
		snprintf(path, path_bytes, "%.*s", (int)strcspn(systemd, ":"), systemd);
	else if (geteuid() == 0)
		snprintf(path, path_bytes, "/var/lib/zkcfg");
	else if (state)
		snprintf(path, path_bytes, "%s/zkcfg", state);
	else if (home)
		snprintf(path, path_bytes, "%s/.local/state/zkcfg", home);
}

/* It becomes part of a path. */
static bool accept_older_is_name(const char *name)
{
	static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";
	size_t length = strlen(name);

	return length > 0 && length <= 64 && name[0] != '.' && strspn(name, allowed) == length;
}

static int accept_older_open(const struct cli *cli, struct request *request)
{
	char state_dir[PATH_MAX - 128];

	if (!accept_older_is_name(request->set))
		return set_complain(cli, request->set, ZKCFG_EINVAL);
	if (cli->state_dir)
		snprintf(state_dir, sizeof(state_dir), "%s", cli->state_dir);
	else
		accept_older_default(state_dir, sizeof(state_dir));
	if (state_dir[0] == '\0') {
		complain(
			"there is no state directory: neither STATE_DIRECTORY nor XDG_STATE_HOME nor HOME is "
			"an absolute path; expected --state-dir DIR");
		return CLI_USAGE;
	}
	snprintf(request->directory, sizeof(request->directory), "%s/%s", state_dir, request->set);
	request->fd = open(request->directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (request->fd >= 0)
		return CLI_OK;
	if (errno == ENOENT || errno == ENOTDIR)
		complain(
			"no set \"%s\" in the state directory %s: has zkcfgd served this set, and is it that "
			"of zkcfgd? --state-dir names another",
			request->set, state_dir);
	else
		complain("%s: %s: nothing is asked; only who may write there can ask, as root or the user of "
			 "zkcfgd",
			 request->directory, strerror(errno));
	return CLI_UNREADABLE;
}

static int accept_older_ask(const struct request *request)
{
	static const char text[] = "older revisions may be accepted once\n";
	int err = file_replace(request->fd, REQUEST, 0644, text, sizeof(text) - 1);

	if (err == 0)
		return CLI_OK;
	complain("the request %s/" REQUEST
		 " cannot be left: %s: nothing is asked; only who may write there can "
		 "ask, as root or the user of zkcfgd",
		 request->directory, strerror(-err));
	return CLI_UNREADABLE;
}

/* Is it known that no zkcfgd serves the set? */
static bool accept_older_is_alone(const struct cli *cli, const char *name)
{
	struct zkcfg_status *status = NULL;
	struct zkcfg *cfg;
	bool is_alone = false;
	int64_t age_ms;

	if (zkcfg_open(name, cli->shm_dir, &cfg) < 0)
		return false;
	if (zkcfg_status_read(cfg, &status) == 0) {
		age_ms = zkcfg_status_daemon_age_ms(status);
		is_alone = zkcfg_status_daemon_pid(status) == 0 || age_ms < 0 || age_ms > ACCEPT_ALIVE_MS;
	}
	zkcfg_status_free(status);
	zkcfg_close(cfg);
	return is_alone;
}

static bool accept_older_is_taken(const struct request *request)
{
	return faccessat(request->fd, REQUEST, F_OK, AT_SYMLINK_NOFOLLOW) < 0 && errno == ENOENT;
}

/* Print what zkcfgd answered; false: it has not. */
static bool accept_older_answered(const struct request *request)
{
	char path[PATH_MAX];
	struct buffer answer = { 0 };
	int err;

	snprintf(path, sizeof(path), "%s/" ANSWER, request->directory);
	err = file_read(path, ACCEPT_ANSWER_LIMIT_BYTES, &answer);
	if (err == 0)
		printf("%.*s\n", (int)answer.size_bytes, answer.size_bytes > 0 ? answer.bytes : "");
	buffer_free(&answer);
	return err == 0;
}

static int accept_older_timed_out(const struct request *request, bool is_taken)
{
	if (is_taken)
		complain(
			"zkcfgd took the request, but the source has not settled within %s: older revisions "
			"are accepted until it has; zkcfg status %s says how far it is",
			request->timeout, request->set);
	else
		complain(
			"zkcfgd has not taken the request within %s: it stays, and is taken when a zkcfgd "
			"with this state directory serves set \"%s\"; remove %s/" REQUEST " to withdraw it",
			request->timeout, request->set, request->directory);
	return CLI_TIMED_OUT;
}

static int accept_older_wait(const struct request *request)
{
	static const struct timespec pause = { .tv_nsec = ACCEPT_EVERY_MS * CLOCK_NS_PER_MS };
	bool is_taken = false;

	for (;;) {
		is_taken = is_taken || accept_older_is_taken(request);
		if (is_taken && accept_older_answered(request))
			return CLI_OK;
		if (clock_monotonic_ns() >= request->deadline_ns)
			return accept_older_timed_out(request, is_taken);
		nanosleep(&pause, NULL);
	}
}

static int accept_older_run(const struct cli *cli)
{
	int64_t timeout_ms = cli->timeout_ms >= 0 ? cli->timeout_ms : ACCEPT_TIMEOUT_MS;
	struct request request = { .set = cli->arguments[0] };
	int code;

	request.deadline_ns = clock_monotonic_ns() + timeout_ms * CLOCK_NS_PER_MS;
	output_age(timeout_ms, request.timeout);
	code = accept_older_open(cli, &request);
	if (code != CLI_OK)
		return code;
	code = accept_older_ask(&request);
	if (code == CLI_OK && accept_older_is_alone(cli, request.set))
		complain("no zkcfgd serves set \"%s\" now: the request stays for its next start",
			 request.set);
	if (code == CLI_OK)
		code = accept_older_wait(&request);
	close(request.fd);
	return code;
}

const struct cli_command accept_older_command = {
	.name = "accept-older",
	.arguments = "SET",
	.purpose = "let the source go back, once",
	.help = accept_older_help,
	.options = CLI_STATE_DIR | CLI_TIMEOUT,
	.least = 1,
	.most = 1,
	.run = accept_older_run,
};
