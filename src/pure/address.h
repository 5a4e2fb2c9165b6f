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
#define AK_ADDR_SPEC_MAX  254
#define AK_LOCAL_PART_MAX 64

/* A mailbox, "Name <a@b>" or "a@b"; the pointers are into the parsed text */
typedef struct AkMailbox
{
	const char *name; /* without surrounding quotes; may contain backslashes */
	size_t name_len;  /* 0: no name */
	const char *address;
	size_t address_len;
} AkMailbox;

/* The parts of a mail server's URL that matter here */
typedef struct AkSmtpUrl
{
	bool implicit_tls; /* smtps:// */
	bool loopback;     /* the server is on this machine */
} AkSmtpUrl;

extern bool ak_domain_valid(const char *domain, size_t len);
extern bool ak_addr_spec_valid(const char *address, size_t len);
extern bool ak_mailbox_parse(const char *text, AkMailbox *mailbox);
extern const char *ak_smtp_url_parse(const char *url, AkSmtpUrl *parsed);

#endif /* AK_ADDRESS_H */
