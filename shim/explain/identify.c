/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Who a client is: by what it announces and what it offers. A table; the first row that fits. The habits of Macs are those of Apple's
 * published ppp and racoon, Android's are as servers' logs show them, Windows' versions those that it sends behind its vendor ID. */
#include "shim/explain/explain.h"

#include "shim/explain/vendors.h"

enum { ANY_NUMBER = OFFER_TRANSFORMS_MAX };

#define DIALECT_BIT(dialect) (1U << (dialect))
#define ANY_DIALECT UINT32_MAX
#define OLD_DRAFTS                                                                                           \
	(DIALECT_BIT(IKE_DIALECT_DRAFT_04) | DIALECT_BIT(IKE_DIALECT_DRAFT_05) |                             \
	 DIALECT_BIT(IKE_DIALECT_DRAFT_06) | DIALECT_BIT(IKE_DIALECT_DRAFT_07) |                             \
	 DIALECT_BIT(IKE_DIALECT_DRAFT_08))
#define ANDROID                                                                                              \
	(VENDOR_BIT(VENDOR_MARK_DRAFT_00) | VENDOR_BIT(VENDOR_MARK_FRAGMENTATION) |                          \
	 VENDOR_BIT(VENDOR_MARK_DPD))

static const struct habit {
	unsigned dialects, vendors; /* one of the first, all of the second */
	unsigned windows;           /* version of Microsoft's IKE; 0: any */
	unsigned least, most;       /* combinations of algorithms that it offers */
	const char *who, *why;
} habits[] = {
	{ANY_DIALECT, VENDOR_BIT(VENDOR_MARK_WINDOWS), 2, 0, ANY_NUMBER, "Windows 2000",
	 "Microsoft's vendor ID, version 2"},
	{ANY_DIALECT, VENDOR_BIT(VENDOR_MARK_WINDOWS), 3, 0, ANY_NUMBER, "Windows XP",
	 "Microsoft's vendor ID, version 3"},
	{ANY_DIALECT, VENDOR_BIT(VENDOR_MARK_WINDOWS), 4, 0, ANY_NUMBER,
	 "Windows XP (SP2 or later) or Server 2003", "Microsoft's vendor ID, version 4"},
	{ANY_DIALECT, VENDOR_BIT(VENDOR_MARK_WINDOWS), 5, 0, ANY_NUMBER, "Windows Vista",
	 "Microsoft's vendor ID, version 5"},
	{ANY_DIALECT, VENDOR_BIT(VENDOR_MARK_WINDOWS), 0, 0, ANY_NUMBER, "Windows, later than Vista",
	 "Microsoft's vendor ID"},
	{DIALECT_BIT(IKE_DIALECT_LEOPARD), 0, 0, 1, 1, "Mac OS X 10.5 or 10.6, or an early iPhone",
	 "RFC 3947, Apple's vendor ID and the drafts, and one combination of algorithms"},
	{DIALECT_BIT(IKE_DIALECT_LEOPARD), 0, 0, 2, 8, "OS X 10.7 to 10.10, or an iPhone of that time",
	 "RFC 3947, Apple's vendor ID and the drafts, and about six combinations of algorithms"},
	{DIALECT_BIT(IKE_DIALECT_LEOPARD), 0, 0, 0, ANY_NUMBER, "OS X 10.11 or later (macOS), or an iPhone",
	 "RFC 3947, Apple's vendor ID and the drafts, and many combinations of algorithms"},
	{DIALECT_BIT(IKE_DIALECT_TIGER_LATE), 0, 0, 0, ANY_NUMBER, "a late Mac OS X 10.4 (from 10.4.4 on)",
	 "RFC 3947 and Apple's vendor ID, and none of the drafts 04 to 08"},
	{DIALECT_BIT(IKE_DIALECT_APPLE), 0, 0, 0, ANY_NUMBER, "Mac OS X 10.3.6 to 10.4.3",
	 "Apple's vendor ID, and no RFC 3947: its NAT traversal is older than the RFC"},
	{DIALECT_BIT(IKE_DIALECT_RFC3947), ANDROID, 0, 0, ANY_NUMBER, "Android",
	 "RFC 3947, the drafts 02 and 00, fragmentation and DPD"},
	{ANY_DIALECT, VENDOR_BIT(VENDOR_MARK_LIBRESWAN), 0, 0, ANY_NUMBER, "libreswan", "its vendor ID"},
	{ANY_DIALECT, VENDOR_BIT(VENDOR_MARK_STRONGSWAN), 0, 0, ANY_NUMBER, "strongSwan", "its vendor ID"},
	{ANY_DIALECT, VENDOR_BIT(VENDOR_MARK_OPENSWAN), 0, 0, ANY_NUMBER, "Openswan", "its vendor ID"},
	{ANY_DIALECT, VENDOR_BIT(VENDOR_MARK_FORTINET), 0, 0, ANY_NUMBER, "Fortinet", "its vendor ID"},
	{ANY_DIALECT, VENDOR_BIT(VENDOR_MARK_CISCO), 0, 0, ANY_NUMBER, "Cisco", "its vendor ID"},
	{ANY_DIALECT, VENDOR_BIT(VENDOR_MARK_UNITY) | VENDOR_BIT(VENDOR_MARK_XAUTH), 0, 0, ANY_NUMBER,
	 "a client of Cisco's IPsec (XAUTH), not of L2TP", "the vendor IDs Cisco Unity and XAUTH"},
	{ANY_DIALECT, VENDOR_BIT(VENDOR_MARK_UNITY), 0, 0, ANY_NUMBER,
	 "Cisco, or one that speaks its extensions", "the vendor ID Cisco Unity"},
	{OLD_DRAFTS, 0, 0, 0, ANY_NUMBER, "a client older than RFC 3947",
	 "a draft of NAT traversal (04 to 08), and no RFC 3947"},
	{ANY_DIALECT, VENDOR_BIT(VENDOR_MARK_RACOON), 0, 0, ANY_NUMBER, "racoon (ipsec-tools)",
	 "its vendor ID"},
	{DIALECT_BIT(IKE_DIALECT_RFC3947), 0, 0, 0, ANY_NUMBER,
	 "a client of RFC 3947, not named by its vendor IDs", "RFC 3947 is all that it announces"},
	{0},
};

