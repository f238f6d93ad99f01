/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See quirks.h: the repairs themselves, and what each message means for its tunnel. */
#include "shim/l2tp/tunnel.h"

#include <string.h>

#define RESULT_CODE_MAX 11 /* the highest of StopCCN and CDN, RFC 2661 section 4.4.2 */
#define ERROR_CODE_MAX 32  /* 8 in RFC 2661; room for what was registered later */
#define APPLE_JUNK 6       /* bytes: Apple counts the AVP header twice */

#define ZLB_FLAGS 0xc802 /* T, L, S, version 2 */

struct message { /* one call's view */
	struct l2tp_datagram *d;
	struct l2tp_header header;
	struct tunnel *tunnel; /* NULL: not known */
	struct l2tp_result *result;
};

static enum l2tp_event event_of(uint16_t message_type)
{
	switch (message_type) {
	case L2TP_SCCRQ:
		return L2TP_EVENT_TUNNEL_REQUEST;
	case L2TP_SCCCN:
		return L2TP_EVENT_TUNNEL_UP;
	case L2TP_ICCN:
		return L2TP_EVENT_SESSION_UP;
	case L2TP_HELLO:
		return L2TP_EVENT_HELLO;
	case L2TP_CDN:
		return L2TP_EVENT_SESSION_CLOSED;
	case L2TP_STOPCCN:
		return L2TP_EVENT_TUNNEL_CLOSED;
	default:
		return L2TP_EVENT_NONE;
	}
}

/* The datagram's length was changed by an edit. */
static void edited(struct message *m, enum l2tp_edit edit, size_t new_length)
{
	m->header.length = (uint16_t)(m->header.length + new_length - m->d->length);
	m->d->length = new_length;
	m->result->edits |= edit;
}

static bool is_empty(const struct l2tp_avp *avp)
{
	for (size_t i = 0; i < l2tp_value_length(avp); i++)
		if (avp->value[i])
			return false;
	return true; /* a lone NUL is what a client writes that counts the end of its empty string */
}

/* RFC 2661 section 4.4.3: the Host Name must be there and must not be empty. */
static void repair_host_name(const struct l2tp_table *table, struct message *m)
{
	uint8_t avp[L2TP_AVP_HEADER_LEN + L2TP_HOSTNAME_MAX];
	size_t length = L2TP_AVP_HEADER_LEN + table->hostname_length, new_length;
	struct l2tp_avp type, name;
	bool there = l2tp_find(m->d->message, &m->header, L2TP_AVP_HOST_NAME, &name);

	if (there && (name.opaque || !is_empty(&name)))
		return;
	l2tp_put_avp_header(avp, L2TP_AVP_HOST_NAME, length);
	memcpy(avp + L2TP_AVP_HEADER_LEN, table->hostname, table->hostname_length);
	/* A missing one comes right after the Message Type, which must be the first. */
	if (!there && !l2tp_find(m->d->message, &m->header, L2TP_AVP_MESSAGE_TYPE, &type))
		return;
	new_length = l2tp_splice(m->d->message, m->d->length, m->d->capacity,
				 there ? name.offset : type.offset + type.length, there ? name.length : 0,
				 avp, length);
	if (new_length)
		edited(m, L2TP_EDIT_HOST_NAME, new_length);
	else
		m->result->reason = L2TP_NO_ROOM;
}

/* Bytes of the UTF-8 character at text, 0 if it is none or one for control. RFC 3629. */
static size_t character(const uint8_t *text, size_t length)
{
	size_t n = text[0] < 0x80 ? 1 : text[0] >= 0xf0 ? 4 : text[0] >= 0xe0 ? 3 : 2;

	if (n == 1)
		return text[0] >= 0x20 && text[0] != 0x7f;
	if (text[0] < 0xc2 || text[0] > 0xf4 || n > length)
		return 0;
	for (size_t i = 1; i < n; i++)
		if ((text[i] & 0xc0) != 0x80)
			return 0;
	return n;
}

static bool is_text(const uint8_t *text, size_t length)
{
	if (length && !text[length - 1]) /* some write the end of their string too */
		length--;
	for (size_t at = 0, n; at < length; at += n)
		if (!(n = character(text + at, length - at)))
			return false;
	return true;
}

static uint16_t swapped(uint16_t number)
{
	return (uint16_t)(number << 8 | number >> 8);
}

/* A code in the byte order of an Intel Mac is turned round. */
static uint16_t plausible_code(uint16_t code, uint16_t max)
{
	return code > max && swapped(code) <= max ? swapped(code) : code;
}

/* Result Code: two bytes result, two bytes error (optional), message (optional), RFC 2661 section 4.4.2.
 * Apple writes its codes in the host's byte order and counts the AVP header twice, so that six bytes of
 * chance follow what it means: after the result, or after result, error and message. The junk is cut off; an
 * error code of zero is left in its place, since LNSes older than xl2tpd 1.3.14 refuse an AVP without one. */
