/*-------------------------------------------------------------------------
 *
 * address_fuzz.c
 *	  Fuzz target for src/pure/address.c.
 *
 * The input is read as an address, as a mailbox and as a URL; the references
 * are patterns.
 *
 *-------------------------------------------------------------------------
 */
#include "fuzz.h"

#include "pure/address.h"

#define LABEL  "[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
#define DOMAIN LABEL "([.]" LABEL ")*"
#define ATOM   "[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"

static bool
reference_domain(const char *text, size_t len)
{
	static Pattern domain = {.source = "^" DOMAIN "$"};

	return len <= 253 && matches(&domain, text, len);
}

static bool
reference_address(const char *text, size_t len)
{
	static Pattern address = {.source = "^" ATOM "([.]" ATOM ")*@" DOMAIN "$"};
	const char *at = len > 0 ? memchr(text, '@', len) : NULL;

	return len <= 254 && at != NULL && at - text <= 64 && matches(&address, text, len) &&
		   reference_domain(at + 1, text + len - at - 1);
}

/* Everything but the lengths, which reference_address() has */
static bool
reference_mailbox(const char *text, size_t len)
{
	static Pattern control = {.source = "[\001-\037\177]"};
	static Pattern plain = {.source = "^[^][()<>:;@,\"\\]* *<[^<>]*>$"};
	static Pattern quoted = {.source = "^ *\"[^\"\\]*\" *<[^<>]*>$"};
	const char *open;

	if (matches(&control, text, len))
		return false;
	if (memchr(text, '<', len) == NULL)
		return reference_address(text, len);
	open = text + len;
	while (*--open != '<')
		;
	return (matches(&plain, text, len) || matches(&quoted, text, len)) &&
		   reference_address(open + 1, text + len - 1 - (open + 1));
}

static bool
reference_url(const char *text, size_t len)
{
	static Pattern url = {.source = "^[Ss][Mm][Tt][Pp][Ss]?://(" DOMAIN
									"|\\[[A-Za-z0-9:.]{2,}\\])(:[0-9]{1,5})?(/(" DOMAIN ")?)?$"};

	return matches(&url, text, len);
}

static Pattern loopback = {
	.source =
		"^[^:]*://(127[.][0-9]{1,3}[.][0-9]{1,3}[.][0-9]{1,3}|\\[::1\\]|[Ll][Oo][Cc][Aa][Ll][Hh][Oo][Ss][Tt])(:[0-9]+)?(/.*)?$"};

int
LLVMFuzzerTestOneInput(const uint8 *data, size_t size)
{
	char *text = exact_copy(data, size);
	char *terminated;
	AkMailbox mailbox;
	AkSmtpUrl url;

	CHECK(ak_domain_valid(text, size) == reference_domain(text, size));
	CHECK(ak_addr_spec_valid(text, size) == reference_address(text, size));
	free(text);

	/* the rest takes strings */
	if (memchr(data, '\0', size) != NULL)
		return 0;
	terminated = calloc(1, size + 1);
	CHECK(terminated != NULL);
	if (size > 0)
		memcpy(terminated, data, size);

	CHECK(size == 0 || ak_mailbox_parse(terminated, &mailbox) == reference_mailbox(terminated, size));
	if (size > 0 && ak_mailbox_parse(terminated, &mailbox))
	{
		CHECK(mailbox.address >= terminated && mailbox.address + mailbox.address_len <= terminated + size);
		CHECK(mailbox.name >= terminated && mailbox.name + mailbox.name_len <= terminated + size);
		CHECK(reference_address(mailbox.address, mailbox.address_len));
		CHECK(mailbox.name_len == 0 || memchr(mailbox.name, '"', mailbox.name_len) == NULL);
	}

	if (ak_smtp_url_parse(terminated, &url) == NULL)
	{
		CHECK(reference_url(terminated, size));
		CHECK(strchr(terminated, '@') == NULL);
		CHECK(!url.loopback || matches(&loopback, terminated, size));
	}
	free(terminated);
	return 0;
}
