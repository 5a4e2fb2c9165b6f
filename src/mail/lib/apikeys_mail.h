/*-------------------------------------------------------------------------
 *
 * apikeys_mail.h
 *	  What the library that links libcurl does for the worker.  See
 *	  apikeys_mail.c.
 *
 *-------------------------------------------------------------------------
 */
#ifndef AK_APIKEYS_MAIL_H
#define AK_APIKEYS_MAIL_H

#include "lib/stringinfo.h"

/* Changes with anything below, so that two builds never meet */
#define AK_MAIL_LIBRARY_VERSION 2

typedef enum AkTls
{
	AK_TLS_UNVERIFIED,			/* where the server offers it, whoever it is: for this machine itself */
	AK_TLS_OFFERED,				/* where the server offers it, and then it must prove who it is */
	AK_TLS_REQUIRED				/* or nothing is sent */
} AkTls;

#define AK_MAIL_HEADERS_MAX 8

/* A mail with one attachment to hand over; everything stays in place until it is delivered or cancelled */
typedef struct AkDelivery
{
	const char *url;
	AkTls		tls;
	const char *ca;				/* a file of certificates; NULL: the system's */
	const char *netrc;			/* the file with the login; NULL: no login */
	const char *from;			/* addresses, bare */
	const char *to;
	const char *headers[AK_MAIL_HEADERS_MAX];	/* in ASCII, without a line end; NULL behind the last */
	const char *body;			/* UTF-8, lines end in CRLF */
	const char *file;			/* the attachment */
	size_t		file_len;
	const char *file_name;
	const char *file_type;		/* the value of Content-Type */
	int			timeout;		/* milliseconds that the server may be silent */
} AkDelivery;

typedef enum AkDelivered
{
	AK_DELIVERY_GOES_ON,
	AK_DELIVERED,
	AK_DELIVERY_FAILED,			/* another attempt may do better */
	AK_DELIVERY_REFUSED			/* the server will never take it */
} AkDelivered;

/* All but gzip are called outside of a transaction; none raises an error but that memory is exhausted */
typedef struct AkMailLibrary
{
	int			version;
	/* begins; false with the reason in error */
	bool		(*begin) (const AkDelivery *delivery, StringInfo error);
	/* goes on for about so many milliseconds, or until it is decided */
	AkDelivered (*go_on) (int milliseconds, StringInfo error);
	/* gives up what was begun, if anything was */
	void		(*cancel) (void);
	/* compresses; NULL where zlib is missing; false when it cannot */
	bool		(*gzip) (const char *data, size_t len, StringInfo out);
} AkMailLibrary;

#endif							/* AK_APIKEYS_MAIL_H */
