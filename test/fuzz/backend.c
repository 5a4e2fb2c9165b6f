/*-------------------------------------------------------------------------
 *
 * backend.c
 *	  The little of a server that the pure files of src/ expect to find.
 *
 * PostgreSQL's headers are left out on purpose: the table below is computed
 * from the polynomial, so it also checks the one that the server brings.
 *
 *-------------------------------------------------------------------------
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

extern uint32_t pg_crc32_table[256];
extern void ExceptionalCondition(const char *condition);

/* utils/pg_crc.h: the reflected CRC-32 of IEEE 802.3, a byte at a time */
uint32_t pg_crc32_table[256];

static void __attribute__((constructor)) fill_crc32_table(void)
{
	for (uint32_t byte = 0; byte < 256; byte++)
	{
		uint32_t crc = byte;

		for (int bit = 0; bit < 8; bit++)
			crc = (crc >> 1) ^ ((crc & 1) != 0 ? UINT32_C(0xEDB88320) : 0);
		pg_crc32_table[byte] = crc;
	}
}

/* A failed Assert(); what else the server passes differs between versions */
void
ExceptionalCondition(const char *condition)
{
	fprintf(stderr, "failed Assert(%s)\n", condition);
	abort();
}
