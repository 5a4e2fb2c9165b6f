--
-- PostgreSQL database dump
--


-- Dumped from database version 15.20 (Debian 15.20-0+deb12u1)
-- Dumped by pg_dump version 15.20 (Debian 15.20-0+deb12u1)

SET statement_timeout = 0;
SET lock_timeout = 0;
SET idle_in_transaction_session_timeout = 0;
SET client_encoding = 'UTF8';
SET standard_conforming_strings = on;
SELECT pg_catalog.set_config('search_path', '', false);
SET check_function_bodies = false;
SET xmloption = content;
SET client_min_messages = warning;
SET row_security = off;

--
-- Name: pgcrypto; Type: EXTENSION; Schema: -; Owner: -
--

CREATE EXTENSION IF NOT EXISTS pgcrypto WITH SCHEMA public;


--
-- Name: EXTENSION pgcrypto; Type: COMMENT; Schema: -; Owner: 
--

COMMENT ON EXTENSION pgcrypto IS 'cryptographic functions';


--
-- Name: apikeys; Type: EXTENSION; Schema: -; Owner: -
--

CREATE EXTENSION IF NOT EXISTS apikeys WITH SCHEMA pg_catalog;


--
-- Name: EXTENSION apikeys; Type: COMMENT; Schema: -; Owner: 
--

COMMENT ON EXTENSION apikeys IS 'API keys: create, validate, rotate and archive, with an audit log that shows tampering';


--
-- Name: expect(text, text, text, text, text); Type: PROCEDURE; Schema: public; Owner: postgres
--

CREATE PROCEDURE public.expect(IN name text, IN secret text, IN code text, IN api text DEFAULT NULL::text, IN client text DEFAULT NULL::text)
    LANGUAGE sql
    AS $$INSERT INTO public.expected (name, secret, api, client, code) VALUES (name, secret, api, client, code)$$;


ALTER PROCEDURE public.expect(IN name text, IN secret text, IN code text, IN api text, IN client text) OWNER TO postgres;

SET default_tablespace = '';

SET default_table_access_method = heap;

--
-- Name: checkpoint; Type: TABLE; Schema: public; Owner: postgres
--

CREATE TABLE public.checkpoint (
    note text NOT NULL
);


ALTER TABLE public.checkpoint OWNER TO postgres;

--
-- Name: expected; Type: TABLE; Schema: public; Owner: postgres
--

CREATE TABLE public.expected (
    name text NOT NULL,
    secret text NOT NULL,
    api text,
    client text,
    code text NOT NULL
);


ALTER TABLE public.expected OWNER TO postgres;

--
-- Data for Name: access; Type: TABLE DATA; Schema: apikeys; Owner: postgres
--

COPY apikeys.access (role, capability, workspace, grant_id, audit_id, row_digest) FROM stdin;
regress_ak_gateway	validate	\N	9828b6a5-80fa-4b96-bbc1-77408eacf17f	15	\\x600bb7f0ab7b36ad0a2f8e836cbfe63e82aa1e04888d2617a6ce56f1ff573891
regress_ak_acme	manage	acme	a421e556-b53c-459f-846c-24063e1a8fda	16	\\xa4d67f687ccf29eb5081af077a39f7c580e211149dabd09fe1439f88b1b2fb05
regress_ak_acme	audit	acme	1adeb90a-d62d-42a9-81b8-9804b96e1c0e	17	\\x837cb08b530f08839b8350c71c0c3675dfb353d2ad37c46e583173acdf33248c
regress_ak_admin	admin	\N	cad0b993-196c-4dc8-8743-fbdfb6699c12	18	\\x6dd73a221919b9f87e3961898e4be885f86eca7fbcb94e4fdeaf7c0af67b74f2
regress_ak_watch	monitor	\N	0aa82bea-fd09-48d0-89fb-df3baea566f2	19	\\x074e0b35339e40a2138aae73b44852b33b3ae9fc40a815b9c49ebca49734481c
\.


--
-- Data for Name: api; Type: TABLE DATA; Schema: apikeys; Owner: postgres
--

COPY apikeys.api (api, description, ordinal, created_at, created_by, unregistered_at, unregistered_by, audit_id, row_digest) FROM stdin;
data	Data API	1	2026-11-29 19:29:52.647835+00	postgres	\N	\N	0	\\xb8fe8f368a453e6ec8b646297fc0e8b1546ee9cd28b60089058f0e2f6647bd0e
segmentation	Segmentation API	2	2026-11-29 19:29:52.647913+00	postgres	\N	\N	0	\\xadad7562f3ae5620791f6cc3ddf56f4a9d9657112e25c43eb8dd3ec2fdc52cac
billing	Invoices <&> "more"	4	2026-11-29 19:29:52.779991+00	postgres	\N	\N	1	\\x682c2de229788d91b3178384c512c2b75e4058ca3eeaaa318cf8006cc5f48857
orders:read	\N	5	2026-11-29 19:29:52.78688+00	postgres	\N	\N	2	\\xd97f0fe84944add7f356f149655cf017fbae7f5a120e7df548dc572d1d52c15e
push	Push API	3	2026-11-29 19:29:52.647922+00	postgres	2026-11-29 19:29:52.791422+00	postgres	3	\\x428674d5584f1d19505af596d1e1b1133a13e80e81a755f6359acef1b0b0319f
\.


--
-- Data for Name: audit_log; Type: TABLE DATA; Schema: apikeys; Owner: postgres
--

