/*-------------------------------------------------------------------------
 *
 * note_fuzz.c
 *	  Fuzz target for src/pure/note.c.
 *
 * The input is a text.  What is read as a checkpoint must match a regular
 * expression and the other way round, but for base64 that no encoder writes; and
 * written again from its parts it gives the same text.
 *
 *-------------------------------------------------------------------------
 */
#include "fuzz.h"

#include "lib/stringinfo.h"

#include "pure/note.h"

#define B64 "[A-Za-z0-9+/]"

int
LLVMFuzzerTestOneInput(const uint8 *data, size_t size)
{
	static Pattern pattern = {.source = "^[^ \r\n]+\n(0|[1-9][0-9]{0,17})\n" B64 "{43}=(\n([^\r\n]+\n)*([^\r\n]+)?"
										"(\n(\342\200\224 [^ \r\n]+ " B64 "+={0,2}\n)*\342\200\224 [^ \r\n]+ " B64
										"+={0,2}\n?)?)?$"};
	char *text = exact_copy(data, size);
	AkNote note;

	if (ak_note_read(text, size, &note))
	{
		AkNoteSignature signature;
		StringInfoData again;
		size_t origin_len = note.origin_len;
		char *origin;

		CHECK(matches(&pattern, text, size));
		CHECK(note.text == text && note.text_len <= size);
		origin = calloc(1, origin_len + 1);
		memcpy(origin, note.origin, origin_len);
		initStringInfo(&again);
		ak_note_write(&again, origin, note.size, note.root, "x");
		/* but for the extension, the same */
		CHECK((size_t) again.len - 2 <= size + 1);
		CHECK(memcmp(again.data, text, Min((size_t) again.len - 2, size)) == 0);
		while (ak_note_next_signature(&note, &signature))
			CHECK(signature.signature_len > 0 && signature.name_len > 0 &&
				  signature.signature_len + AK_NOTE_KEY_ID_LEN <= sizeof(signature.decoded));
		CHECK(note.signatures == note.end);
		pfree(again.data);
		free(origin);
	}
	free(text);
	return 0;
}