static void repair_result_code(struct message *m)
{
	struct l2tp_avp avp;
	uint8_t fixed[4];
	size_t value, keep, new_length;
	const uint8_t *text;
	uint16_t error = 0;

	if (!l2tp_find(m->d->message, &m->header, L2TP_AVP_RESULT_CODE, &avp) || avp.opaque)
		return;
	value = keep = l2tp_value_length(&avp);
	if (value < 2)
		return;
	l2tp_put_u16(fixed, plausible_code(l2tp_get_u16(avp.value), RESULT_CODE_MAX));
	if (value >= sizeof(fixed)) {
		text = avp.value + sizeof(fixed);
		error = plausible_code(l2tp_get_u16(avp.value + 2), ERROR_CODE_MAX);
		if (value == 2 + APPLE_JUNK &&
		    (error > ERROR_CODE_MAX || !is_text(text, value - sizeof(fixed)))) {
			error = 0;
			keep = sizeof(fixed);
		} else if (!is_text(text, value - sizeof(fixed))) {
			bool message_first = value >= sizeof(fixed) + APPLE_JUNK &&
					     is_text(text, value - sizeof(fixed) - APPLE_JUNK);

			keep = message_first ? value - APPLE_JUNK : sizeof(fixed);
		}
		l2tp_put_u16(fixed + 2, error);
	}
	if (keep == value && !memcmp(avp.value, fixed, value < sizeof(fixed) ? 2 : sizeof(fixed)))
		return;
	memcpy(m->d->message + avp.offset + L2TP_AVP_HEADER_LEN, fixed,
	       value < sizeof(fixed) ? 2 : sizeof(fixed));
	l2tp_put_u16(m->d->message + avp.offset,
		     (uint16_t)(l2tp_get_u16(m->d->message + avp.offset) - (value - keep)));
	new_length = l2tp_splice(m->d->message, m->d->length, m->d->capacity,
				 avp.offset + L2TP_AVP_HEADER_LEN + keep, value - keep, NULL, 0);
	edited(m, L2TP_EDIT_RESULT_CODE, new_length);
}

/* RFC 2661 section 6.4, from the client. An error code of zero follows the result, as in repair_result_code(). */
static void put_stop(uint8_t out[static L2TP_STOP_LEN], const struct tunnel *t)
{
	uint8_t *at = out + L2TP_HEADER_LEN;

	memset(out, 0, L2TP_STOP_LEN);
	l2tp_put_u16(out, ZLB_FLAGS);
	l2tp_put_u16(out + 2, L2TP_STOP_LEN);
	l2tp_put_u16(out + 4, t->state.lns_tunnel);
	l2tp_set_sequence(out, t->state.client_next, tunnel_nr_to_lns(t, t->state.client_nr));
	l2tp_put_avp_header(at, L2TP_AVP_MESSAGE_TYPE, L2TP_AVP_HEADER_LEN + 2);
	l2tp_put_u16(at + L2TP_AVP_HEADER_LEN, L2TP_STOPCCN);
	at += L2TP_AVP_HEADER_LEN + 2;
	l2tp_put_avp_header(at, L2TP_AVP_ASSIGNED_TUNNEL_ID, L2TP_AVP_HEADER_LEN + 2);
	l2tp_put_u16(at + L2TP_AVP_HEADER_LEN, t->state.client_tunnel);
	at += L2TP_AVP_HEADER_LEN + 2;
	l2tp_put_avp_header(at, L2TP_AVP_RESULT_CODE, L2TP_AVP_HEADER_LEN + 4);
	l2tp_put_u16(at + L2TP_AVP_HEADER_LEN, 1); /* general request to clear the control connection */
}

/* What it has left behind is over before the new one begins, which may have the same ID. id: of the new one, given by the client. */
static void stop_left(struct l2tp_table *table, uint64_t now_ms, const struct message *m, uint16_t id)
{
	struct l2tp_result *r = m->result;
	struct tunnel *t;

	while ((t = tunnel_left(table, now_ms, &m->d->client))) {
		t->state.closed = true;
		if (!t->state.lns_tunnel || !t->state.client_tunnel || !t->state.heard ||
		    r->stop_count == L2TP_STOPS_MAX)
			continue;
		put_stop(r->stops[r->stop_count++], t);
		if (t->state.client_tunnel == id)
			r->actions |= L2TP_ACT_WAIT;
	}
}

