/*-------------------------------------------------------------------------
 *
 * address.c
 *	  Mail addresses and the URL of a mail server.  Pure: no catalog, no state.
 *
 * Only the plain form of an address is accepted, which nearly all addresses
 * have: a dot-atom, an @ and a host name, in ASCII.  Quoted strings, comments
 * and lists are rejected, so that an accepted address can be used unchanged in
 * a header and in an SMTP command.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "pure/address.h"

static inline bool
is_alnum(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* The characters of an atom, by RFC 5322, 3.2.3 */
static inline bool
is_atext(char c)
{
	return is_alnum(c) || (c != '\0' && strchr("!#$%&'*+-/=?^_`{|}~", c) != NULL);
}

/* Returns true for a host name: labels of letters, digits and inner hyphens, joined by dots. */
bool
ak_domain_valid(const char *domain, size_t len)
{
	size_t label = 0;

	if (len == 0 || len > 253)
		return false;
	for (size_t i = 0; i <= len; i++)
	{
		if (i == len || domain[i] == '.')
		{
			if (label == 0 || label > 63 || domain[i - 1] == '-')
				return false;
			label = 0;
		}
		else if (is_alnum(domain[i]) || (domain[i] == '-' && label > 0))
			label++;
		else
			return false;
	}
	return true;
}

/* Returns true for exactly one address. */
bool
ak_addr_spec_valid(const char *address, size_t len)
{
	size_t i = 0;

	if (len > AK_ADDR_SPEC_MAX)
		return false;
	for (; i < len && address[i] != '@'; i++)
	{
		if (address[i] == '.' ? (i == 0 || address[i - 1] == '.') : !is_atext(address[i]))
			return false;
	}
	if (i == 0 || i > AK_LOCAL_PART_MAX || i == len || address[i - 1] == '.')
		return false;
	return ak_domain_valid(address + i + 1, len - i - 1);
}

/*
 * Reads "a@b", "<a@b>", "Name <a@b>" or "\"Name\" <a@b>", and returns false for
 * anything else.  The name may be in any script, but without control
 * characters, and outside quotes without the special characters of a header.
 */
bool
ak_mailbox_parse(const char *text, AkMailbox *mailbox)
{
	size_t len = strlen(text);
	const char *open = strrchr(text, '<');
	const char *name = text;
	size_t name_len;
	bool quoted;

	for (size_t i = 0; i < len; i++)
		if ((unsigned char) text[i] < 0x20 || text[i] == 0x7f)
			return false;

	mailbox->name = text;
	mailbox->name_len = 0;
	if (open == NULL)
	{
		mailbox->address = text;
		mailbox->address_len = len;
		return ak_addr_spec_valid(text, len);
	}
	if (text[len - 1] != '>')
		return false;
	mailbox->address = open + 1;
	mailbox->address_len = text + len - 1 - (open + 1);
	if (!ak_addr_spec_valid(mailbox->address, mailbox->address_len))
		return false;

	name_len = open - text;
	while (name_len > 0 && name[name_len - 1] == ' ')
		name_len--;
	while (name_len > 0 && *name == ' ')
		name++, name_len--;
	quoted = name_len >= 2 && name[0] == '"' && name[name_len - 1] == '"';
	if (quoted)
		name++, name_len -= 2;
	for (size_t i = 0; i < name_len; i++)
	{
		if (name[i] == '"' || name[i] == '\\' || (!quoted && strchr("()<>[]:;@,", name[i]) != NULL))
			return false;
	}
	mailbox->name = name;
	mailbox->name_len = name_len;
	return true;
}

/* Is this host this machine?  By its name alone: nothing is looked up. */
static bool
is_loopback(const char *host, size_t len)
{
	static const char *const names[] = {"localhost", "[::1]"};
	int octets = 0;
	int digits = 0;
	int value = 0;

	for (int i = 0; i < (int) lengthof(names); i++)
		if (len == strlen(names[i]) && pg_strncasecmp(host, names[i], len) == 0)
			return true;
	if (len < 4 || strncmp(host, "127.", 4) != 0)
		return false;
	for (size_t i = 0; i <= len; i++)
	{
		if (i == len || host[i] == '.')
		{
			if (digits == 0 || digits > 3 || value > 255)
				return false;
			octets++;
			digits = value = 0;
		}
		else if (host[i] >= '0' && host[i] <= '9' && digits < 4)
		{
			value = value * 10 + (host[i] - '0');
			digits++;
		}
		else
			return false;
	}
	return octets == 4;
}

/* Is this "[", an IPv6 address by its characters, "]"? */
static bool
is_bracketed(const char *host, size_t len)
{
	if (len < 4 || host[0] != '[' || host[len - 1] != ']')
		return false;
	for (size_t i = 1; i < len - 1; i++)
		if (!is_alnum(host[i]) && host[i] != ':' && host[i] != '.')
			return false;
	return true;
}

/*
 * Reads smtp://host[:port][/name-to-greet-with] or smtps://...; returns NULL,
 * or what is wrong with it.  A login in the URL is refused: a setting is no
 * place for a password.
 */
const char *
ak_smtp_url_parse(const char *url, AkSmtpUrl *parsed)
{
	const char *host;
	size_t host_len;
	const char *port;
	size_t port_len;
	const char *path;

	if (pg_strncasecmp(url, "smtp://", 7) == 0)
		host = url + 7;
	else if (pg_strncasecmp(url, "smtps://", 8) == 0)
		host = url + 8;
	else
		return "It must begin with smtp:// or smtps://.";
	parsed->implicit_tls = host == url + 8;

	if (strchr(host, '@') != NULL)
		return "It must not hold a login; that belongs in the file that apikeys.smtp_netrc names.";

	path = host + strcspn(host, "/");
	host_len = host[0] == '[' ? strcspn(host, "]/") + 1 : strcspn(host, ":/");
	if (host + host_len > path || (host[0] == '[' ? !is_bracketed(host, host_len) : !ak_domain_valid(host, host_len)))
		return "It must name a host.";
	port = host + host_len;
	port_len = path - port;
	if (port_len > 0)
	{
		int number = 0;

		if (port[0] != ':' || port_len < 2 || port_len > 6)
			return "Its port must be a number.";
		for (size_t i = 1; i < port_len; i++)
		{
			if (port[i] < '0' || port[i] > '9')
				return "Its port must be a number.";
			number = number * 10 + (port[i] - '0');
		}
		if (number < 1 || number > 65535)
			return "Its port must be a number between 1 and 65535.";
	}
	if (path[0] == '/' && path[1] != '\0' && !ak_domain_valid(path + 1, strlen(path + 1)))
		return "After its host only a host name to greet with may stand.";
	parsed->loopback = is_loopback(host, host_len);
	return NULL;
}
