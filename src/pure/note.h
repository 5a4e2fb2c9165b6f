/*-------------------------------------------------------------------------
 *
 * note.h
 *	  Checkpoints of a tree as signed notes.  See note.c.
 *
 *-------------------------------------------------------------------------
 */
#ifndef AK_NOTE_H
#define AK_NOTE_H

#include "lib/stringinfo.h"

#include "pure/digest.h"

#define AK_NOTE_KEY_LEN       32 /* bytes of an Ed25519 public key */
#define AK_NOTE_KEY_ID_LEN    4
#define AK_NOTE_SIGNATURE_LEN 64

/* What a signature line begins with: an em dash in UTF-8; or, where that does not exist, two hyphens */
#define AK_NOTE_EM_DASH "\342\200\224"
#define AK_NOTE_HYPHENS "--"

/* A note longer than this is none of ours */
#define AK_NOTE_MAX_BYTES 65536

/* A checkpoint that was read; what it points to is in the text that was read */
typedef struct AkNote
{
	const char *origin;
	size_t origin_len;
	uint64 size;
	uint8 root[AK_HASH_LEN];
	const char *extension; /* all extension lines, each with its newline */
	size_t extension_len;
	const char *text; /* what is signed */
	size_t text_len;
	const char *signatures; /* the rest, for ak_note_next_signature() */
	const char *end;
} AkNote;

/* A signature line of it */
typedef struct AkNoteSignature
{
	const char *name;
	size_t name_len;
	uint8 key_id[AK_NOTE_KEY_ID_LEN];
	const uint8 *signature;
	size_t signature_len;
	uint8 decoded[512];
} AkNoteSignature;

extern void ak_note_write(StringInfo out, const char *origin, uint64 size, const uint8 *root, const char *extension);
extern bool ak_note_key_id(const char *name, size_t name_len, const uint8 *public_key, uint8 out[AK_NOTE_KEY_ID_LEN]);
extern void ak_note_write_signature(StringInfo out, const char *dash, const char *name, const uint8 *key_id,
									const uint8 *signature);
extern bool ak_note_read(const char *data, size_t len, AkNote *note);
extern bool ak_note_next_signature(AkNote *note, AkNoteSignature *signature);

#endif /* AK_NOTE_H */