COPY apikeys.audit_log (audit_id, "time", workspace, team, entity, action, activity, actor, ip, subject, key_id, key_name, changes, db_user, row_digest, digest) FROM stdin;
1	2026-11-29 19:29:52.78008+00	\N	\N	APIs	Create	Registered API "billing"	postgres	\N	{"api": "billing"}	\N	\N	{"api": {"new": "billing", "old": null}, "description": {"new": "Invoices <&> \\"more\\"", "old": null}}	postgres	\\x682c2de229788d91b3178384c512c2b75e4058ca3eeaaa318cf8006cc5f48857	\\xf251140853fd541f8083c08deef957140ed55502e4994bff4a8a312f89f63ffa
2	2026-11-29 19:29:52.78693+00	\N	\N	APIs	Create	Registered API "orders:read"	postgres	\N	{"api": "orders:read"}	\N	\N	{"api": {"new": "orders:read", "old": null}}	postgres	\\xd97f0fe84944add7f356f149655cf017fbae7f5a120e7df548dc572d1d52c15e	\\x080af0a6c49f218c7c560d8f91fa273ad24c409b8ce538aa00667a212d49e042
3	2026-11-29 19:29:52.791457+00	\N	\N	APIs	Delete	Unregistered API "push"	postgres	\N	{"api": "push"}	\N	\N	{"api": {"new": null, "old": "push"}, "description": {"new": null, "old": "Push API"}}	postgres	\\x428674d5584f1d19505af596d1e1b1133a13e80e81a755f6359acef1b0b0319f	\\xbec5c20ea95478bc2e105b832c38d3a4fa84c99b8989d482694fe8cece91c0c1
4	2026-11-29 19:29:52.799091+00	acme	\N	Workspaces	Create	Created workspace "acme"	postgres	\N	{"workspace": "acme"}	\N	\N	{"name": {"new": "Acme & Söhne", "old": null}, "prefix": {"new": "acme", "old": null}, "key_limit": {"new": 50, "old": null}, "workspace": {"new": "acme", "old": null}, "leak_action": {"new": "archive", "old": null}, "archive_limit": {"new": 2, "old": null}}	postgres	\\xc21dd893efd7fd336d5e5f134e8a6fbdb422a61ba020fcf7eedcc0e024551899	\\x84f8f68d4e8c5179db601fa48a347c6d5548a9298acb7cad52c9d38826199cff
5	2026-11-29 19:29:52.806898+00	globex	\N	Workspaces	Create	Created workspace "globex"	postgres	\N	{"workspace": "globex"}	\N	\N	{"prefix": {"new": "ak", "old": null}, "workspace": {"new": "globex", "old": null}, "rate_limit": {"new": 1000000, "old": null}, "rate_window": {"new": "00:00:01", "old": null}, "max_lifetime": {"new": "365250 days", "old": null}, "archive_limit": {"new": 3, "old": null}, "default_lifetime": {"new": "365000 days", "old": null}}	postgres	\\x071e1039c12c27d709fd3c51bc40ca8fee5e32a5607981bb0e3b583539eeb01f	\\xba10438b672cec75962196ca9b7e3e49c7053f22189952963950c614488fd29c
6	2026-11-29 19:29:52.80736+00	quiet	\N	Workspaces	Create	Created workspace "quiet"	postgres	\N	{"workspace": "quiet"}	\N	\N	{"prefix": {"new": "ak", "old": null}, "workspace": {"new": "quiet", "old": null}, "archive_limit": {"new": 10, "old": null}}	postgres	\\xa270bfcb9b0d62f9b6ec97be73d8590c8be06009c860b4a784af8443aff79276	\\x666fa2160c07e230a580c8c87a781c161acc9181ed98fdcdd40ce6e325eea7c4
7	2026-11-29 19:29:52.807583+00	gone	\N	Workspaces	Create	Created workspace "gone"	postgres	\N	{"workspace": "gone"}	\N	\N	{"prefix": {"new": "ak", "old": null}, "workspace": {"new": "gone", "old": null}, "archive_limit": {"new": 10, "old": null}}	postgres	\\xff67fe2367c8d33bc1996b3a6a8417725f290b10238e2a2e7328d07ce8679695	\\x0522bb04029ac814c98a459539769ee3a288c07f617400f4498f891ac5c542a1
8	2026-11-29 19:29:52.808851+00	gone	\N	Workspaces	Delete	Removed workspace "gone"	postgres	\N	{"workspace": "gone"}	\N	\N	{"prefix": {"new": null, "old": "ak"}, "workspace": {"new": null, "old": "gone"}, "archive_limit": {"new": null, "old": 10}}	postgres	\N	\\xec2d61ab6a13eedb77f02e71e7a12becf5e631ba9201232a5fdbfee31f4aa333
9	2026-11-29 19:29:52.809267+00	default	\N	Workspaces	Update	Updated workspace "default": name	postgres	\N	{"workspace": "default"}	\N	\N	{"name": {"new": "Ours", "old": "Default workspace"}}	postgres	\\x58897153ebced1026c8245d50dfa9a7030f07a7e02ccce702474d5da7649c1e5	\\xf3f79193584f98b849f3dd57230b928512be6c89c1b187371d0c8d4dc2636288
10	2026-11-29 19:29:52.809589+00	default	\N	Teams	Create	Added "anna" to team "platform"	postgres	\N	{"actor": "anna", "workspace": "default"}	\N	\N	{"team": {"new": "platform", "old": null}, "actor": {"new": "anna", "old": null}}	postgres	\\x4dac4a3ecf03c23d6e0896c9dce6943f91e67953f2f8b0380f8865e5b96c33e9	\\x087cc857daff406c8dbf4a6e984d57b8f9d36b214f8c3fad6f02c476072da5db
11	2026-11-29 19:29:52.80973+00	acme	\N	Teams	Create	Added "bert" to team "billing"	postgres	\N	{"actor": "bert", "workspace": "acme"}	\N	\N	{"team": {"new": "billing", "old": null}, "actor": {"new": "bert", "old": null}}	postgres	\\xc3f1236f3d6b0b25a8e3d60659cae413544de566e18e8032b4fb563719d8adcb	\\x036ed5a7d0b210a0ef0265beb8a0aa3feff2d9ddfa7b360efebaae18acb17444
13	2026-11-29 19:29:52.80983+00	acme	\N	Teams	Update	Moved "bert" to team "orders"	postgres	\N	{"actor": "bert", "workspace": "acme"}	\N	\N	{"team": {"new": "orders", "old": "billing"}}	postgres	\\x6be9c02688b47b8a70ac12f7119707a2f0abcc8d6ef4991b0ec3834770fcb5ac	\\x78c4988d4536662ca1ec5a58ae0150ae7c96beffbef482a9ab0b545073df4fcd
14	2026-11-29 19:29:52.814514+00	default	\N	Teams	Delete	Removed "anna" from team "platform"	postgres	\N	{"actor": "anna", "workspace": "default"}	\N	\N	{"team": {"new": null, "old": "platform"}, "actor": {"new": null, "old": "anna"}}	postgres	\N	\\x41fde37381eaad8bdc9fe81a6daa81f1def69104f06a8584752157f8dfd957e7
15	2026-11-29 19:29:52.825666+00	\N	\N	Access	Create	Granted "validate" in all workspaces to role "regress_ak_gateway"	postgres	\N	{"role": "regress_ak_gateway", "grant_id": "9828b6a5-80fa-4b96-bbc1-77408eacf17f", "workspace": null, "capability": "validate"}	\N	\N	{"role": {"new": "regress_ak_gateway", "old": null}, "grant_id": {"new": "9828b6a5-80fa-4b96-bbc1-77408eacf17f", "old": null}, "capability": {"new": "validate", "old": null}}	postgres	\\x600bb7f0ab7b36ad0a2f8e836cbfe63e82aa1e04888d2617a6ce56f1ff573891	\\x10483954869a07f3a20e4b761205cb7417f73683558865daff8fedc27c020446
16	2026-11-29 19:29:52.866872+00	acme	\N	Access	Create	Granted "manage" in workspace "acme" to role "regress_ak_acme"	postgres	\N	{"role": "regress_ak_acme", "grant_id": "a421e556-b53c-459f-846c-24063e1a8fda", "workspace": "acme", "capability": "manage"}	\N	\N	{"role": {"new": "regress_ak_acme", "old": null}, "grant_id": {"new": "a421e556-b53c-459f-846c-24063e1a8fda", "old": null}, "workspace": {"new": "acme", "old": null}, "capability": {"new": "manage", "old": null}}	postgres	\\xa4d67f687ccf29eb5081af077a39f7c580e211149dabd09fe1439f88b1b2fb05	\\x7f9d8ff0fb0c0c48934acca90542b0ee23fb16ea7ddd030b31ab9355ecf8bdb6
17	2026-11-29 19:29:52.90557+00	acme	\N	Access	Create	Granted "audit" in workspace "acme" to role "regress_ak_acme"	postgres	\N	{"role": "regress_ak_acme", "grant_id": "1adeb90a-d62d-42a9-81b8-9804b96e1c0e", "workspace": "acme", "capability": "audit"}	\N	\N	{"role": {"new": "regress_ak_acme", "old": null}, "grant_id": {"new": "1adeb90a-d62d-42a9-81b8-9804b96e1c0e", "old": null}, "workspace": {"new": "acme", "old": null}, "capability": {"new": "audit", "old": null}}	postgres	\\x837cb08b530f08839b8350c71c0c3675dfb353d2ad37c46e583173acdf33248c	\\x2340bb70b97597415e0418d1c6a124ad016a5f36c7b78e84f9bcaa7c424c931b
18	2026-11-29 19:29:52.937852+00	\N	\N	Access	Create	Granted "admin" in all workspaces to role "regress_ak_admin"	postgres	\N	{"role": "regress_ak_admin", "grant_id": "cad0b993-196c-4dc8-8743-fbdfb6699c12", "workspace": null, "capability": "admin"}	\N	\N	{"role": {"new": "regress_ak_admin", "old": null}, "grant_id": {"new": "cad0b993-196c-4dc8-8743-fbdfb6699c12", "old": null}, "capability": {"new": "admin", "old": null}}	postgres	\\x6dd73a221919b9f87e3961898e4be885f86eca7fbcb94e4fdeaf7c0af67b74f2	\\x37cc57349f666d23b2a3f4d48dbd8d6334df9ef3dbc450ef17a9c9f718e50bb3
19	2026-11-29 19:29:53.009358+00	\N	\N	Access	Create	Granted "monitor" in all workspaces to role "regress_ak_watch"	postgres	\N	{"role": "regress_ak_watch", "grant_id": "0aa82bea-fd09-48d0-89fb-df3baea566f2", "workspace": null, "capability": "monitor"}	\N	\N	{"role": {"new": "regress_ak_watch", "old": null}, "grant_id": {"new": "0aa82bea-fd09-48d0-89fb-df3baea566f2", "old": null}, "capability": {"new": "monitor", "old": null}}	postgres	\\x074e0b35339e40a2138aae73b44852b33b3ae9fc40a815b9c49ebca49734481c	\\xad6e3e5580098da0291a35d0126130d265ff7a03c81bb948395d6313f9ca401c
20	2026-11-29 19:29:53.050199+00	globex	\N	Access	Create	Granted "view" in workspace "globex" to role "regress_ak_watch"	postgres	\N	{"role": "regress_ak_watch", "grant_id": "d2d6e103-c2e8-4034-a5ab-85b8f1019b9d", "workspace": "globex", "capability": "view"}	\N	\N	{"role": {"new": "regress_ak_watch", "old": null}, "grant_id": {"new": "d2d6e103-c2e8-4034-a5ab-85b8f1019b9d", "old": null}, "workspace": {"new": "globex", "old": null}, "capability": {"new": "view", "old": null}}	postgres	\\x846acb85aecea09c44085b96fdc2049e4cd3846dcb4ecb30b3fe0cc12cf417ea	\\xfed755f8ab312eae8f0d6f75fd27ef7701bd3587a8743b8027d4aff3d36de541
21	2026-11-29 19:29:53.083228+00	globex	\N	Access	Delete	Revoked "view" in workspace "globex" from role "regress_ak_watch"	postgres	\N	{"role": "regress_ak_watch", "grant_id": "d2d6e103-c2e8-4034-a5ab-85b8f1019b9d", "workspace": "globex", "capability": "view"}	\N	\N	{"role": {"new": null, "old": "regress_ak_watch"}, "grant_id": {"new": null, "old": "d2d6e103-c2e8-4034-a5ab-85b8f1019b9d"}, "workspace": {"new": null, "old": "globex"}, "capability": {"new": null, "old": "view"}}	postgres	\N	\\x60387b5142fa4481fd19e16240d0947b03299b3ab654bdcc935ed0a96bf19ae4
22	2026-11-29 19:29:53.121961+00	default	\N	API Keys	Create	Created key "Plain"	postgres	\N	{"key_id": "79da394a-7572-4c2e-a470-610526e67e07"}	79da394a-7572-4c2e-a470-610526e67e07	Plain	{"apis": {"new": ["data"], "old": null}, "hint": {"new": "ak...8Q2g", "old": null}, "name": {"new": "Plain", "old": null}}	postgres	\\xeefe9ac7aa9b254bc504ed8dbc9df780f3061a83a52a7bf18e914b0b9f2c221a	\\xd06fe2aa22e7c2b25af99ca8177d555f471fa2b2ba7c972ddbd0ba63ee978c53
23	2026-11-29 19:29:53.131198+00	acme	platform	API Keys	Create	Created key "Everything <b>ÄÖ</b> "x""	anna	192.0.2.7	{"key_id": "22d0b127-7bc3-44b9-ab61-801ec6557515"}	22d0b127-7bc3-44b9-ab61-801ec6557515	Everything <b>ÄÖ</b> "x"	{"apis": {"new": ["data", "billing", "orders:read"], "old": null}, "hint": {"new": "acme...7Gwp", "old": null}, "name": {"new": "Everything <b>ÄÖ</b> \\"x\\"", "old": null}, "team": {"new": "billing", "old": null}, "owner": {"new": "customer 42", "old": null}, "quota": {"new": 1000000000, "old": null}, "metadata": {"new": {"n": 1.10, "list": [1, null], "plan": "gold"}, "old": null}, "expires_at": {"new": "2999-01-01T00:00:00+00:00", "old": null}, "rate_limit": {"new": 7000000, "old": null}, "rate_window": {"new": "01:00:00", "old": null}, "quota_period": {"new": "total", "old": null}, "allowed_cidrs": {"new": ["192.0.2.0/24", "2001:db8::/32"], "old": null}}	postgres	\\x4d37e895b81ba0bc0e8712b3688d026ea03dd3dc17d020dadb9dccc4fb6f2b77	\\x1ad37f62a410264ba6b29d86a006e755a3c09cce055c09092faa9c0651b763a9
24	2026-11-29 19:29:53.132536+00	acme	\N	API Keys	Update	Updated key "All of it": name, metadata	postgres	\N	{"key_id": "22d0b127-7bc3-44b9-ab61-801ec6557515"}	22d0b127-7bc3-44b9-ab61-801ec6557515	All of it	{"name": {"new": "All of it", "old": "Everything <b>ÄÖ</b> \\"x\\""}, "metadata": {"new": {"plan": "platinum"}, "old": {"n": 1.10, "list": [1, null], "plan": "gold"}}}	postgres	\\x42a2428c1c7a930c5743224ea63a5231e132bb83ec20539dfbc2a53ef5a42263	\\x2fe5f5f957c12c5d563b297ab9a7ceae5fca52aa09461eaba33b18f5c2030396
25	2026-11-29 19:29:53.134473+00	acme	\N	API Keys	Create	Created key "Regenerated"	postgres	\N	{"key_id": "34b3a846-255e-4376-a961-d0d50a536599"}	34b3a846-255e-4376-a961-d0d50a536599	Regenerated	{"apis": {"new": ["data"], "old": null}, "hint": {"new": "acme...71oA", "old": null}, "name": {"new": "Regenerated", "old": null}}	postgres	\\x63cc5b8973146b049a39cebf5c78f09d3356cdf2693fba1bac2f3b6d81b73225	\\xa56668956657f36a2a04919c1fc5299b110a2e096a6faeabcbac8bf52d50c80f
26	2026-11-29 19:29:53.135066+00	acme	\N	API Keys	Update	Regenerated key "Regenerated" with an overlap	postgres	\N	{"key_id": "34b3a846-255e-4376-a961-d0d50a536599"}	34b3a846-255e-4376-a961-d0d50a536599	Regenerated	{"hint": {"new": "acme...UMqH", "old": "acme...71oA"}, "reason": "yearly", "regenerated_at": {"new": "2026-11-29T19:29:53.135066+00:00", "old": null}, "old_valid_until": {"new": "2926-11-29T19:29:53.134912+00:00", "old": null}}	postgres	\\xf028a867d0238ad484e5a4000ca351dfc53033f4a096d8c83f94c5649dfbdd2b	\\xe33ba2c6bedba3269e61550b3401ce5ac3d51963dde69e765b89a33fd2d8df3e
27	2026-11-29 19:29:53.135408+00	acme	\N	API Keys	Create	Created key "Regenerated at once"	postgres	\N	{"key_id": "33527b27-1b5c-4c5f-a8ab-f8b9c8fb1732"}	33527b27-1b5c-4c5f-a8ab-f8b9c8fb1732	Regenerated at once	{"apis": {"new": ["data"], "old": null}, "hint": {"new": "acme...coa0", "old": null}, "name": {"new": "Regenerated at once", "old": null}}	postgres	\\xf2b0e92398aab03a5be11a7157e81402762c2933038c0339bcf7665b52eab305	\\x9f686c7880602dc3fda05022e06e88abe6cfc18df0e43d3ec754985ab2e249c0
28	2026-11-29 19:29:53.137873+00	acme	\N	API Keys	Update	Regenerated key "Regenerated at once"	postgres	\N	{"key_id": "33527b27-1b5c-4c5f-a8ab-f8b9c8fb1732"}	33527b27-1b5c-4c5f-a8ab-f8b9c8fb1732	Regenerated at once	{"hint": {"new": "acme...s0x3", "old": "acme...coa0"}, "regenerated_at": {"new": "2026-11-29T19:29:53.137873+00:00", "old": null}}	postgres	\\xdb82db8b0a5b9a45ca21fdbf853ea12e1a06c3755030144bab9210babf5705f1	\\x1733d8a08336eb032855dd9db85dc9863df632a48cba3020b40d81ee0b54b746
29	2026-11-29 19:29:53.142702+00	default	\N	API Keys	Create	Created key "Paused"	postgres	\N	{"key_id": "f75ace37-e1f5-4e1b-baf7-bdb0b98576d2"}	f75ace37-e1f5-4e1b-baf7-bdb0b98576d2	Paused	{"apis": {"new": ["data"], "old": null}, "hint": {"new": "ak...uGdb", "old": null}, "name": {"new": "Paused", "old": null}}	postgres	\\xad104ec6b838be46b1bd4ff2527292bfad92259d65365b04d7f3c5cd7aa9014a	\\xb60c2edba657f8b6e834e04363c1202b0937b0d5954c96ca068e6d4159027865
30	2026-11-29 19:29:53.143549+00	default	\N	API Keys	Update	Disabled key "Paused"	postgres	\N	{"key_id": "f75ace37-e1f5-4e1b-baf7-bdb0b98576d2"}	f75ace37-e1f5-4e1b-baf7-bdb0b98576d2	Paused	{"reason": "too many requests", "disabled_at": {"new": "2026-11-29T19:29:53.143549+00:00", "old": null}}	postgres	\\xabb3d7989e2e461927a35312582af87ba54fb27ae11a047990550c4ca1d631cf	\\x834c43f0e658f62d56a16d49cf5ca4e252eede4256f9a54e85cbf1e4a30177a2
31	2026-11-29 19:29:53.14664+00	default	\N	API Keys	Create	Created key "Paused once"	postgres	\N	{"key_id": "50271fd3-017b-4336-b871-5f10adeb2afa"}	50271fd3-017b-4336-b871-5f10adeb2afa	Paused once	{"apis": {"new": ["data"], "old": null}, "hint": {"new": "ak...7YMq", "old": null}, "name": {"new": "Paused once", "old": null}}	postgres	\\xdfa1fccd6fbd53cab3f34036431818026666af4e3af2500481f5051f72038ba5	\\xbc0ee184e19f3c9ae145299e6f879b35fceecc1aa9d46d129a510004b24c229b
32	2026-11-29 19:29:53.147272+00	default	\N	API Keys	Update	Disabled key "Paused once"	postgres	\N	{"key_id": "50271fd3-017b-4336-b871-5f10adeb2afa"}	50271fd3-017b-4336-b871-5f10adeb2afa	Paused once	{"disabled_at": {"new": "2026-11-29T19:29:53.147272+00:00", "old": null}}	postgres	\\x44576982bead20225803a17a1e01b3f74151d910730cf9b17ae87df71078b434	\\x8293e746f89853418d4ba284c50fe1d1ae3d8bef9412c1de4178f264af6e07d4
33	2026-11-29 19:29:53.147677+00	default	\N	API Keys	Update	Enabled key "Paused once"	postgres	\N	{"key_id": "50271fd3-017b-4336-b871-5f10adeb2afa"}	50271fd3-017b-4336-b871-5f10adeb2afa	Paused once	{"disabled_at": {"new": null, "old": "2026-11-29T19:29:53.147272+00:00"}}	postgres	\\x74f0ebeda70c5ea0f5329900fce88df10d29743c610e78a33dd176d8e044f70e	\\xd437060c2a9d71a57ad366e129a8a4f86dfa0f5feb4670c5ee309b2d8c3a4965
34	2026-11-29 19:29:53.147901+00	default	\N	API Keys	Create	Created key "Expired"	postgres	\N	{"key_id": "d20f3a80-8853-452c-9232-7c712c7969b7"}	d20f3a80-8853-452c-9232-7c712c7969b7	Expired	{"apis": {"new": ["data"], "old": null}, "hint": {"new": "ak...uJDg", "old": null}, "name": {"new": "Expired", "old": null}}	postgres	\\xd4bfbf634f6280e9d7b637ef73d66c3ec8ac26d9882bd4bdc96cd080f0cb9708	\\xcb0bb5f9bbb53b131ca67170b35250c4a8ba56b9cf3a4719b12c67675375d789
35	2026-11-29 19:29:53.148231+00	default	\N	API Keys	Update	Updated key "Expired": expiry	postgres	\N	{"key_id": "d20f3a80-8853-452c-9232-7c712c7969b7"}	d20f3a80-8853-452c-9232-7c712c7969b7	Expired	{"expires_at": {"new": "2026-11-29T19:29:53.148087+00:00", "old": null}}	postgres	\\xba17664c945e7cbfe53455d24aebc5a4d24bf6efefe81ce41db1259830a66915	\\x58630ef1c845810737e10bc2505d2ead759e49e577e19287dcd9b916ff0fc39d
36	2026-11-29 19:29:53.148404+00	globex	\N	API Keys	Create	Created key "With a lifetime"	postgres	\N	{"key_id": "72208491-8642-4b93-8d1b-aa1e5fd43314"}	72208491-8642-4b93-8d1b-aa1e5fd43314	With a lifetime	{"apis": {"new": ["data"], "old": null}, "hint": {"new": "ak...FeiS", "old": null}, "name": {"new": "With a lifetime", "old": null}, "expires_at": {"new": "3026-04-01T19:29:53.148404+00:00", "old": null}}	postgres	\\x682e9cd7f0c6e849c036086278f8f2eea8c98560bf82ea567e600939f3439342	\\x0941c40f25d4cb4f90d1da7759b666f126c354e0de983ca58aacb15b0424fdba
37	2026-11-29 19:29:53.148615+00	default	\N	API Keys	Create	Created key "Used up"	postgres	\N	{"key_id": "54a28e96-350d-4b70-9d85-ffd2e4fe0430"}	54a28e96-350d-4b70-9d85-ffd2e4fe0430	Used up	{"apis": {"new": ["data"], "old": null}, "hint": {"new": "ak...E2o1", "old": null}, "name": {"new": "Used up", "old": null}, "quota": {"new": 2, "old": null}, "quota_period": {"new": "total", "old": null}}	postgres	\\x8f54035bd4f04855cd686603540074c1d15d920fef21355ca4ab47cec4593d1d	\\xcff314feb75ef0e03451bb7ba2ec5590a8787893547a79501115efb29252358e
38	2026-11-29 19:29:53.16293+00	acme	\N	API Keys	Create	Imported key "Of before"	postgres	\N	{"key_id": "dc71a1b5-319f-4012-8673-fb3f9494c42d"}	dc71a1b5-319f-4012-8673-fb3f9494c42d	Of before	{"apis": {"new": ["data", "billing"], "old": null}, "hint": {"new": "sk_live_…fore", "old": null}, "name": {"new": "Of before", "old": null}}	postgres	\\xb61b5e6a13e219d8fa296fc9cd31a960919f004488464c4580a0f6a418b0604d	\\x516ebc15a3746031dabf66caaa7f8f922b57e76dde0f7de52cca85c14d7be389
39	2026-11-29 19:29:53.163688+00	acme	\N	API Keys	Create	Created key "End 1"	postgres	\N	{"key_id": "1f35a2f4-9077-47f4-a6b9-eb33ea8721ee"}	1f35a2f4-9077-47f4-a6b9-eb33ea8721ee	End 1	{"apis": {"new": ["data"], "old": null}, "hint": {"new": "acme...Rm71", "old": null}, "name": {"new": "End 1", "old": null}}	postgres	\\xa57fdbbfa5955fffba506828fc84e6066e513cae6d7d2f67e7a4964d3abb645c	\\xcb966b64fe308575a543fffc5f61c94f56b3f035554a99b7379f67e2ff5cefa3
40	2026-11-29 19:29:53.163997+00	acme	\N	API Keys	Create	Created key "End 2"	postgres	\N	{"key_id": "1670c2a4-c1c9-435e-8538-47e4e5d69db6"}	1670c2a4-c1c9-435e-8538-47e4e5d69db6	End 2	{"apis": {"new": ["data"], "old": null}, "hint": {"new": "acme...vWbC", "old": null}, "name": {"new": "End 2", "old": null}}	postgres	\\x8df9dd23976b480882513b069be4f86a677e97ced3690964811e902194beadf2	\\xe284676b82de84a7582e9f4cdfeb0ae1637b6fd402d28fd82bf7ca0086b1cc02
41	2026-11-29 19:29:53.166701+00	acme	\N	API Keys	Create	Created key "End 3"	postgres	\N	{"key_id": "142647ae-4ac9-4745-8632-eecdfb857cba"}	142647ae-4ac9-4745-8632-eecdfb857cba	End 3	{"apis": {"new": ["data"], "old": null}, "hint": {"new": "acme...HVBW", "old": null}, "name": {"new": "End 3", "old": null}}	postgres	\\xf03f0ccfbbe140a7f0ad261b08aaed5aabe6c04dec04e920e5fdfc3626e61123	\\x901bebba527401412ed78fc97f65bcb1a669a8c80caa1a0990edf1e50680bb80
42	2026-11-29 19:29:53.167447+00	acme	\N	API Keys	Delete	Archived key "End 1"	postgres	\N	{"key_id": "1f35a2f4-9077-47f4-a6b9-eb33ea8721ee"}	1f35a2f4-9077-47f4-a6b9-eb33ea8721ee	End 1	{"archived_at": {"new": "2026-11-29T19:29:53.167447+00:00", "old": null}}	postgres	\\xa29dbcbe71e73d12887b478cdecfb18b3ed50cfe438c82ce69f368f713dfe40f	\\x233342067edcb29a1caa8873234aced97a92fdacabb04dab87770e84eb463527
43	2026-11-29 19:29:53.174998+00	acme	\N	API Keys	Delete	Archived key "End 2"	postgres	\N	{"key_id": "1670c2a4-c1c9-435e-8538-47e4e5d69db6"}	1670c2a4-c1c9-435e-8538-47e4e5d69db6	End 2	{"reason": "no customer any more", "archived_at": {"new": "2026-11-29T19:29:53.174998+00:00", "old": null}}	postgres	\\x3992171ad77c769cd12331487adb8605d84641d67929251248b51b3e6bf9930e	\\x156ca2e7f42a1e46633470082dcd450444807f1a6be601841881d45cb903d25a
44	2026-11-29 19:29:53.175765+00	acme	\N	API Keys	Delete	Archived key "End 3"	postgres	\N	{"key_id": "142647ae-4ac9-4745-8632-eecdfb857cba"}	142647ae-4ac9-4745-8632-eecdfb857cba	End 3	{"evicted": [{"name": "End 1", "key_id": "1f35a2f4-9077-47f4-a6b9-eb33ea8721ee"}], "archived_at": {"new": "2026-11-29T19:29:53.175765+00:00", "old": null}}	postgres	\\xbe8ed185482a2ac826c968f4f14ab246669fff70fe97dd98bbae65604cd3cb10	\\xc02595290a7fc841d4014a3ab3988f49eea34cde1ab4a835583391373346e0ec
45	2026-11-29 19:29:53.178743+00	globex	\N	API Keys	Create	Created key "Leaked"	postgres	\N	{"key_id": "0e24a215-5add-4f54-b84f-8d1e25110cc8"}	0e24a215-5add-4f54-b84f-8d1e25110cc8	Leaked	{"apis": {"new": ["data"], "old": null}, "hint": {"new": "ak...S2o1", "old": null}, "name": {"new": "Leaked", "old": null}, "expires_at": {"new": "3026-04-01T19:29:53.178743+00:00", "old": null}}	postgres	\\x59c916befc5b106996d705c2f04319fd8269bc4e7dedf5569dda6c14f48cea04	\\x0c61d6e4456a41d0f3d98c778780deff2c84d3cd36dc2c3b44b2b3a56788fcee
46	2026-11-29 19:29:53.179225+00	globex	\N	API Keys	Delete	Archived key "Leaked", which was revoked by a holder of its secret	postgres	\N	{"key_id": "0e24a215-5add-4f54-b84f-8d1e25110cc8"}	0e24a215-5add-4f54-b84f-8d1e25110cc8	Leaked	{"reason": "found in a repository", "archived_at": {"new": "2026-11-29T19:29:53.179225+00:00", "old": null}}	postgres	\\x5d8c41c2e07e5adb03c45d1a3475df9dfa1cccb754363a8224aa923c5829fb50	\\x221b6e8acfd00d6d4871e40dee56bb2292e1ea521880fe2f6642606e9cfb5207
67	2026-11-29 19:29:53.181317+00	quiet	\N	API Keys	Update	Updated key "Name 20": name	postgres	\N	{"key_id": "2981bcfe-c130-4c84-8ecb-b0f2b6903c2b"}	2981bcfe-c130-4c84-8ecb-b0f2b6903c2b	Name 20	{"name": {"new": "Name 20", "old": "Name 19"}}	postgres	\\xf0448bc8e8b0924ed0c2e6cdfd09f114d942dd15f842b54233b2710142884b41	\\x54f5b3144bcf5a4d137481230d76d75e810666aec1e3ee172ea79935d772c204
68	2026-11-29 19:29:53.200173+00	quiet	\N	Audit Logs	Delete	Purged 20 entries from before 2026-11-29T19:29:53.198497+00:00	postgres	\N	{"workspace": "quiet", "older_than": "2026-11-29T19:29:53.198497+00:00"}	\N	\N	{"kept": 1, "entries": 20, "through": 21, "older_than": "2026-11-29T19:29:53.198497+00:00", "kept_sha256": "2020ab805c218e5ad74c91165fe662cab1e8cc1a83f0c40d586120dbe21224df"}	postgres	\N	\\x93fd3849842456463dd1fc37c3b496cf263a61c46f499c6a95c53c5333d481af
69	2026-11-29 19:29:53.222124+00	default	\N	API Keys	Update	Updated key "Plain": team	postgres	\N	{"key_id": "79da394a-7572-4c2e-a470-610526e67e07"}	79da394a-7572-4c2e-a470-610526e67e07	Plain	{"team": {"new": "platform", "old": null}}	postgres	\\x49918fc6464fdb5cb4fc64236b8d422dd51e9a8b17e5ff68e4257cdca98db089	\\xdc833d5413239ee5a466bd7e310b6950d9e93b6b50d5843df4ce24bf90e24fe1
70	2026-11-29 19:29:53.257027+00	acme	\N	Audit Logs	Export	Mailed a report of 18 entries to "auditor@example.invalid"	postgres	\N	{"report_id": "786f6186-4685-45fa-a60a-dd14086523aa"}	\N	\N	{"encrypted": {"new": false, "old": null}, "recipient": {"new": "auditor@example.invalid", "old": null}, "report_id": {"new": "786f6186-4685-45fa-a60a-dd14086523aa", "old": null}}	postgres	\N	\\x591ddaa6307f86175aa8542b7cd56da69f69c4ca3b5c810259c02ebacf18ad70
\.


