/*-------------------------------------------------------------------------
 *
 * verify_rows.h
 *	  Verifies rows by the entries that describe them.  See verify_rows.c.
 *
 *-------------------------------------------------------------------------
 */
#ifndef AK_VERIFY_ROWS_H
#define AK_VERIFY_ROWS_H

#include "log/verify.h"

typedef struct AkRowProof AkRowProof;

extern AkRowProof *ak_prove_rows_begin(AkVerification *v);
extern void ak_prove_rows_entry(AkRowProof *proof, AkLog *log, const Datum *values, const bool *nulls);
extern void ak_prove_rows_end(AkRowProof *proof);

#endif /* AK_VERIFY_ROWS_H */
