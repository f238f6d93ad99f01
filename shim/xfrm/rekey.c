/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Look, compare, try; then DELSA and NEWSA in one send. */
#include "shim/xfrm/rekey.h"

#include "shim/xfrm/kernel_xfrm.h"
#include "shim/xfrm/netlink.h"
#include "shim/xfrm/rekey_message.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

enum { ESP = 50, REPLACE_TRIES = 8, AT_ONCE_MAX = 2 };

struct rekey {
	struct nl_sock *requests;
	uint8_t dump[REKEY_MESSAGE_MAX]; /* the SA as the kernel tells it */
	uint8_t answer
		[REKEY_MESSAGE_MAX]; /* of the kernel: a refusal repeats what was refused, keys and all */
};

int rekey_open(struct rekey **out)
{
	struct rekey *rekey = calloc(1, sizeof *rekey);
	int rc;

	if (!rekey)
		return -ENOMEM;
	rc = netlink_open(&rekey->requests, NETLINK_XFRM);
	if (rc) {
		rekey_close(rekey);
		return rc;
	}
	*out = rekey;
	return 0;
}

void rekey_close(struct rekey *rekey)
{
	if (!rekey)
		return;
	nl_socket_free(rekey->requests);
	OPENSSL_cleanse(rekey, sizeof *rekey);
	free(rekey);
}

/* Questions to the kernel, past libnl, whose buffers are not wiped */

static void keep_dump(struct rekey *rekey, const struct nlmsghdr *message)
{
	if (message->nlmsg_type == XFRM_MSG_NEWSA && message->nlmsg_len <= sizeof rekey->dump &&
	    message->nlmsg_len >= NLMSG_HDRLEN + sizeof(struct xfrm_usersa_info))
		memcpy(rekey->dump, message, message->nlmsg_len);
}

/* What one read has of the answers to these: how many. */
static size_t read_answers(struct rekey *rekey, size_t length, uint32_t first_seq, size_t count, int *errors)
{
	struct nlmsghdr *header = (struct nlmsghdr *)(void *)rekey->answer;
	size_t answers = 0;
	int left = (int)length;

	for (; nlmsg_ok(header, left); header = nlmsg_next(header, &left)) {
		const uint32_t which = header->nlmsg_seq - first_seq;
		const struct nlmsgerr *error = nlmsg_data(header);

		if (which >= count)
			continue;
		answers++;
		if (header->nlmsg_type == NLMSG_ERROR)
			errors[which] = error->error;
		else
			keep_dump(rekey, header);
	}
	return answers;
}

/* All in one send: the kernel handles them without letting go in between. With our own port as the sender, so that the
 * notifications that follow can be told from others'. errors: the answer to each, 0 or -errno. 0, or -errno: the kernel has not
 * been asked, or has not answered. */
static int ask(struct rekey *rekey, struct nl_msg *const *messages, size_t count, int *errors)
{
	struct iovec parts[AT_ONCE_MAX];
	const struct msghdr all = {.msg_iov = parts, .msg_iovlen = count};
	const int fd = nl_socket_get_fd(rekey->requests);
	uint32_t first_seq = 0;
	size_t answers = 0;

	for (size_t i = 0; i < count; i++) {
		struct nlmsghdr *header = nlmsg_hdr(messages[i]);

		header->nlmsg_pid = nl_socket_get_local_port(rekey->requests);
		header->nlmsg_seq = nl_socket_use_seq(rekey->requests);
		first_seq = i ? first_seq : header->nlmsg_seq;
		parts[i] = (struct iovec){header, NLMSG_ALIGN(header->nlmsg_len)};
		errors[i] = 0;
	}
	if (sendmsg(fd, &all, 0) < 0)
		return -errno;
	while (answers < count) {
		const ssize_t length = recv(fd, rekey->answer, sizeof rekey->answer, 0);

		if (length < 0)
			return -errno;
		answers += read_answers(rekey, (size_t)length, first_seq, count, errors);
		OPENSSL_cleanse(rekey->answer, (size_t)length);
	}
	return 0;
}

/* One that may fail; the first error. */
static int ask_one(struct rekey *rekey, struct nl_msg *message)
{
	int error = 0;
	const int rc = ask(rekey, &message, 1, &error);

	return rc ? rc : error;
}

static struct xfrm_usersa_id id_of(const struct endpoint *destination, const uint8_t *spi)
{
	struct xfrm_usersa_id id = {.family = destination->addr_len == 16 ? AF_INET6 : AF_INET, .proto = ESP};

	memcpy(&id.daddr, destination->addr, destination->addr_len);
	memcpy(&id.spi, spi, sizeof id.spi);
	return id;
}

