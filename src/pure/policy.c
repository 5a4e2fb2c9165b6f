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
	[AK_MISSING] = {"MISSING", 401},
	[AK_MALFORMED] = {"MALFORMED", 401},
	[AK_NOT_FOUND] = {"NOT_FOUND", 401},
	[AK_ARCHIVED] = {"ARCHIVED", 401},
	[AK_REGENERATED] = {"REGENERATED", 401},
	[AK_DISABLED] = {"DISABLED", 401},
	[AK_EXPIRED] = {"EXPIRED", 401},
	[AK_ADDRESS_NOT_ALLOWED] = {"ADDRESS_NOT_ALLOWED", 403},
	[AK_INSUFFICIENT_PERMISSIONS] = {"INSUFFICIENT_PERMISSIONS", 403},
	[AK_QUOTA_EXCEEDED] = {"QUOTA_EXCEEDED", 429},
	[AK_RATE_LIMITED] = {"RATE_LIMITED", 429},
	[AK_VALID] = {"VALID", 200},
};

/* Returns the name of a code, as in column "code" of a verdict. */
const char *
ak_code_name(AkCode code)
{
	return codes[code].name;
}

/* Returns the HTTP status of a code. */
int
ak_code_http_status(AkCode code)
{
	return codes[code].http_status;
}

/*
 * Returns the first code that applies to a request with a known secret.  Quota
 * and rate limits are left out: the caller charges them only after VALID.  A
 * limit in time is exclusive: at expires_at the key is expired.
 */
AkCode
ak_policy_decide(const AkKeyState *key, TimestampTz now)
{
	if (key->archived)
		return AK_ARCHIVED;
	if (key->by_old_secret && now >= key->old_valid_until)
		return AK_REGENERATED;
	if (key->disabled)
		return AK_DISABLED;
	if (now >= key->expires_at)
		return AK_EXPIRED;
	if (key->bound_to_networks && !key->client_in_networks)
		return AK_ADDRESS_NOT_ALLOWED;
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

/* Returns true if this is the number of a port: 1 to 5 digits, at most 65535. */
static bool
is_port(const char *text, size_t len)
{
	int port = 0;

	if (len == 0 || len > 5)
		return false;
	for (size_t i = 0; i < len; i++)
	{
		if (text[i] < '0' || text[i] > '9')
			return false;
		port = port * 10 + (text[i] - '0');
	}
	return port <= 65535;
}

/*
 * Parses what a server may know of its client: an address as
 * ak_address_parse(), an IPv4 address and a port ("192.0.2.1:443"), or an IPv6
 * address in brackets, with a port or without ("[2001:db8::1]:443", RFC 3986,
 * 3.2.2).  Returns true if it is one; the port is left out.
 */
bool
ak_client_parse(const char *text, size_t len, AkAddress *out)
{
	const char *colon;

	if (len == 0 || len > AK_CLIENT_MAX)
		return false;
	if (text[0] == '[')
	{
		const char *end = memchr(text, ']', len);
		size_t rest;

		if (end == NULL)
			return false;
		rest = text + len - (end + 1);
		return (rest == 0 || (end[1] == ':' && is_port(end + 2, rest - 1))) && memchr(text, ':', end - text) != NULL &&
			   ak_address_parse(text + 1, end - text - 1, out);
	}
	colon = memchr(text, ':', len);
	/* an IPv6 address has more than one colon */
	if (colon == NULL || memchr(colon + 1, ':', text + len - (colon + 1)) != NULL)
		return ak_address_parse(text, len, out);
	return is_port(colon + 1, text + len - (colon + 1)) && ak_address_parse(text, colon - text, out);
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
