/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Files that are replaced as a whole: written beside the old one, then renamed into its place, so that a reader sees the old
 * or the new one and a full disk costs neither. */
#ifndef NATSHIM_SHIM_PROC_ATOMIC_FILE_H
#define NATSHIM_SHIM_PROC_ATOMIC_FILE_H

#include <stdio.h>
#include <sys/types.h>

/* mode: of a new file, but for the umask. NULL with errno set. */
FILE *atomic_file_begin(const char *path, mode_t mode);
/* Closes out in every case. 0 or -errno; after an error the old file is still there. */
int atomic_file_finish(FILE *out, const char *path);
/* Leaves the old one as it is. */
void atomic_file_cancel(FILE *out, const char *path);

#endif
