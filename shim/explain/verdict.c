/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Where an exchange stops, and why: a table, from what is certain to what is left. Causes are named by the IDs of `natshim check',
 * which has the words for them (shim/check/judge_*.c); docs/recipes/symptoms.md says the same of the servers' logs. */
#include "shim/explain/explain.h"

#include "shim/ike/dialect.h"

#include <string.h>

enum { SHORT_LIFE_MS = 60000, NATD_RFC = 20 };

struct view {
	const struct explain_client *client;
	const struct explain_report *report;
	const struct explain_attempt *a; /* NULL: there is none */
};

static bool has(const struct view *v, unsigned number)
{
	return v->a && v->a->seen[number];
}

static bool is_main(const struct view *v)
{
	return v->a && v->a->mode != MESSAGE_AGGRESSIVE;
}

/* Quick Modes of the client that got as far as that message; of any attempt, since a phase 1 may be a rekey only. */
static bool quick_reached(const struct explain_attempt *a, unsigned number)
{
	for (unsigned i = 0; a && i < a->quicks; i++)
		if (a->quick[i].seen[number])
			return true;
	return false;
}

static bool was_encrypted(const struct view *v)
{
	return v->client->esp[IKE_TO_SERVER] || v->client->esp[IKE_TO_CLIENT];
}

static bool old_dialect(const struct view *v)
{
	return v->a && v->a->from_start && dialect_facts(v->a->dialect)->natd != 0;
}

static bool phase1_done(const struct view *v)
{
	return is_main(v) ? has(v, 6) : has(v, 3);
}

static bool ikev2(const struct view *v)
{
	return v->a && v->a->ikev2;
}

static bool clear_l2tp(const struct view *v)
{
	return v->client->l2tp[IKE_TO_SERVER] && !v->a && !was_encrypted(v);
}

static bool esp_alone(const struct view *v)
{
	return !v->a;
}

static bool no_proposal(const struct view *v)
{
	return v->a && !v->a->by_server && v->a->notification == NOTIFY_NO_PROPOSAL_CHOSEN && !has(v, 3);
}

static bool no_proposal_weak(const struct view *v)
{
	return no_proposal(v) && v->a->bridge_asked &&
	       (v->a->bridge == BRIDGE_RELAYED || v->a->bridge == BRIDGE_REPEATED);
}

static bool no_proposal_certificate(const struct view *v)
{
	return no_proposal(v) && v->a->bridge_asked && v->a->bridge == BRIDGE_CERTIFICATE;
}

/* The bytes of a public value: as many as the group's prime has. */
static unsigned group_length(uint8_t group)
{
	static const struct {
		uint8_t group;
		unsigned length;
	} lengths[] = {{1, 96}, {2, 128}, {5, 192}, {14, 256}, {15, 384}, {16, 512}};

	for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++)
		if (lengths[i].group == group)
			return lengths[i].length;
	return 0;
}

static bool short_key(const struct view *v)
{
	const unsigned length = v->a ? v->a->ke_length[IKE_TO_SERVER] : 0;

	return length && length < group_length(v->a->group) && !has(v, 5);
}

static bool key_refused(const struct view *v)
{
	return v->a && v->a->notification == NOTIFY_INVALID_KEY_INFORMATION;
}

static bool proof_refused(const struct view *v)
{
	const unsigned n = v->a ? v->a->notification : 0;

	return is_main(v) && has(v, 5) && !has(v, 6) &&
	       (n == NOTIFY_PAYLOAD_MALFORMED || n == NOTIFY_INVALID_ID_INFORMATION ||
		n == NOTIFY_INVALID_HASH_INFORMATION || n == NOTIFY_AUTHENTICATION_FAILED);
}

static bool refused_otherwise(const struct view *v)
{
	return v->a && v->a->notification && !phase1_done(v);
}

static bool server_starts_in_vain(const struct view *v)
{
	return v->a && v->a->by_server && !phase1_done(v);
}

static bool no_answer(const struct view *v)
{
	return is_main(v) && has(v, 1) && !has(v, 2) && !has(v, 3);
}

static bool no_answer_aggressive(const struct view *v)
{
	return v->a && !is_main(v) && !has(v, 2) && !has(v, 3);
}

static bool stops_after_2(const struct view *v)
{
	return v->a && v->a->mode && has(v, 2) && !has(v, 3) && !has(v, 5);
}

static bool stops_after_3(const struct view *v)
{
	return is_main(v) && has(v, 3) && !has(v, 4) && !has(v, 5);
}

static bool old_client_is_deaf(const struct view *v)
{
	const unsigned answer = is_main(v) ? 4 : 2;

	return old_dialect(v) && has(v, answer) && !has(v, answer + 1) &&
	       v->a->natd[IKE_TO_CLIENT] == NATD_RFC;
}

static bool stops_after_4(const struct view *v)
{
	return is_main(v) && has(v, 4) && !has(v, 5);
}

/* Windows' default: message 4 shows it a server behind a NAT, and it says no more. */
static bool windows_refuses_nat(const struct view *v)
{
	return stops_after_4(v) && v->a->windows && v->a->server_nat == NAT_YES;
}

/* On 4500 a server that hears nothing and one that refuses look alike: both are silent, or repeat message 4. */
static bool stops_after_5_floated(const struct view *v)
{
	return is_main(v) && has(v, 5) && !has(v, 6) && v->a->floated && !v->a->informational[IKE_TO_CLIENT];
}

static bool stops_after_5(const struct view *v)
{
	return is_main(v) && has(v, 5) && !has(v, 6);
}

static bool xauth(const struct view *v)
{
	return v->a && v->a->transactions && !v->a->quicks;
}

/* Phase 1 is complete, with a client that speaks an old dialect to a server that did not take it up. */
static bool old_client_without_nat_t(const struct view *v)
{
	return old_dialect(v) && phase1_done(v) && !v->a->natd[IKE_TO_CLIENT] && v->a->natd[IKE_TO_SERVER] &&
	       !quick_reached(v->a, 3);
}

static bool nat_without_nat_t(const struct view *v)
{
	return v->a && v->a->from_start && v->a->client_nat == NAT_YES && phase1_done(v) && !v->a->floated &&
	       !quick_reached(v->a, 3);
}

static bool no_quick_mode(const struct view *v)
{
	return v->a && phase1_done(v) && !v->a->quicks && !was_encrypted(v);
}

static bool shares_address(const struct view *v)
{
	for (unsigned i = 0; i < v->report->clients; i++) {
		const struct explain_client *other = &v->report->client[i];

		if (other != v->client && endpoint_same_host(&other->place[0], &v->client->place[0]) &&
		    endpoint_same_host(&other->server, &v->client->server) && other->esp[IKE_TO_SERVER])
			return true;
	}
	return false;
}

static bool quick_unanswered(const struct view *v)
{
	return quick_reached(v->a, 1) && !quick_reached(v->a, 2);
}

static bool quick_unanswered_shared(const struct view *v)
{
	return quick_unanswered(v) && shares_address(v);
}

static bool quick_not_confirmed(const struct view *v)
{
	return quick_reached(v->a, 2) && !quick_reached(v->a, 3) && !was_encrypted(v);
}

static bool no_esp_floated(const struct view *v)
{
	return quick_reached(v->a, 3) && !was_encrypted(v) && v->a->floated;
}

static bool no_esp(const struct view *v)
{
	return quick_reached(v->a, 3) && !was_encrypted(v);
}

static bool esp_unanswered(const struct view *v)
{
	return v->client->esp[IKE_TO_SERVER] && !v->client->esp[IKE_TO_CLIENT];
}

static bool esp_from_server_only(const struct view *v)
{
	return !v->client->esp[IKE_TO_SERVER] && v->client->esp[IKE_TO_CLIENT];
}

static bool soon_over(const struct view *v)
{
	return was_encrypted(v) && v->a &&
	       v->a->informational[IKE_TO_SERVER] + v->a->informational[IKE_TO_CLIENT] >= 2 &&
	       v->client->esp_last_ms - v->client->esp_first_ms < SHORT_LIFE_MS &&
	       v->a->last_ms >= v->client->esp_last_ms;
}

static bool works(const struct view *v)
{
	return was_encrypted(v);
}

static bool always(const struct view *v)
{
	(void)v;
	return true;
}

static const char no_help[] = "It does not change what stops this client.";

static const struct row {
	bool (*fits)(const struct view *view);
	struct explain_verdict verdict;
} rows[] = {
	{clear_l2tp,
	 {"l2tp-in-the-clear",
	  false,
	  "before IPsec: L2TP runs without it",
	  "There is neither IKE nor ESP of this client: its L2TP is not protected, and the server answers it "
	  "all the same.",
	  {"firewall-clear-l2tp", NULL},
	  "It drops L2TP in the clear on --iface."}},
	{esp_alone,
	 {"no-ike",
	  false,
	  "before the capture began",
	  "The capture began after the keys were agreed.",
	  {NULL},
	  "Nothing can be said of it: start the capture before the client connects."}},
	{ikev2,
	 {"ikev2",
	  true,
	  "",
	  "The client speaks IKEv2, which natshim leaves alone.",
	  {NULL},
	  "It is not needed."}},
	{no_proposal_certificate,
	 {"no-proposal-weak-certificate",
	  false,
	  "after message 1: NO-PROPOSAL-CHOSEN",
	  "The client offers weak groups only, and authenticates by certificate, so that bridge mode cannot "
	  "stand between.",
	  {"libreswan-modp1024", "libreswan-ike", "strongswan-proposals", "strongswan-algorithms", NULL},
	  "--bridge would need a pre-shared key."}},
	{no_proposal_weak,
	 {"no-proposal-weak",
	  false,
	  "after message 1: NO-PROPOSAL-CHOSEN",
	  "The server takes none of the client's algorithms. All that the client offers has a weak "
	  "Diffie-Hellman group.",
	  {"libreswan-modp1024", "libreswan-ike", "strongswan-proposals", "strongswan-algorithms", NULL},
	  "--bridge with --psk-file helps: natshim agrees on a group of its own with each side."}},
	{no_proposal,
	 {"no-proposal",
	  false,
	  "after message 1: NO-PROPOSAL-CHOSEN",
	  "The server takes none of the client's algorithms, or has no connection or no key for this client.",
	  {"libreswan-ike", "libreswan-psk", "strongswan-proposals", "strongswan-remote-addrs",
	   "strongswan-version", NULL},
	  no_help}},
	{key_refused,
	 {"key-refused",
	  false,
	  "after message 3: INVALID-KEY-INFORMATION",
	  "The server refuses the client's public value. racoon strips its leading zero, about once in 256 "
	  "times.",
	  {NULL},
	  "--bridge with --psk-file takes such a value; without it the user connects again."}},
	{short_key,
	 {"key-short",
	  false,
	  "after message 3",
	  "The client's public value is shorter than its group's prime: a leading zero is missing, which "
	  "servers refuse.",
	  {NULL},
	  "--bridge with --psk-file takes such a value; without it the user connects again."}},
	{proof_refused,
	 {"wrong-key",
	  false,
	  "after message 5: the server refuses it",
	  "The server cannot read message 5, or its proof is wrong: the pre-shared keys differ.",
	  {"libreswan-psk", "strongswan-psk", "libreswan-authby", NULL},
	  no_help}},
	{server_starts_in_vain,
	 {"server-rekey",
	  false,
	  "in an exchange that the server began",
	  "The server began a rekey, which does not reach the client, or which the client refuses.",
	  {"libreswan-rekey", "strongswan-rekey", NULL},
	  "It translates such a rekey for old Macs."}},
	{refused_otherwise,
	 {"refused",
	  false,
	  "where the server sends its notification",
	  "The server refuses the exchange; its log says why.",
	  {NULL},
	  no_help}},
	{no_answer_aggressive,
	 {"no-answer-aggressive",
	  false,
	  "after message 1: no answer",
	  "The client begins Aggressive Mode, and the server does not answer.",
	  {"libreswan-aggressive", "strongswan-aggressive", "libreswan-ikev1-policy", "firewall-500", NULL},
	  no_help}},
	{no_answer,
	 {"no-answer",
	  false,
	  "after message 1: no answer",
	  "The server answers nothing: a firewall drops udp/500 on the way, or the server drops IKEv1 "
	  "without a word.",
	  {"libreswan-ikev1-policy", "firewall-500", "strongswan-version", NULL},
	  no_help}},
	{old_client_is_deaf,
	 {"old-nat-t-deaf",
	  false,
	  "where the client ignores the server's NAT-D",
	  "The client's NAT traversal is older than RFC 3947, and the server's answer has NAT-D of the RFC's "
	  "type: such a client ignores it "
	  "and repeats its own message.",
	  {NULL},
	  "It helps: run natshim --iface NAME on the server, which translates these messages."}},
	{stops_after_2,
	 {"stops-after-2",
	  false,
	  "after message 2",
	  "The client does not go on: the answer does not reach it, or it takes no such answer. A capture at "
	  "the client tells which.",
	  {NULL},
	  no_help}},
	{stops_after_3,
	 {"stops-after-3",
	  false,
	  "after message 3: no answer",
	  "The server answers nothing to the client's key exchange; its log says why. A message that is too "
	  "large, or is cut by a "
	  "firewall, looks the same.",
	  {NULL},
	  no_help}},
	{windows_refuses_nat,
	 {"windows-server-nat",
	  false,
	  "after message 4",
	  "The server is behind a NAT, or says so, and Windows refuses such a server (error 809).",
	  {"server-nat", "firewall-4500", NULL},
	  "--hide-nat helps, with --public where the server is behind a NAT."}},
	{stops_after_4,
	 {"stops-after-4",
	  false,
	  "after message 4",
	  "The client's message 5, which goes to udp/4500 where there is a NAT, is not here: a firewall "
	  "drops it, or message 4 does not "
	  "reach the client.",
	  {"firewall-4500", NULL},
	  no_help}},
	{stops_after_5_floated,
	 {"stops-after-5-on-4500",
	  false,
	  "after message 5 on udp/4500: no message 6",
	  "The server cannot read message 5, for the pre-shared keys differ; or a firewall drops udp/4500 "
	  "behind the place of this "
	  "capture.",
	  {"libreswan-psk", "strongswan-psk", "firewall-4500", NULL},
	  no_help}},
	{stops_after_5,
	 {"stops-after-5",
	  false,
	  "after message 5: no message 6",
	  "The server cannot read message 5, or its proof is wrong: the pre-shared keys differ, or the "
	  "certificate is refused.",
	  {"libreswan-psk", "strongswan-psk", "libreswan-authby", NULL},
	  no_help}},
	{xauth,
	 {"xauth",
	  false,
	  "after phase 1: XAUTH",
	  "A name and a password are asked for inside IKE (Cisco's IPsec): no client of L2TP answers, and no "
	  "such client speaks L2TP.",
	  {NULL},
	  no_help}},
	{old_client_without_nat_t,
	 {"old-nat-t",
	  false,
	  "after phase 1: no ESP",
	  "The client's NAT traversal is older than RFC 3947. The server ignores its NAT-D payloads, so both "
	  "go on without NAT "
	  "traversal, and behind a NAT Quick Mode or ESP fails.",
	  {NULL},
	  "It helps: run natshim --iface NAME on the server, which translates these messages."}},
	{nat_without_nat_t,
	 {"no-nat-t",
	  false,
	  "after phase 1: no ESP",
	  "The client is behind a NAT, and the two do not agree on NAT traversal.",
	  {"libreswan-encapsulation", NULL},
	  no_help}},
	{no_quick_mode,
	 {"stops-after-phase-1",
	  false,
	  "after phase 1",
	  "Phase 1 is complete, and the client asks for no ESP: it does not accept the server's identity or "
	  "certificate, or message 6 "
	  "does not reach it.",
	  {"cert-id", "cert-san-name", "cert-eku", "firewall-4500", NULL},
	  no_help}},
	{quick_unanswered_shared,
	 {"quick-refused-shared",
	  false,
	  "in Quick Mode: no answer that agrees",
	  "Another client at the same address has an IPsec SA: two clients behind one NAT with the same L2TP "
	  "port refuse each other.",
	  {NULL},
	  "It gives each client an address of its own, without any option (but --alias off prevents it)."}},
	{quick_unanswered,
	 {"quick-refused",
	  false,
	  "in Quick Mode: no answer that agrees",
	  "The server refuses what the client asks for (its notification is encrypted, its log has it): the "
	  "selectors, the mode, the ESP "
	  "algorithms, or PFS.",
	  {"libreswan-esp", "libreswan-pfs", "libreswan-rightprotoport", "libreswan-type",
	   "strongswan-remote-ts", "strongswan-esp", "strongswan-pfs", NULL},
	  "It does not change what stops this client; but where the server is strongSwan, --bridge serves "
	  "Macs before 10.4.4."}},
	{quick_not_confirmed,
	 {"quick-not-confirmed",
	  false,
	  "in Quick Mode: the client does not confirm",
	  "The client refuses the server's answer, or it does not reach it. Macs before 10.4.4 refuse "
	  "strongSwan's.",
	  {"strongswan-old-macs", "libreswan-rightprotoport", NULL},
	  "--bridge with --psk-file helps where the server is strongSwan."}},
	{no_esp_floated,
	 {"no-esp-on-4500",
	  false,
	  "after Quick Mode: no ESP",
	  "IPsec is agreed on, and the client sends no ESP on udp/4500: the capture ends here, or the client "
	  "ends.",
	  {NULL},
	  no_help}},
	{no_esp,
	 {"no-esp",
	  false,
	  "after Quick Mode: no ESP",
	  "IPsec is agreed on, and no ESP is in the capture. Without a NAT it is IP protocol 50: the "
	  "capture's filter may leave it out, "
	  "or a firewall drops it.",
	  {"firewall-esp", NULL},
	  no_help}},
	{esp_unanswered,
	 {"l2tp-unanswered",
	  false,
	  "after IPsec: no ESP from the server",
	  "The client sends its L2TP through IPsec, and nothing comes back: no LNS answers, or its answer "
	  "takes another way.",
	  {"libreswan-rightprotoport", "libreswan-leftprotoport", "firewall-l2tp", "l2tp-config",
	   "l2tp-listen-addr", "kernel-esp", NULL},
	  "--lns ADDR (or auto) helps where the LNS listens on another address or host."}},
	{esp_from_server_only,
	 {"esp-from-server-only",
	  false,
	  "after IPsec: no ESP from the client",
	  "The server sends ESP, and none of the client's is in the capture: a firewall drops it before.",
	  {"firewall-esp", "firewall-4500", NULL},
	  no_help}},
	{soon_over,
	 {"soon-over",
	  false,
	  "less than a minute after IPsec was up",
	  "ESP goes both ways, then the two end it: L2TP answers, and PPP comes to no agreement (password, "
	  "method, encryption).",
	  {"ppp-auth", "ppp-mppe", "ppp-lock", NULL},
	  no_help}},
	{works,
	 {"works",
	  true,
	  "",
	  "ESP goes both ways: as far as a capture shows, the client is connected.",
	  {NULL},
	  "It is not needed."}},
	{always,
	 {"unclear",
	  false,
	  "where the capture does not show it",
	  "The capture does not show enough of the exchange.",
	  {NULL},
	  "Start the capture before the client connects, with the filter 'udp port 500 or udp port 4500 or "
	  "esp'."}},
};

/* The last one; but one that the server began, or a phase 1 without a Quick Mode, may be a rekey of an earlier one that stands. */
const struct explain_attempt *explain_judged(const struct explain_client *client)
{
	const struct explain_attempt *last = client->attempts ? &client->attempt[client->attempts - 1] : NULL;

	for (unsigned i = client->attempts; last && i-- > 0;) {
		const struct explain_attempt *a = &client->attempt[i];

		if (quick_reached(a, 1) && (last->seen[EXPLAIN_PHASE1_MAX] || a == last) && !last->quicks)
			return a;
	}
	return last;
}

void explain_judge(struct explain_client *client, const struct explain_report *report)
{
	const struct view view = {client, report, explain_judged(client)};
	const struct row *row = rows;

	while (!row->fits(&view))
		row++;
	client->verdict = row->verdict;
}

const struct explain_verdict *explain_verdict_at(size_t n)
{
	return n < sizeof rows / sizeof *rows ? &rows[n].verdict : NULL;
}