/* 0 with the SA in swap->dump. */
static int find_sa(struct rekey *rekey, const struct xfrm_usersa_id *id)
{
	struct nl_msg *message = nlmsg_alloc_simple(XFRM_MSG_GETSA, NLM_F_REQUEST);
	struct nlmsghdr *dump = (struct nlmsghdr *)(void *)rekey->dump;
	int rc = -ENOMEM;

	dump->nlmsg_len = 0;
	if (message && !nlmsg_append(message, (void *)(uintptr_t)id, sizeof *id, NLMSG_ALIGNTO))
		rc = ask_one(rekey, message);
	nlmsg_free(message);
	return rc ? rc : dump->nlmsg_len ? 0 : -ESRCH;
}

int rekey_look(struct rekey *rekey, const struct endpoint *destination, const uint8_t (*spis)[4],
	       size_t count)
{
	int rc = -ESRCH;

	for (size_t i = 0; rc == -ESRCH && i < count; i++) {
		const struct xfrm_usersa_id id = id_of(destination, spis[i]);

		rc = find_sa(rekey, &id);
	}
	OPENSSL_cleanse(rekey->dump, sizeof rekey->dump);
	return rc == -ESRCH ? 0 : rc ? rc : -EEXIST;
}

/* The exchange */

static void wipe(struct nl_msg *message)
{
	if (!message)
		return;
	OPENSSL_cleanse(nlmsg_hdr(message), nlmsg_hdr(message)->nlmsg_len);
	nlmsg_free(message);
}

/* A packet between deletion and addition finds no SA, and where the policy names the SPI (strongSwan's does) the kernel notes down
 * under that very SPI that one is wanted: EEXIST for ours, until that note is deleted in its place. But only a note: a whole SA
 * that came meanwhile is somebody else's. */
static int add_despite_notes(struct rekey *rekey, const struct xfrm_usersa_id *id, struct nl_msg *del,
			     struct nl_msg *add, int error)
{
	struct nl_msg *const both[] = {del, add};
	int errors[2], rc = 0;

	for (unsigned i = 0; !rc && error == -EEXIST && i < REPLACE_TRIES; i++) {
		if (!find_sa(rekey, id) && rekey_has_keys((struct nlmsghdr *)(void *)rekey->dump))
			break;
		rc = ask(rekey, both, 2, errors);
		error = errors[1];
	}
	return rc ? rc : error;
}

struct exchange {
	const struct xfrm_usersa_id *id;
	struct nl_msg *del, *add, *back;
};

/* The old SA stands, so that the kernel cannot take the new one. But it looks at all of it before it says so. */
static int try_addition(struct rekey *rekey, const struct exchange *x)
{
	const int rc = ask_one(rekey, x->add);

	if (rc == -EEXIST)
		return 0;
	if (rc)
		return rc;
	ask_one(rekey, x->del); /* it had just been deleted by its owner */
	return -ESRCH;
}

static int replace(struct rekey *rekey, const struct exchange *x)
{
	struct nl_msg *const both[] = {x->del, x->add};
	int errors[2], rc = ask(rekey, both, 2, errors);

	if (rc)
		return rc;
	if (errors[0]) { /* as above: it is its owner's to end it */
		if (!errors[1])
			ask_one(rekey, x->del);
		return errors[0];
	}
	rc = add_despite_notes(rekey, x->id, x->del, x->add, errors[1]);
	if (!rc)
		return 0;
	return add_despite_notes(rekey, x->id, x->del, x->back, ask_one(rekey, x->back)) ? -ENOTRECOVERABLE
											 : rc;
}

static int exchange(struct rekey *rekey, const struct xfrm_usersa_id *id, const struct rekey_change *change)
{
	const struct nlmsghdr *dump = (struct nlmsghdr *)(void *)rekey->dump;
	const struct exchange x = {
		.id = id,
		.del = rekey_deletion(dump),
		.add = rekey_addition(dump, change->outbound, change->material, change->material_length),
		.back = rekey_addition(dump, change->outbound, NULL, 0),
	};
	int rc = x.del && x.add && x.back ? try_addition(rekey, &x) : -ENOMEM;

	if (!rc)
		rc = replace(rekey, &x);
	nlmsg_free(x.del);
	wipe(x.add);
	wipe(x.back);
	return rc;
}

int rekey_sa(struct rekey *rekey, const struct rekey_change *change, struct esp_sa *before)
{
	const struct xfrm_usersa_id id = id_of(&change->destination, change->spi);
	const struct nlmsghdr *dump = (struct nlmsghdr *)(void *)rekey->dump;
	int rc = find_sa(rekey, &id);

	if (!rc && !rekey_has_keys(dump))
		rc = -ESRCH;
	if (!rc)
		rc = rekey_match(dump, change->expected, change->material_length);
	if (!rc && before)
		rekey_read_sa(dump, before);
	if (!rc)
		rc = exchange(rekey, &id, change);
	OPENSSL_cleanse(rekey->dump, sizeof rekey->dump);
	return rc;
}

uint32_t rekey_port(const struct rekey *rekey)
{
	return nl_socket_get_local_port(rekey->requests);
}
