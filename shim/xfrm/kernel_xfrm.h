/* SPDX-License-Identifier: GPL-2.0-or-later */
/* linux/xfrm.h, without its struct xfrm_stats: that name is taken by shim/xfrm/monitor.h, and the kernel's is not used. */
#ifndef NATSHIM_SHIM_XFRM_KERNEL_XFRM_H
#define NATSHIM_SHIM_XFRM_KERNEL_XFRM_H

#define xfrm_stats kernel_xfrm_stats
#include <linux/xfrm.h>
#undef xfrm_stats

/* XFRMA_SA_DIR, one byte, and its values: kernels tell it from 6.10 on; the header of an older one has no name for it. */
enum { KERNEL_XFRMA_SA_DIR = 33, KERNEL_XFRM_SA_DIR_IN = 1, KERNEL_XFRM_SA_DIR_OUT = 2 };

#endif
