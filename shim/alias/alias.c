/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The rules: who gets an alias, which flow is whose, and when an alias is free again. */
#include "shim/alias/impl.h"

#include <string.h>

#define VICTIM_AGE_MS 5000 /* a half-open client of another address makes room only when it is that old */
#define WAIT_MS                                                                                              \
	40000 /* for a session to fall silent; the kernel forgets the answer to message 1 after 60 s */
#define REKEYS_MS 60000 /* a client that has shown that it rekeys on port 500 tries again in that time */

/* What the kernel has to hold. */

static void push(struct alias_result *out, struct alias_change change)
{
	if (out->change_count < ALIAS_CHANGES_MAX)
		out->changes[out->change_count++] = change;
}

static bool is_moved(const struct client *c)
{
	return c->known != c->esp;
}

/* Its flow on 4500 is in the maps. */
static bool is_mapped(const struct client *c)
{
	return c->esp && (c->number || is_moved(c));
}

static void change(struct alias_result *out, const struct alias_table *table, const struct client *c,
		   uint16_t server_port, bool there)
{
	const bool natt = server_port == NATT_PORT;
	const uint16_t port = natt ? c->esp : c->ike;

	if (!port || !(c->number || (natt && is_moved(c))))
		return;
	push(out, (struct alias_change){.real = clients_real(c, port),
					.alias = clients_alias(table, c, natt ? c->known : port),
					.server = clients_server(c, server_port),
					.there = there});
}

static void change_trial(struct alias_result *out, const struct alias_table *table, const struct client *c,
			 const struct trial *t, bool there)
{
	push(out, (struct alias_change){.real = clients_real(c, t->port),
					.alias = clients_alias(table, c, t->as),
					.server = clients_server(c, NATT_PORT),
					.there = there});
}

static void end_trial(struct alias_result *out, struct alias_table *table, const struct client *c,
		      struct trial *t)
{
	if (!t->port)
		return;
	change_trial(out, table, c, t, false);
	*t = (struct trial){.port = 0};
	table->trials--;
}

static void end_trials(struct alias_result *out, struct alias_table *table, struct client *c)
{
	for (size_t i = 0; i < TRIALS_MAX; i++)
		end_trial(out, table, c, &c->trials[i]);
}

/* How many there are at that address, and that one of this port. */
static size_t trials_of(const struct alias_table *table, uint32_t host, uint16_t port, struct client **owner,
			struct trial **trial)
{
	size_t count = 0;

	*trial = NULL;
	for (struct client *c = clients_first(table, host); c; c = clients_next(table, c))
		for (size_t i = 0; i < TRIALS_MAX; i++) {
			count += c->trials[i].port != 0;
			if (!port || c->trials[i].port != port)
				continue;
			*owner = c;
			*trial = &c->trials[i];
		}
	return count;
}

static void set_flow(struct alias_result *out, struct alias_table *table, struct client *c,
		     uint16_t server_port, uint16_t port)
{
	uint16_t *const flow = server_port == NATT_PORT ? &c->esp : &c->ike;
	struct client *tried;
	struct trial *trial;

	if (*flow == port)
		return;
	change(out, table, c, server_port, false);
	if (server_port == NATT_PORT) {
		trials_of(table, c->host, port, &tried, &trial);
		if (trial)
			end_trial(out, table, tried, trial);
		table->stats.moved_now -= !c->number && is_moved(c);
		c->known = port;
	}
	*flow = port;
	change(out, table, c, server_port, true);
}

static void tell(struct alias_result *out, const struct alias_table *table, const struct client *c)
{
	out->client = clients_real(c, c->esp);
	out->alias = clients_alias(table, c, 0);
}

static void release(struct alias_result *out, struct alias_table *table, struct client *c)
{
	change(out, table, c, IKE_PORT, false);
	change(out, table, c, NATT_PORT, false);
	end_trials(out, table, c);
	table->stats.moved_now -= !c->number && is_moved(c);
	table->text_changed |= c->lived;
	if (c->number && c->esp) {
		out->ended = true;
		tell(out, table, c);
	}
	clients_remove(table, c);
}

/* What is known of a client. */

static struct alias_life life_at(const struct alias_table *table, const struct endpoint *at)
{
	return table->config.life(table->config.ctx, at);
}

/* Of the address that the server knows it by. */
static struct alias_life life_of(const struct alias_table *table, const struct client *c)
{
	const struct endpoint at = c->number ? clients_alias(table, c, 0) : clients_real(c, 0);

	/* cppcheck-suppress returnDanglingLifetime -- it is returned by value, and has no pointer */
	return life_at(table, &at);
}

