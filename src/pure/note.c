/*-------------------------------------------------------------------------
 *
 * note.c
 *	  Checkpoints of a tree as signed notes.  Pure: no catalog, no state, no
 *	  ereport.
 *
 * The text is a checkpoint of C2SP tlog-checkpoint (c2sp.org/tlog-checkpoint):
 *
 *		origin			a name of the log, unique, without spaces
 *		size			in decimal digits
 *		root			in base64
 *		extension		any number of lines; we write one
 *
 * each line with a newline.  It is signed as C2SP signed-note has it: behind the
 * text an empty line, then for each signature an em dash, a space, the name of
 * the key, a space, and in base64 the key's id and the signature.  An Ed25519
 * key's id is the first four bytes of SHA-256(name, 0x0A, 0x01, public key); the
 * name of a log's key is its origin.  A checkpoint without signatures ends with
 * its text.
 *
 * Not every encoding of a database has an em dash.  So two hyphens can stand for
 * it, and are read as well.  The dash is no part of what is signed.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "pure/base64.h"
#include "pure/note.h"

#define ROOT_B64_LEN 44

/* Appends the text of a checkpoint; origin and extension are one line each, not empty. */
void
ak_note_write(StringInfo out, const char *origin, uint64 size, const uint8 *root, const char *extension)
{
	appendStringInfo(out, "%s\n" UINT64_FORMAT "\n", origin, size);
	ak_base64_append(out, root, AK_HASH_LEN);
	appendStringInfo(out, "\n%s\n", extension);
}

/* Computes the id of a key.  Returns false if hashing failed, or the name is too long. */
bool
ak_note_key_id(const char *name, size_t name_len, const uint8 *public_key, uint8 out[AK_NOTE_KEY_ID_LEN])
{
	uint8 bytes[512];
	uint8 hash[AK_HASH_LEN];

	if (name_len > sizeof(bytes) - 2 - AK_NOTE_KEY_LEN)
		return false;
	memcpy(bytes, name, name_len);
	bytes[name_len] = '\n';
	bytes[name_len + 1] = 0x01; /* Ed25519 */
	memcpy(bytes + name_len + 2, public_key, AK_NOTE_KEY_LEN);
	if (!ak_sha256(bytes, name_len + 2 + AK_NOTE_KEY_LEN, hash))
		return false;
	memcpy(out, hash, AK_NOTE_KEY_ID_LEN);
	return true;
}

/* Appends a signature line to a text; the first is to be preceded by a newline.  The dash is one of note.h. */
void
ak_note_write_signature(StringInfo out, const char *dash, const char *name, const uint8 *key_id, const uint8 *signature)
{
	uint8 bytes[AK_NOTE_KEY_ID_LEN + AK_NOTE_SIGNATURE_LEN];

	memcpy(bytes, key_id, AK_NOTE_KEY_ID_LEN);
	memcpy(bytes + AK_NOTE_KEY_ID_LEN, signature, AK_NOTE_SIGNATURE_LEN);
	appendStringInfo(out, "%s %s ", dash, name);
	ak_base64_append(out, bytes, sizeof(bytes));
	appendStringInfoChar(out, '\n');
}

/* Takes the next line off [*at, end): returns its start, and its length without the newline; NULL if there is none. */
static const char *
next_line(const char **at, const char *end, size_t *len)
{
	const char *start = *at;
	const char *newline = start < end ? memchr(start, '\n', end - start) : NULL;

	if (newline == NULL)
		return NULL;
	*len = newline - start;
	*at = newline + 1;
	return start;
}

/* Reads a size: decimal digits without leading zeros, at most 63 bits. */
static bool
read_size(const char *text, size_t len, uint64 *size)
{
	if (len == 0 || len > 18 || (text[0] == '0' && len > 1))
		return false;
	*size = 0;
	for (size_t i = 0; i < len; i++)
	{
		if (text[i] < '0' || text[i] > '9')
			return false;
		*size = *size * 10 + (text[i] - '0');
	}
	return true;
}

/* Returns true for a signature line's form: dash, name, blank, base64. */
static bool
split_signature(const char *line, size_t len, const char **name, size_t *name_len, const char **coded,
				size_t *coded_len)
{
	static const char *const dashes[] = {AK_NOTE_EM_DASH " ", AK_NOTE_HYPHENS " "};
	const char *blank;

	*name = NULL;
	for (int i = 0; i < (int) lengthof(dashes); i++)
		if (len >= strlen(dashes[i]) && memcmp(line, dashes[i], strlen(dashes[i])) == 0)
			*name = line + strlen(dashes[i]);
	if (*name == NULL)
		return false;
	blank = memchr(*name, ' ', line + len - *name);
	if (blank == NULL || blank == *name)
		return false;
	*name_len = blank - *name;
	*coded = blank + 1;
	*coded_len = line + len - *coded;
	return true;
}

/*
 * Reads a checkpoint, signed or not.  Returns false if it is none.  A missing
 * last newline is overlooked: where texts are copied, it is lost.
 */
bool
ak_note_read(const char *data, size_t len, AkNote *note)
{
	const char *at = data;
	const char *end = data + len;
	const char *line;
	size_t line_len;
	AkNoteSignature signature;

	if (len > AK_NOTE_MAX_BYTES || memchr(data, '\0', len) != NULL || memchr(data, '\r', len) != NULL)
		return false;
	note->text = data;
	note->origin = next_line(&at, end, &note->origin_len);
	if (note->origin == NULL || note->origin_len == 0 || memchr(note->origin, ' ', note->origin_len) != NULL)
		return false;
	line = next_line(&at, end, &line_len);
	if (line == NULL || !read_size(line, line_len, &note->size))
		return false;
	line = at;
	if (end - at < ROOT_B64_LEN || ak_base64_decode(line, ROOT_B64_LEN, note->root, sizeof(note->root)) != AK_HASH_LEN)
		return false;
	at += ROOT_B64_LEN;
	if (at < end && *at++ != '\n')
		return false;

	note->extension = at;
	while (at < end && *at != '\n')
		if (next_line(&at, end, &line_len) == NULL)
			at = end;
	note->extension_len = at - note->extension;
	note->text_len = at - data;
	note->end = end;
	note->signatures = at;
	if (at == end)
		return true;

	/* the empty line, then nothing but signatures, one at least */
	note->signatures = at + 1;
	if (note->signatures == end)
		return false;
	for (AkNote rest = *note; rest.signatures < end;)
		if (!ak_note_next_signature(&rest, &signature))
			return false;
	return true;
}

/* Reads the next signature of a checkpoint that was read.  Returns false at the end. */
bool
ak_note_next_signature(AkNote *note, AkNoteSignature *signature)
{
	const char *line = note->signatures;
	const char *coded;
	size_t len;
	size_t coded_len;
	int decoded;

	if (line >= note->end)
		return false;
	if (next_line(&note->signatures, note->end, &len) == NULL)
	{
		len = note->end - line;
		note->signatures = note->end;
	}
	if (!split_signature(line, len, &signature->name, &signature->name_len, &coded, &coded_len))
		return false;
	decoded = ak_base64_decode(coded, coded_len, signature->decoded, sizeof(signature->decoded));
	if (decoded <= AK_NOTE_KEY_ID_LEN)
		return false;
	memcpy(signature->key_id, signature->decoded, AK_NOTE_KEY_ID_LEN);
	signature->signature = signature->decoded + AK_NOTE_KEY_ID_LEN;
	signature->signature_len = decoded - AK_NOTE_KEY_ID_LEN;
	return true;
}
