/* SPDX-License-Identifier: GPL-2.0-or-later */
/* OpenSSL without its texts, and madvise(2) over what the dynamic linker has mapped read-only. */
#include "shim/daemon/footprint.h"

#include <link.h>
#include <malloc.h>
#include <openssl/crypto.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

void footprint_prepare(void)
{
	OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CONFIG | OPENSSL_INIT_NO_LOAD_CRYPTO_STRINGS, NULL);
}

/* A read-only segment is the file's, byte for byte: nothing is lost. What the linker wrote to lies in writable ones. */
static int give_back(struct dl_phdr_info *object, size_t size, void *ctx)
{
	const uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);

	(void)size;
	(void)ctx;
	for (size_t i = 0; i < object->dlpi_phnum; i++) {
		const ElfW(Phdr) *segment = &object->dlpi_phdr[i];
		const uintptr_t begin = (object->dlpi_addr + segment->p_vaddr) & ~(page - 1);
		const uintptr_t end = object->dlpi_addr + segment->p_vaddr + segment->p_memsz;

		if (segment->p_type == PT_LOAD && !(segment->p_flags & PF_W))
			madvise((void *)begin, end - begin, MADV_DONTNEED);
	}
	return 0;
}

void footprint_trim(void)
{
	malloc_trim(0);
	dl_iterate_phdr(give_back, NULL);
}