/* A client starts a tunnel; or repeats it, then nothing that was learned is lost. */
static void on_tunnel_request(struct l2tp_table *table, uint64_t now_ms, struct message *m)
{
	struct tunnel *t;
	uint16_t id;

	if (!l2tp_find_u16(m->d->message, &m->header, L2TP_AVP_ASSIGNED_TUNNEL_ID, &id) || !id)
		return;
	stop_left(table, now_ms, m, id);
	t = tunnel_find(table, now_ms, L2TP_TO_CLIENT, &m->d->client, id);
	if (t)
		t->requested_ms = now_ms;
	if (!t || t->state.closed || t->state.client_next != (uint16_t)(m->header.ns + 1)) {
		t = tunnel_begin(table, now_ms, &m->d->client, id);
		if (t)
			t->state.from_start = true;
	}
	m->tunnel = t;
	m->result->actions |= L2TP_ACT_SAVE;
}

static void on_tunnel_reply(struct l2tp_table *table, struct message *m)
{
	uint16_t id;

	if (!m->tunnel || !l2tp_find_u16(m->d->message, &m->header, L2TP_AVP_ASSIGNED_TUNNEL_ID, &id) || !id)
		return;
	if (m->tunnel->state.lns_tunnel && m->tunnel->state.lns_tunnel != id)
		tunnel_restart_lns(m->tunnel);
	tunnel_assign_lns(table, m->tunnel, id);
	m->result->actions |= L2TP_ACT_SAVE;
}

/* SCCCN, the client's answer to the LNS' reply: it names the LNS' tunnel, also where the LNS' own messages do not come up. That is
 * the tunnel that the client asked for last. Where its request was not seen (the SA was too new), the tunnel is known from now on,
 * without the client's ID. */
static void on_tunnel_up(struct l2tp_table *table, uint64_t now_ms, struct message *m)
{
	if (m->tunnel || !m->header.tunnel_id)
		return;
	m->tunnel = tunnel_unanswered(table, now_ms, &m->d->client);
	if (!m->tunnel)
		m->tunnel = tunnel_begin(table, now_ms, &m->d->client, 0);
	if (m->tunnel && !tunnel_assign_lns(table, m->tunnel, m->header.tunnel_id))
		m->tunnel = NULL;
	m->result->actions |= L2TP_ACT_SAVE;
}

/* Before the LNS' ID is known, a client closes with tunnel ID 0 in the header. A tunnel that was never seen, or that the client has
 * replaced by another one (its first request had timed out, and it gives it up now), ends no session. */
static void on_tunnel_closed(struct l2tp_table *table, uint64_t now_ms, struct message *m)
{
	uint16_t id;

	if (!m->tunnel && m->d->direction == L2TP_TO_LNS &&
	    l2tp_find_u16(m->d->message, &m->header, L2TP_AVP_ASSIGNED_TUNNEL_ID, &id) && id)
		m->tunnel = tunnel_find(table, now_ms, L2TP_TO_CLIENT, &m->d->client, id);
	if (!m->tunnel)
		return;
	m->tunnel->state.closed = true;
	if (m->d->direction == L2TP_TO_LNS && !tunnel_has_successor(table, now_ms, m->tunnel))
		m->result->actions |= L2TP_ACT_CLOSED;
	m->result->actions |= L2TP_ACT_SAVE;
}

static uint16_t client_session(const struct message *m)
{
	uint16_t id = 0;

	if (m->d->direction == L2TP_TO_CLIENT)
		return m->header.session_id;
	l2tp_find_u16(m->d->message, &m->header, L2TP_AVP_ASSIGNED_SESSION_ID, &id);
	return id;
}

static void on_session_closed(struct l2tp_table *table, uint64_t now_ms, struct message *m)
{
	if (!m->tunnel || !tunnel_remove_session(m->tunnel, m->result->client_session))
		return;
	m->result->actions |= L2TP_ACT_SAVE;
	if (m->d->direction == L2TP_TO_LNS && m->tunnel->state.from_start &&
	    !m->tunnel->state.session_count && !tunnel_has_successor(table, now_ms, m->tunnel))
		m->result->actions |= L2TP_ACT_CLOSED;
}

static void learn(struct l2tp_table *table, uint64_t now_ms, struct message *m)
{
	bool to_lns = m->d->direction == L2TP_TO_LNS;

	m->result->client_session = client_session(m);
	switch (m->result->message_type) {
	case L2TP_SCCRQ:
		if (to_lns)
			on_tunnel_request(table, now_ms, m);
		break;
	case L2TP_SCCRP:
		if (!to_lns)
			on_tunnel_reply(table, m);
		break;
	case L2TP_SCCCN:
		if (to_lns)
			on_tunnel_up(table, now_ms, m);
		break;
	case L2TP_ICRQ:
		if (to_lns && m->tunnel && m->result->client_session)
			tunnel_add_session(m->tunnel, m->result->client_session);
		break;
	case L2TP_CDN:
		on_session_closed(table, now_ms, m);
		break;
	case L2TP_STOPCCN:
		on_tunnel_closed(table, now_ms, m);
		break;
	default:
		break;
	}
}

