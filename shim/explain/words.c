/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Texts with a bound. */
#include "shim/explain/words.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const char cut[] = " ...";

static void add(struct words *words, const char *format, va_list arguments)
	__attribute__((format(printf, 2, 0)));

static void add(struct words *words, const char *format, va_list arguments)
{
	const size_t room = sizeof words->text - words->length;
	const int length = vsnprintf(words->text + words->length, room, format, arguments);

	if (length < 0)
		return;
	if ((size_t)length < room) {
		words->length += (size_t)length;
		return;
	}
	words->length = sizeof words->text - 1;
	memcpy(words->text + sizeof words->text - sizeof cut, cut, sizeof cut);
}

void words_add(struct words *words, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	add(words, format, arguments);
	va_end(arguments);
}

void words_line(struct words *words, const char *format, ...)
{
	va_list arguments;

	if (words->length)
		words_add(words, "\n");
	va_start(arguments, format);
	add(words, format, arguments);
	va_end(arguments);
}