--
-- Data for Name: audit_size; Type: TABLE DATA; Schema: apikeys; Owner: postgres
--

COPY apikeys.audit_size (workspace, size, logged_at) FROM stdin;
	4	2026-11-29 19:29:52.858528+00
acme	3	2026-11-29 19:29:52.858843+00
default	3	2026-11-29 19:29:52.858891+00
globex	1	2026-11-29 19:29:52.858906+00
gone	2	2026-11-29 19:29:52.858919+00
quiet	1	2026-11-29 19:29:52.858932+00
	6	\N
acme	18	\N
default	12	\N
globex	6	\N
quiet	22	\N
quiet	23	\N
acme	19	\N
default	13	\N
\.


--
-- Data for Name: audit_tree; Type: TABLE DATA; Schema: apikeys; Owner: postgres
--

COPY apikeys.audit_tree (workspace, "position", audit_id, sequence, level, hashes) FROM stdin;
	0	1	1	0	\\xf251140853fd541f8083c08deef957140ed55502e4994bff4a8a312f89f63ffa
	1	2	2	0	\\x080af0a6c49f218c7c560d8f91fa273ad24c409b8ce538aa00667a212d49e042bca0ce287c4221b82609fa998f6efef70b64eb99090a002b3ddb88c314d1b24f
	2	3	3	0	\\xbec5c20ea95478bc2e105b832c38d3a4fa84c99b8989d482694fe8cece91c0c1
	3	15	14	0	\\x10483954869a07f3a20e4b761205cb7417f73683558865daff8fedc27c02044671894f1057f2b7b7e645a92e33ab3ce2c01b1bb8b5cef6142a7019f4c350982998e65c66065fa3e4b7757058632a94ade47c7f0b0bad621e803b67b21596f506
acme	0	4	4	0	\\x84f8f68d4e8c5179db601fa48a347c6d5548a9298acb7cad52c9d38826199cff
acme	1	11	11	0	\\x036ed5a7d0b210a0ef0265beb8a0aa3feff2d9ddfa7b360efebaae18acb174446f14a09f754ac549f0a0355563f17d428b6de2b44b65cf7b0a7b3282b0c8d9a8
acme	2	13	12	0	\\x78c4988d4536662ca1ec5a58ae0150ae7c96beffbef482a9ab0b545073df4fcd
default	0	9	9	0	\\xf3f79193584f98b849f3dd57230b928512be6c89c1b187371d0c8d4dc2636288
default	1	10	10	0	\\x087cc857daff406c8dbf4a6e984d57b8f9d36b214f8c3fad6f02c476072da5dba17ceacd6c65ebff8831d32eb07d2bcc6910d58981f3bca119cb8e096cf35b76
default	2	14	13	0	\\x41fde37381eaad8bdc9fe81a6daa81f1def69104f06a8584752157f8dfd957e7
globex	0	5	5	0	\\xba10438b672cec75962196ca9b7e3e49c7053f22189952963950c614488fd29c
gone	0	7	7	0	\\x0522bb04029ac814c98a459539769ee3a288c07f617400f4498f891ac5c542a1
gone	1	8	8	0	\\xec2d61ab6a13eedb77f02e71e7a12becf5e631ba9201232a5fdbfee31f4aa333f7d0f63f11a8cbade4125fd8372d202a42e4800a0d740b07bd080cf884a2e4a0
quiet	0	6	6	0	\\x666fa2160c07e230a580c8c87a781c161acc9181ed98fdcdd40ce6e325eea7c4
	4	18	17	0	\\x37cc57349f666d23b2a3f4d48dbd8d6334df9ef3dbc450ef17a9c9f718e50bb3
	5	19	18	0	\\xad6e3e5580098da0291a35d0126130d265ff7a03c81bb948395d6313f9ca401cb65a92d37c0b965bc177e7eb727312e1ee25444c6efc7c45eb9e1927aae3138b
