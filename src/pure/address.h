/*-------------------------------------------------------------------------
 *
 * address.h
 *	  Mail addresses and the URL of a mail server.  See address.c.
 *
 *-------------------------------------------------------------------------
 */
#ifndef AK_ADDRESS_H
#define AK_ADDRESS_H

#include "postgres.h"

/* The longest address that fits the path of RFC 5321, and its local part */
#define AK_ADDR_SPEC_MAX	254
#define AK_LOCAL_PART_MAX	64

/* A mailbox: "Name <a@b>" or "a@b", as pieces of the text it was read from */
typedef struct AkMailbox
{
	const char *name;			/* without quotes around it; may hold backslashes */
	size_t		name_len;		/* 0: none */
	const char *address;
	size_t		address_len;
} AkMailbox;

/* What the URL of a mail server says */
typedef struct AkSmtpUrl
{
	bool		implicit_tls;	/* smtps:// */
	bool		loopback;		/* this very machine */
} AkSmtpUrl;

extern bool ak_domain_valid(const char *domain, size_t len);
extern bool ak_addr_spec_valid(const char *address, size_t len);
extern bool ak_mailbox_parse(const char *text, AkMailbox *mailbox);
extern const char *ak_smtp_url_parse(const char *url, AkSmtpUrl *parsed);

#endif							/* AK_ADDRESS_H */
