/*-------------------------------------------------------------------------
 *
 * apikeys_mail.h
 *	  Interface of the library that links libcurl, for the worker.  See
 *	  apikeys_mail.c.
 *
 *-------------------------------------------------------------------------
 */
#ifndef AK_APIKEYS_MAIL_H
#define AK_APIKEYS_MAIL_H

#include "lib/stringinfo.h"

/* To be incremented with any change below, so that other builds are rejected */
#define AK_MAIL_LIBRARY_VERSION 2

typedef enum AkTls
{
	AK_TLS_UNVERIFIED, /* if the server offers it, without verification: for a server on this machine */
	AK_TLS_OFFERED,    /* if the server offers it, with verification */
	AK_TLS_REQUIRED    /* with verification; otherwise nothing is sent */
} AkTls;

#define AK_MAIL_HEADERS_MAX 8

/* A mail with one attachment; the data must stay valid until it is delivered or cancelled */
typedef struct AkDelivery
{
	const char *url;
	AkTls tls;
	const char *ca;    /* file of certificates; NULL: the system's */
	const char *netrc; /* file with the login; NULL: no login */
	const char *from;  /* without a name or brackets */
	const char *to;
	const char *headers[AK_MAIL_HEADERS_MAX]; /* ASCII, without a line end; NULL after the last */
	const char *body;                         /* UTF-8, with CRLF as line end */
	const char *file;                         /* the attachment */
	size_t file_len;
	const char *file_name;
	const char *file_type; /* the value of Content-Type */
	int timeout;           /* for an answer or progress of the server, in milliseconds */
} AkDelivery;

typedef enum AkDelivered
{
	AK_DELIVERY_GOES_ON,
	AK_DELIVERED,
	AK_DELIVERY_FAILED, /* another attempt may succeed */
	AK_DELIVERY_REFUSED /* the server will never accept it */
} AkDelivered;

/* All but gzip are called outside of a transaction; the only error that they raise is out of memory */
typedef struct AkMailLibrary
{
	int version;
	/* starts a delivery; on failure returns false, with the reason in "error" */
	bool (*begin)(const AkDelivery *delivery, StringInfo error);
	/* continues for about that many milliseconds, or until the result is known */
	AkDelivered (*go_on)(int milliseconds, StringInfo error);
	/* cancels the delivery, if there is one */
	void (*cancel)(void);
	/* compresses; returns false on failure; NULL if built without zlib */
	bool (*gzip)(const char *data, size_t len, StringInfo out);
} AkMailLibrary;

#endif /* AK_APIKEYS_MAIL_H */