acme	3	16	15	0	\\x7f9d8ff0fb0c0c48934acca90542b0ee23fb16ea7ddd030b31ab9355ecf8bdb6284436e433ef4f30c301f0e8b2701866a49abe9275b95d1e0bc462125510f141dd30aac36974270132ccf30bd27ac1338a3d9f207fd6cfc3e4f440c7b3142b37
acme	4	17	16	0	\\x2340bb70b97597415e0418d1c6a124ad016a5f36c7b78e84f9bcaa7c424c931b
acme	5	23	22	0	\\x1ad37f62a410264ba6b29d86a006e755a3c09cce055c09092faa9c0651b763a9315fac57a60b5dc3b63269ee0b477dec8397f762b2c9ad6b479a439f8d8f17c7
acme	6	24	23	0	\\x2fe5f5f957c12c5d563b297ab9a7ceae5fca52aa09461eaba33b18f5c2030396
acme	7	25	24	0	\\xa56668956657f36a2a04919c1fc5299b110a2e096a6faeabcbac8bf52d50c80f429c659835de86f84258c6368687cb765b578c1f16c3e071fd50b64547000e259ffb73afed6d2a1a10088622fb5436e496684e8577f9dbf0aef4a5addcb993df049b02e3a22095086595838b50f55634615fc8196b4a532d5f38e2535fa63f0a
acme	8	26	25	0	\\xe33ba2c6bedba3269e61550b3401ce5ac3d51963dde69e765b89a33fd2d8df3e
acme	9	27	26	0	\\x9f686c7880602dc3fda05022e06e88abe6cfc18df0e43d3ec754985ab2e249c091eb646ba37582fe865f566dd91e14124f38587ada35724906ef263775dce679
acme	10	28	27	0	\\x1733d8a08336eb032855dd9db85dc9863df632a48cba3020b40d81ee0b54b746
acme	11	38	37	0	\\x516ebc15a3746031dabf66caaa7f8f922b57e76dde0f7de52cca85c14d7be389d7e21008263255d62291d40f50c0e5fde152eaf644b7324aee4a7eb7ba6a5b6adc14422f3a0a09bc5f8ca84f8dc9aab91bde57ef4f6df04aea348d30a1ac1955
acme	12	39	38	0	\\xcb966b64fe308575a543fffc5f61c94f56b3f035554a99b7379f67e2ff5cefa3
acme	13	40	39	0	\\xe284676b82de84a7582e9f4cdfeb0ae1637b6fd402d28fd82bf7ca0086b1cc0276256d01a08bdad98b7c6fae90fa6b8d999d26d9d71828a967457a9c9d015bd5
acme	14	41	40	0	\\x901bebba527401412ed78fc97f65bcb1a669a8c80caa1a0990edf1e50680bb80
acme	15	42	41	0	\\x233342067edcb29a1caa8873234aced97a92fdacabb04dab87770e84eb4635275b5a62a793c8fd98efb07d4e7cdacb9fcab8a2cb229a97aceb910e8a07c6ed2394b36a1479d83062e7bbab19ba6e76883054315b28a8e059caf68f1f4f6d1e1f8f290b4dc55301e65c64bd75be5480ef0fa100136cdd102013fef072ca59d93bc97d0353407d374e0c1ee53397872766a5b874a7d253da5ce8838081a25902cf
acme	16	43	42	0	\\x156ca2e7f42a1e46633470082dcd450444807f1a6be601841881d45cb903d25a
acme	17	44	43	0	\\xc02595290a7fc841d4014a3ab3988f49eea34cde1ab4a835583391373346e0ecec36cc0b18fea2d2aa855d582703781c879298a9e7eead69054aaf4da36a6ce1
default	3	22	21	0	\\xd06fe2aa22e7c2b25af99ca8177d555f471fa2b2ba7c972ddbd0ba63ee978c5330414cedc372d6b754246f8e0d7cb42e9fbb8a67721b16ce2e4e7aee3281ec3e6535748ad59d6b9a5944c1f6c4974a4ff3fc16579f8d4d39b1fef6433594341c
default	4	29	28	0	\\xb60c2edba657f8b6e834e04363c1202b0937b0d5954c96ca068e6d4159027865
default	5	30	29	0	\\x834c43f0e658f62d56a16d49cf5ca4e252eede4256f9a54e85cbf1e4a30177a24cc86b7c4c47551c7ea444b8b51bdf0975726860db9ffcc05e4cc03a62144719
default	6	31	30	0	\\xbc0ee184e19f3c9ae145299e6f879b35fceecc1aa9d46d129a510004b24c229b
default	7	32	31	0	\\x8293e746f89853418d4ba284c50fe1d1ae3d8bef9412c1de4178f264af6e07d4fc0b16f5d286ef185088ee22e9cf7e57be51e2d9dec852a8330b785ee26bea4ee4b133b8262f419664e81198744c90e126f3291745362820e8d446b269aab86a9e2d6426e621e38aed1ae6c76bcf96c71913f407def9cc78f83a09faf5e20708
default	8	33	32	0	\\xd437060c2a9d71a57ad366e129a8a4f86dfa0f5feb4670c5ee309b2d8c3a4965
default	9	34	33	0	\\xcb0bb5f9bbb53b131ca67170b35250c4a8ba56b9cf3a4719b12c67675375d789f37e30e5bb6d2e8a7e587a3d4828c2265510d7c2d8ff3ac2c28b40f229bda6e5
default	10	35	34	0	\\x58630ef1c845810737e10bc2505d2ead759e49e577e19287dcd9b916ff0fc39d
default	11	37	36	0	\\xcff314feb75ef0e03451bb7ba2ec5590a8787893547a79501115efb29252358e99bfff490554cb33c01726933035705a15bf0dd837c2c4e15dea9b02e166240e5c4df2ac9c5ef6e11fc766d2aa6168ff91ded9dc430b61820a10903e9e8e0264
globex	1	20	19	0	\\xfed755f8ab312eae8f0d6f75fd27ef7701bd3587a8743b8027d4aff3d36de541012ca3fa3e43098f5fa704bd0ac5848b23e9e0d8ef021df636d2a94095690677
globex	2	21	20	0	\\x60387b5142fa4481fd19e16240d0947b03299b3ab654bdcc935ed0a96bf19ae4
globex	3	36	35	0	\\x0941c40f25d4cb4f90d1da7759b666f126c354e0de983ca58aacb15b0424fdba85b2d0359fe70a9c5aa40db084332eed15495efcbc43987d4e9946c956f006199a539a124371de0c86766bbbee4955687f4bd1d2bc514682d4c449dc605cb152
globex	4	45	44	0	\\x0c61d6e4456a41d0f3d98c778780deff2c84d3cd36dc2c3b44b2b3a56788fcee
globex	5	46	45	0	\\x221b6e8acfd00d6d4871e40dee56bb2292e1ea521880fe2f6642606e9cfb52079a76e724f8d8b117405d8c01fc96fb1e8c5c3ea0407a86d68d13c54222a7af38
quiet	22	68	67	0	\\x93fd3849842456463dd1fc37c3b496cf263a61c46f499c6a95c53c5333d481af
quiet	21	67	66	0	\\x54f5b3144bcf5a4d137481230d76d75e810666aec1e3ee172ea79935d772c20477a56586776895bbf28477ca40477e084416d82df12213024d64a1df00c02a38
quiet	1	\N	46	0	\\x868f391f80d53fdc1fe289a40a8f522defc9426bb4910265c52c146ad99ede3b951120ef1b1727a37e5266967f6b3eab65d9aff36e39fa2650de216d5a14308d
quiet	3	\N	48	1	\\x04024b6e9025d860793f4dccf01b116f73c4d56d4e85488d009809793bc3b4c12ecea7af2a730e43d5923c5f5362fb4180da21a01c5ecf73b36918a4b58b0b5a
quiet	7	\N	52	2	\\xf1bbb7a9f9b2bbac853e118177ba6d8c863df655ee41114318308d3ec59ab9358fed030049732743cf6774d893eddcf031010ca9f6eaf375788b025affec085c
quiet	15	\N	60	3	\\x1f23760395756705f48f543b6c18b32b7af877d8b17810e1b3353a428fa586645b930fb7d0066c63a9a5173a167d0da70eff5507fa16c65cd7c3d65c4319b62d
quiet	19	\N	64	2	\\xa766cfe3ee9690c7809ab8eb9b074589eb37aaea39914e7224362f91cdb722b4
quiet	20	\N	65	0	\\x02e92a4dd5bb5f6ebf30daf632fe71f1afb6ca21d3890feed4cfa8c74b94dbac
acme	18	70	69	0	\\x591ddaa6307f86175aa8542b7cd56da69f69c4ca3b5c810259c02ebacf18ad70
default	12	69	68	0	\\xdc833d5413239ee5a466bd7e310b6950d9e93b6b50d5843df4ce24bf90e24fe1
\.


--
-- Data for Name: key; Type: TABLE DATA; Schema: apikeys; Owner: postgres
--

COPY apikeys.key (key_id, audit_id, key_hash, workspace, name, apis, team, expires_at, archived_at, disabled_at, old_key_hash, old_valid_until, allowed_cidrs, rate_limit, rate_window, quota, quota_period, owner, metadata, hint, name_folded, created_at, created_by, updated_at, updated_by, regenerated_at, regenerated_by, disabled_by, archived_by, row_digest) FROM stdin;
22d0b127-7bc3-44b9-ab61-801ec6557515	24	\\x6a5234e3b21d4a689794f6a7fdabf655c442c610dc6ae6fb1ed8a54ac1354367	acme	All of it	{data,billing,orders:read}	billing	2999-01-01 00:00:00+00	\N	\N	\N	\N	{192.0.2.0/24,2001:db8::/32}	7000000	01:00:00	1000000000	total	customer 42	{"plan": "platinum"}	acme...7Gwp	\\x616c6c206f66206974	2026-11-29 19:29:53.131198+00	anna	2026-11-29 19:29:53.132536+00	postgres	\N	\N	\N	\N	\\x42a2428c1c7a930c5743224ea63a5231e132bb83ec20539dfbc2a53ef5a42263
34b3a846-255e-4376-a961-d0d50a536599	26	\\xbccbf6a6acb13f511dddd0600af3cb693007bcbb0681c3a5540a3715337a7da3	acme	Regenerated	{data}	\N	\N	\N	\N	\\x0f87629a368bc7788bc7510dd53651f7d05957d219d3639f80877faa73b0a23d	2926-11-29 19:29:53.134912+00	\N	\N	\N	\N	\N	\N	\N	acme...UMqH	\\x726567656e657261746564	2026-11-29 19:29:53.134473+00	postgres	\N	\N	2026-11-29 19:29:53.135066+00	postgres	\N	\N	\\xf028a867d0238ad484e5a4000ca351dfc53033f4a096d8c83f94c5649dfbdd2b
33527b27-1b5c-4c5f-a8ab-f8b9c8fb1732	28	\\xe2ea0331d740b301f513c5c565b0bcae984806f69c0fd3f98851aaeff6bb9a02	acme	Regenerated at once	{data}	\N	\N	\N	\N	\\x64f432e48715f7d5f8ba5b427ae5dfbfc14266cfa8a1bee7324892e9b85cd0fc	\N	\N	\N	\N	\N	\N	\N	\N	acme...s0x3	\\x726567656e657261746564206174206f6e6365	2026-11-29 19:29:53.135408+00	postgres	\N	\N	2026-11-29 19:29:53.137873+00	postgres	\N	\N	\\xdb82db8b0a5b9a45ca21fdbf853ea12e1a06c3755030144bab9210babf5705f1
f75ace37-e1f5-4e1b-baf7-bdb0b98576d2	30	\\xbace932cac035dae1ed11f5f57586d88fd5f8c58d141079f19622f6771f59312	default	Paused	{data}	\N	\N	\N	2026-11-29 19:29:53.143549+00	\N	\N	\N	\N	\N	\N	\N	\N	\N	ak...uGdb	\\x706175736564	2026-11-29 19:29:53.142702+00	postgres	\N	\N	\N	\N	postgres	\N	\\xabb3d7989e2e461927a35312582af87ba54fb27ae11a047990550c4ca1d631cf
50271fd3-017b-4336-b871-5f10adeb2afa	33	\\x1bbdcd3ebaca68d361484e508789f2337f592665597d167d24a6cf612596fbc3	default	Paused once	{data}	\N	\N	\N	\N	\N	\N	\N	\N	\N	\N	\N	\N	\N	ak...7YMq	\\x706175736564206f6e6365	2026-11-29 19:29:53.14664+00	postgres	2026-11-29 19:29:53.147677+00	postgres	\N	\N	\N	\N	\\x74f0ebeda70c5ea0f5329900fce88df10d29743c610e78a33dd176d8e044f70e
d20f3a80-8853-452c-9232-7c712c7969b7	35	\\xd0c406a3471af59751c98b609a40e5d37fb9be9288eecac4734e5b8ef565f6d1	default	Expired	{data}	\N	2026-11-29 19:29:53.148087+00	\N	\N	\N	\N	\N	\N	\N	\N	\N	\N	\N	ak...uJDg	\\x65787069726564	2026-11-29 19:29:53.147901+00	postgres	2026-11-29 19:29:53.148231+00	postgres	\N	\N	\N	\N	\\xba17664c945e7cbfe53455d24aebc5a4d24bf6efefe81ce41db1259830a66915
72208491-8642-4b93-8d1b-aa1e5fd43314	36	\\xfef6fbc65a3f7d1bfabd4a6744816307826d92b534bfd54c59fcd09f2e40dfee	globex	With a lifetime	{data}	\N	3026-04-01 19:29:53.148404+00	\N	\N	\N	\N	\N	\N	\N	\N	\N	\N	\N	ak...FeiS	\\x776974682061206c69666574696d65	2026-11-29 19:29:53.148404+00	postgres	\N	\N	\N	\N	\N	\N	\\x682e9cd7f0c6e849c036086278f8f2eea8c98560bf82ea567e600939f3439342
54a28e96-350d-4b70-9d85-ffd2e4fe0430	37	\\xf15980b8be46bf4acfe34e1352fba8b020fdca9cf9aca25384adef1ec3385b74	default	Used up	{data}	\N	\N	\N	\N	\N	\N	\N	\N	\N	2	total	\N	\N	ak...E2o1	\\x75736564207570	2026-11-29 19:29:53.148615+00	postgres	\N	\N	\N	\N	\N	\N	\\x8f54035bd4f04855cd686603540074c1d15d920fef21355ca4ab47cec4593d1d
dc71a1b5-319f-4012-8673-fb3f9494c42d	38	\\xfce45e723adea6d59129e799012d249bcb0c04bd922ce858013f3f9c3c5594ed	acme	Of before	{data,billing}	\N	\N	\N	\N	\N	\N	\N	\N	\N	\N	\N	\N	\N	sk_live_…fore	\\x6f66206265666f7265	2026-11-29 19:29:53.16293+00	postgres	\N	\N	\N	\N	\N	\N	\\xb61b5e6a13e219d8fa296fc9cd31a960919f004488464c4580a0f6a418b0604d
1670c2a4-c1c9-435e-8538-47e4e5d69db6	43	\\x55f9b6554b52f7e6cc5b6019225377eb536d71685ce8362b206a93f3b63eb58d	acme	End 2	{data}	\N	\N	2026-11-29 19:29:53.174998+00	\N	\N	\N	\N	\N	\N	\N	\N	\N	\N	acme...vWbC	\\x656e642032	2026-11-29 19:29:53.163997+00	postgres	\N	\N	\N	\N	\N	postgres	\\x3992171ad77c769cd12331487adb8605d84641d67929251248b51b3e6bf9930e
142647ae-4ac9-4745-8632-eecdfb857cba	44	\\x36453a24c3081cc96195319a13bb19d0bc819b39b2a6171d2307c12002d5693c	acme	End 3	{data}	\N	\N	2026-11-29 19:29:53.175765+00	\N	\N	\N	\N	\N	\N	\N	\N	\N	\N	acme...HVBW	\\x656e642033	2026-11-29 19:29:53.166701+00	postgres	\N	\N	\N	\N	\N	postgres	\\xbe8ed185482a2ac826c968f4f14ab246669fff70fe97dd98bbae65604cd3cb10
0e24a215-5add-4f54-b84f-8d1e25110cc8	46	\\x8d92520f5b8796c8f7dfa7ecd367a9431603420605dcdd1a698750d2ce868cd6	globex	Leaked	{data}	\N	3026-04-01 19:29:53.178743+00	2026-11-29 19:29:53.179225+00	\N	\N	\N	\N	\N	\N	\N	\N	\N	\N	ak...S2o1	\\x6c65616b6564	2026-11-29 19:29:53.178743+00	postgres	\N	\N	\N	\N	\N	postgres	\\x5d8c41c2e07e5adb03c45d1a3475df9dfa1cccb754363a8224aa923c5829fb50
79da394a-7572-4c2e-a470-610526e67e07	69	\\xe26ab9c496eba8288c3c3ed26f7dc941d8a7a8bfc7992858cffa33bb826aeae6	default	Plain	{data}	platform	\N	\N	\N	\N	\N	\N	\N	\N	\N	\N	\N	\N	ak...8Q2g	\\x706c61696e	2026-11-29 19:29:53.121961+00	postgres	2026-11-29 19:29:53.222124+00	postgres	\N	\N	\N	\N	\\x49918fc6464fdb5cb4fc64236b8d422dd51e9a8b17e5ff68e4257cdca98db089
2981bcfe-c130-4c84-8ecb-b0f2b6903c2b	67	\\x72f8b2c9ff7d9f3cddce3dc809bd605b2a42b85a605b8323615316642cf76596	quiet	Name 20	{data}	\N	\N	\N	\N	\N	\N	\N	\N	\N	\N	\N	\N	\N	ak...STr8	\\x6e616d65203230	2026-11-29 19:29:53.179597+00	postgres	2026-11-29 19:29:53.181317+00	postgres	\N	\N	\N	\N	\\xf0448bc8e8b0924ed0c2e6cdfd09f114d942dd15f842b54233b2710142884b41
\.


