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
#define refuse(...) ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE), __VA_ARGS__))

/* 22023: an invalid value */
#define bad_value(...) ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), __VA_ARGS__))

/* The same of a named argument or column, and 22004, NULL: the error's COLUMN field has its name, for forms */
#define bad_argument(argument, ...) \
	ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), err_argument(argument), __VA_ARGS__))
#define null_argument(argument, ...) \
	ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED), err_argument(argument), __VA_ARGS__))

/* Within ereport(): sets the COLUMN field */
#define err_argument(argument) err_generic_string(PG_DIAG_COLUMN_NAME, argument)

/* XX000: computing a hash failed */
#define ak_hash_failed() ereport(ERROR, (errcode(ERRCODE_INTERNAL_ERROR), errmsg("could not compute a SHA-256 hash")))

#endif /* AK_ERRORS_H */
