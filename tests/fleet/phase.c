/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include "fleet/phase.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "fleet/hosts.h"
#include "fleet/report.h"
#include "fleet/server.h"
#include "fleet/writer.h"

/* Between changes, so that one has nothing of the other. */
#define REST_US 300000

struct phase {
	const struct fleet *fleet;
	const char *splay;
	struct server server;
	struct hosts *hosts;
	struct writer *writer;
	int64_t since_ns, server_ns, hosts_ns; /* of what is measured: begun, CPU until then */
};

static void phase_begin_row(struct phase *phase)
{
	usleep(REST_US);
	server_reset(&phase->server);
	phase->server_ns = fleet_cpu_ns(phase->server.pid);
	phase->hosts_ns = hosts_cpu_ns(phase->hosts);
	phase->since_ns = clock_monotonic_ns();
}

/* False: not all hosts were current in time. */
static bool phase_end_row(const struct phase *phase, const struct spread *spread, struct row *row)
{
	int64_t server_ns = fleet_cpu_ns(phase->server.pid) - phase->server_ns;
	int64_t hosts_ns = hosts_cpu_ns(phase->hosts) - phase->hosts_ns;
	struct server_load load;

	server_measure(&phase->server, &load);
	row->splay = phase->splay;
	row->hosts = spread->count;
	row->values[ROW_FIRST_MS] = spread->first_ms;
	row->values[ROW_MEDIAN_MS] = spread->median_ms;
	row->values[ROW_LAST_MS] = spread->last_ms;
	row->values[ROW_SERVER_MS] = (double)server_ns / CLOCK_NS_PER_MS;
	row->values[ROW_HOSTS_MS] = (double)hosts_ns / CLOCK_NS_PER_MS;
	row->values[ROW_RECEIVED] = (double)load.received;
	row->values[ROW_SENT] = (double)load.sent;
	row->values[ROW_WAITING] = (double)load.waiting;
	row->values[ROW_LATENCY_MS] = (double)load.latency_most_ms;
	report_row(row);
	if (spread->count == phase->fleet->hosts)
		return true;
	fprintf(stderr, "fleet: splay %s, %s: %u of %u hosts are not current after %lld ms\n", phase->splay,
		row->what, phase->fleet->hosts - spread->count, phase->fleet->hosts,
		(long long)phase->fleet->limit_ms);
	return false;
}

static bool phase_start(struct phase *phase)
{
	struct row row = { .what = "start", .znodes = phase->fleet->znodes };
	struct spread spread;

	phase_begin_row(phase);
	hosts_go(phase->hosts);
	hosts_await_synced(phase->hosts, phase->since_ns, &spread);
	return phase_end_row(phase, &spread, &row);
}

static bool phase_change(struct phase *phase, unsigned round, struct row *row)
{
	unsigned znode = round % phase->fleet->znodes;
	struct spread spread;
	uint64_t modified;

	*row = (struct row){ .znodes = 1 };
	snprintf(row->what, sizeof(row->what), "%u", round + 1);
	phase_begin_row(phase);
	modified = writer_change(phase->writer, znode);
	hosts_await_change(phase->hosts, znode, 1, modified, phase->since_ns, &spread);
	return phase_end_row(phase, &spread, row);
}

static bool phase_change_all(struct phase *phase)
{
	struct row row = { .what = "all", .znodes = phase->fleet->znodes };
	struct spread spread;
	uint64_t modified;

	phase_begin_row(phase);
	modified = writer_change_all(phase->writer);
	hosts_await_change(phase->hosts, 0, phase->fleet->znodes, modified, phase->since_ns, &spread);
	return phase_end_row(phase, &spread, &row);
}

/* All hosts are current, and nothing changes. */
static bool phase_idle(struct phase *phase)
{
	struct row row = { .what = "idle" };
	struct spread spread = { .count = phase->fleet->hosts };

	phase_begin_row(phase);
	usleep((useconds_t)phase->fleet->idle_ms * 1000);
	return phase_end_row(phase, &spread, &row);
}

static bool phase_measure(struct phase *phase)
{
	struct row *rows = fleet_alloc(phase->fleet->rounds, sizeof(*rows));
	bool is_well = phase_start(phase);

	for (unsigned i = 0; is_well && i < phase->fleet->rounds; i++)
		is_well = phase_change(phase, i, &rows[i]);
	if (is_well)
		report_median(rows, phase->fleet->rounds);
	free(rows);
	is_well = is_well && phase_change_all(phase);
	return is_well && (phase->fleet->idle_ms == 0 || phase_idle(phase));
}

int phase_run(const struct fleet *fleet, const char *splay)
{
	struct phase phase = { .fleet = fleet, .splay = splay };
	struct hosts_mishaps mishaps;
	bool is_well;

	server_start(&phase.server, fleet);
	phase.hosts = hosts_begin(fleet, phase.server.hosts, splay);
	phase.writer = writer_open(fleet, phase.server.hosts);
	is_well = phase_measure(&phase);
	hosts_count_mishaps(phase.hosts, &mishaps);
	printf("# splay %s: %u times a host lost the server, %u times a znode could not be read, "
	       "%u repairs by the audit\n",
	       splay, mishaps.away, mishaps.troubles, mishaps.repairs);
	hosts_end(phase.hosts);
	writer_close(phase.writer);
	server_stop(&phase.server);
	return is_well ? 0 : 1;
}
