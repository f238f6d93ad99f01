/* SPDX-License-Identifier: GPL-2.0-or-later */
/* strongSwan over VICI: list-sas tells the SPIs of each child, terminate ends a child, then its IKE SA when nothing else is
 * left in it. A child under rekey makes terminate wait, so it always gets a time limit. */
#include "shim/stack/stack.h"
#include "shim/stack/vici_socket.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CHILDREN_MAX 64
#define CHILD_IDS_MAX ((size_t)2 * STACK_SAS_MAX)
#define TERMINATE_MS 1500

struct child_sa {
	uint64_t id;
	uint32_t spi_in, spi_out;
	bool meant;
};
struct ike_sa {
	uint64_t id;
	struct endpoint peer;
	char peer_id[STACK_ID_MAX];
	bool established;
	uint64_t cookie_i, cookie_r;
	uint32_t child_count; /* children holds the first CHILDREN_MAX */
	struct child_sa children[CHILDREN_MAX];
};

#define DEFAULT_TIMEOUT_MS 5000

static int connect_to(const struct stack_options *options, char text[static STACK_TEXT_MAX])
{
	return vici_connect(options->vici_path,
			    options->timeout_ms ? options->timeout_ms : DEFAULT_TIMEOUT_MS, text,
			    STACK_TEXT_MAX);
}

/* ---- list-sas ---------------------------------------------------------------------------------------------------- */

static void take_ike_value(struct ike_sa *ike, struct vici_text key, struct vici_text value)
{
	char text[ENDPOINT_TEXT_MAX];
	uint64_t number;

	if (vici_is(key, "uniqueid") && vici_number(value, 10, &number))
		ike->id = number;
	else if (vici_is(key, "initiator-spi") && vici_number(value, 16, &number))
		ike->cookie_i = number;
	else if (vici_is(key, "responder-spi") && vici_number(value, 16, &number))
		ike->cookie_r = number;
	else if (vici_is(key, "state"))
		ike->established = vici_is(value, "ESTABLISHED") || vici_is(value, "REKEYING");
	else if (vici_is(key, "remote-port") && vici_number(value, 10, &number) && number <= UINT16_MAX)
		ike->peer.port = (uint16_t)number;
	else if (vici_is(key, "remote-id"))
		vici_copy(value, ike->peer_id, sizeof ike->peer_id);
	else if (vici_is(key, "remote-host")) {
		const uint16_t port = ike->peer.port;

		vici_copy(value, text, sizeof text);
		if (endpoint_parse(text, &ike->peer))
			ike->peer.port = port;
	}
}

static void take_child_value(struct child_sa *child, struct vici_text key, struct vici_text value)
{
	uint64_t number;

	if (vici_is(key, "uniqueid") && vici_number(value, 10, &number))
		child->id = number;
	else if (vici_is(key, "spi-in") && vici_number(value, 16, &number))
		child->spi_in = (uint32_t)number;
	else if (vici_is(key, "spi-out") && vici_number(value, 16, &number))
		child->spi_out = (uint32_t)number;
}

/* An event "list-sa": section of the IKE SA (depth 1), in it "child-sas" (2), in it one section for each child (3). */
static bool take_list_sa(struct vici_reader *reader, struct ike_sa *ike)
{
	struct child_sa none, *child = &none;
	struct vici_text name, value;
	bool children = false;

	memset(ike, 0, sizeof *ike);
	for (;;) {
		switch (vici_next(reader, &name, &value)) {
		case VICI_END:
			return ike->id != 0 && ike->peer.addr_len != 0;
		case VICI_BAD:
			return false;
		case VICI_SECTION_START:
			if (reader->depth == 2)
				children = vici_is(name, "child-sas");
			if (reader->depth == 3 && children) {
				child = ike->child_count < CHILDREN_MAX ? &ike->children[ike->child_count]
									: &none;
				ike->child_count++;
			}
			break;
		case VICI_KEY_VALUE:
			if (reader->depth == 1)
				take_ike_value(ike, name, value);
			else if (reader->depth == 3 && children)
				take_child_value(child, name, value);
			break;
		default:
			break;
		}
	}
}

typedef void ike_sa_fn(void *ctx, struct ike_sa *ike);

static int ask_for_list(int fd)
{
	uint8_t bytes[64];
	struct vici_writer w;
	int rc;

	vici_begin(&w, bytes, sizeof bytes, VICI_REGISTER, "list-sa");
	rc = vici_send(fd, &w);
	vici_begin(&w, bytes, sizeof bytes, VICI_REQUEST, "list-sas");
	return rc ? rc : vici_send(fd, &w);
}

