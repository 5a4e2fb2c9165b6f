-- Reports by email: what is refused, what is queued, who sees and releases it, and which changes of the queue are refused.
-- Nothing is mailed: whatever is queued here is rolled back.
SET client_min_messages = warning; DROP EXTENSION IF EXISTS apikeys CASCADE; CREATE EXTENSION apikeys CASCADE; RESET client_min_messages;
\set SHOW_CONTEXT never
SET apikeys.actor = 'postgres';
SET client_min_messages = warning;

-- A build without libcurl says what is missing; nothing is queued.
SELECT NOT EXISTS (SELECT FROM pg_config, LATERAL pg_stat_file(setting || '/apikeys_mail.so', true) AS f
	WHERE name = 'PKGLIBDIR' AND f.size IS NOT NULL) AS without_mail \gset
\if :without_mail
SELECT apikeys.email_audit_logs('ann@example.invalid');
SELECT count(*) AS queued FROM apikeys_internal.report;
-- Nor is what a dump brought.
BEGIN;
SET LOCAL session_replication_role = replica;
INSERT INTO apikeys_internal.report (report_id, recipient, encrypted, asked_at, asked_by, state, queued_at, content)
	VALUES ('00000000-0000-4000-8000-000000000000', 'ann@example.invalid', false, now(), 'ann', 'held', now(), 'x');
RESET session_replication_role;
SAVEPOINT s;
SELECT apikeys.release_report('00000000-0000-4000-8000-000000000000');
ROLLBACK TO s;
SELECT state FROM apikeys_internal.report;
ROLLBACK;
\quit
\endif

CREATE ROLE regress_ak_all;
CREATE ROLE regress_ak_acme;
CREATE ROLE regress_ak_both;
CREATE ROLE regress_ak_manager;
SELECT apikeys.create_workspace('acme'), apikeys.create_workspace('beta');
SELECT apikeys.grant_access('regress_ak_all', 'audit');
SELECT apikeys.grant_access('regress_ak_acme', 'audit', 'acme');
SELECT apikeys.grant_access('regress_ak_both', 'audit', 'acme'), apikeys.grant_access('regress_ak_both', 'audit', 'beta');
SELECT apikeys.grant_access('regress_ak_manager', 'manage');
BEGIN; SELECT apikeys.act_as('=ann', '@home', '192.0.2.1'); SELECT name FROM apikeys.create_key('One', '{data}', 'acme'); COMMIT;
SELECT name FROM apikeys.create_key('Two, "quoted" — 数', '{data}', 'beta');
SELECT count(*) AS entries FROM apikeys.audit_log \gset

