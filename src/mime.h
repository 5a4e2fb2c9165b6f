/*-------------------------------------------------------------------------
 *
 * mime.h
 *	  A mail with one attachment, as bytes.  See mime.c.
 *
 *-------------------------------------------------------------------------
 */
#ifndef AK_MIME_H
#define AK_MIME_H

#include "lib/stringinfo.h"

#include "address.h"

/* All text is UTF-8 */
typedef struct AkMail
{
	AkMailbox	from;
	const char *to;				/* an address that ak_addr_spec_valid() passed */
	const char *subject;
	const char *id;				/* letters, digits and hyphens: of Message-ID and boundary */
	const char *id_domain;
	int64		time;			/* seconds since 1970 */
	const char *body;			/* lines end in \n */
	const char *file_name;
	const char *file_type;		/* the value of Content-Type */
	const char *file;
	size_t		file_len;
} AkMail;

extern void ak_mime_phrase(StringInfo out, const char *text, size_t len, int column);
extern void ak_mime_base64(StringInfo out, const char *data, size_t len);
extern void ak_mime_date(StringInfo out, int64 time);
extern void ak_mime_message(StringInfo out, const AkMail *mail);

#endif							/* AK_MIME_H */