--
-- Data for Name: team_member; Type: TABLE DATA; Schema: apikeys; Owner: postgres
--

COPY apikeys.team_member (workspace, actor, team, audit_id, row_digest) FROM stdin;
acme	bert	orders	13	\\x6be9c02688b47b8a70ac12f7119707a2f0abcc8d6ef4991b0ec3834770fcb5ac
\.


--
-- Data for Name: workspace; Type: TABLE DATA; Schema: apikeys; Owner: postgres
--

COPY apikeys.workspace (workspace, name, prefix, archive_limit, key_limit, default_lifetime, max_lifetime, rate_limit, rate_window, leak_action, former_prefixes, created_at, created_by, updated_at, updated_by, audit_id, row_digest) FROM stdin;
acme	Acme & Söhne	acme	2	50	\N	\N	\N	\N	archive	\N	2026-11-29 19:29:52.799027+00	postgres	\N	\N	4	\\xc21dd893efd7fd336d5e5f134e8a6fbdb422a61ba020fcf7eedcc0e024551899
globex	\N	ak	3	\N	365000 days	365250 days	1000000	00:00:01	\N	\N	2026-11-29 19:29:52.806751+00	postgres	\N	\N	5	\\x071e1039c12c27d709fd3c51bc40ca8fee5e32a5607981bb0e3b583539eeb01f
quiet	\N	ak	10	\N	\N	\N	\N	\N	\N	\N	2026-11-29 19:29:52.807332+00	postgres	\N	\N	6	\\xa270bfcb9b0d62f9b6ec97be73d8590c8be06009c860b4a784af8443aff79276
default	Ours	ak	10	\N	\N	\N	\N	\N	\N	\N	2026-11-29 19:29:52.647524+00	postgres	2026-11-29 19:29:52.809238+00	postgres	9	\\x58897153ebced1026c8245d50dfa9a7030f07a7e02ccce702474d5da7649c1e5
\.


--
-- Data for Name: key_use; Type: TABLE DATA; Schema: apikeys_internal; Owner: postgres
--

COPY apikeys_internal.key_use (key_id, last_used_at) FROM stdin;
22d0b127-7bc3-44b9-ab61-801ec6557515	2026-11-29 19:29:53.244116+00
dc71a1b5-319f-4012-8673-fb3f9494c42d	2026-11-29 19:29:53.244131+00
54a28e96-350d-4b70-9d85-ffd2e4fe0430	2026-11-29 19:29:53.157123+00
34b3a846-255e-4376-a961-d0d50a536599	2026-11-29 19:29:53.244194+00
72208491-8642-4b93-8d1b-aa1e5fd43314	2026-11-29 19:29:53.24421+00
79da394a-7572-4c2e-a470-610526e67e07	2026-11-29 19:29:53.244162+00
50271fd3-017b-4336-b871-5f10adeb2afa	2026-11-29 19:29:53.244052+00
2981bcfe-c130-4c84-8ecb-b0f2b6903c2b	2026-11-29 19:29:53.244153+00
\.


--
-- Data for Name: quota_used; Type: TABLE DATA; Schema: apikeys_internal; Owner: postgres
--

COPY apikeys_internal.quota_used (key_id, period, since, used) FROM stdin;
54a28e96-350d-4b70-9d85-ffd2e4fe0430	total	-infinity	2
22d0b127-7bc3-44b9-ab61-801ec6557515	total	-infinity	3
\.


--
-- Data for Name: report; Type: TABLE DATA; Schema: apikeys_internal; Owner: postgres
--

COPY apikeys_internal.report (report_id, workspace, scope, recipient, filters, entries, size, encrypted, asked_at, asked_by, state, queued_at, attempts, next_attempt_at, finished_at, last_error, id_domain, content, origin) FROM stdin;
786f6186-4685-45fa-a60a-dd14086523aa	acme	{acme}	auditor@example.invalid	\N	18	1758	f	2026-11-29 19:29:53.255886+00	postgres	queued	2026-11-29 19:29:53.255886+00	0	2026-11-29 19:29:53.255886+00	\N	\N	\N	\\x54696d652c5465616d2c456e746974792c41637469766974792c416374696f6e2c4163746f722c49500d0a323032362d31312d32392031393a32393a35332e3137353736352b30302c2c415049204b6579732c224172636869766564206b6579202222456e6420332222222c44656c6574652c706f7374677265732c0d0a323032362d31312d32392031393a32393a35332e3137343939382b30302c2c415049204b6579732c224172636869766564206b6579202222456e6420322222222c44656c6574652c706f7374677265732c0d0a323032362d31312d32392031393a32393a35332e3136373434372b30302c2c415049204b6579732c224172636869766564206b6579202222456e6420312222222c44656c6574652c706f7374677265732c0d0a323032362d31312d32392031393a32393a35332e3136363730312b30302c2c415049204b6579732c2243726561746564206b6579202222456e6420332222222c4372656174652c706f7374677265732c0d0a323032362d31312d32392031393a32393a35332e3136333939372b30302c2c415049204b6579732c2243726561746564206b6579202222456e6420322222222c4372656174652c706f7374677265732c0d0a323032362d31312d32392031393a32393a35332e3136333638382b30302c2c415049204b6579732c2243726561746564206b6579202222456e6420312222222c4372656174652c706f7374677265732c0d0a323032362d31312d32392031393a32393a35332e31363239332b30302c2c415049204b6579732c22496d706f72746564206b65792022224f66206265666f72652222222c4372656174652c706f7374677265732c0d0a323032362d31312d32392031393a32393a35332e3133373837332b30302c2c415049204b6579732c22526567656e657261746564206b6579202222526567656e657261746564206174206f6e63652222222c5570646174652c706f7374677265732c0d0a323032362d31312d32392031393a32393a35332e3133353430382b30302c2c415049204b6579732c2243726561746564206b6579202222526567656e657261746564206174206f6e63652222222c4372656174652c706f7374677265732c0d0a323032362d31312d32392031393a32393a35332e3133353036362b30302c2c415049204b6579732c22526567656e657261746564206b6579202222526567656e6572617465642222207769746820616e206f7665726c6170222c5570646174652c706f7374677265732c0d0a323032362d31312d32392031393a32393a35332e3133343437332b30302c2c415049204b6579732c2243726561746564206b6579202222526567656e6572617465642222222c4372656174652c706f7374677265732c0d0a323032362d31312d32392031393a32393a35332e3133323533362b30302c2c415049204b6579732c2255706461746564206b6579202222416c6c206f6620697422223a206e616d652c206d65746164617461222c5570646174652c706f7374677265732c0d0a323032362d31312d32392031393a32393a35332e3133313139382b30302c706c6174666f726d2c415049204b6579732c2243726561746564206b657920222245766572797468696e67203c623ec384c3963c2f623e2022227822222222222c4372656174652c616e6e612c3139322e302e322e370d0a323032362d31312d32392031393a32393a35322e39303535372b30302c2c4163636573732c224772616e7465642022226175646974222220696e20776f726b737061636520222261636d65222220746f20726f6c65202222726567726573735f616b5f61636d652222222c4372656174652c706f7374677265732c0d0a323032362d31312d32392031393a32393a35322e3836363837322b30302c2c4163636573732c224772616e7465642022226d616e616765222220696e20776f726b737061636520222261636d65222220746f20726f6c65202222726567726573735f616b5f61636d652222222c4372656174652c706f7374677265732c0d0a323032362d31312d32392031393a32393a35322e38303938332b30302c2c5465616d732c224d6f76656420222262657274222220746f207465616d2022226f72646572732222222c5570646174652c706f7374677265732c0d0a323032362d31312d32392031393a32393a35322e38303937332b30302c2c5465616d732c22416464656420222262657274222220746f207465616d20222262696c6c696e672222222c4372656174652c706f7374677265732c0d0a323032362d31312d32392031393a32393a35322e3739393039312b30302c2c576f726b7370616365732c224372656174656420776f726b737061636520222261636d652222222c4372656174652c706f7374677265732c0d0a	7713677895960173680/16384
00000000-0000-4000-8000-000000000001	acme	{acme}	auditor@example.invalid	{"search": "End"}	7	1000	f	2026-01-02 03:04:05+00	anna	sent	2026-01-02 03:04:05+00	1	\N	2026-01-02 04:04:05+00	\N	example.invalid	\N	\N
00000000-0000-4000-8000-000000000002	acme	{acme}	auditor@example.invalid	{"search": "End"}	7	1000	f	2026-01-02 03:04:05+00	anna	failed	2026-01-02 03:04:05+00	5	\N	2026-01-02 04:04:05+00	550 no such user	example.invalid	\N	\N
\.


--
-- Data for Name: usage; Type: TABLE DATA; Schema: apikeys_internal; Owner: postgres
--

COPY apikeys_internal.usage (key_id, api, code, old_secret, workspace, count, last_at, last_client) FROM stdin;
00000000-0000-0000-0000-000000000000		MISSING	f		1	2026-11-29 19:29:53.246491+00	\N
00000000-0000-0000-0000-000000000000		NOT_FOUND	f		2	2026-11-29 19:29:53.244536+00	\N
0e24a215-5add-4f54-b84f-8d1e25110cc8		ARCHIVED	f	globex	1	2026-11-29 19:29:53.227461+00	\N
142647ae-4ac9-4745-8632-eecdfb857cba		ARCHIVED	f	acme	1	2026-11-29 19:29:53.227381+00	\N
1670c2a4-c1c9-435e-8538-47e4e5d69db6		ARCHIVED	f	acme	1	2026-11-29 19:29:53.227391+00	\N
22d0b127-7bc3-44b9-ab61-801ec6557515	billing	ADDRESS_NOT_ALLOWED	f	acme	1	2026-11-29 19:29:53.227413+00	198.51.100.1
22d0b127-7bc3-44b9-ab61-801ec6557515	billing	VALID	f	acme	3	2026-11-29 19:29:53.244116+00	192.0.2.9
2981bcfe-c130-4c84-8ecb-b0f2b6903c2b		VALID	f	quiet	3	2026-11-29 19:29:53.244153+00	\N
33527b27-1b5c-4c5f-a8ab-f8b9c8fb1732		REGENERATED	t	acme	1	2026-11-29 19:29:53.227327+00	\N
34b3a846-255e-4376-a961-d0d50a536599		VALID	f	acme	3	2026-11-29 19:29:53.244173+00	\N
34b3a846-255e-4376-a961-d0d50a536599		VALID	t	acme	3	2026-11-29 19:29:53.244194+00	\N
50271fd3-017b-4336-b871-5f10adeb2afa		VALID	f	default	3	2026-11-29 19:29:53.244052+00	\N
54a28e96-350d-4b70-9d85-ffd2e4fe0430		VALID	f	default	2	2026-11-29 19:29:53.157123+00	\N
72208491-8642-4b93-8d1b-aa1e5fd43314		VALID	f	globex	3	2026-11-29 19:29:53.24421+00	\N
79da394a-7572-4c2e-a470-610526e67e07	billing	INSUFFICIENT_PERMISSIONS	f	default	1	2026-11-29 19:29:53.227443+00	\N
79da394a-7572-4c2e-a470-610526e67e07	data	VALID	f	default	3	2026-11-29 19:29:53.244162+00	\N
d20f3a80-8853-452c-9232-7c712c7969b7		EXPIRED	f	default	1	2026-11-29 19:29:53.227433+00	\N
dc71a1b5-319f-4012-8673-fb3f9494c42d	billing	VALID	f	acme	3	2026-11-29 19:29:53.244131+00	\N
f75ace37-e1f5-4e1b-baf7-bdb0b98576d2		DISABLED	f	default	1	2026-11-29 19:29:53.227401+00	\N
\.


--
-- Data for Name: usage_hour; Type: TABLE DATA; Schema: apikeys_internal; Owner: postgres
--

