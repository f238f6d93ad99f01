/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The one clock of the daemon: CLOCK_BOOTTIME, which no clock jump moves and which a suspend does not stop. */
#ifndef NATSHIM_SHIM_CLOCK_H
#define NATSHIM_SHIM_CLOCK_H

#include <stdint.h>
#include <time.h>

static inline uint64_t clock_now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_BOOTTIME, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

#endif
