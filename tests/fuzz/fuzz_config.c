/* SPDX-License-Identifier: GPL-2.0-or-later */
/* natshim.conf: whatever stands in it, loading ends with a configuration or with one line that names the file. */
#include "rules/ruleset.h"
#include "shim/config.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const int fd = memfd_create("natshim.conf", 0);
	char path[32], error[CONFIG_ERROR_MAX];
	char *argv[] = {strdup("natshim"), strdup("--iface"), strdup("eth0"), strdup("--config"), path, NULL};
	enum config_outcome outcome;
	struct config config;

	if (fd < 0 || write(fd, data, size) != (ssize_t)size)
		abort();
	snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
	outcome = config_load(&config, 5, argv, error);
	if (outcome == CONFIG_OK) {
		if (config.interface_count != 1 || strcmp(config.interfaces[0], "eth0") ||
		    config.queue_number > RULES_QUEUE_MAX)
			abort();
	} else if (outcome != CONFIG_BAD_FILE || strncmp(error, path, strlen(path)) || strchr(error, '\n')) {
		abort();
	}
	config_free(&config);
	close(fd);
	for (size_t i = 0; i < 4; i++)
		free(argv[i]);
	return 0;
}
