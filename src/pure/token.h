/*-------------------------------------------------------------------------
 *
 * token.h
 *	  The text of a secret, and of its prefix and workspace.  See token.c.
 *
 *-------------------------------------------------------------------------
 */
#ifndef AK_TOKEN_H
#define AK_TOKEN_H

/* <prefix>_<43 random characters><6 characters of checksum> */
#define AK_PREFIX_MAX   20
#define AK_RANDOM_LEN   43
#define AK_CHECKSUM_LEN 6
#define AK_SECRET_MAX   (AK_PREFIX_MAX + 1 + AK_RANDOM_LEN + AK_CHECKSUM_LEN)

/* The longest text, ours or foreign, that is accepted as a key */
#define AK_KEY_MAX_BYTES 512

/* Number of a secret's last characters that its hint shows */
#define AK_HINT_TAIL 4

/* The length of the longest workspace id */
#define AK_WORKSPACE_MAX 63

typedef enum AkTokenKind
{
	AK_TOKEN_MALFORMED, /* cannot be a key: refused without a look-up */
	AK_TOKEN_OURS,      /* our form, and the checksum is right */
	AK_TOKEN_FOREIGN    /* any other printable text: may be an imported key */
} AkTokenKind;

extern AkTokenKind ak_token_classify(const char *text, size_t len);
extern size_t ak_token_scan(const char *text, size_t len, size_t from, size_t *found_len, bool *valid);
extern const char *ak_token_find(const char *text, bool for_message);
extern bool ak_token_make(const char *prefix, bool (*random_bytes)(void *buf, size_t len), char out[AK_SECRET_MAX + 1]);
extern void ak_token_checksum(const char *text, size_t len, char out[AK_CHECKSUM_LEN]);
extern bool ak_prefix_valid(const char *text, size_t len);
extern bool ak_workspace_valid(const char *text, size_t len);

#endif /* AK_TOKEN_H */
