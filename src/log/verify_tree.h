/*-------------------------------------------------------------------------
 *
 * verify_tree.h
 *	  Verifies trees and entries.  See verify_tree.c.
 *
 *-------------------------------------------------------------------------
 */
#ifndef AK_VERIFY_TREE_H
#define AK_VERIFY_TREE_H

#include "log/verify.h"
#include "log/verify_rows.h"

extern void ak_verify_trees(AkVerification *v);
extern void ak_verify_entries(AkVerification *v, AkRowProof *rows);

#endif /* AK_VERIFY_TREE_H */