/* From before a restart, and whether it has a session is not known yet. */
static bool is_unread(const struct alias_table *table, const struct client *c)
{
	return c->restored && !table->sas_known;
}

static bool is_half_open(const struct client *c, uint64_t now)
{
	return (c->floated && now - c->floated_ms < ALIAS_FLOATED_MS) ||
	       now - c->began_ms < ALIAS_HALF_OPEN_MS;
}

/* Nobody else may have its flow. */
static bool is_busy(struct alias_life life)
{
	return life.lives && life.quiet_ms < ALIAS_QUIET_MS;
}

/* The list of half-open clients is in the order of these times: room is made at its head. */
static void set_began(struct alias_table *table, struct client *c, uint64_t now)
{
	const bool listed = c->listed;

	clients_unlist(table, c);
	c->began_ms = now;
	if (listed)
		clients_list(table, c);
}

/* A new message 1 from the flow of a known client is that client's, not another one's. */
static bool is_its_own(const struct alias_table *table, const struct client *c, uint16_t server_port,
		       uint64_t now)
{
	const struct alias_life life = life_of(table, c);

	if (!life.lives || is_half_open(c, now) || server_port == NATT_PORT || life.plain)
		return true;
	return (now < c->rekeys_until && is_busy(life)) || now - c->since_ms >= ALIAS_REKEY_MS;
}

static struct exchange *note_exchange(struct client *c, const uint8_t *cookie)
{
	struct exchange *e;

	c->newest = (uint8_t)((c->newest + 1) % EXCHANGES_MAX);
	e = &c->exchanges[c->newest];
	*e = (struct exchange){.used = true};
	memcpy(e->cookie, cookie, ALIAS_COOKIE_LEN);
	return e;
}

/* Its flow on 4500 will be wanted: always of an aliased client, and of another one where its message 1 may have been somebody else's. */
static bool wants_float(const struct alias_table *table, const struct client *c, uint16_t server_port)
{
	struct alias_life life;

	if (server_port == NATT_PORT)
		return false;
	if (c->number)
		return true;
	life = life_of(table, c);
	return life.lives && !life.plain;
}

/* Giving. */

static size_t count_of(const struct alias_table *table, uint32_t host, bool half_open_only,
		       struct client **oldest)
{
	size_t count = 0;

	*oldest = NULL;
	for (struct client *c = clients_first(table, host); c; c = clients_next(table, c)) {
		if (!c->number || (half_open_only && !c->listed))
			continue;
		count++;
		if (c->listed && (!*oldest || c->began_ms < (*oldest)->began_ms))
			*oldest = c;
	}
	return count;
}

/* In the list of half-open ones, the oldest that may make room for a client of any address. */
static bool make_room(struct alias_result *out, struct alias_table *table, uint64_t now, bool alias)
{
	struct client *victim = clients_oldest(table);

	while (alias && victim && !victim->number)
		victim = victim->newer ? &table->clients[victim->newer] : NULL;
	if (!victim || now - victim->began_ms < VICTIM_AGE_MS)
		return false;
	release(out, table, victim);
	return true;
}

static struct client *add(struct alias_result *out, struct alias_table *table, uint64_t now, uint32_t host)
{
	struct client *c = clients_add(table, host);

	if (!c && make_room(out, table, now, false))
		c = clients_add(table, host);
	if (c)
		c->began_ms = now;
	return c;
}

/* NULL: there is none for that address, or none at all. */
static struct client *give(struct alias_result *out, struct alias_table *table, uint64_t now, uint32_t host)
{
	struct client *oldest, *c;

	if (!table->config.ready(table->config.ctx))
		return NULL;
	if (count_of(table, host, true, &oldest) >= ALIAS_HALF_OPEN_ADDRESS_MAX) {
		release(out, table, oldest);
	} else if (count_of(table, host, false, &oldest) >= ALIAS_PER_ADDRESS_MAX) {
		if (!oldest)
			return NULL;
		release(out, table, oldest);
	} else if ((table->stats.half_open >= ALIAS_HALF_OPEN_MAX || table->stats.aliases >= table->count) &&
		   !make_room(out, table, now, true)) {
		return NULL;
	}
	c = add(out, table, now, host);
	if (c && !clients_take_alias(table, c, 0)) {
		clients_remove(table, c);
		c = NULL;
	}
	return c;
}

