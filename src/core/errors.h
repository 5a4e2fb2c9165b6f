/*-------------------------------------------------------------------------
 *
 * errors.h
 *	  Errors that many files raise.
 *
 * The arguments of the first two are those of ereport() that follow the
 * SQLSTATE: errmsg(), errhint() and so on.
 *
 *-------------------------------------------------------------------------
 */
#ifndef AK_ERRORS_H
#define AK_ERRORS_H

/* 55000: the present state forbids it, for every role */
#define refuse(...) ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE), __VA_ARGS__))

/* 22023: an invalid argument or value */
#define bad_value(...) ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), __VA_ARGS__))

/* XX000: computing a hash failed */
#define ak_hash_failed() ereport(ERROR, (errcode(ERRCODE_INTERNAL_ERROR), errmsg("could not compute a SHA-256 hash")))

#endif /* AK_ERRORS_H */
