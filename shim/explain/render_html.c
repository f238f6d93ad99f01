/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The report as a page. A ladder is an SVG of fixed units that scales with the page: the client's line on the left, the server's on
 * the right, and between them what each message says. Lines are broken here, for SVG does not. */
#include "shim/explain/render.h"

#include "shim/check/check.h"

#include <inttypes.h>
#include <string.h>

/* Units of the SVG: a phone's page is about as wide. */
enum {
	WIDTH = 360,
	LEFT = 10,   /* the client's line */
	RIGHT = 350, /* the server's */
	TEXT_X = 22,
	TITLE_COLUMNS = 42,
	DETAIL_COLUMNS = 46,
	LINE = 15,
	DETAIL_LINE = 14,
	HEAD = 26,
	ROW_GAP = 16,
	ARROW = 7,
	NOTE_GAP = 22,
	MS = 1000,
};

static const char style[] =
	":root{color-scheme:light "
	"dark;--page:#fff;--ink:#1b1f24;--soft:#57606a;--line:#c3cad2;--card:#f5f7f9;--up:#0a5fb4;"
	"--down:#176639;--bad:#b3261e;--good:#176639;--mark:#8a4b00}\n"
	"@media(prefers-color-scheme:dark){:root{--page:#12161b;--ink:#e7ebf0;--soft:#a3adb8;--line:#3c4651;-"
	"-card:#1b2129;"
	"--up:#7db8f5;--down:#79cf9a;--bad:#ff9a92;--good:#79cf9a;--mark:#f0b46a}}\n"
	"*{box-sizing:border-box}\n"
	"body{margin:0;background:var(--page);color:var(--ink);font:16px/1.45 system-ui,-apple-system,'Segoe "
	"UI',Roboto,"
	"'Helvetica Neue',Arial,sans-serif;overflow-wrap:anywhere}\n"
	"main{max-width:1120px;margin:0 auto;padding:16px}\n"
	"h1{font-size:1.35rem;margin:.2em 0}h2{font-size:1.15rem;margin:0 0 .4em}\n"
	"p{margin:.4em 0}.soft{color:var(--soft)}\n"
	"section{border-top:2px solid var(--line);margin-top:20px;padding-top:16px}\n"
	".note{border-left:4px solid var(--mark);padding-left:10px}\n"
	".verdict{background:var(--card);border-left:6px solid var(--bad);border-radius:4px;padding:12px "
	"14px;margin:10px 0}\n"
	".verdict.works{border-color:var(--good)}\n"
	".verdict strong.stop{color:var(--bad)}.verdict.works strong.stop{color:var(--good)}\n"
	"dl{margin:.5em 0}dt{font-weight:600;margin-top:.5em}dd{margin:0}\n"
	"ul{margin:.2em "
	"0;padding-left:1.2em}code{font-family:ui-monospace,Menlo,Consolas,monospace;font-size:.92em}\n"
	"svg{display:block;width:100%;max-width:520px;height:auto;margin:8px auto 0}\n"
	"@media(min-width:900px){.two{display:grid;grid-template-columns:minmax(0,1fr) "
	"520px;gap:28px;align-items:start}"
	".two svg{margin:0}}\n"
	"svg text{fill:var(--ink);font:12px system-ui,-apple-system,'Segoe UI',Roboto,'Helvetica "
	"Neue',Arial,sans-serif}\n"
	"svg .t{font-weight:600}svg .d{fill:var(--soft);font-size:11.2px}svg "
	".s{fill:var(--soft);font-size:11.2px}\n"
	"svg .c{fill:var(--mark);font-size:11.2px;font-weight:600}svg .h{font-weight:700}svg "
	".x{fill:var(--bad);font-weight:700}\n"
	"svg .g{fill:var(--good);font-weight:700}svg .life{stroke:var(--line);stroke-width:2}\n"
	"svg .up{stroke:var(--up);stroke-width:1.6}svg .down{stroke:var(--down);stroke-width:1.6}\n"
	"svg polygon.up{fill:var(--up)}svg polygon.down{fill:var(--down)}\n"
	"svg .end{stroke:var(--bad);stroke-width:1.6;stroke-dasharray:5 4}\n"
	"@media print{body{background:#fff}section{break-inside:avoid}}\n";

static void put_text(FILE *out, const char *text, size_t length)
{
	for (size_t i = 0; i < length; i++) {
		const unsigned char c = (unsigned char)text[i];

		switch (c) {
		case '&':
			fputs("&amp;", out);
			break;
		case '<':
			fputs("&lt;", out);
			break;
		case '>':
			fputs("&gt;", out);
			break;
		case '"':
			fputs("&quot;", out);
			break;
		default:
			fputc(c < ' ' || c > '~' ? '?' : c, out);
		}
	}
}

