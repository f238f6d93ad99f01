/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the kernel's sets hold for the sessions: by which SAs their L2TP comes and from where inside, and from where their IKE
 * and keep-alives come. Tells it as the records change; knows no set. */
#include "shim/session/table.h"

#define L2TP_PORT 1701
#define IKE_PORT 500

/* Nobody else's session is at the address that the server sees, as far as the NAT's ports tell. */
static bool is_alone(const struct session_table *table, const struct session *s)
{
	for (uint32_t at = table_first(table, BY_ADDRESS, &s->host, 0); at;
	     at = table_next(table, BY_ADDRESS, at)) {
		const struct endpoint *const other = &table_session(table, at)->peer;

		if (endpoint_same_host(other, &s->peer) && other->port != s->peer.port)
			return false;
	}
	return true;
}

/* The port that the client's L2TP must come from. An SA whose selectors name none would let it speak from another session's
 * port as well: it is believed for the port of L2TP, and only as long as nobody else is at that address. 0: for none. */
static uint16_t own_port(const struct session_table *table, const struct session *s)
{
	if (s->l2tp_port)
		return s->l2tp_port;
	return is_alone(table, s) ? L2TP_PORT : 0;
}

static void tell_sa(const struct session_table *table, const struct session *s, const struct sa *sa,
		    bool there)
{
	const uint16_t port = own_port(table, s);
	struct endpoint client = s->peer;

	if (!table->marks.l2tp || sa->outbound)
		return;
	client.port = port ? port : L2TP_PORT;
	table->marks.l2tp(table->marks_ctx, sa->spi, &client, there && port);
}

static void tell_sas(const struct session_table *table, const struct session *s)
{
	for (uint32_t at = s->first_sa; at; at = table_sa(table, at)->next_of_session)
		tell_sa(table, s, table_sa(table, at), true);
}

static struct endpoint watched(const struct session *s)
{
	struct endpoint peer = s->peer;

	if (!peer.port)
		peer.port = IKE_PORT; /* plain ESP */
	return peer;
}

void marks_sa(const struct session_table *table, uint32_t sa, bool there)
{
	tell_sa(table, table_session(table, table_sa(table, sa)->session), table_sa(table, sa), there);
}

/* Who is alone at that address, and who is not any more. */
static void tell_portless(const struct session_table *table, const struct endpoint *host)
{
	for (uint32_t at = table_first(table, BY_ADDRESS, host, 0); at;
	     at = table_next(table, BY_ADDRESS, at))
		if (!table_session(table, at)->l2tp_port)
			tell_sas(table, table_session(table, at));
}

void marks_session(const struct session_table *table, uint32_t session, bool there)
{
	const struct session *s = table_session(table, session);
	const struct endpoint peer = watched(s);

	if (table->marks.endpoint && (there || !table_first(table, BY_ENDPOINT, &s->peer, 0)))
		table->marks.endpoint(table->marks_ctx, &peer, there);
	if (table->marks.l2tp)
		tell_portless(table, &s->host);
}

void session_on_marks(struct session_table *table, const struct session_marks *marks, void *ctx)
{
	table->marks = marks ? *marks : (struct session_marks){.l2tp = NULL};
	table->marks_ctx = ctx;
}

void session_tell_marks(const struct session_table *table)
{
	for (size_t b = 0; b < table->bucket_count; b++)
		for (uint32_t at = table->buckets[BY_ADDRESS][b]; at;
		     at = table_session(table, at)->link[BY_ADDRESS].next) {
			const struct session *s = table_session(table, at);
			const struct endpoint peer = watched(s);

			if (table->marks.endpoint)
				table->marks.endpoint(table->marks_ctx, &peer, true);
			tell_sas(table, s);
		}
}
