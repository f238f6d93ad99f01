/* linux/xfrm.h, without its struct xfrm_stats: that name is taken by shim/stack/xfrm.h, and the kernel's is not used. */
#ifndef NATSHIM_SHIM_STACK_KERNEL_XFRM_H
#define NATSHIM_SHIM_STACK_KERNEL_XFRM_H

#define xfrm_stats kernel_xfrm_stats
#include <linux/xfrm.h>
#undef xfrm_stats

#endif
