/*-------------------------------------------------------------------------
 *
 * fuzz.h
 *	  What the fuzz targets share.
 *
 * A target hands the input to a pure file of src/ and compares what comes
 * back with a reference that was written another way (a regular expression,
 * arithmetic by the definition), so that a wrong answer is found and not only
 * a crash.  The code under test gets its text in a buffer of the exact size:
 * AddressSanitizer then sees a read of even one byte beyond.
 *
 *-------------------------------------------------------------------------
 */
#ifndef AK_FUZZ_H
#define AK_FUZZ_H

#include "postgres.h"

#include <regex.h>

extern int LLVMFuzzerTestOneInput(const uint8 *data, size_t size);

/* Not Assert(): this must hold however the build was configured */
#define CHECK(condition)                                                                  \
	do                                                                                    \
	{                                                                                     \
		if (!(condition))                                                                 \
		{                                                                                 \
			fprintf(stderr, "%s:%d: %s does not hold\n", __FILE__, __LINE__, #condition); \
			abort();                                                                      \
		}                                                                                 \
	} while (0)

/* A copy with nothing behind it; free() it. */
static inline char *
exact_copy(const void *data, size_t size)
{
	char *copy = malloc(size);

	CHECK(copy != NULL || size == 0);
	if (size > 0)
		memcpy(copy, data, size);
	return copy;
}

/* An extended regular expression, compiled when it is first used */
typedef struct Pattern
{
	const char *source;
	bool ready;
	regex_t compiled;
} Pattern;

/* Does the text match?  The pattern brings its own ^ and $. */
static inline bool
matches(Pattern *pattern, const char *text, size_t len)
{
	char *terminated;
	bool result;

	if (!pattern->ready)
		CHECK(regcomp(&pattern->compiled, pattern->source, REG_EXTENDED | REG_NOSUB) == 0);
	pattern->ready = true;
	if (len > 0 && memchr(text, '\0', len) != NULL)
		return false; /* no pattern of ours admits a NUL */

	terminated = calloc(1, len + 1);
	CHECK(terminated != NULL);
	if (len > 0)
		memcpy(terminated, text, len);
	result = regexec(&pattern->compiled, terminated, 0, NULL, 0) == 0;
	free(terminated);
	return result;
}

/* Are these bytes all zero? */
static inline bool
all_zero(const void *bytes, size_t size)
{
	const uint8 *p = bytes;

	while (size > 0 && *p == 0)
	{
		p++;
		size--;
	}
	return size == 0;
}

#endif /* AK_FUZZ_H */
