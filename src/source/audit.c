/* SPDX-FileCopyrightText: zkcfg authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include "source/audit.h"

#include "base/clock.h"

/* Not more often: what is due is looked at together. */
#define AUDIT_PAUSE_LEAST_NS CLOCK_NS_PER_S

void audit_init(struct audit *audit, int64_t period_ns, int64_t least_ns)
{
	*audit = (struct audit){ .period_ns = period_ns, .least_ns = least_ns, .next_ns = INT64_MAX };
}

static int64_t audit_period_ns(const struct audit *audit, size_t znode_count)
{
	int64_t period_ns = audit->least_ns * (int64_t)znode_count;

	return period_ns > audit->period_ns ? period_ns : audit->period_ns;
}

static int64_t audit_pause_ns(const struct audit *audit, size_t znode_count)
{
	int64_t pause_ns = audit_period_ns(audit, znode_count) / (int64_t)znode_count;

	return pause_ns > AUDIT_PAUSE_LEAST_NS ? pause_ns : AUDIT_PAUSE_LEAST_NS;
}

/* two thirds to four thirds of it, so that hosts which began together drift apart */
static int64_t audit_jitter_ns(int64_t pause_ns, uint64_t random)
{
	return pause_ns * 2 / 3 + (int64_t)(random % (uint64_t)(pause_ns * 2 / 3));
}

bool audit_all_due(struct audit *audit, int64_t now_ns, uint64_t random)
{
	bool begun = audit->next_ns != INT64_MAX;

	if (begun && now_ns < audit->next_ns)
		return false;
	audit->next_ns = now_ns + audit_jitter_ns(audit->period_ns, random);
	audit->cursor = NULL;
	return true;
}

size_t audit_due(struct audit *audit, size_t znode_count, int64_t now_ns, uint64_t random)
{
	int64_t period_ns = audit_period_ns(audit, znode_count), pause_ns, periods;
	bool begun = audit->next_ns != INT64_MAX;

	if (audit->period_ns == 0 || (begun && now_ns < audit->next_ns))
		return 0;
	pause_ns = audit_pause_ns(audit, znode_count);
	audit->next_ns = now_ns + audit_jitter_ns(pause_ns, random);
	if (!begun)
		return 0;
	periods = (int64_t)znode_count * pause_ns;
	return (size_t)((periods + period_ns - 1) / period_ns);
}

struct znode *audit_next(const struct audit *audit, struct znode *root)
{
	return audit->cursor ? audit->cursor : root;
}

void audit_pass(struct audit *audit, const struct znode *node)
{
	audit->cursor = znode_next(node);
}

void audit_forget(struct audit *audit, const struct znode *node)
{
	if (audit->cursor == node)
		audit->cursor = znode_next(node);
}