static bool fits(const struct habit *habit, const struct explain_attempt *attempt)
{
	return habit->dialects & DIALECT_BIT(attempt->dialect) &&
	       (attempt->vendors & habit->vendors) == habit->vendors &&
	       (!habit->windows || habit->windows == attempt->windows) &&
	       attempt->offer.count >= habit->least && attempt->offer.count <= habit->most;
}

static void name(struct explain_client *client, const char *who, const char *why)
{
	client->who = who;
	client->who_why = why;
}

static const struct habit *find_habit(const struct explain_client *client)
{
	for (unsigned i = 0; i < client->attempts; i++) {
		const struct explain_attempt *attempt = &client->attempt[i];

		if (attempt->ikev2 || attempt->by_server || !attempt->from_start)
			continue;
		for (const struct habit *habit = habits; habit->who; habit++)
			if (fits(habit, attempt))
				return habit;
	}
	return NULL;
}

void explain_identify(struct explain_client *client)
{
	const struct habit *habit = find_habit(client);

	if (habit)
		name(client, habit->who, habit->why);
	else if (client->attempts && client->attempt[0].ikev2)
		name(client, "a client of IKEv2", "the version in its messages");
	else if (!client->attempts)
		name(client, "not known", "there is no IKE of it in the capture");
	else if (!client->attempt[0].from_start)
		name(client, "not known",
		     "its first message, which announces what it is, is not in the capture");
	else
		name(client, "not known", "its vendor IDs do not tell");
}