/* An alias for that flow, which nobody has any more. */
static struct client *give_flow(struct alias_result *out, struct alias_table *table, uint64_t now,
				const struct endpoint *from, const struct endpoint *to)
{
	struct client *c = give(out, table, now, clients_host(from)), *before;

	if (!c) {
		table->stats.refused++;
		return NULL;
	}
	c->server = clients_host(to);
	before = clients_of_flow(table, c->host, to->port, from->port);
	if (before && (before->esp || !before->number)) {
		c->took_esp = before->esp;
		c->took_ms = before->since_ms;
	}
	if (before)
		set_flow(out, table, before, to->port, 0);
	set_flow(out, table, c, to->port, from->port);
	table->stats.given++;
	return c;
}

/* Nobody is there, as far as is known. */
static bool is_free(const struct alias_table *table, uint32_t host, uint64_t now)
{
	const struct client real = {.host = host};

	for (const struct client *c = clients_first(table, host); c; c = clients_next(table, c))
		if (c->number || is_unread(table, c) || ((!c->lived || c->renews) && is_half_open(c, now)))
			return false;
	return !life_of(table, &real).lives;
}

/* Who keeps the address is the only one without an alias there: those whose sessions have ended are forgotten, or, where one message
 * would change too much at once, at least their flows on 500. */
static struct client *take_address(struct alias_result *out, struct alias_table *table, uint64_t now,
				   uint32_t host)
{
	struct client *next;

	for (struct client *c = clients_first(table, host); c; c = next) {
		next = clients_next(table, c);
		if (out->change_count + CLIENT_CHANGES_MAX <= ALIAS_CHANGES_MAX)
			release(out, table, c);
		else
			set_flow(out, table, c, IKE_PORT, 0);
	}
	return add(out, table, now, host);
}

static bool is_usable(const struct alias_table *table, const struct endpoint *from)
{
	return from->addr_len == 4 && from->port && !clients_in_net(table, clients_host(from));
}

/* One more exchange of a client that is known. */
static void begin(struct alias_result *out, struct alias_table *table, uint64_t now, struct client *c,
		  uint16_t server_port, const uint8_t *cookie)
{
	const bool lives = is_unread(table, c) || life_of(table, c).lives,
		   anew = !is_half_open(c, now) || (c->lived && !lives);

	c->renews = lives;
	if (anew || !lives)
		set_began(table, c, now);
	if (anew) {
		c->floated = false;
		table->text_changed |= c->lived != lives;
		c->lived = lives;
		if (!lives) {
			clients_list(table, c);
			c->offered = OFFER_UNKNOWN; /* it may be another one by now */
		}
	}
	if (server_port == NATT_PORT && !c->floated) {
		c->floated = true;
		c->floated_ms = now;
		clients_unlist(table, c);
	}
	if (c->exchanges[c->newest].used)
		c->took_ms = 0;
	note_exchange(c, cookie);
	out->follow = wants_float(table, c, server_port);
	out->flow = clients_real(c, c->ike);
}

struct alias_result alias_first(struct alias_table *table, uint64_t now_ms, const struct endpoint *from,
				const struct endpoint *to, const uint8_t cookie[static ALIAS_COOKIE_LEN])
{
	struct alias_result out = {.drop = false};
	const uint32_t host = clients_host(from);
	const uint16_t server_port = to->port;
	struct exchange *exchange;
	struct client *c;

	if (!is_usable(table, from) || (server_port != IKE_PORT && server_port != NATT_PORT))
		return out;
	c = clients_of_cookie(table, host, cookie, &exchange);
	if (c) { /* repeated; from another flow it is somebody else's, or of no use any more */
		out.follow = !exchange->floated &&
			     c == clients_of_flow(table, host, server_port, from->port) &&
			     wants_float(table, c, server_port);
		out.flow = *from;
		return out;
	}
	c = clients_of_flow(table, host, server_port, from->port);
	if (c && !is_its_own(table, c, server_port, now_ms))
		c = NULL;
	else if (!c && server_port == NATT_PORT && life_at(table, from).lives)
		return out; /* a client without an alias rekeys */
	else if (!c && is_free(table, host, now_ms)) {
		c = take_address(&out, table, now_ms, host);
		if (c) {
			c->server = clients_host(to);
			set_flow(&out, table, c, server_port, from->port);
		}
	}
	if (!c)
		c = give_flow(&out, table, now_ms, from, to);
	if (c)
		begin(&out, table, now_ms, c, server_port, cookie);
	return out;
}

/* What it offers. */

static void set_offer(struct alias_table *table, struct client *c, enum offered offered, uint8_t offer)
{
	table->text_changed |= (c->number || c->lived) && (c->offered != offered || c->offer != offer);
	c->offered = (uint8_t)offered;
	c->offer = offer;
}

