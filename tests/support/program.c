/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include "support/program.h"

#include <arpa/inet.h>
#include <check.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"

#define END_MOST_NS (20 * CLOCK_NS_PER_S)

int program_free_port(void)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t length = sizeof(address);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	ck_assert_int_eq(bind(fd, (struct sockaddr *)&address, length), 0);
	ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&address, &length), 0);
	close(fd);
	return ntohs(address.sin_port);
}

static void execute(const char *const argv[], const char *output, int niceness)
{
	int fd = open(output, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	char *copies[32] = { NULL };

	for (size_t i = 0; argv[i] && i < 31; i++)
		copies[i] = strdup(argv[i]);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (fd < 0 || dup2(fd, STDOUT_FILENO) < 0 || dup2(fd, STDERR_FILENO) < 0)
		_exit(126);
	errno = 0;
	if (nice(niceness) == -1 && errno != 0)
		_exit(126);
	execv(copies[0], copies);
	dprintf(STDERR_FILENO, "%s: %s\n", argv[0], strerror(errno));
	_exit(127);
}

pid_t program_begin(const char *const argv[], const char *output, int niceness)
{
	pid_t pid = fork();

	ck_assert_int_ge(pid, 0);
	if (pid == 0)
		execute(argv, output, niceness);
	return pid;
}

int program_end(pid_t pid, int signal)
{
	int64_t deadline_ns = clock_monotonic_ns() + END_MOST_NS;
	int how = 0;

	kill(pid, signal);
	while (waitpid(pid, &how, WNOHANG) != pid) {
		if (clock_monotonic_ns() > deadline_ns)
			kill(pid, SIGKILL);
		usleep(2000);
	}
	return how;
}

/* "T" behind the name, which is in parentheses. */
static bool is_stopped(const char *directory, const char *task)
{
	char path[128], text[512] = "";
	const char *at;
	FILE *file;

	snprintf(path, sizeof(path), "%s/%.32s/stat", directory, task);
	file = fopen(path, "r");
	if (!file)
		return true; /* it has ended */
	text[fread(text, 1, sizeof(text) - 1, file)] = '\0';
	fclose(file);
	at = strrchr(text, ')');
	return at && strncmp(at, ") T", 3) == 0;
}

void program_pause(pid_t pid)
{
	int64_t deadline_ns = clock_monotonic_ns() + END_MOST_NS;
	char directory[64];
	struct dirent *entry;
	bool is_done = false;
	DIR *tasks;

	ck_assert_int_eq(kill(pid, SIGSTOP), 0);
	snprintf(directory, sizeof(directory), "/proc/%d/task", (int)pid);
	while (!is_done) {
		ck_assert_msg(clock_monotonic_ns() < deadline_ns, "process %d does not stop", (int)pid);
		tasks = opendir(directory);
		ck_assert_ptr_nonnull(tasks);
		is_done = true;
		while ((entry = readdir(tasks)))
			is_done = is_done && (entry->d_name[0] == '.' || is_stopped(directory, entry->d_name));
		closedir(tasks);
	}
}

int program_run(char *printed, size_t printed_bytes, const char *format, ...)
{
	char command[1024];
	size_t got;
	FILE *pipe;
	va_list arguments;
	int how;

	va_start(arguments, format);
	ck_assert_uint_lt((size_t)vsnprintf(command, sizeof(command), format, arguments), sizeof(command));
	va_end(arguments);
	pipe = popen(command, "r");
	ck_assert_ptr_nonnull(pipe);
	got = fread(printed, 1, printed_bytes - 1, pipe);
	printed[got] = '\0';
	how = pclose(pipe);
	return WIFEXITED(how) ? WEXITSTATUS(how) : -1;
}
