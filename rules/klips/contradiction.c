/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Does a rule of nftables exclude itself? Looks at the matches that tell a packet's interface and its protection; the
 * last check on what is printed, so it reads the text and not what it was made of. nft(8). */
#include "rules/klips/model.h"

#include <string.h>

#define WORDS_MAX 64

struct fact {
	const char *key, *value;
	bool negated;
};

struct facts {
	struct arena *arena;
	struct fact *list;
	size_t count;
	const char *found; /* the contradiction, or NULL */
};

/* Words; what stands in quotes is one word, with its quotes. */
static size_t split(struct arena *a, const char *rule, const char **words)
{
	size_t count = 0;

	while (count < WORDS_MAX) {
		const char *begin;

		rule += strspn(rule, " ");
		begin = rule;
		while (*rule && *rule != ' ') {
			if (*rule == '"')
				rule += 1 + strcspn(rule + 1, "\"");
			rule += *rule != '\0';
		}
		if (rule == begin)
			break;
		words[count++] = arena_strndup(a, begin, (size_t)(rule - begin));
	}
	return count;
}

/* Does each packet with the one value have the other, too? "ppp*" covers all that begin so. */
static bool covers(const char *wide, const char *narrow)
{
	const char *star = strchr(wide, '*');

	return star ? !strncmp(wide, narrow, (size_t)(star - wide)) : !strcmp(wide, narrow);
}

static bool excludes(const struct fact *a, const struct fact *b)
{
	if (strcmp(a->key, b->key) != 0 || (a->negated && b->negated))
		return false;
	if (a->negated)
		return covers(a->value, b->value);
	if (b->negated)
		return covers(b->value, a->value);
	return !covers(a->value, b->value) && !covers(b->value, a->value);
}

static const char *words_of(const struct facts *f, const struct fact *fact)
{
	return arena_printf(f->arena, "%s %s%s", fact->key, fact->negated ? "!= " : "", fact->value);
}

static void add(struct facts *f, struct fact fact)
{
	for (size_t i = 0; i < f->count && !f->found; i++)
		if (excludes(&f->list[i], &fact))
			f->found = arena_printf(f->arena, "it can never match: \"%s\" excludes \"%s\"",
						words_of(f, &f->list[i]), words_of(f, &fact));
	f->list = arena_grow(f->arena, f->list, f->count, sizeof(*f->list));
	f->list[f->count++] = fact;
}

/* The value behind a key, be it "!= value". Returns how many words it takes, 0: none. */
static size_t take_value(struct facts *f, const char *key, const char *const *words, size_t count)
{
	bool negated = count && !strcmp(words[0], "!=");

	if (count < 1u + negated || words[negated][0] == '{')
		return 0;
	add(f, (struct fact){.key = key, .value = words[negated], .negated = negated});
	return 1u + negated;
}

/* "ipsec in|out [ip|ip6] KEY value", which says as well that an SA there is. */
static void take_ipsec(struct facts *f, const char *const *words, size_t count)
{
	bool in = count > 1 && !strcmp(words[1], "in");
	bool address = count > 3 && (!strcmp(words[2], "ip") || !strcmp(words[2], "ip6"));

	if (count < 4u + address)
		return;
	add(f, (struct fact){.key = in ? "meta secpath" : "rt ipsec", .value = "exists"});
	if (!address) /* addresses may be masks */
		take_value(f, arena_printf(f->arena, "ipsec %s %s", words[1], words[2]), words + 3,
			   count - 3);
}

const char *klips_contradiction(struct arena *arena, const char *rule)
{
	const char *words[WORDS_MAX];
	size_t count = split(arena, rule, words);
	struct facts f = {.arena = arena};

	for (size_t i = 0; i < count; i++) {
		bool pair = i + 2 < count;

		if (!strcmp(words[i], "iifname") || !strcmp(words[i], "oifname"))
			take_value(&f, words[i], words + i + 1, count - i - 1);
		else if (pair && !strcmp(words[i], "meta") && !strcmp(words[i + 1], "secpath"))
			take_value(&f, "meta secpath", words + i + 2, count - i - 2);
		else if (pair && !strcmp(words[i], "rt") && !strcmp(words[i + 1], "ipsec"))
			i += take_value(&f, "rt ipsec", words + i + 2, count - i - 2);
		else if (!strcmp(words[i], "ipsec"))
			take_ipsec(&f, words + i, count - i);
	}
	return f.found;
}
