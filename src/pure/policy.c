/*-------------------------------------------------------------------------
 *
 * policy.c
 *	  The decision on a request, given its key.  Pure: no catalog, no
 *	  memory, no state.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <arpa/inet.h>

#include "pure/policy.h"

static const struct
{
	const char *name;
	int http_status; /* by RFC 9110, and RFC 6585 for 429 */
} codes[AK_CODE_COUNT] = {
	[AK_MALFORMED] = {"MALFORMED", 401},
	[AK_NOT_FOUND] = {"NOT_FOUND", 401},
	[AK_ARCHIVED] = {"ARCHIVED", 401},
	[AK_REGENERATED] = {"REGENERATED", 401},
	[AK_EXPIRED] = {"EXPIRED", 401},
	[AK_FORBIDDEN] = {"FORBIDDEN", 403},
	[AK_INSUFFICIENT_PERMISSIONS] = {"INSUFFICIENT_PERMISSIONS", 403},
	[AK_RATE_LIMITED] = {"RATE_LIMITED", 429},
	[AK_VALID] = {"VALID", 200},
};

const char *
ak_code_name(AkCode code)
{
	return codes[code].name;
}

int
ak_code_http_status(AkCode code)
{
	return codes[code].http_status;
}

/*
 * Returns the first code that applies to a request with a known secret.  The
 * rate limit is left out: the caller consumes it only after VALID.  A limit in
 * time is exclusive: at expires_at the key is expired.
 */
AkCode
ak_policy_decide(const AkKeyState *key, TimestampTz now)
{
	if (key->archived)
		return AK_ARCHIVED;
	if (key->by_old_secret && now >= key->old_valid_until)
		return AK_REGENERATED;
	if (now >= key->expires_at)
		return AK_EXPIRED;
	if (key->bound_to_networks && !key->client_in_networks)
		return AK_FORBIDDEN;
	if (!key->api_allowed)
		return AK_INSUFFICIENT_PERMISSIONS;
	return AK_VALID;
}

/*
 * Parses an address in its usual text form, IPv4 dotted or IPv6 (RFC 4291), and
 * returns true if it is valid.  A network, a port, a zone or white space is not
 * allowed.  An IPv4-mapped IPv6 address (RFC 4291, 2.5.5.2) becomes the IPv4
 * address.
 */
bool
ak_address_parse(const char *text, size_t len, AkAddress *out)
{
	static const uint8 mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
	char buf[INET6_ADDRSTRLEN];

	if (len == 0 || len >= sizeof(buf))
		return false;
	memcpy(buf, text, len);
	buf[len] = '\0';
	if (strlen(buf) != len)
		return false;

	memset(out, 0, sizeof(*out));
	if (memchr(buf, ':', len) == NULL)
	{
		out->bits = 32;
		return inet_pton(AF_INET, buf, out->bytes) == 1;
	}
	if (inet_pton(AF_INET6, buf, out->bytes) != 1)
		return false;
	if (memcmp(out->bytes, mapped, sizeof(mapped)) == 0)
	{
		memmove(out->bytes, out->bytes + 12, 4);
		memset(out->bytes + 4, 0, 12);
		out->bits = 32;
		return true;
	}
	out->is_v6 = true;
	out->bits = 128;
	return true;
}

/* Returns true if the address is inside the network, whose host bits are ignored. */
bool
ak_address_inside(const AkAddress *address, const AkAddress *network)
{
	int whole = network->bits / 8;
	int rest = network->bits % 8;

	if (address->is_v6 != network->is_v6)
		return false;
	if (memcmp(address->bytes, network->bytes, whole) != 0)
		return false;
	return rest == 0 || ((address->bytes[whole] ^ network->bytes[whole]) & (0xff00 >> rest) & 0xff) == 0;
}