/* Until the response, which says that the list is over. */
static int read_list(int fd, uint8_t *packet, struct ike_sa *ike, ike_sa_fn *fn, void *ctx)
{
	for (;;) {
		struct vici_reader reader;
		struct vici_text name;
		enum vici_packet type;
		size_t length;
		int rc = vici_receive(fd, packet, &length);

		if (rc)
			return rc;
		if (!vici_open(&reader, packet, length, &type, &name))
			return -EBADMSG;
		if (type == VICI_EVENT && vici_is(name, "list-sa")) {
			if (take_list_sa(&reader, ike))
				fn(ctx, ike);
		} else if (type == VICI_RESPONSE) {
			return 0;
		} else if (type == VICI_UNKNOWN_REQUEST || type == VICI_UNKNOWN_EVENT) {
			return -EOPNOTSUPP;
		}
	}
}

static int list_sas(const struct stack_options *options, ike_sa_fn *fn, void *ctx,
		    char text[static STACK_TEXT_MAX])
{
	const int fd = connect_to(options, text);
	uint8_t *packet;
	struct ike_sa *ike;
	int rc;

	if (fd < 0)
		return fd;
	packet = malloc(VICI_PACKET_MAX);
	ike = malloc(sizeof *ike);
	rc = packet && ike ? ask_for_list(fd) : -ENOMEM;
	if (!rc)
		rc = read_list(fd, packet, ike, fn, ctx);
	if (rc)
		snprintf(text, STACK_TEXT_MAX, "vici: list-sas: %s", strerror(-rc));
	free(ike);
	free(packet);
	close(fd);
	return rc;
}

/* ---- terminate --------------------------------------------------------------------------------------------------- */

static int read_verdict(struct vici_reader *reader, char text[static STACK_TEXT_MAX])
{
	struct vici_text key, value;
	bool success = false;
	char why[STACK_TEXT_MAX - 32] = "no reason given";

	for (;;) {
		switch (vici_next(reader, &key, &value)) {
		case VICI_END:
			if (!success)
				snprintf(text, STACK_TEXT_MAX, "vici: terminate: %s", why);
			return success ? 0 : -EIO;
		case VICI_BAD:
			return -EBADMSG;
		case VICI_KEY_VALUE:
			if (vici_is(key, "success"))
				success = vici_is(value, "yes");
			else if (vici_is(key, "errmsg"))
				vici_copy(value, why, sizeof why);
			break;
		default:
			break;
		}
	}
}

static int exchange_terminate(int fd, const char *what, uint64_t id, char text[static STACK_TEXT_MAX])
{
	uint8_t bytes[512];
	char number[24], limit[24];
	struct vici_writer w;
	struct vici_reader reader;
	struct vici_text name;
	enum vici_packet type;
	size_t length;
	int rc;

	snprintf(number, sizeof number, "%llu", (unsigned long long)id);
	snprintf(limit, sizeof limit, "%d", TERMINATE_MS);
	vici_begin(&w, bytes, sizeof bytes, VICI_REQUEST, "terminate");
	vici_pair(&w, what, number);
	vici_pair(&w, "timeout", limit);
	rc = vici_send(fd, &w);
	uint8_t *packet = malloc(VICI_PACKET_MAX);

	if (!packet)
		return -ENOMEM;
	if (!rc)
		rc = vici_receive(fd, packet, &length);
	if (rc)
		snprintf(text, STACK_TEXT_MAX, "vici: terminate %s %s: %s", what, number, strerror(-rc));
	else if (!vici_open(&reader, packet, length, &type, &name) || type != VICI_RESPONSE)
		rc = -EBADMSG;
	else
		rc = read_verdict(&reader, text);
	free(packet);
	return rc;
}

static int terminate(const struct stack_options *options, const char *what, uint64_t id,
		     char text[static STACK_TEXT_MAX])
{
	const int fd = connect_to(options, text);

	if (fd < 0)
		return fd;
	const int rc = exchange_terminate(fd, what, id, text);

	close(fd);
	return rc;
}

/* ---- end --------------------------------------------------------------------------------------------------------- */

struct search {
	const struct stack_end_request *request;
	uint64_t ike_ids[STACK_SAS_MAX], child_ids[CHILD_IDS_MAX];
	uint32_t left[STACK_SAS_MAX]; /* children of that IKE SA that are not meant */
	size_t ike_count, child_count;
};

