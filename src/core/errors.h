/*-------------------------------------------------------------------------
 *
 * errors.h
 *	  Errors that many files raise.
 *
 * The other arguments are those of ereport() that follow the SQLSTATE: errmsg(),
 * errhint() and so on.
 *
 *-------------------------------------------------------------------------
 */
#ifndef AK_ERRORS_H
#define AK_ERRORS_H

/* 55000: the present state forbids it, for every role */
#define ak_wrong_state(...) ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE), __VA_ARGS__))

/* 42704: there is no such object, or none that the caller may see */
#define ak_not_found(...) ereport(ERROR, (errcode(ERRCODE_UNDEFINED_OBJECT), __VA_ARGS__))

/* 42501: the caller may not do it.  The message names the object: permission denied for ... */
#define ak_denied(...) ereport(ERROR, (errcode(ERRCODE_INSUFFICIENT_PRIVILEGE), __VA_ARGS__))

/* 22023: an invalid value, which is of no argument and no column */
#define ak_bad_value(...) ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), __VA_ARGS__))

/* The same of a named argument or column, and 22004, NULL: the error's COLUMN field has its name, for forms */
#define ak_bad_argument(argument, ...) \
	ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), err_argument(argument), __VA_ARGS__))
#define ak_null_argument(argument, ...) \
	ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED), err_argument(argument), __VA_ARGS__))

/* Within ereport(): sets the COLUMN field */
#define err_argument(argument) err_generic_string(PG_DIAG_COLUMN_NAME, argument)

/* XX000: computing a hash failed */
#define ak_hash_failed() ereport(ERROR, (errcode(ERRCODE_INTERNAL_ERROR), errmsg("could not compute a SHA-256 hash")))

#endif /* AK_ERRORS_H */
