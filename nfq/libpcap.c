/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The table of functions, filled by dlopen(3). */
#include "nfq/libpcap.h"

#include <dlfcn.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

static const char *const file_names[] = {"libpcap.so.0.8" /* Debian */, "libpcap.so.1"};

#define FUNCTION(member, name)                                                                               \
	{                                                                                                    \
		offsetof(struct libpcap, member), name                                                       \
	}
static const struct function {
	size_t at;
	const char *name;
} functions[] = {
	FUNCTION(fopen_offline, "pcap_fopen_offline_with_tstamp_precision"),
	FUNCTION(close, "pcap_close"),
	FUNCTION(datalink, "pcap_datalink"),
	FUNCTION(datalink_name, "pcap_datalink_val_to_name"),
	FUNCTION(get_precision, "pcap_get_tstamp_precision"),
	FUNCTION(next_ex, "pcap_next_ex"),
	FUNCTION(geterr, "pcap_geterr"),
	FUNCTION(dump_fopen, "pcap_dump_fopen"),
	FUNCTION(dump, "pcap_dump"),
	FUNCTION(dump_flush, "pcap_dump_flush"),
	FUNCTION(dump_file, "pcap_dump_file"),
	FUNCTION(dump_close, "pcap_dump_close"),
};

_Static_assert(sizeof(struct libpcap) == sizeof functions / sizeof *functions * sizeof(void *),
	       "every function is looked up");

static bool find_functions(void *library, struct libpcap *out)
{
	for (size_t i = 0; i < sizeof functions / sizeof *functions; i++) {
		void *found = dlsym(library, functions[i].name);

		if (!found)
			return false;
		memcpy((char *)out + functions[i].at, &found, sizeof found);
	}
	return true;
}

const struct libpcap *libpcap_load(char error[static LIBPCAP_ERROR_MAX])
{
	static struct libpcap loaded;
	void *library = NULL;

	if (loaded.close)
		return &loaded;
	for (size_t i = 0; !library && i < sizeof file_names / sizeof *file_names; i++)
		library = dlopen(file_names[i], RTLD_NOW | RTLD_LOCAL);
	if (library && find_functions(library, &loaded))
		return &loaded;
	snprintf(error, LIBPCAP_ERROR_MAX, "capture files need libpcap (Debian: libpcap0.8): %s", dlerror());
	return NULL;
}
