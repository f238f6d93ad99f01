/* SPDX-License-Identifier: GPL-2.0-or-later */
/* shim/explain: a capture's packets in any order, fragments too, and the report in all its forms. Checked: bounds, and that nothing of
 * the capture gets into the page as markup. Input: for each packet one byte of flags, its length (16 bits, network order), the IP
 * packet. */
#include "shim/explain/render.h"

#include "shim/bridge/dh.h"

#include <stdlib.h>
#include <string.h>

enum { TO_CLIENT = 1, TIME_SHIFT = 1, PORTION = 3, FORMS = 3 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition)
{
	if (!condition)
		abort();
}

/* No tag but those that the page itself has, of which a script is none. */
static void check_text(const char *text, size_t length, bool html)
{
	for (size_t i = 0; i < length; i++)
		require((text[i] >= ' ' && text[i] <= '~') || text[i] == '\n');
	require(!html || (!strstr(text, "<script") && strstr(text, "</html>")));
}

static void render(const struct explain_report *report, const struct render_source *source)
{
	for (unsigned form = 0; form < FORMS; form++) {
		char *text = NULL;
		size_t length = 0;
		FILE *out = open_memstream(&text, &length);

		require(out);
		if (form == 0)
			render_text(out, report, source);
		else if (form == 1)
			require(render_json(out, report, source));
		else
			render_html(out, report, source);
		fclose(out);
		check_text(text, length, form == 2);
		free(text);
	}
}

static void check_report(const struct explain_report *report)
{
	require(report->clients <= EXPLAIN_CLIENTS_MAX);
	for (unsigned i = 0; i < report->clients; i++) {
		const struct explain_client *client = &report->client[i];

		require(client->who && client->verdict.id && client->places >= 1);
		require(client->rows <= EXPLAIN_ROWS_MAX && client->attempts <= EXPLAIN_ATTEMPTS_MAX);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint64_t pauses[] = {0, 5, 3000, 130000};
	const struct explain_config config = {.bridge_groups = DH_GROUPS_KNOWN};
	struct explain *explain = explain_new(&config);
	struct fragments *fragments = fragments_new();
	struct render_source source = {.name = "fuzz"};
	uint64_t now = 1;

	require(explain && fragments);
	while (size >= PORTION) {
		const uint8_t flags = data[0];
		size_t length = (size_t)data[1] << 8 | data[2];

		data += PORTION;
		size -= PORTION;
		length = length < size ? length : size;
		uint8_t *packet = malloc(length ? length : 1);

		require(packet);
		memcpy(packet, data, length);
		const uint8_t *ip = packet;
		size_t ip_length = length;

		now += pauses[flags >> TIME_SHIFT & 3];
		source.packets++;
		const enum fragment_status status = fragments_add(fragments, packet, length, &ip, &ip_length);

		if (status == FRAGMENT_NONE || status == FRAGMENT_WHOLE)
			explain_add(explain,
				    &(struct explain_packet){.number = source.packets,
							     .time_ms = now,
							     .direction = flags & TO_CLIENT ? IKE_TO_CLIENT
											    : IKE_TO_SERVER,
							     .ip = ip,
							     .length = ip_length});
		free(packet);
		data += length;
		size -= length;
	}
	source.fragments = fragments_stats(fragments);
	const struct explain_report *report = explain_end(explain);

	check_report(report);
	render(report, &source);
	fragments_free(fragments);
	explain_free(explain);
	return 0;
}
