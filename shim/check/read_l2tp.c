/* SPDX-License-Identifier: GPL-2.0-or-later */
/* xl2tpd.conf and pppd's options. */
#include "shim/check/read.h"
#include "shim/xl2tpd.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PPP_COMMON "/etc/ppp/options"

static void read_ppp(struct l2tp_facts *f)
{
	char ignored[FACTS_TEXT];
	char *text = check_read_file(PPP_COMMON, ignored);

	if (text)
		settings_read_ppp(&f->ppp, PPP_COMMON, text);
	free(text);
	if (!*f->ppp_path)
		return;
	text = check_read_file(f->ppp_path, f->ppp_blind);
	if (text)
		settings_read_ppp(&f->ppp, f->ppp_path, text);
	free(text);
}

static bool is_installed(void)
{
	return !access("/usr/sbin/xl2tpd", X_OK) || !access("/usr/local/sbin/xl2tpd", X_OK);
}

void check_read_l2tp(const struct check_options *options, struct l2tp_facts *out)
{
	const char *path = options->xl2tpd_config ? options->xl2tpd_config : XL2TPD_CONFIG, *ppp;
	char *text;
	int line;

	snprintf(out->path, sizeof out->path, "%s", path);
	out->present = options->xl2tpd_config || options->ppp_options || is_installed();
	if (!out->present)
		return;
	text = check_read_file(path, out->blind);
	if (text && !settings_read_ini(&out->xl2tpd, text, &line))
		snprintf(out->blind, sizeof out->blind, "%.120s:%d: not understood", path, line);
	free(text);
	ppp = options->ppp_options ? options->ppp_options : settings_get(&out->xl2tpd, NULL, "pppoptfile");
	snprintf(out->ppp_path, sizeof out->ppp_path, "%s", ppp ? ppp : "");
	read_ppp(out);
}
