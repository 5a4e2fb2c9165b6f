/*-------------------------------------------------------------------------
 *
 * label.h
 *	  Texts that users give: names, actors, teams, hints.  See label.c.
 *
 *-------------------------------------------------------------------------
 */
#ifndef AK_LABEL_H
#define AK_LABEL_H

#define AK_LABEL_MAX   100  /* characters of a name, a team, an actor */
#define AK_TRIMMED_MAX 1000 /* characters of a name that is looked for; decomposed, it is longer than the name */

extern const char *ak_text_utf8(const char *text, int len);
extern bool ak_text_valid(const char *text, int len);
extern void ak_check_encoding(const char *argument, const char *what, const char *text, int len);
extern char *ak_role_name(Oid role);
extern bool ak_text_longer(const char *text, int max);
extern void ak_check_length(const char *argument, const char *what, const char *text, int max);
extern void ak_check_label(const char *argument, const char *what, const char *text);
extern void ak_check_text(const char *argument, const char *what, const char *text, int max);
extern void ak_refuse_secret(const char *argument, const char *what, const char *text);
extern void ak_refuse_known_secret(const char *argument, const char *what, const char *text, const char *workspace,
								   const uint8 *hash);
extern bool ak_has_known_secret(const char *text, const char *workspace);
extern const char *ak_quoted(const char *text);
extern char *ak_trim_name(const char *text);
extern Datum ak_fold_name(const char *name);

#endif /* AK_LABEL_H */
