/*-------------------------------------------------------------------------
 *
 * unicode.h
 *	  Properties of characters: space, invisible, case folding.  See unicode.c.
 *
 *-------------------------------------------------------------------------
 */
#ifndef AK_UNICODE_H
#define AK_UNICODE_H

/* Variation selector 16: requests the coloured form of the previous character */
#define AK_EMOJI_STYLE 0xfe0f

extern int ak_utf8_decode(const char *p, const char *end, uint32 *c);
extern int ak_utf8_encode(uint32 c, char *p);
extern bool ak_char_is_control(uint32 c);
extern bool ak_char_is_invisible(uint32 c);
extern bool ak_char_is_space(uint32 c);
extern uint32 ak_char_fold(uint32 c);

#endif /* AK_UNICODE_H */
