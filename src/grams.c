/*-------------------------------------------------------------------------
 *
 * grams.c
 *	  The operator class of the index for substring search.
 *
 * The index (audit_log_text, a BRIN) keeps for every few pages of the audit log
 * which grams stand in the text of their entries: all runs of three and of four
 * bytes.  Where a gram of a text is missing, the text is missing.  The grams of
 * a range are a set of bits chosen by hashes, so that the answer may be
 * "perhaps" where it should be "no", and is never "no" where it should be "yes".
 * Runs of four keep apart what is made of the same runs of three, such as
 * digits; runs of three are for the shortest text that is looked for.  Each
 * stands as two bits, because a short text has but few of them to miss.
 *
 * A set of bits fits twice on a page of the index, beside the range's
 * audit_ids, which the index keeps, too.  It is stored as an int2vector: a type
 * that is never compressed, and which tools such as pageinspect can show.
 *
 * Texts are taken as bytes, as the comparison in logtext.c takes them.  Lines
 * are columns: no gram spans two.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/brin_internal.h"
#include "access/brin_tuple.h"
#include "access/skey.h"
#include "catalog/pg_type.h"
#include "common/hashfn.h"
#include "fmgr.h"
#include "utils/builtins.h"
#include "utils/typcache.h"

#include "compat.h"
#include "grams.h"

PG_FUNCTION_INFO_V1(ak_grams_info);
PG_FUNCTION_INFO_V1(ak_grams_add);
PG_FUNCTION_INFO_V1(ak_grams_consistent);
PG_FUNCTION_INFO_V1(ak_grams_union);

#define SET_BYTES		4000
#define SET_SIZE		(offsetof(int2vector, values) + SET_BYTES)

/* The bits of a text's grams: what the index is asked with */
typedef struct AkGrams
{
	int32		vl_len_;
	int			count;
	uint16		bits[FLEXIBLE_ARRAY_MEMBER];
} AkGrams;

static inline uint8 *
set_of(Datum value)
{
	int2vector *set = (int2vector *) DatumGetPointer(value);

	Assert(VARSIZE(set) == SET_SIZE);
	return (uint8 *) set->values;
}

/* The bit of a gram, whose bytes are in these 32 bits. */
static inline uint32
bit_of(uint32 gram)
{
	return ((uint64) murmurhash32(gram) * (SET_BYTES * 8)) >> 32;
}

/*
 * Calls a macro for the bits of every gram in a text of so many bytes.  The last
 * four bytes are kept in "last"; "run" is how many bytes there are of this line.
 */
#define for_each_gram(data, len, act) \
	do { \
		uint32		last = 0; \
		int			run = 0; \
		for (int i_ = 0; i_ < (len); i_++) \
		{ \
			last = last << 8 | (unsigned char) (data)[i_]; \
			run = (data)[i_] == '\n' ? 0 : run + 1; \
			for (int length_ = AK_GRAM_LENGTH; length_ <= Min(run, AK_GRAM_LENGTH + 1); length_++) \
			{ \
				uint32		gram = length_ == AK_GRAM_LENGTH ? last & 0xFFFFFF : last; \
				act(bit_of(gram)); \
				act(bit_of(~gram)); \
			} \
		} \
	} while (0)

/*
 * What ak_grams_consistent takes for a text: its grams, palloc'd; (Datum) 0
 * when it has none.
 */
Datum
ak_grams_of(const char *text)
{
	int			len = strlen(text);
	AkGrams    *grams = palloc(offsetof(AkGrams, bits) + 4 * len * sizeof(uint16));

	grams->count = 0;
#define NOTE_BIT(bit)	grams->bits[grams->count++] = (bit)
	for_each_gram(text, len, NOTE_BIT);
	if (grams->count == 0)
		return (Datum) 0;
	SET_VARSIZE(grams, offsetof(AkGrams, bits) + grams->count * sizeof(uint16));
	return PointerGetDatum(grams);
}

/*
 * grams_info(internal) -> internal
 */
Datum
ak_grams_info(PG_FUNCTION_ARGS)
{
	BrinOpcInfo *info = palloc0(MAXALIGN(SizeofBrinOpcInfo(1)));

	info->oi_nstored = 1;
	info->oi_regular_nulls = true;
	info->oi_typcache[0] = lookup_type_cache(INT2VECTOROID, 0);
	PG_RETURN_POINTER(info);
}

/*
 * grams_add(internal, internal, internal, internal) -> boolean
 *
 * Adds a text's grams to those of its range; tells whether that changed them.
 */
Datum
ak_grams_add(PG_FUNCTION_ARGS)
{
	BrinValues *column = (BrinValues *) PG_GETARG_POINTER(1);
	text	   *value = PG_GETARG_TEXT_PP(2);
	const char *data = VARDATA_ANY(value);
	int			len = VARSIZE_ANY_EXHDR(value);
	bool		changed = false;
	uint8	   *set;

	Assert(!PG_GETARG_BOOL(3));
	if (column->bv_allnulls)
	{
		int2vector *empty = MemoryContextAllocZero(column->bv_context, SET_SIZE);

		SET_VARSIZE(empty, SET_SIZE);
		empty->ndim = 1;
		empty->elemtype = INT2OID;
		empty->dim1 = SET_BYTES / sizeof(int16);
		column->bv_values[0] = PointerGetDatum(empty);
		column->bv_allnulls = false;
		changed = true;
	}
	set = set_of(column->bv_values[0]);
#define SET_BIT(bit) \
	do { \
		uint32		b = (bit); \
		uint8		mask = 1 << (b % 8); \
		changed |= (set[b / 8] & mask) == 0; \
		set[b / 8] |= mask; \
	} while (0)
	for_each_gram(data, len, SET_BIT);
	PG_FREE_IF_COPY(value, 2);
	PG_RETURN_BOOL(changed);
}

/*
 * grams_consistent(internal, internal, internal) -> boolean
 *
 * May the text whose grams are the key's argument stand in this range?
 */
Datum
ak_grams_consistent(PG_FUNCTION_ARGS)
{
	BrinValues *column = (BrinValues *) PG_GETARG_POINTER(1);
	ScanKey		key = (ScanKey) PG_GETARG_POINTER(2);
	AkGrams    *grams = (AkGrams *) DatumGetPointer(key->sk_argument);
	uint8	   *set = set_of(column->bv_values[0]);

	for (int i = 0; i < grams->count; i++)
		if ((set[grams->bits[i] / 8] & (1 << (grams->bits[i] % 8))) == 0)
			PG_RETURN_BOOL(false);
	PG_RETURN_BOOL(true);
}

/*
 * grams_union(internal, internal, internal) -> void
 *
 * Adds the grams of the second range to those of the first.
 */
Datum
ak_grams_union(PG_FUNCTION_ARGS)
{
	uint8	   *into = set_of(((BrinValues *) PG_GETARG_POINTER(1))->bv_values[0]);
	uint8	   *from = set_of(((BrinValues *) PG_GETARG_POINTER(2))->bv_values[0]);

	for (int i = 0; i < SET_BYTES; i++)
		into[i] |= from[i];
	PG_RETURN_VOID();
}