-- What a call says when it is refused; every one of them.
CREATE FUNCTION public.try(call text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	s text; m text; d text; h text;
BEGIN
	EXECUTE 'SELECT ' || call INTO m;
	RETURN 'accepted';
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS s = RETURNED_SQLSTATE, m = MESSAGE_TEXT, d = PG_EXCEPTION_DETAIL, h = PG_EXCEPTION_HINT;
	RETURN s || ' ' || m || COALESCE(E'\n  ' || NULLIF(d, ''), '');
END $$;

-- Recipients: one plain address, or nothing at all.
SELECT n, left(quote_nullable(r), 50) AS recipient, public.try(format('apikeys.email_audit_logs(%L)', r))
FROM unnest(ARRAY[NULL, '', ' ', 'ann', '@', 'ann@', '@example.invalid', 'ann@@example.invalid', 'ann@example.invalid ',
	E'ann@example.invalid\r\nBcc: all@example.invalid', E'ann@example.invalid\n', E'ann\r@example.invalid',
	'ann@example.invalid,bob@example.invalid', 'ann@example.invalid bob@example.invalid', 'ann@example.invalid;',
	'Ann <ann@example.invalid>', '<ann@example.invalid>', '"ann"@example.invalid', 'ann@[192.0.2.1]', E'ann\t@example.invalid',
	'.ann@example.invalid', 'ann.@example.invalid', 'a..b@example.invalid', 'ann@example..invalid', 'ann@-example.invalid',
	'ann@example-.invalid', 'ann@example.invalid.', 'jürgen@example.invalid', 'ann@exämple.invalid', E'ann@example.invalid\u2028',
	repeat('a', 65) || '@example.invalid', 'ann@' || repeat('a', 64) || '.invalid', repeat('a', 10000) || '@example.invalid',
	'a@' || repeat('aaaaaaaaa.', 25) || 'invalid', 'ann(comment)@example.invalid', 'ann\@example.invalid'])
	WITH ORDINALITY AS u (r, n);

-- Filters, workspaces, keys to encrypt to.
SELECT public.try('apikeys.email_audit_logs(''a@example.invalid'', ' || a || ')')
FROM unnest(ARRAY['since => now(), until => now() - interval ''1 day''', 'actions => ''{Created}''', 'entities => ''{Key}''',
	'teams => ''{NULL}''', 'workspace => ''nowhere''', 'encrypt_to => ''''', 'encrypt_to => ''no key''',
	'encrypt_to => ''\x99010d04'', since => now()', 'encrypt_to => ''-----BEGIN PGP PUBLIC KEY BLOCK-----''']) AS a;
BEGIN; SET LOCAL apikeys.workspace = 'beta'; SELECT public.try('apikeys.email_audit_logs(''a@example.invalid'', workspace => ''acme'')'); ROLLBACK;
BEGIN READ ONLY; SELECT public.try('apikeys.email_audit_logs(''a@example.invalid'')'); ROLLBACK;

CREATE TABLE public.pgp (key bytea);
INSERT INTO public.pgp VALUES (dearmor($$
-----BEGIN PGP PUBLIC KEY BLOCK-----

mQENBGsHJgoBCADZtfdySBwUwG4k+JrGzJ5OgipHeDaq2qs84bU2HSugnBkamzbL
xCMN8YKlAbGW1Yi68QsC/T/2ciRXEiBBCMMnROqw9fmU4gpeahMZQNA0YWa30N/U
j/6pVh+6piY6uKt7Yyp7tem7gzwwfk99/gAEJGhqNTSfFyI+zS8Mj8zqACvM1gO/
OTSU0w+SvkeyjdiPmnaIvl0R+zoi2fzYfUPOxezcjEN61mG9qTj5+ffmF1JyKDgE
hJnbjAnQlHIEg+2MhEsNhQgBp/5L+W0gAvDoNBwYwnEt4+F2GqJu0I594HjkuKsk
n7kIAsB8xxFH7EwePCZb8V+oDetovvOIj7ItABEBAAG0G1Rlc3QgPHRlc3RAZXhh
bXBsZS5pbnZhbGlkPokBTgQTAQoAOBYhBAJNj+7afH4V10UccHQdt83dQ8XqBQJr
ByYKAhsDBQsJCAcCBhUKCQgLAgQWAgMBAh4BAheAAAoJEHQdt83dQ8XqPgsIAM50
g9FtcCFab26WEsP1fCa7BmmIMZzdbZWiRyi2S7Rq0KK80d7IQZm+f65sw85XLpK3
XCwIhryL0Xm4JHxYgTW9l+XuZV4DWwOzkbN0wz5ZgDAJq8YsUoASdLnfgb1cOUaE
884rB1GQi7xUcrGFHAGrzkRXazoZ0fbXnZjmb+ZZxuGWdDXnI51bxGdkv9weNY3q
04Nt3koY9PfyZW44rqDGIIrNm9bpau21dxBYSi0XyeWcJYj2w6RGiEEGYIQlSC+v
PcZUz4X7xRxMl1tHGTEZ0xqWFor5N7iKS4lfBaXAyTcxnAB2rkrSY0Wk0bJZOsrR
wHjkafMyB0AZmz+H0Pq5AQ0EawcmCgEIAJ+/cCrwxGyh9+hhtRghdNWf2Z9y/YHS
ld/h8Jc3ah5aBSj7lqnrGxzu4BG6ruh6pX602J6JqU0VRNBlYX8GvXT/07/VmDls
Ej6TwG+ooL5xR5U/+r2M/hH7RRPNRd+eIvOsh7Ihk7afrzGQq5/XUbsHyQVcbBhj
6v9FZ17SEnhdbWv6QYvsAY6RKlVk4IT4TOvtaHA17QfHvEtW0uMCy/Ju8nfSVGA9
iKomqRHtTvPiUPHVHUP2PYwt0esvUCDud6q49VdwBUfkeWzBe9T0nShsUV3gbVe5
tmiGk4ZzC7z5tMcyHP7jISGGR39bVHztan0sKS7j73OuLfMdEMKMOx0AEQEAAYkB
NgQYAQoAIBYhBAJNj+7afH4V10UccHQdt83dQ8XqBQJrByYKAhsMAAoJEHQdt83d
Q8Xqoe0H/j2GSWct2scPzydQAERd8dJcbnoB7HgiQhQRpUxtYWZ3Su10tjbx0uF9
lbRkiqNHjXlpDRdsOzBzH24+PstpGwN5ZXdzm/FQcWqmmucG7nf7wGkoW7ZwdOsw
wPbkGL3j9I9lzHiM14vDcWKIFm5VpLP2yWlSYQJgGdbyUNx3NTBRxfqb5K5EP8kq
U1spW22R4XMbDJMWqPxYkkUD6MgRKjgosCflCdswc8Zf/yPuWkpJdpl8H1mVmcyH
umkAUottmXLyU4/PnHTArwEMKGqekHLiL4g45DUswmeIsOyPCRGPcbdwCoFxcZlV
tFs9nRExVTJuzzRomwKLYqyLzs/pvdc=
=yy+e
-----END PGP PUBLIC KEY BLOCK-----
$$));
-- A key that was cut is refused, unless only the last packet, a signature of 313 bytes, is incomplete: nothing is encrypted to that.
SELECT count(*), public.try(format('apikeys.email_audit_logs(%L, encrypt_to => %L)', 'a@example.invalid', substr(key, 1, n)))
FROM public.pgp, generate_series(1, length(key) - 314, 41) AS n GROUP BY 2 ORDER BY 1 DESC;
SELECT count(*) AS queued FROM apikeys_internal.report;
SELECT count(*) - :entries AS new_entries FROM apikeys.audit_log;

-- Who may.
SET ROLE regress_ak_manager; SELECT public.try('apikeys.email_audit_logs(''a@example.invalid'')'); SELECT * FROM apikeys.reports; RESET ROLE;
SET ROLE regress_ak_acme; SELECT public.try('apikeys.email_audit_logs(''a@example.invalid'', workspace => ''' || w || ''')') FROM unnest('{beta,default,nowhere}'::text[]) AS w; RESET ROLE;

-- One of each, in one transaction that is taken back.
BEGIN;
CREATE TABLE public.asked (who text, id uuid);
GRANT INSERT ON public.asked TO PUBLIC;
INSERT INTO public.asked SELECT 'owner', apikeys.email_audit_logs('owner@example.invalid');
INSERT INTO public.asked SELECT 'encrypted', apikeys.email_audit_logs('owner@example.invalid', workspace => 'beta', encrypt_to => key) FROM public.pgp;
INSERT INTO public.asked SELECT 'armored', apikeys.email_audit_logs('owner@example.invalid', workspace => 'beta', encrypt_to => convert_to(armor(key), 'UTF8')) FROM public.pgp;
SAVEPOINT s; SELECT apikeys.email_audit_logs('nobody@example.invalid') IS NOT NULL AS asked; ROLLBACK TO s;
SET ROLE regress_ak_all;
INSERT INTO public.asked SELECT 'all', apikeys.email_audit_logs('a.l+l@sub.example.invalid', 'one', actions => '{Create}', entities => '{"API Keys"}');
SET LOCAL apikeys.workspace = 'acme';
INSERT INTO public.asked SELECT 'all, bound', apikeys.email_audit_logs('all@example.invalid');
RESET apikeys.workspace;
SET ROLE regress_ak_acme;
INSERT INTO public.asked SELECT 'acme', apikeys.email_audit_logs('acme@example.invalid');
SET ROLE regress_ak_both;
INSERT INTO public.asked SELECT 'both', apikeys.email_audit_logs('both@example.invalid', teams => '{@home}');
RESET ROLE;

SELECT who, workspace, scope, recipient, state, attempts, encrypted, entries, filters, next_attempt_at IS NOT NULL AS due, asked_by
FROM public.asked JOIN apikeys_internal.report ON report_id = id ORDER BY who;
-- The content, but for the times: what export_audit_logs gives, lines ending in CRLF, formulas defused.
SELECT regexp_replace(convert_from(content, 'UTF8'), '^\d[^,]*', 'TIME', 'gn') AS csv FROM apikeys_internal.report, public.asked WHERE id = report_id AND who = 'both';
SELECT who, convert_from(content, 'UTF8') = (SELECT string_agg(line, '') FROM (
	SELECT line || E'\r\n' AS line FROM apikeys.export_audit_logs('one', actions => '{Create}', entities => '{"API Keys"}') AS line) AS l) AS exact
FROM apikeys_internal.report, public.asked WHERE id = report_id AND who = 'all';
SELECT bool_and(get_byte(content, 0) & 192 = 192 AND pgp_key_id(content) = pgp_key_id(key)) AS to_that_key, bool_and(size > 0) AS sized
FROM apikeys_internal.report, public.pgp WHERE encrypted;

-- Each is an entry, in the workspace whose log it was.
SELECT workspace, entity, action, actor, regexp_replace(activity, '\d+', 'N') AS activity, changes - 'report_id' AS changes
FROM apikeys.audit_logs WHERE action = 'Export' ORDER BY audit_id;
SELECT bool_and(changes->'report_id'->>'new' = id::text) AS same_id, count(*) FROM public.asked JOIN apikeys.audit_log ON changes->'report_id'->>'new' = id::text;

-- Who sees which: those who may audit all that it covers.
GRANT SELECT ON public.asked TO PUBLIC;
SELECT who FROM public.asked JOIN apikeys.reports ON report_id = id ORDER BY who;
SET ROLE regress_ak_all; SELECT who FROM public.asked JOIN apikeys.reports ON report_id = id ORDER BY who;
SET ROLE regress_ak_both; SELECT who FROM public.asked JOIN apikeys.reports ON report_id = id ORDER BY who;
SET ROLE regress_ak_acme; SELECT who FROM public.asked JOIN apikeys.reports ON report_id = id ORDER BY who;
RESET ROLE;
SET LOCAL apikeys.workspace = 'beta'; SELECT who FROM public.asked JOIN apikeys.reports ON report_id = id ORDER BY who; RESET apikeys.workspace;
SELECT attname FROM pg_attribute WHERE attrelid = 'apikeys.reports'::regclass AND attnum > 0 ORDER BY attnum;

-- Nobody changes the queue by hand; what is put there by hand, or by a restore, is held until it is released.
SELECT public.try('apikeys.release_report(NULL)');
SELECT regexp_replace(public.try(format('apikeys.release_report(%L)', id)), id::text, 'ID') FROM public.asked WHERE who = 'acme';
SELECT public.try('apikeys.release_report(''00000000-0000-0000-0000-000000000000'')');
SAVEPOINT s; UPDATE apikeys_internal.report SET recipient = 'mallory@example.invalid'; ROLLBACK TO s;
SAVEPOINT s; TRUNCATE apikeys_internal.report; ROLLBACK TO s;
CREATE TABLE public.dump AS SELECT r.* FROM apikeys_internal.report r, public.asked WHERE report_id = id AND who IN ('acme', 'both', 'owner');
DELETE FROM apikeys_internal.report;
UPDATE public.dump SET state = 'failed', last_error = 'too late' WHERE recipient LIKE 'both%';
SET LOCAL session_replication_role = replica;
INSERT INTO apikeys_internal.report SELECT * FROM public.dump;
RESET session_replication_role;
SELECT who, state, last_error FROM public.asked JOIN apikeys_internal.report ON report_id = id ORDER BY who;
SET ROLE regress_ak_acme;
SELECT who, regexp_replace(public.try(format('apikeys.release_report(%L)', id)), id::text, 'ID') FROM public.asked WHERE who IN ('acme', 'both', 'owner') ORDER BY who;
SET ROLE regress_ak_both;
SELECT who, regexp_replace(public.try(format('apikeys.release_report(%L)', id)), id::text, 'ID') FROM public.asked WHERE who IN ('acme', 'both', 'owner') ORDER BY who;
RESET ROLE;
SELECT who, state, attempts, last_error, queued_at > asked_at AS later FROM public.asked JOIN apikeys_internal.report ON report_id = id ORDER BY who;
SELECT activity, workspace, changes->'recipient'->>'new' AS recipient FROM apikeys.audit_logs WHERE action = 'Export' ORDER BY audit_id DESC LIMIT 2;
-- At most a hundred of a workspace are queued at a time, others' have room; nor can more be released.
SET ROLE regress_ak_both;
SELECT count(apikeys.email_audit_logs('many@example.invalid', workspace => 'acme')) FROM generate_series(1, 100 -
	(SELECT count(*) FROM apikeys.reports WHERE workspace = 'acme' AND state = 'queued')) \g /dev/null
SELECT count(*) FROM apikeys.reports WHERE workspace = 'acme' AND state = 'queued';
SELECT public.try('apikeys.email_audit_logs(''many@example.invalid'', workspace => ''acme'')');
SELECT count(apikeys.email_audit_logs('many@example.invalid', workspace => 'beta'));
SELECT count(apikeys.email_audit_logs('many@example.invalid'));
RESET ROLE;
INSERT INTO apikeys_internal.report (report_id, workspace, scope, recipient, encrypted, asked_at, asked_by, state, queued_at, content)
	VALUES ('00000000-0000-0000-0000-000000000001', 'acme', '{acme}', 'held@example.invalid', false, now(), 'ann', 'queued', now(), 'x');
SELECT public.try('apikeys.release_report(''00000000-0000-0000-0000-000000000001'')');
ROLLBACK;
SELECT count(*) AS queued FROM apikeys_internal.report;
SELECT count(*) - :entries AS new_entries FROM apikeys.audit_log;

-- Settings of the server: no login in the URL, nor in what is said of it; where the login is, superusers alone see.
ALTER SYSTEM SET apikeys.smtp_url = 'smtp://user:geheim@mail.example.invalid';
ALTER SYSTEM SET apikeys.smtp_url = 'http://mail.example.invalid';
ALTER SYSTEM SET apikeys.smtp_url = 'smtp://';
ALTER SYSTEM SET apikeys.smtp_url = 'smtp://mail.example.invalid:70000';
ALTER SYSTEM SET apikeys.smtp_url = 'smtp://mail.example.invalid/?x=1';
ALTER SYSTEM SET apikeys.mail_from = E'ann@example.invalid\r\nBcc: all@example.invalid';
ALTER SYSTEM SET apikeys.smtp_url = 'smtp://mail.example.invalid:';
ALTER SYSTEM SET apikeys.smtp_url = 'smtp://mail.example.invalid:25x';
ALTER SYSTEM SET apikeys.smtp_url = 'smtp://mail.example.invalid:0';
ALTER SYSTEM SET apikeys.smtp_url = 'smtp://[::1';
ALTER SYSTEM SET apikeys.smtp_url = 'smtp://[]:25';
ALTER SYSTEM SET apikeys.smtp_url = 'smtp://[fe80::1%eth0]';
ALTER SYSTEM SET apikeys.mail_from = 'Ann, Bob <ann@example.invalid>';
ALTER SYSTEM SET apikeys.mail_from = 'Ann <ann@example.invalid> Bob';
ALTER SYSTEM SET apikeys.mail_from = '"Ann" <ann>';
ALTER SYSTEM SET apikeys.mail_from = 'Ann "the" \ Bob <ann@example.invalid>';
-- what is good; nothing reloads it
ALTER SYSTEM SET apikeys.smtp_url = 'smtp://[2001:db8::1]:587/client.example.invalid';
ALTER SYSTEM SET apikeys.smtp_url = 'SMTPS://[::1]';
ALTER SYSTEM SET apikeys.smtp_url = 'smtp://127.0.0.1234';
ALTER SYSTEM SET apikeys.smtp_url = 'smtp://127.example.invalid';
ALTER SYSTEM SET apikeys.mail_from = '  Ann Ä <ann@example.invalid>';
ALTER SYSTEM SET apikeys.mail_from = '<ann@example.invalid>';
ALTER SYSTEM RESET apikeys.smtp_url;
ALTER SYSTEM RESET apikeys.mail_from;
SET apikeys.smtp_url = 'smtp://localhost';
SELECT name, boot_val, context FROM pg_settings WHERE name ~ '^apikeys.(smtp|mail|max_report)' ORDER BY name COLLATE "C";
SET ROLE regress_ak_all;
SELECT left(public.try('current_setting(''apikeys.smtp_netrc'')'), 5);
RESET ROLE;

DROP TABLE public.pgp;
DROP FUNCTION public.try;
DROP OWNED BY regress_ak_all, regress_ak_acme, regress_ak_both, regress_ak_manager;
DROP ROLE regress_ak_all, regress_ak_acme, regress_ak_both, regress_ak_manager;
