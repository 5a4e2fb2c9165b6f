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

/* 55000: an object of the database has other columns than those that this library works with */
#define ak_wrong_version(kind, name)                                                            \
	ak_wrong_state(errmsg("%s \"%s\" is not of the version of the loaded library", kind, name), \
				   errhint("Run ALTER EXTENSION apikeys UPDATE, or reconnect."))

/* 2BP01: something depends on the object */
#define ak_in_use(...) ereport(ERROR, (errcode(ERRCODE_DEPENDENT_OBJECTS_STILL_EXIST), __VA_ARGS__))

/* 42710: an object of that name exists */
#define ak_exists(...) ereport(ERROR, (errcode(ERRCODE_DUPLICATE_OBJECT), __VA_ARGS__))

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

/* 23514: a policy of the workspace refuses the value of that argument.  CONSTRAINT has the name of the policy. */
#define ak_against_policy(policy, argument, ...)                                                           \
	ereport(ERROR, (errcode(ERRCODE_CHECK_VIOLATION), err_generic_string(PG_DIAG_CONSTRAINT_NAME, policy), \
					err_argument(argument), __VA_ARGS__))

/* Within ereport(): sets the COLUMN field */
#define err_argument(argument) err_generic_string(PG_DIAG_COLUMN_NAME, argument)

/* 39P01: a trigger function was not called as "what" */
#define ak_no_trigger_call(function, what)                              \
	ereport(ERROR, (errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED), \
					errmsg("function \"%s\" must be called as %s", function, what)))

/* 09000: a trigger of a user on that table of ours returned NULL, so that a row was not written or deleted: see ak_write_rows() */
#define ak_refused_by_trigger(table, what)                       \
	ereport(ERROR, (errcode(ERRCODE_TRIGGERED_ACTION_EXCEPTION), \
					errmsg("a trigger of table \"%s\" refused the %s", table, what)))

/* XX000: computing a hash failed */
#define ak_hash_failed() ereport(ERROR, (errcode(ERRCODE_INTERNAL_ERROR), errmsg("could not compute a SHA-256 hash")))

/* XX000: there are no random bytes */
#define ak_random_failed() ereport(ERROR, (errcode(ERRCODE_INTERNAL_ERROR), errmsg("could not generate random values")))

#endif /* AK_ERRORS_H */