/* Only a rekey begins on 4500, and makes nobody another one. */
static void hear(struct alias_table *table, struct client *c, uint16_t server_port, uint8_t offer)
{
	if (c->offered == OFFER_UNKNOWN)
		set_offer(table, c, OFFER_HEARD, offer);
	else if (server_port == IKE_PORT && c->offered == OFFER_HEARD && c->offer != offer)
		set_offer(table, c, OFFER_MIXED, 0);
}

/* In a message that is nobody's here. On 4500 it is from the flow of a session: a client without an alias rekeys. On 500 it is another
 * client's, which gets no alias: the server will see it at the same address. */
static void hear_at(struct alias_table *table, const struct endpoint *from, uint16_t server_port,
		    uint8_t offer)
{
	for (struct client *c = clients_first(table, clients_host(from)); c; c = clients_next(table, c)) {
		if (c->number || (server_port == NATT_PORT && c->known && c->known != from->port))
			continue;
		if (server_port == NATT_PORT)
			hear(table, c, server_port, offer);
		else if (clients_has_offer(c) && c->offer != offer)
			set_offer(table, c, OFFER_MIXED, 0);
	}
}

void alias_offers(struct alias_table *table, const struct endpoint *from, const struct endpoint *to,
		  const uint8_t cookie[static ALIAS_COOKIE_LEN], uint8_t offer)
{
	struct exchange *exchange;
	struct client *c;

	if (!is_usable(table, from) || (to->port != IKE_PORT && to->port != NATT_PORT))
		return;
	c = clients_of_cookie(table, clients_host(from), cookie, &exchange);
	if (!c) {
		hear_at(table, from, to->port, offer);
		return;
	}
	if (exchange->has_offer)
		return;
	exchange->has_offer = true;
	exchange->offer = offer;
	/* Of one without an alias its float will show whose it is. */
	if (c->number || !wants_float(table, c, to->port))
		hear(table, c, to->port, offer);
}

/* Floating. */

static void confirm(struct alias_result *out, struct alias_table *table, uint64_t now, struct client *c,
		    struct exchange *exchange, const struct endpoint *from)
{
	struct client *owner = clients_of_flow(table, c->host, NATT_PORT, from->port);

	if (owner && owner != c)
		set_flow(out, table, owner, NATT_PORT, 0);
	if (c->number && c->esp != from->port)
		out->settled = true;
	set_flow(out, table, c, NATT_PORT, from->port);
	tell(out, table, c);
	clients_unlist(table, c);
	exchange->floated = c->floated = true;
	c->floated_ms = c->since_ms = now;
	if (exchange->has_offer)
		set_offer(table, c, OFFER_PROVEN, exchange->offer);
	out->unfollow = true;
	out->flow = clients_real(c, c->ike);
}

static struct client *real_client(struct alias_result *out, struct alias_table *table, uint64_t now,
				  uint32_t host)
{
	struct client *c = clients_first(table, host);

	while (c && c->number)
		c = clients_next(table, c);
	return c ? c : add(out, table, now, host);
}

/* The exchange came by a new port of the NAT, and so under a wrong address; its client has a session already. The server must not
 * believe it, nor its repeats. The flow becomes that client's, whose next try is right. */
static void rekeys(struct alias_result *out, struct alias_table *table, uint64_t now, struct client *wrong,
		   struct exchange *exchange, struct client *owner)
{
	const struct exchange refused = *exchange;
	const uint32_t host = wrong->host, server = wrong->server;
	const uint16_t ike = wrong->ike;

	exchange->refused = true;
	if (wrong->number && !life_of(table, wrong).lives)
		release(out, table, wrong);
	else
		set_flow(out, table, wrong, IKE_PORT, 0);
	if (!owner)
		owner = real_client(out, table, now, host);
	if (owner) {
		owner->server = server;
		set_flow(out, table, owner, IKE_PORT, ike);
		owner->rekeys_until = now + REKEYS_MS;
		note_exchange(owner, refused.cookie)->refused = true;
	}
	table->stats.rekeys++;
	out->drop = true;
}

/* Message 1 was taken for a rekey of the client that has this flow on 500, but it is another one behind the NAT. The server must not
 * believe it; the next try finds an alias. */
static void is_another(struct alias_result *out, struct alias_table *table, uint64_t now,
		       const struct client *wrong, struct exchange *exchange)
{
	const struct endpoint flow = clients_real(wrong, wrong->ike),
			      server = clients_server(wrong, IKE_PORT);

	out->drop = exchange->refused = give_flow(out, table, now, &flow, &server) != NULL;
}

