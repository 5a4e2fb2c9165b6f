/*-------------------------------------------------------------------------
 *
 * entry.h
 *	  Entries of the audit log.  See entry.c.
 *
 *-------------------------------------------------------------------------
 */
#ifndef AK_ENTRY_H
#define AK_ENTRY_H

#include "postgres.h"

#include "datatype/timestamp.h"

#include "access/context.h"
#include "core/catalog.h"
#include "core/query.h"

/* An action, as recorded in its entry; NULL: not known or not set */
typedef struct AkEntry
{
	int64 audit_id;   /* 0: take the next */
	TimestampTz time; /* 0: now */
	const char *workspace;
	const char *entity;
	const char *action;
	const char *activity;
	const char *subject; /* JSON: what it tells of */
	const char *key_name;
	Datum key_id;         /* uuid; 0: none */
	const char *changes;  /* JSON */
	Datum row_digest;     /* bytea; 0: the action left no row */
	const AkActor *actor; /* NULL: the current one */
} AkEntry;

extern void ak_write_entry(const AkEntry *entry);

#endif /* AK_ENTRY_H */