COPY apikeys_internal.usage_hour (key_id, hour, api, code, old_secret, workspace, count, last_at, last_client, slot, slot_count) FROM stdin;
00000000-0000-0000-0000-000000000000	2026-11-29 19:00:00+00		NOT_FOUND	f		2	2026-11-29 19:29:53.244536+00	\N	3499456689318451141	2
dc71a1b5-319f-4012-8673-fb3f9494c42d	2026-11-29 19:00:00+00	billing	VALID	f	acme	3	2026-11-29 19:29:53.244131+00	\N	3499456689318451148	3
d20f3a80-8853-452c-9232-7c712c7969b7	2026-11-29 19:00:00+00		EXPIRED	f	default	1	2026-11-29 19:29:53.227433+00	\N	3499456689318451143	1
22d0b127-7bc3-44b9-ab61-801ec6557515	2026-11-29 19:00:00+00	billing	ADDRESS_NOT_ALLOWED	f	acme	1	2026-11-29 19:29:53.227413+00	198.51.100.1	3499456689318451142	1
2981bcfe-c130-4c84-8ecb-b0f2b6903c2b	2026-11-29 19:00:00+00		VALID	f	quiet	3	2026-11-29 19:29:53.244153+00	\N	3499456689318451149	3
33527b27-1b5c-4c5f-a8ab-f8b9c8fb1732	2026-11-29 19:00:00+00		REGENERATED	t	acme	1	2026-11-29 19:29:53.227327+00	\N	3499456689318451137	1
50271fd3-017b-4336-b871-5f10adeb2afa	2026-11-29 19:00:00+00		VALID	f	default	3	2026-11-29 19:29:53.244052+00	\N	3499456689318451146	3
f75ace37-e1f5-4e1b-baf7-bdb0b98576d2	2026-11-29 19:00:00+00		DISABLED	f	default	1	2026-11-29 19:29:53.227401+00	\N	3499456689318451140	1
34b3a846-255e-4376-a961-d0d50a536599	2026-11-29 19:00:00+00		VALID	t	acme	3	2026-11-29 19:29:53.244194+00	\N	3499456689318451152	3
54a28e96-350d-4b70-9d85-ffd2e4fe0430	2026-11-29 19:00:00+00		VALID	f	default	2	2026-11-29 19:29:53.157123+00	\N	3499456689318451136	2
79da394a-7572-4c2e-a470-610526e67e07	2026-11-29 19:00:00+00	data	VALID	f	default	3	2026-11-29 19:29:53.244162+00	\N	3499456689318451150	3
1670c2a4-c1c9-435e-8538-47e4e5d69db6	2026-11-29 19:00:00+00		ARCHIVED	f	acme	1	2026-11-29 19:29:53.227391+00	\N	3499456689318451139	1
34b3a846-255e-4376-a961-d0d50a536599	2026-11-29 19:00:00+00		VALID	f	acme	3	2026-11-29 19:29:53.244173+00	\N	3499456689318451151	3
22d0b127-7bc3-44b9-ab61-801ec6557515	2026-11-29 19:00:00+00	billing	VALID	f	acme	3	2026-11-29 19:29:53.244116+00	192.0.2.9	3499456689318451147	3
142647ae-4ac9-4745-8632-eecdfb857cba	2026-11-29 19:00:00+00		ARCHIVED	f	acme	1	2026-11-29 19:29:53.227381+00	\N	3499456689318451138	1
0e24a215-5add-4f54-b84f-8d1e25110cc8	2026-11-29 19:00:00+00		ARCHIVED	f	globex	1	2026-11-29 19:29:53.227461+00	\N	3499456689318451145	1
00000000-0000-0000-0000-000000000000	2026-11-29 19:00:00+00		MISSING	f		1	2026-11-29 19:29:53.246491+00	\N	3499456689318451154	1
79da394a-7572-4c2e-a470-610526e67e07	2026-11-29 19:00:00+00	billing	INSUFFICIENT_PERMISSIONS	f	default	1	2026-11-29 19:29:53.227443+00	\N	3499456689318451144	1
72208491-8642-4b93-8d1b-aa1e5fd43314	2026-11-29 19:00:00+00		VALID	f	globex	3	2026-11-29 19:29:53.24421+00	\N	3499456689318451153	3
\.


--
-- Data for Name: usage_total; Type: TABLE DATA; Schema: apikeys_internal; Owner: postgres
--

COPY apikeys_internal.usage_total (workspace, api, code, count, old_secret, last_at, last_client) FROM stdin;
		MISSING	1	0	2026-11-29 19:29:53.246491+00	\N
		NOT_FOUND	2	0	2026-11-29 19:29:53.244536+00	\N
acme		ARCHIVED	2	0	2026-11-29 19:29:53.227391+00	\N
acme		REGENERATED	1	1	2026-11-29 19:29:53.227327+00	\N
acme		VALID	6	3	2026-11-29 19:29:53.244194+00	\N
acme	billing	ADDRESS_NOT_ALLOWED	1	0	2026-11-29 19:29:53.227413+00	198.51.100.1
acme	billing	VALID	6	0	2026-11-29 19:29:53.244131+00	192.0.2.9
default		DISABLED	1	0	2026-11-29 19:29:53.227401+00	\N
default		EXPIRED	1	0	2026-11-29 19:29:53.227433+00	\N
default		VALID	5	0	2026-11-29 19:29:53.244052+00	\N
default	billing	INSUFFICIENT_PERMISSIONS	1	0	2026-11-29 19:29:53.227443+00	\N
default	data	VALID	3	0	2026-11-29 19:29:53.244162+00	\N
globex		ARCHIVED	1	0	2026-11-29 19:29:53.227461+00	\N
globex		VALID	3	0	2026-11-29 19:29:53.24421+00	\N
quiet		VALID	3	0	2026-11-29 19:29:53.244153+00	\N
\.


--
-- Data for Name: checkpoint; Type: TABLE DATA; Schema: public; Owner: postgres
--

COPY public.checkpoint (note) FROM stdin;
apikeys/7713677895960173680/16384/registry\n6\nyNQA5+n1hdVluBKkOIM/WnsBMcMnU6i/vDr0Uc8IQoA=\nsystem=7713677895960173680 database=rows timeline=1\n
apikeys/7713677895960173680/16384/workspace/acme\n18\nMkSibbVkqjF92i+DIhUF1m99HCRd3RY+bntHxfvAeIU=\nsystem=7713677895960173680 database=rows timeline=1\n
apikeys/7713677895960173680/16384/workspace/default\n12\nIXKRbNYmmUBfKs5f0VohNlt9s66Pb1PrJaTKlpQicQ4=\nsystem=7713677895960173680 database=rows timeline=1\n
apikeys/7713677895960173680/16384/workspace/globex\n6\nn3TmGF2NwyhHCH5u/MRMWJPjZ8dqLD3XDpi5I3GMuQ0=\nsystem=7713677895960173680 database=rows timeline=1\n
apikeys/7713677895960173680/16384/workspace/gone\n2\n99D2PxGoy63kEl/YNy0gKkLkgAoNdAsHvQgM+ISi5KA=\nsystem=7713677895960173680 database=rows timeline=1\n
apikeys/7713677895960173680/16384/workspace/quiet\n23\nQXWjyJVf5WOPV+3zkC1eSczcqGDHlL1gP4N+DFzfQjA=\nsystem=7713677895960173680 database=rows timeline=1\n
\.


--
-- Data for Name: expected; Type: TABLE DATA; Schema: public; Owner: postgres
--

COPY public.expected (name, secret, api, client, code) FROM stdin;
plain	ak_Em4kveU3gvWV7VdD6fXmhKIodsICmFDJ4HhPt7ZhiF00g8Q2g	data	\N	VALID
plain, another API	ak_Em4kveU3gvWV7VdD6fXmhKIodsICmFDJ4HhPt7ZhiF00g8Q2g	billing	\N	INSUFFICIENT_PERMISSIONS
everything	acme_ZKdHdLQJJqkuRCAT52e382fMYwVZ5rzfgpen6H0MjSN2Q7Gwp	billing	192.0.2.9	VALID
everything, from elsewhere	acme_ZKdHdLQJJqkuRCAT52e382fMYwVZ5rzfgpen6H0MjSN2Q7Gwp	billing	198.51.100.1	ADDRESS_NOT_ALLOWED
the old secret	acme_UHLWPJPCv7KW6Ymde8vX7YDOnfuqtunhrnem76C31vB0y71oA	\N	\N	VALID
the new secret	acme_1PdAvb6HFxdX0X36qncZ8SFdoWd6USS69wCgtxqRfpf3xUMqH	\N	\N	VALID
an old secret without an overlap	acme_7tpyt82jpC6OzzwsR8fptKc3gC31JPocbrVjKUCBqZY0Ocoa0	\N	\N	REGENERATED
disabled	ak_qlSDaZrcY5l8afa7Iv6D3FiGB5d2KnzMYpxvmSrtj6o4VuGdb	\N	\N	DISABLED
enabled	ak_H9KBhTrWAGfY87SUwggczsOLOt6HwwnPlUm0SrJ75sR0r7YMq	\N	\N	VALID
expired	ak_lLh2TXfuPunflGK9egjxnVTL5ya03E9ELqeogZomRjI0cuJDg	\N	\N	EXPIRED
with the default lifetime	ak_rKymcprreB7hdo2OBatx9eL3EJ3Mgcg9OcbG8wRy30a3PFeiS	\N	\N	VALID
a quota that is used up	ak_ogcvSZ1YJ0FEo2jQpuBpyETPHcqxD7m3f9jMY6Bl82p3OE2o1	\N	\N	QUOTA_EXCEEDED
imported	sk_live_of_before	billing	\N	VALID
dropped from the archive	acme_GvWpxkBCociA1T5UmIKQgShiHnFR8wLnEUi24JPloxx1cRm71	\N	\N	NOT_FOUND
archived, second	acme_soooEwq94IgoZnkbAqS1DZRwq69ithH7BHCPDVG7b4u4cvWbC	\N	\N	ARCHIVED
archived, last	acme_x8Z2NuW2BhVZNtAi3GHhlck0Y4coLOcXUo7Xo8SJlsh3WHVBW	\N	\N	ARCHIVED
revoked	ak_vfe3uxlZ047AFdVl3drz8xLnOK9WE2pmx1v3Lepmd1t2FS2o1	\N	\N	ARCHIVED
of which entries are purged	ak_f8TrNgQ6h9vvorti9mQY4s418MGoRykWPKYRUkMkrIZ3XSTr8	\N	\N	VALID
\.


--
-- Name: audit_id_seq; Type: SEQUENCE SET; Schema: apikeys_internal; Owner: postgres
--

SELECT pg_catalog.setval('apikeys_internal.audit_id_seq', 70, true);


--
-- Name: expected expected_pkey; Type: CONSTRAINT; Schema: public; Owner: postgres
--

ALTER TABLE ONLY public.expected
    ADD CONSTRAINT expected_pkey PRIMARY KEY (name);


--
-- Name: SCHEMA apikeys; Type: ACL; Schema: -; Owner: postgres
--

GRANT USAGE ON SCHEMA apikeys TO regress_ak_gateway;
GRANT USAGE ON SCHEMA apikeys TO regress_ak_acme;
GRANT USAGE ON SCHEMA apikeys TO regress_ak_admin;
GRANT USAGE ON SCHEMA apikeys TO regress_ak_watch;


--
-- Name: FUNCTION act_as(actor text, team text, client text); Type: ACL; Schema: apikeys; Owner: postgres
--

GRANT ALL ON FUNCTION apikeys.act_as(actor text, team text, client text) TO regress_ak_gateway;
GRANT ALL ON FUNCTION apikeys.act_as(actor text, team text, client text) TO regress_ak_acme;
GRANT ALL ON FUNCTION apikeys.act_as(actor text, team text, client text) TO regress_ak_admin;
GRANT ALL ON FUNCTION apikeys.act_as(actor text, team text, client text) TO regress_ak_watch;


--
-- Name: FUNCTION add_team_member(actor text, team text, workspace text); Type: ACL; Schema: apikeys; Owner: postgres
--

GRANT ALL ON FUNCTION apikeys.add_team_member(actor text, team text, workspace text) TO regress_ak_admin;


--
-- Name: FUNCTION archive_key(key_id uuid, reason text); Type: ACL; Schema: apikeys; Owner: postgres
--

GRANT ALL ON FUNCTION apikeys.archive_key(key_id uuid, reason text) TO regress_ak_acme;
GRANT ALL ON FUNCTION apikeys.archive_key(key_id uuid, reason text) TO regress_ak_admin;


--
-- Name: FUNCTION audit_checkpoint(workspace text); Type: ACL; Schema: apikeys; Owner: postgres
--

GRANT ALL ON FUNCTION apikeys.audit_checkpoint(workspace text) TO regress_ak_acme;
GRANT ALL ON FUNCTION apikeys.audit_checkpoint(workspace text) TO regress_ak_admin;


--
-- Name: FUNCTION audit_consistency_proof(workspace text, old_size bigint, new_size bigint); Type: ACL; Schema: apikeys; Owner: postgres
--

GRANT ALL ON FUNCTION apikeys.audit_consistency_proof(workspace text, old_size bigint, new_size bigint) TO regress_ak_acme;
GRANT ALL ON FUNCTION apikeys.audit_consistency_proof(workspace text, old_size bigint, new_size bigint) TO regress_ak_admin;


--
-- Name: FUNCTION audit_feed(after_sequence bigint, workspace text, max_rows integer); Type: ACL; Schema: apikeys; Owner: postgres
--

GRANT ALL ON FUNCTION apikeys.audit_feed(after_sequence bigint, workspace text, max_rows integer) TO regress_ak_acme;
GRANT ALL ON FUNCTION apikeys.audit_feed(after_sequence bigint, workspace text, max_rows integer) TO regress_ak_admin;


--
-- Name: FUNCTION audit_filters(workspace text, OUT teams text[], OUT actions text[], OUT actors text[], OUT entities text[]); Type: ACL; Schema: apikeys; Owner: postgres
--

GRANT ALL ON FUNCTION apikeys.audit_filters(workspace text, OUT teams text[], OUT actions text[], OUT actors text[], OUT entities text[]) TO regress_ak_acme;
GRANT ALL ON FUNCTION apikeys.audit_filters(workspace text, OUT teams text[], OUT actions text[], OUT actors text[], OUT entities text[]) TO regress_ak_admin;


--
-- Name: FUNCTION audit_inclusion_proof(audit_id bigint, size bigint, OUT workspace text, OUT "position" bigint, OUT size bigint, OUT root bytea, OUT leaf bytea, OUT path bytea[]); Type: ACL; Schema: apikeys; Owner: postgres
--

