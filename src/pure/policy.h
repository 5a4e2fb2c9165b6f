/*-------------------------------------------------------------------------
 *
 * policy.h
 *	  (key, request, now) -> verdict code.  See policy.c.
 *
 *-------------------------------------------------------------------------
 */
#ifndef AK_POLICY_H
#define AK_POLICY_H

#include <netinet/in.h>

#include "datatype/timestamp.h"

/* In the order in which they apply; codes[] in policy.c has their names and statuses */
typedef enum AkCode
{
	AK_MISSING,
	AK_MALFORMED,
	AK_NOT_FOUND,
	AK_ARCHIVED,
	AK_REGENERATED,
	AK_DISABLED,
	AK_EXPIRED,
	AK_ADDRESS_NOT_ALLOWED,
	AK_INSUFFICIENT_PERMISSIONS,
	AK_QUOTA_EXCEEDED,
	AK_RATE_LIMITED,
	AK_VALID,
	AK_CODE_COUNT
} AkCode;

/* The longest text that ak_client_parse() accepts: brackets, an IPv6 address, a colon and a port */
#define AK_CLIENT_MAX (INET6_ADDRSTRLEN - 1 + 2 + 6)

/* An IPv4 or IPv6 address, or the network of its first "bits" bits */
typedef struct AkAddress
{
	bool is_v6;
	uint8 bits;      /* 0 to 32, or 0 to 128; the maximum means an address */
	uint8 bytes[16]; /* in network order; IPv4 uses the first four */
} AkAddress;

/* The properties of a key that decide on a request */
typedef struct AkKeyState
{
	bool archived;
	bool by_old_secret;          /* the request has the old secret */
	TimestampTz old_valid_until; /* only with by_old_secret */
	bool disabled;
	TimestampTz expires_at;  /* PG_INT64_MAX: never */
	bool bound_to_networks;  /* the key has a list of networks */
	bool client_in_networks; /* the client's address is inside one of them */
	bool api_allowed;        /* the request has no API, or the key may call it */
} AkKeyState;

extern AkCode ak_policy_decide(const AkKeyState *key, TimestampTz now);
extern const char *ak_code_name(AkCode code);
extern int ak_code_http_status(AkCode code);
extern bool ak_address_parse(const char *text, size_t len, AkAddress *out);
extern bool ak_client_parse(const char *text, size_t len, AkAddress *out);
extern bool ak_address_inside(const AkAddress *address, const AkAddress *network);

#endif /* AK_POLICY_H */
