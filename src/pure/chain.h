/*-------------------------------------------------------------------------
 *
 * chain.h
 *	  Links of the hash chain.  See chain.c.
 *
 *-------------------------------------------------------------------------
 */
#ifndef AK_CHAIN_H
#define AK_CHAIN_H

#include "pure/digest.h"

extern bool ak_link(const uint8 *previous, int64 position, const uint8 *digest, uint8 out[AK_HASH_LEN]);

#endif /* AK_CHAIN_H */