GRANT ALL ON FUNCTION apikeys.audit_inclusion_proof(audit_id bigint, size bigint, OUT workspace text, OUT "position" bigint, OUT size bigint, OUT root bytea, OUT leaf bytea, OUT path bytea[]) TO regress_ak_acme;
GRANT ALL ON FUNCTION apikeys.audit_inclusion_proof(audit_id bigint, size bigint, OUT workspace text, OUT "position" bigint, OUT size bigint, OUT root bytea, OUT leaf bytea, OUT path bytea[]) TO regress_ak_admin;


--
-- Name: FUNCTION authenticate("authorization" text, api text, client text, cost integer); Type: ACL; Schema: apikeys; Owner: postgres
--

GRANT ALL ON FUNCTION apikeys.authenticate("authorization" text, api text, client text, cost integer) TO regress_ak_gateway;
GRANT ALL ON FUNCTION apikeys.authenticate("authorization" text, api text, client text, cost integer) TO regress_ak_acme;
GRANT ALL ON FUNCTION apikeys.authenticate("authorization" text, api text, client text, cost integer) TO regress_ak_admin;


--
-- Name: FUNCTION create_key(name text, apis text[], workspace text, team text, owner text, expires_at timestamp with time zone, allowed_cidrs text[], rate_limit integer, rate_window interval, quota bigint, quota_period text, metadata jsonb); Type: ACL; Schema: apikeys; Owner: postgres
--

GRANT ALL ON FUNCTION apikeys.create_key(name text, apis text[], workspace text, team text, owner text, expires_at timestamp with time zone, allowed_cidrs text[], rate_limit integer, rate_window interval, quota bigint, quota_period text, metadata jsonb) TO regress_ak_acme;
GRANT ALL ON FUNCTION apikeys.create_key(name text, apis text[], workspace text, team text, owner text, expires_at timestamp with time zone, allowed_cidrs text[], rate_limit integer, rate_window interval, quota bigint, quota_period text, metadata jsonb) TO regress_ak_admin;


--
-- Name: FUNCTION create_workspace(workspace text, name text, prefix text, archive_limit integer, key_limit integer, default_lifetime interval, max_lifetime interval, rate_limit integer, rate_window interval, leak_action text); Type: ACL; Schema: apikeys; Owner: postgres
--

GRANT ALL ON FUNCTION apikeys.create_workspace(workspace text, name text, prefix text, archive_limit integer, key_limit integer, default_lifetime interval, max_lifetime interval, rate_limit integer, rate_window interval, leak_action text) TO regress_ak_admin;


--
-- Name: FUNCTION current_key(); Type: ACL; Schema: apikeys; Owner: postgres
--

GRANT ALL ON FUNCTION apikeys.current_key() TO regress_ak_gateway;
GRANT ALL ON FUNCTION apikeys.current_key() TO regress_ak_acme;
GRANT ALL ON FUNCTION apikeys.current_key() TO regress_ak_admin;


--
-- Name: FUNCTION current_key_allows(api text); Type: ACL; Schema: apikeys; Owner: postgres
--

GRANT ALL ON FUNCTION apikeys.current_key_allows(api text) TO regress_ak_gateway;
GRANT ALL ON FUNCTION apikeys.current_key_allows(api text) TO regress_ak_acme;
GRANT ALL ON FUNCTION apikeys.current_key_allows(api text) TO regress_ak_admin;


--
-- Name: FUNCTION current_key_metadata(); Type: ACL; Schema: apikeys; Owner: postgres
--

GRANT ALL ON FUNCTION apikeys.current_key_metadata() TO regress_ak_gateway;
GRANT ALL ON FUNCTION apikeys.current_key_metadata() TO regress_ak_acme;
GRANT ALL ON FUNCTION apikeys.current_key_metadata() TO regress_ak_admin;


--
-- Name: FUNCTION current_owner(); Type: ACL; Schema: apikeys; Owner: postgres
--

GRANT ALL ON FUNCTION apikeys.current_owner() TO regress_ak_gateway;
GRANT ALL ON FUNCTION apikeys.current_owner() TO regress_ak_acme;
GRANT ALL ON FUNCTION apikeys.current_owner() TO regress_ak_admin;


--
-- Name: FUNCTION current_workspace(); Type: ACL; Schema: apikeys; Owner: postgres
--

GRANT ALL ON FUNCTION apikeys.current_workspace() TO regress_ak_gateway;
GRANT ALL ON FUNCTION apikeys.current_workspace() TO regress_ak_acme;
GRANT ALL ON FUNCTION apikeys.current_workspace() TO regress_ak_admin;


--
-- Name: FUNCTION disable_key(key_id uuid, reason text); Type: ACL; Schema: apikeys; Owner: postgres
--

GRANT ALL ON FUNCTION apikeys.disable_key(key_id uuid, reason text) TO regress_ak_acme;
GRANT ALL ON FUNCTION apikeys.disable_key(key_id uuid, reason text) TO regress_ak_admin;


--
-- Name: FUNCTION drop_workspace(workspace text); Type: ACL; Schema: apikeys; Owner: postgres
--

GRANT ALL ON FUNCTION apikeys.drop_workspace(workspace text) TO regress_ak_admin;


--
-- Name: FUNCTION email_audit_logs(recipient text, search text, workspace text, teams text[], actions text[], actors text[], since timestamp with time zone, until timestamp with time zone, entities text[], key_id uuid, encrypt_to bytea); Type: ACL; Schema: apikeys; Owner: postgres
--

GRANT ALL ON FUNCTION apikeys.email_audit_logs(recipient text, search text, workspace text, teams text[], actions text[], actors text[], since timestamp with time zone, until timestamp with time zone, entities text[], key_id uuid, encrypt_to bytea) TO regress_ak_acme;
GRANT ALL ON FUNCTION apikeys.email_audit_logs(recipient text, search text, workspace text, teams text[], actions text[], actors text[], since timestamp with time zone, until timestamp with time zone, entities text[], key_id uuid, encrypt_to bytea) TO regress_ak_admin;


--
-- Name: FUNCTION enable_key(key_id uuid, reason text); Type: ACL; Schema: apikeys; Owner: postgres
--

GRANT ALL ON FUNCTION apikeys.enable_key(key_id uuid, reason text) TO regress_ak_acme;
GRANT ALL ON FUNCTION apikeys.enable_key(key_id uuid, reason text) TO regress_ak_admin;


--
-- Name: FUNCTION end_overlap(key_id uuid); Type: ACL; Schema: apikeys; Owner: postgres
--

GRANT ALL ON FUNCTION apikeys.end_overlap(key_id uuid) TO regress_ak_acme;
GRANT ALL ON FUNCTION apikeys.end_overlap(key_id uuid) TO regress_ak_admin;


--
-- Name: FUNCTION export_audit_logs(search text, workspace text, teams text[], actions text[], actors text[], since timestamp with time zone, until timestamp with time zone, entities text[], key_id uuid); Type: ACL; Schema: apikeys; Owner: postgres
--

GRANT ALL ON FUNCTION apikeys.export_audit_logs(search text, workspace text, teams text[], actions text[], actors text[], since timestamp with time zone, until timestamp with time zone, entities text[], key_id uuid) TO regress_ak_acme;
GRANT ALL ON FUNCTION apikeys.export_audit_logs(search text, workspace text, teams text[], actions text[], actors text[], since timestamp with time zone, until timestamp with time zone, entities text[], key_id uuid) TO regress_ak_admin;


--
-- Name: FUNCTION find_secrets(content text, OUT key text, OUT valid_checksum boolean, OUT key_id uuid, OUT workspace text, OUT name text, OUT state text); Type: ACL; Schema: apikeys; Owner: postgres
--

GRANT ALL ON FUNCTION apikeys.find_secrets(content text, OUT key text, OUT valid_checksum boolean, OUT key_id uuid, OUT workspace text, OUT name text, OUT state text) TO regress_ak_acme;
GRANT ALL ON FUNCTION apikeys.find_secrets(content text, OUT key text, OUT valid_checksum boolean, OUT key_id uuid, OUT workspace text, OUT name text, OUT state text) TO regress_ak_admin;


--
-- Name: FUNCTION flush_usage(); Type: ACL; Schema: apikeys; Owner: postgres
--

GRANT ALL ON FUNCTION apikeys.flush_usage() TO regress_ak_admin;


--
-- Name: FUNCTION grant_access(role name, capability text, workspace text); Type: ACL; Schema: apikeys; Owner: postgres
--

GRANT ALL ON FUNCTION apikeys.grant_access(role name, capability text, workspace text) TO regress_ak_admin;


--
-- Name: FUNCTION identify_key(key text); Type: ACL; Schema: apikeys; Owner: postgres
--

GRANT ALL ON FUNCTION apikeys.identify_key(key text) TO regress_ak_acme;
GRANT ALL ON FUNCTION apikeys.identify_key(key text) TO regress_ak_admin;


--
-- Name: FUNCTION import_key(name text, apis text[], key_hash bytea, hint text, workspace text, team text, owner text, expires_at timestamp with time zone, allowed_cidrs text[], rate_limit integer, rate_window interval, quota bigint, quota_period text, metadata jsonb); Type: ACL; Schema: apikeys; Owner: postgres
--

GRANT ALL ON FUNCTION apikeys.import_key(name text, apis text[], key_hash bytea, hint text, workspace text, team text, owner text, expires_at timestamp with time zone, allowed_cidrs text[], rate_limit integer, rate_window interval, quota bigint, quota_period text, metadata jsonb) TO regress_ak_acme;
GRANT ALL ON FUNCTION apikeys.import_key(name text, apis text[], key_hash bytea, hint text, workspace text, team text, owner text, expires_at timestamp with time zone, allowed_cidrs text[], rate_limit integer, rate_window interval, quota bigint, quota_period text, metadata jsonb) TO regress_ak_admin;


--
-- Name: FUNCTION key_details(key_id uuid); Type: ACL; Schema: apikeys; Owner: postgres
--

GRANT ALL ON FUNCTION apikeys.key_details(key_id uuid) TO regress_ak_acme;
GRANT ALL ON FUNCTION apikeys.key_details(key_id uuid) TO regress_ak_admin;


--
-- Name: FUNCTION key_history(key_id uuid, OUT "time" timestamp with time zone, OUT action text, OUT activity text, OUT actor text, OUT detail apikeys.key_detail); Type: ACL; Schema: apikeys; Owner: postgres
--

GRANT ALL ON FUNCTION apikeys.key_history(key_id uuid, OUT "time" timestamp with time zone, OUT action text, OUT activity text, OUT actor text, OUT detail apikeys.key_detail) TO regress_ak_acme;
GRANT ALL ON FUNCTION apikeys.key_history(key_id uuid, OUT "time" timestamp with time zone, OUT action text, OUT activity text, OUT actor text, OUT detail apikeys.key_detail) TO regress_ak_admin;


--
-- Name: FUNCTION key_id(name text, workspace text); Type: ACL; Schema: apikeys; Owner: postgres
--

GRANT ALL ON FUNCTION apikeys.key_id(name text, workspace text) TO regress_ak_acme;
GRANT ALL ON FUNCTION apikeys.key_id(name text, workspace text) TO regress_ak_admin;


--
-- Name: FUNCTION list_keys(workspace text, search text, state text, api text, team text, owner text, expires_before timestamp with time zone, unused_since timestamp with time zone, order_by text, max_rows integer, skip integer); Type: ACL; Schema: apikeys; Owner: postgres
--

GRANT ALL ON FUNCTION apikeys.list_keys(workspace text, search text, state text, api text, team text, owner text, expires_before timestamp with time zone, unused_since timestamp with time zone, order_by text, max_rows integer, skip integer) TO regress_ak_acme;
GRANT ALL ON FUNCTION apikeys.list_keys(workspace text, search text, state text, api text, team text, owner text, expires_before timestamp with time zone, unused_since timestamp with time zone, order_by text, max_rows integer, skip integer) TO regress_ak_admin;


--
-- Name: FUNCTION metrics(OUT name text, OUT labels jsonb, OUT value double precision); Type: ACL; Schema: apikeys; Owner: postgres
--

GRANT ALL ON FUNCTION apikeys.metrics(OUT name text, OUT labels jsonb, OUT value double precision) TO regress_ak_admin;
GRANT ALL ON FUNCTION apikeys.metrics(OUT name text, OUT labels jsonb, OUT value double precision) TO regress_ak_watch;


--
-- Name: FUNCTION purge_audit_logs(older_than timestamp with time zone, workspace text); Type: ACL; Schema: apikeys; Owner: postgres
--

GRANT ALL ON FUNCTION apikeys.purge_audit_logs(older_than timestamp with time zone, workspace text) TO regress_ak_admin;


--
-- Name: FUNCTION regenerate_key(key_id uuid, overlap interval, reason text); Type: ACL; Schema: apikeys; Owner: postgres
--

GRANT ALL ON FUNCTION apikeys.regenerate_key(key_id uuid, overlap interval, reason text) TO regress_ak_acme;
GRANT ALL ON FUNCTION apikeys.regenerate_key(key_id uuid, overlap interval, reason text) TO regress_ak_admin;


--
-- Name: FUNCTION register_api(api text, description text); Type: ACL; Schema: apikeys; Owner: postgres
--

GRANT ALL ON FUNCTION apikeys.register_api(api text, description text) TO regress_ak_admin;


--
-- Name: FUNCTION regrant_access(); Type: ACL; Schema: apikeys; Owner: postgres
--

GRANT ALL ON FUNCTION apikeys.regrant_access() TO regress_ak_admin;


--
-- Name: FUNCTION release_report(report_id uuid); Type: ACL; Schema: apikeys; Owner: postgres
--

GRANT ALL ON FUNCTION apikeys.release_report(report_id uuid) TO regress_ak_acme;
GRANT ALL ON FUNCTION apikeys.release_report(report_id uuid) TO regress_ak_admin;


--
-- Name: FUNCTION remove_team_member(actor text, workspace text); Type: ACL; Schema: apikeys; Owner: postgres
--

GRANT ALL ON FUNCTION apikeys.remove_team_member(actor text, workspace text) TO regress_ak_admin;


--
-- Name: FUNCTION report_leak(alerts jsonb); Type: ACL; Schema: apikeys; Owner: postgres
--

GRANT ALL ON FUNCTION apikeys.report_leak(alerts jsonb) TO regress_ak_gateway;
GRANT ALL ON FUNCTION apikeys.report_leak(alerts jsonb) TO regress_ak_acme;
GRANT ALL ON FUNCTION apikeys.report_leak(alerts jsonb) TO regress_ak_admin;


--
-- Name: FUNCTION require_key("authorization" text, api text, client text, cost integer); Type: ACL; Schema: apikeys; Owner: postgres
--