/* A server that refuses message 1 answers with a cookie of zeros, which everybody knows. */
static bool is_proven(const struct alias_table *table, const struct endpoint *from,
		      const uint8_t cookie[static ALIAS_COOKIE_LEN],
		      const uint8_t responder[static ALIAS_COOKIE_LEN])
{
	static const uint8_t none[ALIAS_COOKIE_LEN];

	return memcmp(responder, none, ALIAS_COOKIE_LEN) != 0 &&
	       table->config.answered(table->config.ctx, from, cookie, responder);
}

/* Of that flow, whose owner is known or not. A port that the server knows a client by whose NAT has moved it is another one's now. */
static struct alias_life life_behind(const struct alias_table *table, const struct client *owner,
				     const struct endpoint *from)
{
	const struct alias_life none = {.quiet_ms = UINT64_MAX};
	const struct endpoint at = owner ? clients_alias(table, owner, owner->known) : *from;

	for (const struct client *c = clients_first(table, clients_host(from)); c && !owner;
	     c = clients_next(table, c))
		if (!c->number && is_moved(c) && c->known == from->port)
			return none;
	/* cppcheck-suppress returnDanglingLifetime -- it is returned by value, and has no pointer */
	return life_at(table, &at);
}

/* Both its flows are those of one client with a session, too young to be rekeyed on 500: that client has most likely begun anew, and its
 * session is silent from now on. The message is dropped until it has been for long enough; the client repeats it. False: that takes too
 * long, or it is not so. */
static bool wait_for_silence(struct alias_table *table, struct client *c, const struct client *owner,
			     const struct endpoint *from, uint64_t now)
{
	if (!c->took_ms || now - c->took_ms >= ALIAS_REKEY_MS)
		return false;
	if (c->took_esp ? c->took_esp != from->port : owner != NULL)
		return false;
	if (!c->waits_ms)
		c->waits_ms = now;
	if (now - c->waits_ms >= WAIT_MS)
		return false;
	set_began(table, c, now);
	return true;
}

struct alias_result alias_float(struct alias_table *table, uint64_t now_ms, const struct endpoint *from,
				const uint8_t cookie[static ALIAS_COOKIE_LEN],
				const uint8_t responder[static ALIAS_COOKIE_LEN])
{
	struct alias_result out = {.drop = false};
	struct exchange *exchange;
	struct client *c, *owner;
	struct alias_life life;

	if (!is_usable(table, from))
		return out;
	c = clients_of_cookie(table, clients_host(from), cookie, &exchange);
	if (!c || exchange->floated)
		return out;
	if (exchange->refused) {
		out.drop = true;
		return out;
	}
	if (!is_proven(table, from, cookie, responder))
		return out;
	memcpy(exchange->responder, responder, ALIAS_COOKIE_LEN);
	owner = clients_of_flow(table, c->host, NATT_PORT, from->port);
	life = life_behind(table, owner, from);
	if (owner != c && (owner || c->number) && is_busy(life)) {
		out.drop = wait_for_silence(table, c, owner, from, now_ms);
		if (!out.drop)
			rekeys(&out, table, now_ms, c, exchange, owner);
	} else if (owner == c || c->number || (!owner && (life.lives || !life_of(table, c).lives)))
		confirm(&out, table, now_ms, c, exchange, from);
	else
		is_another(&out, table, now_ms, c, exchange);
	return out;
}

/* Another port of the NAT in mid-session. */

static struct alias_result try_port(struct alias_table *table, uint64_t now, struct client *c, uint16_t port)
{
	struct alias_result out = {.drop = false};
	struct client *owner = clients_of_flow(table, c->host, NATT_PORT, port);
	struct trial *trial, *oldest = &c->trials[0];
	const size_t count = trials_of(table, c->host, port, &owner, &trial);
	const struct endpoint from = clients_real(c, port);

	if (owner || is_busy(life_behind(table, NULL, &from)))
		return out;
	for (size_t i = 0; i < TRIALS_MAX; i++)
		if (c->trials[i].since_ms < oldest->since_ms)
			oldest = &c->trials[i];
	if (!oldest->port && (count >= ALIAS_TRIALS_ADDRESS_MAX || table->trials >= ALIAS_TRIALS_MAX)) {
		table->stats.trials_refused++;
		return out;
	}
	end_trial(&out, table, c, oldest);
	/* By the port that the server knows, its packets would prove nothing. */
	*oldest = (struct trial){.port = port, .as = port == c->known ? c->esp : port, .since_ms = now};
	change_trial(&out, table, c, oldest, true);
	table->trials++;
	table->stats.trials++;
	return out;
}

/* By its flow to 4500 as the server sees it. Of clients without an alias there may be several at one address, that lived
 * before the first alias was given. */
