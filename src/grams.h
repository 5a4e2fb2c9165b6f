/*-------------------------------------------------------------------------
 *
 * grams.h
 *	  The operator class of the index for substring search.  See grams.c.
 *
 *-------------------------------------------------------------------------
 */
#ifndef AK_GRAMS_H
#define AK_GRAMS_H

/* A shorter text has none */
#define AK_GRAM_LENGTH	3

extern Datum ak_grams_of(const char *text);

#endif							/* AK_GRAMS_H */