GRANT ALL ON FUNCTION apikeys.require_key("authorization" text, api text, client text, cost integer) TO regress_ak_gateway;
GRANT ALL ON FUNCTION apikeys.require_key("authorization" text, api text, client text, cost integer) TO regress_ak_acme;
GRANT ALL ON FUNCTION apikeys.require_key("authorization" text, api text, client text, cost integer) TO regress_ak_admin;


--
-- Name: FUNCTION response_headers(verdict apikeys.verdict); Type: ACL; Schema: apikeys; Owner: postgres
--

GRANT ALL ON FUNCTION apikeys.response_headers(verdict apikeys.verdict) TO regress_ak_gateway;
GRANT ALL ON FUNCTION apikeys.response_headers(verdict apikeys.verdict) TO regress_ak_acme;
GRANT ALL ON FUNCTION apikeys.response_headers(verdict apikeys.verdict) TO regress_ak_admin;
GRANT ALL ON FUNCTION apikeys.response_headers(verdict apikeys.verdict) TO regress_ak_watch;


--
-- Name: FUNCTION revoke_access(role name, capability text, workspace text); Type: ACL; Schema: apikeys; Owner: postgres
--

GRANT ALL ON FUNCTION apikeys.revoke_access(role name, capability text, workspace text) TO regress_ak_admin;


--
-- Name: FUNCTION revoke_key(key text, reason text); Type: ACL; Schema: apikeys; Owner: postgres
--

GRANT ALL ON FUNCTION apikeys.revoke_key(key text, reason text) TO regress_ak_gateway;
GRANT ALL ON FUNCTION apikeys.revoke_key(key text, reason text) TO regress_ak_acme;
GRANT ALL ON FUNCTION apikeys.revoke_key(key text, reason text) TO regress_ak_admin;


--
-- Name: FUNCTION only_workspace(capability text); Type: ACL; Schema: apikeys_internal; Owner: postgres
--

GRANT ALL ON FUNCTION apikeys_internal.only_workspace(capability text) TO regress_ak_acme;
GRANT ALL ON FUNCTION apikeys_internal.only_workspace(capability text) TO regress_ak_admin;


--
-- Name: FUNCTION sees_everywhere(capability text); Type: ACL; Schema: apikeys_internal; Owner: postgres
--

GRANT ALL ON FUNCTION apikeys_internal.sees_everywhere(capability text) TO regress_ak_acme;
GRANT ALL ON FUNCTION apikeys_internal.sees_everywhere(capability text) TO regress_ak_admin;


--
-- Name: FUNCTION several_workspaces(capability text); Type: ACL; Schema: apikeys_internal; Owner: postgres
--

GRANT ALL ON FUNCTION apikeys_internal.several_workspaces(capability text) TO regress_ak_acme;
GRANT ALL ON FUNCTION apikeys_internal.several_workspaces(capability text) TO regress_ak_admin;


--
-- Name: TABLE audit_logs; Type: ACL; Schema: apikeys; Owner: postgres
--

GRANT SELECT ON TABLE apikeys.audit_logs TO regress_ak_acme;
GRANT SELECT ON TABLE apikeys.audit_logs TO regress_ak_admin;


--
-- Name: FUNCTION search_audit_logs(search text, workspace text, teams text[], actions text[], actors text[], since timestamp with time zone, until timestamp with time zone, entities text[], key_id uuid, max_rows integer, before_id bigint); Type: ACL; Schema: apikeys; Owner: postgres
--

GRANT ALL ON FUNCTION apikeys.search_audit_logs(search text, workspace text, teams text[], actions text[], actors text[], since timestamp with time zone, until timestamp with time zone, entities text[], key_id uuid, max_rows integer, before_id bigint) TO regress_ak_acme;
GRANT ALL ON FUNCTION apikeys.search_audit_logs(search text, workspace text, teams text[], actions text[], actors text[], since timestamp with time zone, until timestamp with time zone, entities text[], key_id uuid, max_rows integer, before_id bigint) TO regress_ak_admin;


--
-- Name: FUNCTION secret_pattern(workspace text); Type: ACL; Schema: apikeys; Owner: postgres
--

GRANT ALL ON FUNCTION apikeys.secret_pattern(workspace text) TO regress_ak_gateway;
GRANT ALL ON FUNCTION apikeys.secret_pattern(workspace text) TO regress_ak_acme;
GRANT ALL ON FUNCTION apikeys.secret_pattern(workspace text) TO regress_ak_admin;
GRANT ALL ON FUNCTION apikeys.secret_pattern(workspace text) TO regress_ak_watch;


--
-- Name: PROCEDURE sequence_audit_logs(); Type: ACL; Schema: apikeys; Owner: postgres
--

GRANT ALL ON PROCEDURE apikeys.sequence_audit_logs() TO regress_ak_acme;
GRANT ALL ON PROCEDURE apikeys.sequence_audit_logs() TO regress_ak_admin;


--
-- Name: FUNCTION status(OUT version text, OUT tracking boolean, OUT reason text, OUT worker text, OUT entries bigint, OUT limits bigint, OUT bytes bigint, OUT max_bytes bigint, OUT counts_lost bigint, OUT limits_not_kept bigint, OUT limits_given_up bigint, OUT last_flush timestamp with time zone); Type: ACL; Schema: apikeys; Owner: postgres
--

GRANT ALL ON FUNCTION apikeys.status(OUT version text, OUT tracking boolean, OUT reason text, OUT worker text, OUT entries bigint, OUT limits bigint, OUT bytes bigint, OUT max_bytes bigint, OUT counts_lost bigint, OUT limits_not_kept bigint, OUT limits_given_up bigint, OUT last_flush timestamp with time zone) TO regress_ak_admin;
GRANT ALL ON FUNCTION apikeys.status(OUT version text, OUT tracking boolean, OUT reason text, OUT worker text, OUT entries bigint, OUT limits bigint, OUT bytes bigint, OUT max_bytes bigint, OUT counts_lost bigint, OUT limits_not_kept bigint, OUT limits_given_up bigint, OUT last_flush timestamp with time zone) TO regress_ak_watch;


--
-- Name: FUNCTION unregister_api(api text); Type: ACL; Schema: apikeys; Owner: postgres
--

GRANT ALL ON FUNCTION apikeys.unregister_api(api text) TO regress_ak_admin;


--
-- Name: FUNCTION update_key(key_id uuid, name text, apis text[], team text, owner text, expires_at timestamp with time zone, allowed_cidrs text[], rate_limit integer, rate_window interval, quota bigint, quota_period text, metadata jsonb, if_updated_at timestamp with time zone); Type: ACL; Schema: apikeys; Owner: postgres
--

GRANT ALL ON FUNCTION apikeys.update_key(key_id uuid, name text, apis text[], team text, owner text, expires_at timestamp with time zone, allowed_cidrs text[], rate_limit integer, rate_window interval, quota bigint, quota_period text, metadata jsonb, if_updated_at timestamp with time zone) TO regress_ak_acme;
GRANT ALL ON FUNCTION apikeys.update_key(key_id uuid, name text, apis text[], team text, owner text, expires_at timestamp with time zone, allowed_cidrs text[], rate_limit integer, rate_window interval, quota bigint, quota_period text, metadata jsonb, if_updated_at timestamp with time zone) TO regress_ak_admin;


--
-- Name: FUNCTION update_workspace(workspace text, name text, prefix text, archive_limit integer, key_limit integer, default_lifetime interval, max_lifetime interval, rate_limit integer, rate_window interval, leak_action text); Type: ACL; Schema: apikeys; Owner: postgres
--

GRANT ALL ON FUNCTION apikeys.update_workspace(workspace text, name text, prefix text, archive_limit integer, key_limit integer, default_lifetime interval, max_lifetime interval, rate_limit integer, rate_window interval, leak_action text) TO regress_ak_admin;


--
-- Name: FUNCTION usage_chart(key_id uuid, span interval); Type: ACL; Schema: apikeys; Owner: postgres
--

GRANT ALL ON FUNCTION apikeys.usage_chart(key_id uuid, span interval) TO regress_ak_acme;
GRANT ALL ON FUNCTION apikeys.usage_chart(key_id uuid, span interval) TO regress_ak_admin;


--
-- Name: FUNCTION validate_key(key text, api text, client text, workspace text, cost integer); Type: ACL; Schema: apikeys; Owner: postgres
--

GRANT ALL ON FUNCTION apikeys.validate_key(key text, api text, client text, workspace text, cost integer) TO regress_ak_gateway;
GRANT ALL ON FUNCTION apikeys.validate_key(key text, api text, client text, workspace text, cost integer) TO regress_ak_acme;
GRANT ALL ON FUNCTION apikeys.validate_key(key text, api text, client text, workspace text, cost integer) TO regress_ak_admin;


--
-- Name: FUNCTION verify_audit_logs(workspace text, checkpoints text[]); Type: ACL; Schema: apikeys; Owner: postgres
--

GRANT ALL ON FUNCTION apikeys.verify_audit_logs(workspace text, checkpoints text[]) TO regress_ak_acme;
GRANT ALL ON FUNCTION apikeys.verify_audit_logs(workspace text, checkpoints text[]) TO regress_ak_admin;


--
-- Name: FUNCTION last_use(key_id uuid); Type: ACL; Schema: apikeys_internal; Owner: postgres
--

GRANT ALL ON FUNCTION apikeys_internal.last_use(key_id uuid) TO regress_ak_acme;
GRANT ALL ON FUNCTION apikeys_internal.last_use(key_id uuid) TO regress_ak_admin;


--
-- Name: FUNCTION quota_used(key_id uuid, quota_period text); Type: ACL; Schema: apikeys_internal; Owner: postgres
--

GRANT ALL ON FUNCTION apikeys_internal.quota_used(key_id uuid, quota_period text) TO regress_ak_acme;
GRANT ALL ON FUNCTION apikeys_internal.quota_used(key_id uuid, quota_period text) TO regress_ak_admin;


--
-- Name: FUNCTION usage_memory(OUT key_id uuid, OUT workspace text, OUT hour timestamp with time zone, OUT api text, OUT code text, OUT old_secret boolean, OUT slot bigint, OUT count bigint, OUT last_at timestamp with time zone, OUT last_client inet); Type: ACL; Schema: apikeys_internal; Owner: postgres
--

GRANT ALL ON FUNCTION apikeys_internal.usage_memory(OUT key_id uuid, OUT workspace text, OUT hour timestamp with time zone, OUT api text, OUT code text, OUT old_secret boolean, OUT slot bigint, OUT count bigint, OUT last_at timestamp with time zone, OUT last_client inet) TO regress_ak_acme;
GRANT ALL ON FUNCTION apikeys_internal.usage_memory(OUT key_id uuid, OUT workspace text, OUT hour timestamp with time zone, OUT api text, OUT code text, OUT old_secret boolean, OUT slot bigint, OUT count bigint, OUT last_at timestamp with time zone, OUT last_client inet) TO regress_ak_admin;


--
-- Name: FUNCTION visible_workspaces(capability text); Type: ACL; Schema: apikeys_internal; Owner: postgres
--

GRANT ALL ON FUNCTION apikeys_internal.visible_workspaces(capability text) TO regress_ak_acme;
GRANT ALL ON FUNCTION apikeys_internal.visible_workspaces(capability text) TO regress_ak_admin;


--
-- Name: TABLE accesses; Type: ACL; Schema: apikeys; Owner: postgres
--

GRANT SELECT ON TABLE apikeys.accesses TO regress_ak_admin;


--
-- Name: TABLE active_keys; Type: ACL; Schema: apikeys; Owner: postgres
--

GRANT SELECT ON TABLE apikeys.active_keys TO regress_ak_acme;
GRANT SELECT ON TABLE apikeys.active_keys TO regress_ak_admin;


--
-- Name: TABLE apis; Type: ACL; Schema: apikeys; Owner: postgres
--

GRANT SELECT ON TABLE apikeys.apis TO regress_ak_acme;
GRANT SELECT ON TABLE apikeys.apis TO regress_ak_admin;


--
-- Name: TABLE archived_keys; Type: ACL; Schema: apikeys; Owner: postgres
--

GRANT SELECT ON TABLE apikeys.archived_keys TO regress_ak_acme;
GRANT SELECT ON TABLE apikeys.archived_keys TO regress_ak_admin;


--
-- Name: TABLE denials; Type: ACL; Schema: apikeys; Owner: postgres
--

GRANT SELECT ON TABLE apikeys.denials TO regress_ak_acme;
GRANT SELECT ON TABLE apikeys.denials TO regress_ak_admin;


--
-- Name: TABLE key_usage; Type: ACL; Schema: apikeys; Owner: postgres
--

GRANT SELECT ON TABLE apikeys.key_usage TO regress_ak_acme;
GRANT SELECT ON TABLE apikeys.key_usage TO regress_ak_admin;


--
-- Name: TABLE keys; Type: ACL; Schema: apikeys; Owner: postgres
--

GRANT SELECT ON TABLE apikeys.keys TO regress_ak_acme;
GRANT SELECT ON TABLE apikeys.keys TO regress_ak_admin;


--
-- Name: TABLE reports; Type: ACL; Schema: apikeys; Owner: postgres
--

GRANT SELECT ON TABLE apikeys.reports TO regress_ak_acme;
GRANT SELECT ON TABLE apikeys.reports TO regress_ak_admin;


--
-- Name: TABLE team_members; Type: ACL; Schema: apikeys; Owner: postgres
--

GRANT SELECT ON TABLE apikeys.team_members TO regress_ak_acme;
GRANT SELECT ON TABLE apikeys.team_members TO regress_ak_admin;


--
-- Name: TABLE usage_daily; Type: ACL; Schema: apikeys; Owner: postgres
--

GRANT SELECT ON TABLE apikeys.usage_daily TO regress_ak_acme;
GRANT SELECT ON TABLE apikeys.usage_daily TO regress_ak_admin;


--
-- Name: TABLE usage_history; Type: ACL; Schema: apikeys; Owner: postgres
--

GRANT SELECT ON TABLE apikeys.usage_history TO regress_ak_acme;
GRANT SELECT ON TABLE apikeys.usage_history TO regress_ak_admin;


--
-- Name: TABLE workspaces; Type: ACL; Schema: apikeys; Owner: postgres
--

GRANT SELECT ON TABLE apikeys.workspaces TO regress_ak_acme;
GRANT SELECT ON TABLE apikeys.workspaces TO regress_ak_admin;


--
-- PostgreSQL database dump complete
--


