/*-------------------------------------------------------------------------
 *
 * phrase.h
 *	  Text in the header of a mail.  See phrase.c.
 *
 *-------------------------------------------------------------------------
 */
#ifndef AK_PHRASE_H
#define AK_PHRASE_H

#include "lib/stringinfo.h"

extern void ak_append_phrase(StringInfo out, const char *text, size_t len, int column);

#endif /* AK_PHRASE_H */
