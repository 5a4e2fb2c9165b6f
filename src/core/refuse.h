/*-------------------------------------------------------------------------
 *
 * refuse.h
 *	  The two errors that most refusals are.
 *
 * Their arguments are those of ereport() that follow the SQLSTATE: errmsg(),
 * errhint() and so on.
 *
 *-------------------------------------------------------------------------
 */
#ifndef AK_REFUSE_H
#define AK_REFUSE_H

/* 55000: what is there forbids it, whoever asks */
#define refuse(...) \
	ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE), __VA_ARGS__))

/* 22023: an argument, or a value, that cannot be one */
#define bad_value(...) \
	ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), __VA_ARGS__))

#endif							/* AK_REFUSE_H */
