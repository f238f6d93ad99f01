/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Places in order of arrival, and for each host how many of them it has. */
#include "shim/daemon/line.h"

#include <stdlib.h>
#include <string.h>

struct queuer {
	struct endpoint host;
	unsigned count;  /* places; 0: this entry is free */
	uint64_t served; /* when a packet of it was taken last; 0: not yet */
};

struct place {
	struct place *next, *previous; /* of those that wait; of free ones, next alone */
	struct queuer *queuer;
	struct nfq_packet packet; /* without its data */
	uint8_t data[LINE_PACKET_MAX];
};

struct line {
	struct place *first, *last, *free;
	size_t count, touched; /* places; of these, ever used */
	uint64_t turns;
	struct queuer queuers[LINE_MAX_PACKETS];
	struct place places[LINE_MAX_PACKETS];
};

struct line *line_new(void)
{
	return calloc(1, sizeof(struct line));
}

void line_free(struct line *line)
{
	free(line);
}

size_t line_count(const struct line *line)
{
	return line->count;
}

/* Its entry, or a free one, which it gets. There are as many as places. */
static struct queuer *queuer_of(struct line *line, const struct endpoint *host)
{
	struct queuer *unused = NULL;

	for (size_t i = 0; i < LINE_MAX_PACKETS; i++) {
		struct queuer *q = &line->queuers[i];

		if (q->count && endpoint_equal(&q->host, host))
			return q;
		if (!q->count && !unused)
			unused = q;
	}
	if (unused)
		*unused = (struct queuer){.host = *host};
	return unused;
}

static struct queuer *fullest(struct line *line)
{
	struct queuer *found = &line->queuers[0];

	for (size_t i = 1; i < LINE_MAX_PACKETS; i++)
		if (line->queuers[i].count > found->count)
			found = &line->queuers[i];
	return found;
}

static void leave(struct line *line, struct place *p)
{
	*(p->previous ? &p->previous->next : &line->first) = p->next;
	*(p->next ? &p->next->previous : &line->last) = p->previous;
	p->queuer->count--;
	line->count--;
	p->next = line->free;
	line->free = p;
}

static struct place *newest_of(const struct line *line, const struct queuer *q)
{
	struct place *p = line->last;

	while (p->queuer != q)
		p = p->previous;
	return p;
}

static struct place *free_place(struct line *line)
{
	struct place *p = line->free;

	if (!p)
		return &line->places[line->touched++];
	line->free = p->next;
	return p;
}

enum line_outcome line_put(struct line *line, const struct nfq_packet *packet, const struct endpoint *host,
			   uint32_t *other)
{
	enum line_outcome outcome = LINE_IN;
	struct queuer *q;
	struct place *p;

	if (packet->length > LINE_PACKET_MAX)
		return LINE_FULL;
	if (line->count == LINE_MAX_PACKETS) {
		struct queuer *most = fullest(line);

		/* One place is not more than another's one. */
		if (most->count < 2 || endpoint_equal(&most->host, host))
			return LINE_FULL;
		p = newest_of(line, most);
		*other = p->packet.id;
		outcome = LINE_INSTEAD;
		leave(line, p);
	}
	q = queuer_of(line, host);
	p = free_place(line);
	p->queuer = q;
	p->packet = *packet;
	p->packet.data = NULL;
	memcpy(p->data, packet->data, packet->length);
	p->next = NULL;
	p->previous = line->last;
	*(p->previous ? &p->previous->next : &line->first) = p;
	line->last = p;
	q->count++;
	line->count++;
	return outcome;
}

/* Of the host that has waited longest for its turn; the first of those that never had one. */
static struct place *next_of(const struct line *line)
{
	struct place *found = line->first;

	for (struct place *p = found; p; p = p->next)
		if (p->queuer->served < found->queuer->served)
			found = p;
	return found;
}

bool line_take(struct line *line, struct nfq_packet *packet, size_t capacity)
{
	struct place *p = next_of(line);
	uint8_t *data = packet->data;

	if (!p || p->packet.length > capacity)
		return false;
	*packet = p->packet;
	packet->data = data;
	memcpy(data, p->data, packet->length);
	p->queuer->served = ++line->turns;
	leave(line, p);
	return true;
}
