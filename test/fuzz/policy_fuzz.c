/*-------------------------------------------------------------------------
 *
 * policy_fuzz.c
 *	  Fuzz target for src/pure/policy.c.
 *
 * The input is three things: up to its first '/' a text that may be an
 * address, after it another, and, from its first bytes, the state of a key.
 * Addresses are read once more here, by the grammar of RFC 4291 and without
 * inet_pton(), and compared bit by bit.
 *
 *-------------------------------------------------------------------------
 */
#include "fuzz.h"

#include <arpa/inet.h>
#include <sys/socket.h>

#include "pure/policy.h"

/* Four decimal numbers without leading zeros */
static bool
reference_v4(const char *text, size_t len, uint8 *out)
{
#define NUMBER "(25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])"
	static Pattern v4 = {.source = "^" NUMBER "[.]" NUMBER "[.]" NUMBER "[.]" NUMBER "$"};
	int number = 0;

	if (!matches(&v4, text, len))
		return false;
	memset(out, 0, 4);
	for (size_t i = 0; i < len; i++)
	{
		if (text[i] == '.')
			number++;
		else
			out[number] = out[number] * 10 + (text[i] - '0');
	}
	return true;
}

/*
 * Groups of one to four hexadecimal digits between colons, the last of them
 * perhaps an IPv4 address for two.  Returns how many bytes, -1 for an error.
 */
static int
reference_groups(const char *text, size_t len, bool may_end_in_v4, uint8 *out)
{
	static Pattern group = {.source = "^[0-9a-fA-F]{1,4}$"};
	int bytes = 0;

	if (len == 0)
		return 0;
	for (;;)
	{
		const char *colon = memchr(text, ':', len);
		size_t group_len = colon ? (size_t) (colon - text) : len;

		if (bytes > 14)
			return -1;
		if (matches(&group, text, group_len))
		{
			unsigned int value = 0;

			for (size_t i = 0; i < group_len; i++)
				value = value * 16 + (text[i] <= '9' ? text[i] - '0' : (text[i] | 0x20) - 'a' + 10);
			out[bytes++] = value >> 8;
			out[bytes++] = value & 0xff;
		}
		else if (colon == NULL && may_end_in_v4 && bytes <= 12 && reference_v4(text, group_len, out + bytes))
			bytes += 4;
		else
			return -1;
		if (colon == NULL)
			return bytes;
		len -= group_len + 1;
		text = colon + 1;
	}
}

static bool
reference_v6(const char *text, size_t len, uint8 *out)
{
	uint8 head[16];
	uint8 tail[16];
	int head_bytes, tail_bytes;

	memset(out, 0, 16);
	for (size_t i = 0; i + 1 < len; i++)
	{
		if (text[i] != ':' || text[i + 1] != ':')
			continue;
		/* the first "::" cuts the text; a group before it cannot be dotted */
		head_bytes = reference_groups(text, i, false, head);
		tail_bytes = reference_groups(text + i + 2, len - i - 2, true, tail);
		if (head_bytes < 0 || tail_bytes < 0 || head_bytes + tail_bytes > 14)
			return false;
		memcpy(out, head, head_bytes);
		memcpy(out + 16 - tail_bytes, tail, tail_bytes);
		return true;
	}
	return reference_groups(text, len, true, out) == 16;
}