static void put(FILE *out, const char *text)
{
	put_text(out, text, strlen(text));
}

static void put_element(FILE *out, const char *before, const char *text, const char *after)
{
	fputs(before, out);
	put(out, text);
	fputs(after, out);
}

/* The ladder */

static unsigned count_lines(const char *text, size_t columns)
{
	unsigned lines = 0;

	while (*text) {
		text = render_next_line(text, render_wrap(text, columns));
		lines++;
	}
	return lines;
}

/* Lines of text from y on; out NULL: they are only counted. The y behind them. */
static unsigned put_lines(FILE *out, const char *text, size_t columns, const char *class, unsigned y,
			  unsigned line)
{
	if (!out)
		return y + line * count_lines(text, columns);
	while (*text) {
		const size_t length = render_wrap(text, columns);

		y += line;
		fprintf(out, "<text class=\"%s\" x=\"%d\" y=\"%u\">", class, TEXT_X, y);
		put_text(out, text, length);
		fputs("</text>\n", out);
		text = render_next_line(text, length);
	}
	return y;
}

static void put_arrow(FILE *out, const struct explain_row *row, unsigned y)
{
	const bool up = row->direction == IKE_TO_SERVER;
	const int from = up ? LEFT : RIGHT, to = up ? RIGHT : LEFT, back = up ? -ARROW : ARROW;
	const char *class = up ? "up" : "down";

	if (!out)
		return;
	fprintf(out, "<line class=\"%s\" x1=\"%d\" y1=\"%u\" x2=\"%d\" y2=\"%u\"/>", class, from, y,
		to + back, y);
	fprintf(out, "<polygon class=\"%s\" points=\"%d,%u %d,%u %d,%u\"/>\n", class, to, y, to + back,
		y - ARROW / 2 - 1, to + back, y + ARROW / 2 + 1);
}

static unsigned put_row(FILE *out, const struct explain_row *row, uint64_t start_ms, unsigned y)
{
	char repeats[RENDER_NAME_MAX], line[WORDS_MAX + RENDER_NAME_MAX];
	const uint64_t ms = row->first_ms - start_ms;

	render_repeats(row, repeats);
	snprintf(line, sizeof line, "%" PRIu64 ".%03" PRIu64 " s%s%s%s", ms / MS, ms % MS,
		 row->on_4500 ? ", port 4500" : "", *repeats ? ", sent " : "", repeats);
	y = put_lines(out, line, DETAIL_COLUMNS, "s", y + ROW_GAP - DETAIL_LINE / 2, DETAIL_LINE);
	y = put_lines(out, row->title, TITLE_COLUMNS, "t", y, LINE);
	y += ARROW;
	put_arrow(out, row, y);
	y = put_lines(out, row->detail, DETAIL_COLUMNS, "d", y + 2, DETAIL_LINE);
	if (!*row->change)
		return y;
	snprintf(line, sizeof line, "natshim would change: %s", row->change);
	return put_lines(out, line, DETAIL_COLUMNS, "c", y, DETAIL_LINE);
}

/* Everything between the two lines; out NULL: how high it is. */
static unsigned put_rows(FILE *out, const struct explain_client *client, uint64_t start_ms)
{
	const struct explain_verdict *verdict = &client->verdict;
	char line[RENDER_NAME_MAX];
	unsigned y = HEAD, attempt = 0;

	for (unsigned i = 0; i < client->rows; i++) {
		const struct explain_row *row = &client->row[i];

		if (row->attempt && row->attempt != attempt && client->attempts > 1) {
			snprintf(line, sizeof line, "attempt %u of %u", row->attempt, client->attempts);
			y = put_lines(out, line, TITLE_COLUMNS, "h", y + ROW_GAP, LINE);
		}
		attempt = row->attempt ? row->attempt : attempt;
		y = put_row(out, row, start_ms, y);
	}
	if (verdict->works)
		return put_lines(out, "connected, as far as the capture shows", TITLE_COLUMNS, "g",
				 y + ROW_GAP, LINE);
	y += NOTE_GAP;
	if (out)
		fprintf(out, "<line class=\"end\" x1=\"%d\" y1=\"%u\" x2=\"%d\" y2=\"%u\"/>\n", LEFT, y,
			RIGHT, y);
	snprintf(line, sizeof line, "stops %s", verdict->where);
	return put_lines(out, line, TITLE_COLUMNS, "x", y, LINE);
}