static struct client *client_at(const struct alias_table *table, const struct endpoint *at)
{
	const uint32_t host = clients_host(at);
	struct client *c;

	if (clients_in_net(table, host)) {
		c = clients_of_number(table, host - table->net);
		return c && c->known == at->port ? c : NULL;
	}
	for (c = clients_first(table, host); c; c = clients_next(table, c))
		if (!c->number && c->known == at->port)
			break;
	return c;
}

struct alias_result alias_stray_esp(struct alias_table *table, uint64_t now_ms, const struct endpoint *from,
				    const struct endpoint *at)
{
	struct client *c;

	if (!is_usable(table, from) || at->addr_len != 4 || !at->port)
		return (struct alias_result){.drop = false};
	c = client_at(table, at);
	if (!c || !is_mapped(c) || c->host != clients_host(from))
		return (struct alias_result){.drop = false};
	return try_port(table, now_ms, c, from->port);
}

struct alias_result alias_stray_ike(struct alias_table *table, uint64_t now_ms, const struct endpoint *from,
				    const uint8_t cookie[static ALIAS_COOKIE_LEN],
				    const uint8_t responder[static ALIAS_COOKIE_LEN])
{
	struct exchange *exchange;
	struct client *c;

	if (!is_usable(table, from))
		return (struct alias_result){.drop = false};
	c = clients_of_cookie(table, clients_host(from), cookie, &exchange);
	if (!c || !is_mapped(c) || exchange->refused ||
	    (exchange->floated && memcmp(exchange->responder, responder, ALIAS_COOKIE_LEN) != 0))
		return (struct alias_result){.drop = false};
	return try_port(table, now_ms, c, from->port);
}

/* The real port that a client's packets come from, by what the server sees of them; 0: not one that is the client's to have. */
static uint16_t real_port(const struct alias_table *table, const struct client *c,
			  const struct endpoint *from)
{
	const uint32_t host = clients_host(from);
	const struct endpoint known = clients_alias(table, c, 0);
	const struct client *other;

	if (endpoint_same_host(from, &known))
		for (size_t i = 0; i < TRIALS_MAX; i++)
			if (c->trials[i].port && c->trials[i].as == from->port)
				return c->trials[i].port;
	if (host == c->host)
		return from->port;
	if (!clients_in_net(table, host))
		return 0;
	other = client_at(table, from); /* whose flow the NAT has given to this client */
	return other && other != c && other->host == c->host ? other->esp : 0;
}

/* Its flow is that port from now on, and the server knows it by another one, or by the same. */
static void move(struct alias_result *out, struct alias_table *table, struct client *c, uint16_t port,
		 uint16_t known)
{
	const struct endpoint before = clients_real(c, c->esp),
			      known_before = clients_alias(table, c, c->known);
	struct client *owner = clients_of_flow(table, c->host, NATT_PORT, port), *tried;
	struct trial *trial;

	end_trials(out, table, c);
	trials_of(table, c->host, port, &tried, &trial);
	if (trial)
		end_trial(out, table, tried, trial);
	if (owner && owner != c)
		set_flow(out, table, owner, NATT_PORT, 0);
	if (c->esp && !is_mapped(c))
		push(out, (struct alias_change){.real = before,
						.alias = known_before,
						.server = clients_server(c, NATT_PORT),
						.tracked_only = true});
	change(out, table, c, NATT_PORT, false);
	table->stats.moved_now -= !c->number && is_moved(c);
	c->esp = port;
	c->known = known;
	table->stats.moved_now += !c->number && is_moved(c);
	change(out, table, c, NATT_PORT, true);
	tell(out, table, c);
	out->moved = true;
	out->was = before;
	table->stats.moved++;
}

/* One without an alias, of whose flow on 4500 nothing was seen so far, and maybe not of its phase 1. */
static struct client *note_lone(struct alias_result *out, struct alias_table *table, uint64_t now,
				const struct endpoint *us, const struct endpoint *at)
{
	struct client *c = clients_first(table, clients_host(at));

	while (c && (c->number || c->esp))
		c = clients_next(table, c);
	if (!c)
		c = add(out, table, now, clients_host(at));
	if (!c)
		return NULL;
	clients_unlist(table, c);
	c->server = clients_host(us);
	c->esp = c->known = at->port;
	c->lived = true;
	c->lived_ms = now;
	if (!c->since_ms)
		c->since_ms = now;
	return c;
}