static void repair(const struct l2tp_table *table, struct message *m)
{
	if (m->d->direction != L2TP_TO_LNS)
		return;
	if (m->result->message_type == L2TP_SCCRQ)
		repair_host_name(table, m);
	else if (m->result->message_type == L2TP_STOPCCN || m->result->message_type == L2TP_CDN)
		repair_result_code(m);
}

/* Gives both ends their own view of the LNS' numbers, and remembers what they said. */
static void translate_sequence(struct message *m)
{
	uint16_t ns = m->header.ns, nr = m->header.nr;
	bool zlb = m->header.length == L2TP_HEADER_LEN, news;

	if (m->d->direction == L2TP_TO_LNS) {
		news = tunnel_note_client(m->tunnel, ns, nr, zlb);
		nr = tunnel_nr_to_lns(m->tunnel, nr);
	} else {
		news = tunnel_note_lns(m->tunnel, ns, zlb,
				       m->result->message_type == L2TP_HELLO &&
					       m->d->hello == L2TP_HELLO_LEARN);
		ns = tunnel_ns_to_client(m->tunnel, ns);
	}
	/* Who absorbs no HELLO needs no numbers after a restart. */
	if (news && (m->d->hello != L2TP_HELLO_PASS || tunnel_shifted(m->tunnel)))
		m->result->actions |= L2TP_ACT_SAVE;
	if (ns == m->header.ns && nr == m->header.nr)
		return;
	l2tp_set_sequence(m->d->message, ns, nr);
	m->result->edits |= L2TP_EDIT_SEQUENCE;
}

static void absorb(struct l2tp_table *table, struct message *m)
{
	const struct l2tp_tunnel_state *s = &m->tunnel->state;
	uint8_t *reply = m->result->reply;

	l2tp_put_u16(reply, ZLB_FLAGS);
	l2tp_put_u16(reply + 2, L2TP_HEADER_LEN);
	l2tp_put_u16(reply + 4, s->lns_tunnel);
	l2tp_put_u16(reply + 6, 0);
	l2tp_set_sequence(reply, s->client_next, tunnel_nr_to_lns(m->tunnel, s->client_nr));
	m->result->reply_length = L2TP_HEADER_LEN;
	m->result->reason = L2TP_ABSORBED;
	m->result->actions |= L2TP_ACT_DROP | L2TP_ACT_REPLY | L2TP_ACT_SAVE;
	table->absorbed++;
}

static bool to_be_absorbed(const struct message *m)
{
	enum hello_fate fate;
	bool learned;

	if (!m->tunnel || m->d->hello == L2TP_HELLO_PASS || m->d->direction != L2TP_TO_CLIENT ||
	    m->result->reason != L2TP_ORDINARY || m->result->message_type != L2TP_HELLO)
		return false;
	learned = m->tunnel->learned;
	fate = tunnel_hello(m->tunnel, m->header.ns, m->d->hello);
	if (m->tunnel->learned && !learned)
		m->result->actions |= L2TP_ACT_HELLO_UNANSWERED;
	return fate == HELLO_ABSORB;
}

struct l2tp_result l2tp_translate(struct l2tp_table *table, uint64_t now_ms, struct l2tp_datagram *d)
{
	struct l2tp_result result = {.length = d->length};
	struct message m = {.d = d, .result = &result};

	result.reason = l2tp_header_read(d->message, d->length, &m.header);
	if (result.reason != L2TP_ORDINARY)
		return result;
	if (m.header.tunnel_id)
		m.tunnel = tunnel_find(table, now_ms, d->direction, &d->client, m.header.tunnel_id);
	result.reason = l2tp_check(d->message, &m.header, &result.message_type);
	if (result.reason == L2TP_ORDINARY) {
		result.event = event_of(result.message_type);
		learn(table, now_ms, &m);
		repair(table, &m);
	}
	if (m.tunnel) {
		result.client_tunnel = m.tunnel->state.client_tunnel;
		result.lns_tunnel = m.tunnel->state.lns_tunnel;
		tunnel_touch(table, now_ms, m.tunnel);
		if (d->direction == L2TP_TO_LNS)
			m.tunnel->heard_ms = now_ms;
		if (to_be_absorbed(&m))
			absorb(table, &m);
		else
			translate_sequence(
				&m); /* of a message with a bad AVP too: its numbers count all the same */
	}
	result.changed = result.edits != 0;
	result.length = d->length;
	if (result.changed && result.reason == L2TP_ORDINARY)
		result.reason = L2TP_REWRITTEN;
	return result;
}