static void put_ladder(FILE *out, const struct explain_client *client, uint64_t start_ms)
{
	const unsigned height = put_rows(NULL, client, start_ms) + NOTE_GAP;

	fprintf(out,
		"<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %u\" role=\"img\" "
		"aria-label=\"The messages between "
		"client and server, in their order\">\n",
		WIDTH, height);
	fprintf(out, "<line class=\"life\" x1=\"%d\" y1=\"%d\" x2=\"%d\" y2=\"%u\"/>", LEFT, HEAD - LINE,
		LEFT, height);
	fprintf(out, "<line class=\"life\" x1=\"%d\" y1=\"%d\" x2=\"%d\" y2=\"%u\"/>\n", RIGHT, HEAD - LINE,
		RIGHT, height);
	fprintf(out, "<text class=\"h\" x=\"0\" y=\"%d\">client</text>", LINE - 2);
	fprintf(out, "<text class=\"h\" x=\"%d\" y=\"%d\" text-anchor=\"end\">server</text>\n", WIDTH,
		LINE - 2);
	put_rows(out, client, start_ms);
	fputs("</svg>\n", out);
}

/* The page */

static const char *file_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash && slash[1] ? slash + 1 : path;
}

static void put_causes(FILE *out, const struct explain_verdict *verdict)
{
	if (!verdict->causes[0])
		return;
	fputs("<dt>Causes, by their IDs in natshim check</dt><dd><ul>\n", out);
	for (unsigned i = 0; verdict->causes[i]; i++) {
		const struct check *check = check_find(verdict->causes[i]);

		put_element(out, "<li><code>", verdict->causes[i], "</code>: ");
		put_element(out, "", check ? check->why : "", "</li>\n");
	}
	fputs("</ul></dd>\n", out);
}

static void put_verdict(FILE *out, const struct explain_client *client)
{
	const struct explain_verdict *verdict = &client->verdict;
	const char *fix = render_fix(verdict);
	char changes[WORDS_MAX];

	fprintf(out, "<div class=\"verdict%s\">", verdict->works ? " works" : "");
	put_element(out, "<p><strong class=\"stop\">", verdict->works ? "Works" : "Stops ", "");
	put_element(out, "", verdict->where, "</strong></p>\n");
	put_element(out, "<p>", verdict->why, "</p>\n<dl>\n");
	put_causes(out, verdict);
	if (fix)
		put_element(out, "<dt>Fix</dt><dd>", fix, "</dd>\n");
	put_element(out, "<dt>What natshim does for it</dt><dd>", verdict->help, "</dd>\n");
	put_element(out, "<dd>", render_changes(client, changes), "</dd>\n");
	fputs("</dl></div>\n", out);
}

static void put_client(FILE *out, const struct explain_client *client, unsigned number, uint64_t start_ms)
{
	char name[RENDER_NAME_MAX], server[ENDPOINT_TEXT_MAX];

	fprintf(out, "<section id=\"client-%u\">\n<div class=\"two\"><div>\n", number);
	put_element(out, "<h2>", client->who, "</h2>\n");
	put_element(out, "<p class=\"soft\">", render_places(client, name), ", server ");
	put_element(out, "", endpoint_text(&client->server, server), "");
	put_element(out, client->guessed ? " (a guess)" : "", "", "<br>Known by: ");
	put_element(out, "", client->who_why, "</p>\n");
	put_verdict(out, client);
	fputs("</div>\n", out);
	put_ladder(out, client, start_ms);
	fputs("</div></section>\n", out);
}

void render_html(FILE *out, const struct explain_report *report, const struct render_source *source)
{
	char line[WORDS_MAX];

	fputs("<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n"
	      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
	      "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src "
	      "'unsafe-inline'\">\n",
	      out);
	put_element(out, "<title>natshim explain: ", file_name(source->name), "</title>\n<style>\n");
	fputs(style, out);
	put_element(out, "</style></head>\n<body><main>\n<h1>", file_name(source->name), "</h1>\n");
	fprintf(out, "<p class=\"soft\">%" PRIu64 " packet%s, %u client%s. Made by natshim explain.</p>\n",
		source->packets, source->packets == 1 ? "" : "s", report->clients,
		report->clients == 1 ? "" : "s");
	for (size_t n = 0; render_caveat(report, source, n, line); n++)
		put_element(out, "<p class=\"note\">", line, "</p>\n");
	if (!report->clients)
		put_element(out, "<p>", render_nobody, "</p>\n");
	for (unsigned i = 0; i < report->clients; i++)
		put_client(out, &report->client[i], i + 1, report->first_ms);
	fputs("</main></body></html>\n", out);
}