struct alias_result alias_moved(struct alias_table *table, uint64_t now_ms, const struct endpoint *us,
				const struct endpoint *at, const struct endpoint *from, bool followed)
{
	struct alias_result out = {.drop = false};
	struct client *c, *owner;
	struct endpoint known, real;
	uint16_t port;

	if (at->addr_len != 4 || from->addr_len != 4 || us->addr_len != 4 || !at->port || !from->port)
		return out;
	c = client_at(table, at);
	if (!c && !clients_in_net(table, clients_host(at)) && clients_host(at) == clients_host(from) &&
	    !clients_of_flow(table, clients_host(at), NATT_PORT, at->port))
		c = note_lone(&out, table, now_ms, us, at);
	if (!c || (c->moved_ms && now_ms - c->moved_ms < ALIAS_MOVE_MS))
		return out;
	port = real_port(table, c, from);
	owner = clients_of_flow(table, c->host, NATT_PORT, port);
	if (!port || port == c->esp)
		return out;
	known = clients_alias(table, c, at->port);
	real = clients_real(c, port);
	if (!(followed && endpoint_equal(&real, from)) && is_busy(life_behind(table, owner, &real)))
		return out; /* somebody else's */
	if (followed && !endpoint_same_host(&known, from))
		return out; /* to another address, where it is not told apart any more */
	move(&out, table, c, port, followed ? from->port : at->port);
	c->moved_ms = now_ms;
	return out;
}

/* Whom the server sees there while a new port of his is on trial. */
static struct client *on_trial_as(const struct alias_table *table, const struct endpoint *at,
				  const struct trial **trial)
{
	const uint32_t host = clients_host(at);
	const bool alias = clients_in_net(table, host);
	struct client *c = alias ? clients_of_number(table, host - table->net) : clients_first(table, host);

	for (; c; c = alias ? NULL : clients_next(table, c))
		for (size_t i = 0; i < TRIALS_MAX && (alias || !c->number); i++) {
			*trial = &c->trials[i];
			if ((*trial)->port && (*trial)->as == at->port)
				return c;
		}
	return NULL;
}

struct alias_result alias_followed(struct alias_table *table, uint64_t now_ms, const struct endpoint *to)
{
	struct alias_result out = {.drop = false};
	const struct trial *trial;
	struct client *c;

	if (to->addr_len != 4 || !table->trials)
		return out;
	c = on_trial_as(table, to, &trial);
	if (!c)
		return out;
	move(&out, table, c, trial->port, trial->as);
	c->moved_ms = now_ms;
	return out;
}

bool alias_is_mapped(const struct alias_table *table, const struct endpoint *host)
{
	const struct client *c = host->addr_len == 4 ? clients_first(table, clients_host(host)) : NULL;

	while (c && !c->number && !is_mapped(c))
		c = clients_next(table, c);
	return c;
}

/* The end. */

static bool expire_trials(struct alias_result *out, struct alias_table *table, uint64_t now, struct client *c)
{
	for (size_t i = 0; i < TRIALS_MAX; i++)
		if (c->trials[i].port && now - c->trials[i].since_ms >= ALIAS_TRIAL_MS)
			end_trial(out, table, c, &c->trials[i]);
	return out->change_count;
}

void alias_sas_known(struct alias_table *table)
{
	table->sas_known = true;
}

bool alias_expire(struct alias_table *table, uint64_t now_ms, struct alias_result *out)
{
	*out = (struct alias_result){.drop = false};
	alias_sas_known(table);
	while (table->cursor < table->used_clients) {
		struct client *c = &table->clients[++table->cursor];

		if (!c->used)
			continue;
		if (expire_trials(out, table, now_ms, c)) {
			table->cursor--;
			return true;
		}
		if (life_of(table, c).lives) {
			if (!c->lived)
				c->since_ms = now_ms;
			table->text_changed |= !c->lived;
			c->lived = true;
			c->lived_ms = now_ms;
			clients_unlist(table, c);
		} else if (!is_half_open(c, now_ms) &&
			   (!c->lived || now_ms - c->lived_ms > ALIAS_LINGER_MS)) {
			release(out, table, c);
			return true;
		}
	}
	table->cursor = 0;
	return false;
}

/* Names. */

static bool moved_from(const struct alias_table *table, const struct endpoint *at, struct endpoint *real)
{
	const struct client *c = client_at(table, at);

	if (!c || !is_moved(c))
		return false;
	*real = clients_real(c, c->esp);
	return true;
}

