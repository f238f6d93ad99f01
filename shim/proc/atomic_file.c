/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Write, then rename. */
#include "shim/proc/atomic_file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <unistd.h>

static bool fresh_name(const char *path, char out[static PATH_MAX])
{
	if (snprintf(out, PATH_MAX, "%s.new", path) < PATH_MAX)
		return true;
	errno = ENAMETOOLONG;
	return false;
}

/* One that was left by a process that was killed may have another mode. */
FILE *atomic_file_begin(const char *path, mode_t mode)
{
	char fresh[PATH_MAX];
	FILE *out;
	int fd;

	if (!fresh_name(path, fresh) || (unlink(fresh) && errno != ENOENT))
		return NULL;
	fd = open(fresh, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
	out = fd < 0 ? NULL : fdopen(fd, "w");
	if (fd >= 0 && !out)
		close(fd);
	return out;
}

int atomic_file_finish(FILE *out, const char *path)
{
	char fresh[PATH_MAX];
	int rc = 0;

	fresh_name(path, fresh); /* it fitted in atomic_file_begin() */
	errno = 0;
	if (ferror(out) || fflush(out))
		rc = errno ? -errno : -EIO;
	if (fclose(out) && !rc)
		rc = -errno;
	if (!rc && rename(fresh, path))
		rc = -errno;
	if (rc)
		unlink(fresh);
	return rc;
}

void atomic_file_cancel(FILE *out, const char *path)
{
	char fresh[PATH_MAX];

	fresh_name(path, fresh);
	fclose(out);
	unlink(fresh);
}