static bool is_meant(const struct stack_end_request *request, const struct child_sa *child)
{
	for (uint32_t i = 0; i < request->sa_count; i++)
		if (request->sas[i].spi == (request->sas[i].outbound ? child->spi_out : child->spi_in))
			return true;
	return false;
}

static uint64_t read64(const uint8_t *bytes)
{
	uint64_t value = 0;

	for (unsigned i = 0; i < 8; i++)
		value = value << 8 | bytes[i];
	return value;
}

static bool is_named(const struct stack_end_request *request, const struct ike_sa *ike)
{
	return request->ike_sa_too && ike->cookie_i == read64(request->cookies) &&
	       ike->cookie_r == read64(request->cookies + 8);
}

static void search_ike(void *ctx, struct ike_sa *ike)
{
	struct search *search = ctx;
	const uint32_t count = ike->child_count < CHILDREN_MAX ? ike->child_count : CHILDREN_MAX;
	uint32_t meant = 0;

	if (!endpoint_same_host(&ike->peer, &search->request->peer))
		return;
	for (uint32_t i = 0; i < count; i++) {
		if (!is_meant(search->request, &ike->children[i]))
			continue;
		meant++;
		if (search->child_count < CHILD_IDS_MAX)
			search->child_ids[search->child_count++] = ike->children[i].id;
	}
	if ((meant || is_named(search->request, ike)) && search->ike_count < STACK_SAS_MAX) {
		search->left[search->ike_count] = ike->child_count - meant;
		search->ike_ids[search->ike_count++] = ike->id;
	}
}

struct recount {
	uint64_t id;
	bool found;
	uint32_t children;
};

static void count_children(void *ctx, struct ike_sa *ike)
{
	struct recount *recount = ctx;

	if (ike->id != recount->id)
		return;
	recount->found = true;
	recount->children = ike->child_count;
}

/* An IKE SA with nothing else in it goes as a whole, also when its child would not (a rekey in flight). */
static int end_ike(const struct stack_options *options, uint64_t id, bool only_ours, int child_rc,
		   char text[static STACK_TEXT_MAX])
{
	struct recount recount = {.id = id};
	int rc;

	if (child_rc)
		return only_ours ? terminate(options, "ike-id", id, text) : child_rc;
	rc = list_sas(options, count_children, &recount, text);
	if (rc || !recount.found || recount.children)
		return rc;
	return terminate(options, "ike-id", id, text);
}

static int strongswan_end(const struct stack_options *options, const struct stack_end_request *request,
			  char text[static STACK_TEXT_MAX])
{
	struct search search = {.request = request};
	int rc = list_sas(options, search_ike, &search, text);
	int child_rc = 0;

	if (rc)
		return rc;
	if (!search.child_count && !search.ike_count)
		return stack_xfrm.end(options, request, text);
	for (size_t i = 0; i < search.child_count; i++) {
		const int one = terminate(options, "child-id", search.child_ids[i], text);

		child_rc = child_rc ? child_rc : one;
	}
	for (size_t i = 0; i < search.ike_count && !rc; i++)
		rc = end_ike(options, search.ike_ids[i], search.left[i] == 0, child_rc, text);
	return rc;
}

/* ---- list and detect --------------------------------------------------------------------------------------------- */

struct listing {
	const struct endpoint *peer;
	const struct stack_report *report;
};

static void report_ike(void *ctx, struct ike_sa *ike)
{
	const struct listing *listing = ctx;
	struct stack_ike_sa out = {.peer = ike->peer, .number = ike->id, .child_count = ike->child_count};

	if (!ike->established || (listing->peer && !endpoint_same_host(&ike->peer, listing->peer)))
		return;
	snprintf(out.id, sizeof out.id, "%s", ike->peer_id);
	for (uint32_t i = 0; i < ike->child_count && i < STACK_SAS_MAX; i++)
		out.spis_in[i] = ike->children[i].spi_in;
	listing->report->ike_sa(listing->report->ctx, &out);
}

static int strongswan_list(const struct stack_options *options, const struct endpoint *peer,
			   const struct stack_report *report, char text[static STACK_TEXT_MAX])
{
	struct listing listing = {.peer = peer, .report = report};

	return list_sas(options, report_ike, &listing, text);
}

static int strongswan_detect(const struct stack_options *options, char text[static STACK_TEXT_MAX])
{
	const int fd = connect_to(options, text);

	if (fd < 0)
		return fd;
	close(fd);
	return 0;
}

const struct stack_backend stack_strongswan = {
	.kind = STACK_STRONGSWAN,
	.detect = strongswan_detect,
	.list = strongswan_list,
	.end = strongswan_end,
};