bool alias_real(const struct alias_table *table, const struct endpoint *alias, struct endpoint *real)
{
	const struct client *c;

	if (alias->addr_len != 4)
		return false;
	if (!clients_in_net(table, clients_host(alias)))
		return table->stats.moved_now && alias->port && moved_from(table, alias, real);
	c = clients_of_number(table, clients_host(alias) - table->net);
	if (!c)
		return false;
	*real = clients_real(c, c->esp ? c->esp : c->ike);
	if (alias->port && alias->port == c->ike)
		real->port = c->ike;
	if (alias->port && alias->port == c->known)
		real->port = c->esp;
	return true;
}

bool alias_of(const struct alias_table *table, const struct endpoint *real, struct endpoint *alias)
{
	const struct client *c;

	if (real->addr_len != 4 || !real->port)
		return false;
	c = clients_of_flow(table, clients_host(real), NATT_PORT, real->port);
	if (c && is_mapped(c)) {
		*alias = clients_alias(table, c, c->known);
		return true;
	}
	if (!c || !c->number)
		c = clients_of_flow(table, clients_host(real), IKE_PORT, real->port);
	if (!c || !c->number)
		return false;
	*alias = clients_alias(table, c, real->port);
	return true;
}

static const struct client *client_seen_at(const struct alias_table *table, const struct endpoint *seen)
{
	const uint32_t host = clients_host(seen);
	const struct client *c;

	if (clients_in_net(table, host))
		return clients_of_number(table, host - table->net);
	c = clients_of_flow(table, host, NATT_PORT, seen->port);
	if (!c)
		c = clients_first(table, host);
	while (c && c->number)
		c = clients_next(table, c);
	return c;
}

bool alias_ike_flow(const struct alias_table *table, const struct endpoint *seen, struct endpoint *flow)
{
	const struct client *const c = seen->addr_len == 4 ? client_seen_at(table, seen) : NULL;

	if (!c || !c->ike)
		return false;
	*flow = clients_real(c, c->ike);
	return true;
}

/* Of several without an alias that may be the one: what all of them offer. A port that nobody is known by is not another client's: the
 * server may have followed one to there, which natshim does not see if that was by IKE. */
static enum alias_offer offer_at(const struct alias_table *table, const struct endpoint *seen, uint8_t *offer)
{
	const struct client *first = clients_first(table, clients_host(seen)), *one = NULL;
	const struct client *const known = seen->port ? client_at(table, seen) : NULL;

	for (const struct client *c = first; c; c = clients_next(table, c)) {
		if (c->number || (known && c->known && c != known))
			continue;
		if (!clients_has_offer(c) || (one && one->offer != c->offer))
			return ALIAS_OFFER_UNKNOWN;
		one = c;
	}
	if (!one)
		return first ? ALIAS_OFFER_UNKNOWN : ALIAS_OFFER_NOBODY;
	*offer = one->offer;
	return ALIAS_OFFER_KNOWN;
}

enum alias_offer alias_offer_of(const struct alias_table *table, const struct endpoint *seen, uint8_t *offer)
{
	const struct client *c;

	if (seen->addr_len != 4)
		return ALIAS_OFFER_NOBODY;
	if (!clients_in_net(table, clients_host(seen)))
		return offer_at(table, seen, offer);
	c = clients_of_number(table, clients_host(seen) - table->net);
	if (!c)
		return ALIAS_OFFER_NOBODY;
	*offer = c->offer;
	return clients_has_offer(c) ? ALIAS_OFFER_KNOWN : ALIAS_OFFER_UNKNOWN;
}

bool alias_text_changed(struct alias_table *table)
{
	const bool changed = table->text_changed;

	table->text_changed = false;
	return changed;
}

void alias_each_of(const struct alias_table *table, const struct endpoint *host, alias_fn *fn, void *ctx)
{
	if (host->addr_len != 4)
		return;
	for (const struct client *c = clients_first(table, clients_host(host)); c;
	     c = clients_next(table, c)) {
		const struct endpoint alias = clients_alias(table, c, 0);

		if (c->number)
			fn(ctx, &alias);
	}
}

void alias_each_pair(const struct alias_table *table, alias_pair_fn *fn, void *ctx)
{
	for (uint32_t i = 1; i <= table->used_clients; i++) {
		struct alias_result pairs = {.change_count = 0};

		change(&pairs, table, &table->clients[i], IKE_PORT, true);
		change(&pairs, table, &table->clients[i], NATT_PORT, true);
		for (size_t t = 0; t < TRIALS_MAX; t++)
			if (table->clients[i].trials[t].port)
				change_trial(&pairs, table, &table->clients[i], &table->clients[i].trials[t],
					     true);
		for (size_t p = 0; p < pairs.change_count; p++)
			fn(ctx, &pairs.changes[p]);
	}
}

struct alias_stats alias_stats(const struct alias_table *table)
{
	return table->stats;
}
