/*-------------------------------------------------------------------------
 *
 * figures.h
 *	  Figures of usage as rows.  See figures.c.
 *
 *-------------------------------------------------------------------------
 */
#ifndef AK_FIGURES_H
#define AK_FIGURES_H

#include "usage/usage.h"

/* Columns of usage_memory(), from 0, and what only the flush asks for */
enum
{
	AK_FIGURE_KEY_ID,
	AK_FIGURE_WORKSPACE,
	AK_FIGURE_HOUR,
	AK_FIGURE_API,
	AK_FIGURE_CODE,
	AK_FIGURE_OLD_SECRET,
	AK_FIGURE_SLOT,
	AK_FIGURE_COUNT,
	AK_FIGURE_LAST_AT,
	AK_FIGURE_LAST_CLIENT,
	AK_FIGURE_FLUSHED,
	AK_FIGURE_NATTS
};

extern TimestampTz ak_last_flush(void);
extern const char *ak_worker_text(void);
extern TimestampTz ak_last_used_at(const pg_uuid_t *key_id);
extern void ak_figure_row(const AkFigure *figure, Datum *values, bool *nulls);

#endif /* AK_FIGURES_H */