/* Is this an address, and which? */
static bool
reference_address(const char *text, size_t len, AkAddress *out)
{
	static const uint8 mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

	memset(out, 0, sizeof(*out));
	if (len > 0 && memchr(text, ':', len) == NULL)
	{
		out->bits = 32;
		return reference_v4(text, len, out->bytes);
	}
	if (!reference_v6(text, len, out->bytes))
		return false;
	if (memcmp(out->bytes, mapped, 12) == 0)
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

static bool
same_address(const AkAddress *a, const AkAddress *b)
{
	return a->is_v6 == b->is_v6 && a->bits == b->bits && memcmp(a->bytes, b->bytes, a->is_v6 ? 16 : 4) == 0;
}

static bool
bit(const AkAddress *address, int n)
{
	return (address->bytes[n / 8] >> (7 - n % 8)) & 1;
}

/* An address, read in both ways, and written and read again */
static bool
check_address(const char *data, size_t size, AkAddress *address)
{
	char *text = exact_copy(data, size);
	AkAddress expected;
	bool is = ak_address_parse(text, size, address);

	CHECK(is == reference_address(text, size, &expected));
	free(text);
	if (is)
	{
		char written[INET6_ADDRSTRLEN];
		AkAddress again;

		CHECK(same_address(address, &expected));
		CHECK(inet_ntop(address->is_v6 ? AF_INET6 : AF_INET, address->bytes, written, sizeof(written)) != NULL);
		CHECK(ak_address_parse(written, strlen(written), &again));
		CHECK(same_address(address, &again));
	}
	return is;
}

/* What a server may know of its client: an address, perhaps in brackets if of IPv6, and perhaps with a port */
static bool
reference_client(const char *text, size_t len, AkAddress *out)
{
#define PORT "(6553[0-5]|655[0-2][0-9]|65[0-4][0-9]{2}|6[0-4][0-9]{3}|[0-5][0-9]{4}|[0-9]{1,4})"
	static Pattern v4_port = {.source = "^[0-9.]+:" PORT "$"};
	static Pattern bracketed = {.source = "^[[][0-9a-fA-F:.]+[]](:" PORT ")?$"};
	uint8 bytes[16];
	size_t end;

	if (matches(&bracketed, text, len))
	{
		for (end = len; text[end - 1] != ']'; end--)
			;
		return reference_v6(text + 1, end - 2, bytes) && reference_address(text + 1, end - 2, out);
	}
	if (matches(&v4_port, text, len))
		return reference_address(text, (const char *) memchr(text, ':', len) - text, out);
	return reference_address(text, len, out);
}

/* The same text as what a server knows of its client */
static void
check_client(const char *data, size_t size)
{
	char *text = exact_copy(data, size);
	AkAddress client, expected;
	bool is = ak_client_parse(text, size, &client);

	CHECK(is == reference_client(text, size, &expected));
	CHECK(!is || (same_address(&client, &expected) && size <= AK_CLIENT_MAX));
	free(text);
}

/* An address inside the networks of another, for every number of bits */
static void
check_inside(const AkAddress *address, const AkAddress *other)
{
	int same = 0;

	while (address->is_v6 == other->is_v6 && same < address->bits && bit(address, same) == bit(other, same))
		same++;
	for (int bits = 0; bits <= other->bits; bits++)
	{
		AkAddress *network = (AkAddress *) exact_copy(other, sizeof(AkAddress));

		network->bits = bits;
		CHECK(ak_address_inside(address, network) == (address->is_v6 == other->is_v6 && bits <= same));
		free(network);
	}
}

/* The verdict on a key, by the contract's table read from its end */
static void
check_decide(const uint8 *data, size_t size)
{
	AkKeyState key;
	TimestampTz now;
	int64 numbers[3] = {0, 0, 0};
	AkCode expected = AK_VALID;

	if (size < 1)
		return;
	memcpy(numbers, data + 1, Min(size - 1, sizeof(numbers)));
	key.archived = data[0] & 1;
	key.by_old_secret = data[0] & 2;
	key.bound_to_networks = data[0] & 4;
	key.client_in_networks = data[0] & 8;
	key.api_allowed = data[0] & 16;
	key.disabled = data[0] & 128;
	now = numbers[0];
	/* often the very moment, or one beside it */
	key.expires_at = (data[0] & 32) ? now + (now < PG_INT64_MAX && (numbers[1] & 1)) : numbers[1];
	key.old_valid_until = (data[0] & 64) ? now + (now < PG_INT64_MAX && (numbers[2] & 1)) : numbers[2];

	if (!key.api_allowed)
		expected = AK_INSUFFICIENT_PERMISSIONS;
	if (key.bound_to_networks && !key.client_in_networks)
		expected = AK_ADDRESS_NOT_ALLOWED;
	if (key.expires_at <= now)
		expected = AK_EXPIRED;
	if (key.disabled)
		expected = AK_DISABLED;
	if (key.by_old_secret && key.old_valid_until <= now)
		expected = AK_REGENERATED;
	if (key.archived)
		expected = AK_ARCHIVED;
	CHECK(ak_policy_decide(&key, now) == expected);
	CHECK(ak_code_name(expected) != NULL);
	CHECK((ak_code_http_status(expected) == 200) == (expected == AK_VALID));
}

int
LLVMFuzzerTestOneInput(const uint8 *data, size_t size)
{
	const char *text = (const char *) data;
	const char *slash = size > 0 ? memchr(text, '/', size) : NULL;
	size_t first = slash ? (size_t) (slash - text) : size;
	AkAddress one, other;
	bool is_one = check_address(text, first, &one);

	check_client(text, first);

	if (slash != NULL && check_address(slash + 1, size - first - 1, &other) && is_one)
	{
		check_inside(&one, &other);
		check_inside(&other, &one);
	}
	if (is_one)
		check_inside(&one, &one);
	check_decide(data, size);
	return 0;
}
