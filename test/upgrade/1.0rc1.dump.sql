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
regress_ak_gateway	validate	\N	5999b622-aa46-4222-8b4d-5aaf4d524933	15	\\x12880a5eca9a59735f462b94eabe2e0555ab6204ad3b244a004182e36de3be93
regress_ak_acme	manage	acme	7f1369c2-3a14-470c-9da1-b48a89ba3f31	16	\\xc4980c22334595b311c968cea253098163c45c639100cbb36a73cfbbf4b75f1d
regress_ak_acme	audit	acme	dc1a0f3a-8900-4522-8fc0-a6aa1230681c	17	\\x8a07abe66332a2bf56fc9a1137318560ff9948b0f065e32e7661c87fe6a86af4
regress_ak_admin	admin	\N	6871ca40-80f0-41f0-8686-83a797776c21	18	\\xe9b4a8cbcbe080b54cd600272850c41c162ea7f06fba8c0d62bec4d64c11fd21
regress_ak_watch	monitor	\N	a798a04c-7d2b-49aa-94bb-d930c4f1e716	19	\\x72f52189322ee0e45ea7f4216b582648d1e99b3c0b178e6128fc0c46a26eb64f
\.


--
-- Data for Name: api; Type: TABLE DATA; Schema: apikeys; Owner: postgres
--

COPY apikeys.api (api, description, ordinal, created_at, created_by, unregistered_at, unregistered_by, audit_id, row_digest) FROM stdin;
data	Data API	1	2026-11-29 17:53:04.645625+00	postgres	\N	\N	0	\\x6d726cca3fde2de33245181e5f5afacf4ff2c3dd8213e67f7cdb4e91f444928f
segmentation	Segmentation API	2	2026-11-29 17:53:04.645697+00	postgres	\N	\N	0	\\x4b4026b1225d43b42e2638e1e0f0ad21966d0a96b7de307d73d63436c7a55f22
billing	Invoices <&> "more"	4	2026-11-29 17:53:05.003953+00	postgres	\N	\N	1	\\xf0503a9bade82c7276a67841a37a1721fe9fee881139256868eab05132230bf1
orders:read	\N	5	2026-11-29 17:53:05.014782+00	postgres	\N	\N	2	\\x108a329daf9411799e63403ebdabe0d5c099b4344978912e989c085331c6644a
push	Push API	3	2026-11-29 17:53:04.645706+00	postgres	2026-11-29 17:53:05.023406+00	postgres	3	\\x162c7cee3cd9f516764a206396b2654f54574e2dc4487f180b0e8f4dfa6bf7bd
\.


--
-- Data for Name: audit_log; Type: TABLE DATA; Schema: apikeys; Owner: postgres
--

COPY apikeys.audit_log (audit_id, "time", workspace, team, entity, action, activity, actor, ip, subject, key_id, key_name, changes, db_user, row_digest, digest) FROM stdin;
1	2026-11-29 17:53:05.004046+00	\N	\N	APIs	Create	Registered API "billing"	postgres	\N	{"api": "billing"}	\N	\N	{"api": {"new": "billing", "old": null}, "description": {"new": "Invoices <&> \\"more\\"", "old": null}}	postgres	\\xf0503a9bade82c7276a67841a37a1721fe9fee881139256868eab05132230bf1	\\xf664b5080530f7467ff124cdd0bbfe7dac4b67b44d27517ffa9dc5b5ed4f41c7
2	2026-11-29 17:53:05.014823+00	\N	\N	APIs	Create	Registered API "orders:read"	postgres	\N	{"api": "orders:read"}	\N	\N	{"api": {"new": "orders:read", "old": null}}	postgres	\\x108a329daf9411799e63403ebdabe0d5c099b4344978912e989c085331c6644a	\\x47f7cb63e30b5dd7d486fa64233f69acea1e33d4f7e5a28177cbe46b398c9e88
3	2026-11-29 17:53:05.023439+00	\N	\N	APIs	Delete	Unregistered API "push"	postgres	\N	{"api": "push"}	\N	\N	{"api": {"new": null, "old": "push"}, "description": {"new": null, "old": "Push API"}}	postgres	\\x162c7cee3cd9f516764a206396b2654f54574e2dc4487f180b0e8f4dfa6bf7bd	\\x92151ad23345b0a183613e9b9bc64a860e69bbf8dc83713b954efff76df14796
4	2026-11-29 17:53:05.031839+00	acme	\N	Workspaces	Create	Created workspace "acme"	postgres	\N	{"workspace": "acme"}	\N	\N	{"name": {"new": "Acme & Söhne", "old": null}, "prefix": {"new": "acme", "old": null}, "key_limit": {"new": 50, "old": null}, "workspace": {"new": "acme", "old": null}, "leak_action": {"new": "archive", "old": null}, "archive_limit": {"new": 2, "old": null}}	postgres	\\xc82ea4d62186636ccbb5a1dcbfbd6db67e5f8f1be9b3a02b98decb167352646f	\\x1f7d20075defa893993b60d14c798063603cac15c3022bb2353f2c1fe867dd69
5	2026-11-29 17:53:05.034215+00	globex	\N	Workspaces	Create	Created workspace "globex"	postgres	\N	{"workspace": "globex"}	\N	\N	{"prefix": {"new": "ak", "old": null}, "workspace": {"new": "globex", "old": null}, "rate_limit": {"new": 1000000, "old": null}, "rate_window": {"new": "00:00:01", "old": null}, "max_lifetime": {"new": "365250 days", "old": null}, "archive_limit": {"new": 3, "old": null}, "default_lifetime": {"new": "365000 days", "old": null}}	postgres	\\x227ac241d19b7cc64ebe74f35325e7660ddc3776af5eb6b2155e91d7be50c105	\\x277375c57a84413b568917d6e7ea208bed9dbc220191e335c656106011159618
6	2026-11-29 17:53:05.034602+00	quiet	\N	Workspaces	Create	Created workspace "quiet"	postgres	\N	{"workspace": "quiet"}	\N	\N	{"prefix": {"new": "ak", "old": null}, "workspace": {"new": "quiet", "old": null}, "archive_limit": {"new": 10, "old": null}}	postgres	\\x872666017d9320e50b0e4384eed52c1b2eeddc2d68b975ef64655d04aad3d323	\\xaa119017d11c546b1d92ede296bb5e88af83672080aeaf65d5f9be9af129bf02
7	2026-11-29 17:53:05.034809+00	gone	\N	Workspaces	Create	Created workspace "gone"	postgres	\N	{"workspace": "gone"}	\N	\N	{"prefix": {"new": "ak", "old": null}, "workspace": {"new": "gone", "old": null}, "archive_limit": {"new": 10, "old": null}}	postgres	\\x64f3b70b0deb5b95bdb84cc627803fc9d96294b244036e8f2bd516f56aefbf35	\\x26f41d42e12aff65b49d8377449c1ab0f47c7137fa9b195ee4cbb3daba256784
8	2026-11-29 17:53:05.036001+00	gone	\N	Workspaces	Delete	Removed workspace "gone"	postgres	\N	{"workspace": "gone"}	\N	\N	{"prefix": {"new": null, "old": "ak"}, "workspace": {"new": null, "old": "gone"}, "archive_limit": {"new": null, "old": 10}}	postgres	\N	\\x5ba3e9170d145f0d9a38aab4a2dd9fbf211b27e34f51fce263266eef80955b6a
9	2026-11-29 17:53:05.045726+00	default	\N	Workspaces	Update	Updated workspace "default": name	postgres	\N	{"workspace": "default"}	\N	\N	{"name": {"new": "Ours", "old": "Default workspace"}}	postgres	\\x68276292f16f2dd31695a57ec4cf35e545b1e79e0521ca6f039ebc76dfe23439	\\x4f212f40a44b5c24bc4e94c62e8ee8b528f6e6878e8384e512ed9eee123efcbf
10	2026-11-29 17:53:05.050819+00	default	\N	Teams	Create	Added "anna" to team "platform"	postgres	\N	{"actor": "anna", "workspace": "default"}	\N	\N	{"team": {"new": "platform", "old": null}, "actor": {"new": "anna", "old": null}}	postgres	\\x4dac4a3ecf03c23d6e0896c9dce6943f91e67953f2f8b0380f8865e5b96c33e9	\\x2346fcffd00dd589a758020e9d98863d4fb18d43f366d4cd6d2b553390b9d13c
11	2026-11-29 17:53:05.051086+00	acme	\N	Teams	Create	Added "bert" to team "billing"	postgres	\N	{"actor": "bert", "workspace": "acme"}	\N	\N	{"team": {"new": "billing", "old": null}, "actor": {"new": "bert", "old": null}}	postgres	\\xc3f1236f3d6b0b25a8e3d60659cae413544de566e18e8032b4fb563719d8adcb	\\x145a374acd0df3438aa88831a65b7a32570496036ee4e3bdd926e367636215b5
13	2026-11-29 17:53:05.063516+00	acme	\N	Teams	Update	Moved "bert" to team "orders"	postgres	\N	{"actor": "bert", "workspace": "acme"}	\N	\N	{"team": {"new": "orders", "old": "billing"}}	postgres	\\x6be9c02688b47b8a70ac12f7119707a2f0abcc8d6ef4991b0ec3834770fcb5ac	\\x3eee5a03b8f3fe6c4019c7141fd91b3ba2e17be97fc558babe6c0a85d839c60a
14	2026-11-29 17:53:05.06499+00	default	\N	Teams	Delete	Removed "anna" from team "platform"	postgres	\N	{"actor": "anna", "workspace": "default"}	\N	\N	{"team": {"new": null, "old": "platform"}, "actor": {"new": null, "old": "anna"}}	postgres	\N	\\xf5a71cbb27b3ce07f2e3bbd37c960e1d4d59afbd5fd1e4c43bb09cd15f163cd3
15	2026-11-29 17:53:05.068552+00	\N	\N	Access	Create	Granted "validate" in all workspaces to role "regress_ak_gateway"	postgres	\N	{"role": "regress_ak_gateway", "grant_id": "5999b622-aa46-4222-8b4d-5aaf4d524933", "workspace": null, "capability": "validate"}	\N	\N	{"role": {"new": "regress_ak_gateway", "old": null}, "grant_id": {"new": "5999b622-aa46-4222-8b4d-5aaf4d524933", "old": null}, "capability": {"new": "validate", "old": null}}	postgres	\\x12880a5eca9a59735f462b94eabe2e0555ab6204ad3b244a004182e36de3be93	\\xbdde5eb7e707e5a41521ef4e136cf7c204bead02776335d7a1ef94338690f429
16	2026-11-29 17:53:05.120397+00	acme	\N	Access	Create	Granted "manage" in workspace "acme" to role "regress_ak_acme"	postgres	\N	{"role": "regress_ak_acme", "grant_id": "7f1369c2-3a14-470c-9da1-b48a89ba3f31", "workspace": "acme", "capability": "manage"}	\N	\N	{"role": {"new": "regress_ak_acme", "old": null}, "grant_id": {"new": "7f1369c2-3a14-470c-9da1-b48a89ba3f31", "old": null}, "workspace": {"new": "acme", "old": null}, "capability": {"new": "manage", "old": null}}	postgres	\\xc4980c22334595b311c968cea253098163c45c639100cbb36a73cfbbf4b75f1d	\\x816bb6f3741e89291c066377f8aa8e0e58c33d41992123b57f7b9e020909ec0f
17	2026-11-29 17:53:05.25532+00	acme	\N	Access	Create	Granted "audit" in workspace "acme" to role "regress_ak_acme"	postgres	\N	{"role": "regress_ak_acme", "grant_id": "dc1a0f3a-8900-4522-8fc0-a6aa1230681c", "workspace": "acme", "capability": "audit"}	\N	\N	{"role": {"new": "regress_ak_acme", "old": null}, "grant_id": {"new": "dc1a0f3a-8900-4522-8fc0-a6aa1230681c", "old": null}, "workspace": {"new": "acme", "old": null}, "capability": {"new": "audit", "old": null}}	postgres	\\x8a07abe66332a2bf56fc9a1137318560ff9948b0f065e32e7661c87fe6a86af4	\\x331dbbecd5b1d87dc6bbf5c45c89ff70861b15729df0e6fbf1f7751e4421e2c7
18	2026-11-29 17:53:05.314289+00	\N	\N	Access	Create	Granted "admin" in all workspaces to role "regress_ak_admin"	postgres	\N	{"role": "regress_ak_admin", "grant_id": "6871ca40-80f0-41f0-8686-83a797776c21", "workspace": null, "capability": "admin"}	\N	\N	{"role": {"new": "regress_ak_admin", "old": null}, "grant_id": {"new": "6871ca40-80f0-41f0-8686-83a797776c21", "old": null}, "capability": {"new": "admin", "old": null}}	postgres	\\xe9b4a8cbcbe080b54cd600272850c41c162ea7f06fba8c0d62bec4d64c11fd21	\\xf47273d49a355d36745a78f1ac6070bbe73c5cba5a37107cd12429d881815316
19	2026-11-29 17:53:05.411821+00	\N	\N	Access	Create	Granted "monitor" in all workspaces to role "regress_ak_watch"	postgres	\N	{"role": "regress_ak_watch", "grant_id": "a798a04c-7d2b-49aa-94bb-d930c4f1e716", "workspace": null, "capability": "monitor"}	\N	\N	{"role": {"new": "regress_ak_watch", "old": null}, "grant_id": {"new": "a798a04c-7d2b-49aa-94bb-d930c4f1e716", "old": null}, "capability": {"new": "monitor", "old": null}}	postgres	\\x72f52189322ee0e45ea7f4216b582648d1e99b3c0b178e6128fc0c46a26eb64f	\\x028f9d3e3986840246c2dfea457ba2da35110491e40a9958bb714d0ef5210135
20	2026-11-29 17:53:05.488748+00	globex	\N	Access	Create	Granted "view" in workspace "globex" to role "regress_ak_watch"	postgres	\N	{"role": "regress_ak_watch", "grant_id": "b4701722-05c6-4490-9d8b-273a22f7a370", "workspace": "globex", "capability": "view"}	\N	\N	{"role": {"new": "regress_ak_watch", "old": null}, "grant_id": {"new": "b4701722-05c6-4490-9d8b-273a22f7a370", "old": null}, "workspace": {"new": "globex", "old": null}, "capability": {"new": "view", "old": null}}	postgres	\\xd83f20e531e1e3d67a391074f9e2a12bf8020e9d9631430c6de3af41bec1eced	\\x80fb43d3f57bb86b70fb63b7a95e735e5f7596a2c1130951dac9233720c9129f
21	2026-11-29 17:53:05.535255+00	globex	\N	Access	Delete	Revoked "view" in workspace "globex" from role "regress_ak_watch"	postgres	\N	{"role": "regress_ak_watch", "grant_id": "b4701722-05c6-4490-9d8b-273a22f7a370", "workspace": "globex", "capability": "view"}	\N	\N	{"role": {"new": null, "old": "regress_ak_watch"}, "grant_id": {"new": null, "old": "b4701722-05c6-4490-9d8b-273a22f7a370"}, "workspace": {"new": null, "old": "globex"}, "capability": {"new": null, "old": "view"}}	postgres	\N	\\xf15cbe242c03ccaf333802b3c4c9396bd489e43873d000e9ce9c33df333abd95
22	2026-11-29 17:53:05.614845+00	default	\N	API Keys	Create	Created key "Plain"	postgres	\N	{"key_id": "817df14d-7fee-4f80-8708-ced0448afcd8"}	817df14d-7fee-4f80-8708-ced0448afcd8	Plain	{"apis": {"new": ["data"], "old": null}, "hint": {"new": "ak...zB2a", "old": null}, "name": {"new": "Plain", "old": null}}	postgres	\\x643f085a1088e921100fafba4a505b27a652dd95be0b9f61003aa541f76625a0	\\x7ad42e7ef12fb3b827b2601fc964bf19927da5654ac7090279892cc416626cf1
23	2026-11-29 17:53:05.6313+00	acme	platform	API Keys	Create	Created key "Everything <b>ÄÖ</b> "x""	anna	192.0.2.7	{"key_id": "37d12412-35b5-4fe5-b5b0-952f28306386"}	37d12412-35b5-4fe5-b5b0-952f28306386	Everything <b>ÄÖ</b> "x"	{"apis": {"new": ["data", "billing", "orders:read"], "old": null}, "hint": {"new": "acme...4J18", "old": null}, "name": {"new": "Everything <b>ÄÖ</b> \\"x\\"", "old": null}, "team": {"new": "billing", "old": null}, "owner": {"new": "customer 42", "old": null}, "quota": {"new": 1000000000, "old": null}, "metadata": {"new": {"n": 1.10, "list": [1, null], "plan": "gold"}, "old": null}, "expires_at": {"new": "2999-01-01T00:00:00+00:00", "old": null}, "rate_limit": {"new": 7000000, "old": null}, "rate_window": {"new": "01:00:00", "old": null}, "quota_period": {"new": "total", "old": null}, "allowed_cidrs": {"new": ["192.0.2.0/24", "2001:db8::/32"], "old": null}}	postgres	\\x09404291513289fd5a0673cd3b70d9c6c725f56a61e2e7de5aa9ec83f33ed520	\\x6890a9bbc484b1d92067e32e22f9abe26b1bffa6a75df3bee8f3e922beff23a9
24	2026-11-29 17:53:05.639066+00	acme	\N	API Keys	Update	Updated key "All of it": name, metadata	postgres	\N	{"key_id": "37d12412-35b5-4fe5-b5b0-952f28306386"}	37d12412-35b5-4fe5-b5b0-952f28306386	All of it	{"name": {"new": "All of it", "old": "Everything <b>ÄÖ</b> \\"x\\""}, "metadata": {"new": {"plan": "platinum"}, "old": {"n": 1.10, "list": [1, null], "plan": "gold"}}}	postgres	\\xa272bc2e9e76a1744052c1fb7aaf722517f369dbcc09218e450b1fc4cd885244	\\xcbb9d135c08f307db77fd0183502ab192f1d2d7532a7687921fb58363d974e11
25	2026-11-29 17:53:05.641527+00	acme	\N	API Keys	Create	Created key "Regenerated"	postgres	\N	{"key_id": "4f0153cd-ee07-44ad-b153-b8c3f615db7a"}	4f0153cd-ee07-44ad-b153-b8c3f615db7a	Regenerated	{"apis": {"new": ["data"], "old": null}, "hint": {"new": "acme...geau", "old": null}, "name": {"new": "Regenerated", "old": null}}	postgres	\\x739068e3900bc237d114b44a85682f60606f41d4f8feacd55051f7753377aa82	\\x8e9fde877d63290159ae4c2ed5d3456384e829bc8be1497aaec7ab48ecf2bf5b
26	2026-11-29 17:53:05.643057+00	acme	\N	API Keys	Update	Regenerated key "Regenerated" with an overlap	postgres	\N	{"key_id": "4f0153cd-ee07-44ad-b153-b8c3f615db7a"}	4f0153cd-ee07-44ad-b153-b8c3f615db7a	Regenerated	{"hint": {"new": "acme...Ihsk", "old": "acme...geau"}, "reason": "yearly", "regenerated_at": {"new": "2026-11-29T17:53:05.643057+00:00", "old": null}, "old_valid_until": {"new": "2926-11-29T17:53:05.642907+00:00", "old": null}}	postgres	\\x59952373ee22e5b74cb1c28b2c6938f2c41accb4f9d88059ab32ada134128e95	\\x9d58ef41ecd5935d9fbcd788dae703947ccbef5eee856ec46969f1dc374fe09e
27	2026-11-29 17:53:05.650448+00	acme	\N	API Keys	Create	Created key "Regenerated at once"	postgres	\N	{"key_id": "7dc52452-041e-46a1-9f52-770303493be5"}	7dc52452-041e-46a1-9f52-770303493be5	Regenerated at once	{"apis": {"new": ["data"], "old": null}, "hint": {"new": "acme...GGDU", "old": null}, "name": {"new": "Regenerated at once", "old": null}}	postgres	\\xd090e5fe6c18c0d05cd2e2bc2c778313be83bf517c0287da13aa2b784c4d7f21	\\xd9764e20dfffac35a4cc59f2038aeaf950cb1336593395ea654a27511afd8c0c
28	2026-11-29 17:53:05.654672+00	acme	\N	API Keys	Update	Regenerated key "Regenerated at once"	postgres	\N	{"key_id": "7dc52452-041e-46a1-9f52-770303493be5"}	7dc52452-041e-46a1-9f52-770303493be5	Regenerated at once	{"hint": {"new": "acme...vufi", "old": "acme...GGDU"}, "regenerated_at": {"new": "2026-11-29T17:53:05.654672+00:00", "old": null}}	postgres	\\x946a388949dad1ccfa67232099d13b1da6cca92c5a7f54f186585dfe247414cb	\\x24a1ec844edaf0379756cb251dbc35eba07e0ea8b4415f4847b55d50f657456f
29	2026-11-29 17:53:05.654923+00	default	\N	API Keys	Create	Created key "Paused"	postgres	\N	{"key_id": "71c1ad5c-2525-4f7b-9652-3c0779b5361d"}	71c1ad5c-2525-4f7b-9652-3c0779b5361d	Paused	{"apis": {"new": ["data"], "old": null}, "hint": {"new": "ak...5VZc", "old": null}, "name": {"new": "Paused", "old": null}}	postgres	\\xbdedd11fac309913a68ce7e6b8987c67a86b6cc3a30855487a436e2920139b65	\\x9b740c7bff95e95396f392fff9b10a9dda0901c3be363f6403ed2fa5e7085718
30	2026-11-29 17:53:05.658754+00	default	\N	API Keys	Update	Disabled key "Paused"	postgres	\N	{"key_id": "71c1ad5c-2525-4f7b-9652-3c0779b5361d"}	71c1ad5c-2525-4f7b-9652-3c0779b5361d	Paused	{"reason": "too many requests", "disabled_at": {"new": "2026-11-29T17:53:05.658754+00:00", "old": null}}	postgres	\\xa0df2e3b8f9b0bfec56b5f3da12302f6a482c3b1a3a0b9b54f3e58998f5ed917	\\xd9f366edf2f088e73b5338af4e7c8153584882a65af6e85e51ad298f073830a5
31	2026-11-29 17:53:05.668765+00	default	\N	API Keys	Create	Created key "Paused once"	postgres	\N	{"key_id": "5003ce87-9490-475e-aefa-14c29ad0e145"}	5003ce87-9490-475e-aefa-14c29ad0e145	Paused once	{"apis": {"new": ["data"], "old": null}, "hint": {"new": "ak...vqLl", "old": null}, "name": {"new": "Paused once", "old": null}}	postgres	\\xadd1714c1f4b0b7792af07ea0043968dc5f2ee5e91272d43cef70d63b9f91d5f	\\xac6c4d347d0c70de65257afc6a7bda1318dc8254f778a85a659c93b62f44d722
32	2026-11-29 17:53:05.673301+00	default	\N	API Keys	Update	Disabled key "Paused once"	postgres	\N	{"key_id": "5003ce87-9490-475e-aefa-14c29ad0e145"}	5003ce87-9490-475e-aefa-14c29ad0e145	Paused once	{"disabled_at": {"new": "2026-11-29T17:53:05.673301+00:00", "old": null}}	postgres	\\xdce4fdc863eb9123159ef8dd1b74e83f065ee9a94058aaa2ea11b8e1209825ed	\\x6e92acd6751953664a960850632a3790f2c2238d043caaeaf40851ea52890835
33	2026-11-29 17:53:05.673677+00	default	\N	API Keys	Update	Enabled key "Paused once"	postgres	\N	{"key_id": "5003ce87-9490-475e-aefa-14c29ad0e145"}	5003ce87-9490-475e-aefa-14c29ad0e145	Paused once	{"disabled_at": {"new": null, "old": "2026-11-29T17:53:05.673301+00:00"}}	postgres	\\x040f42f17381dcc778544b6fec8a766b63b8f7749f17839afd61761728c6dfcd	\\x64ed0d7a4f9ba3866277bf2c7e537ae98e1b646f949bfe2d3fcc79d5d2cac042
34	2026-11-29 17:53:05.67388+00	default	\N	API Keys	Create	Created key "Expired"	postgres	\N	{"key_id": "fb599893-92a3-4899-bb32-a0c350ffc8ac"}	fb599893-92a3-4899-bb32-a0c350ffc8ac	Expired	{"apis": {"new": ["data"], "old": null}, "hint": {"new": "ak...WM6x", "old": null}, "name": {"new": "Expired", "old": null}}	postgres	\\xb6fa29168cbad60afd9dcf0d6c7aa93137d3b93cb7562c440d9c762827674fcc	\\xe33b4aa4eba429c3667082194c26c51f78b4e50499b7e6fb4df9183b0817f8ed
35	2026-11-29 17:53:05.674265+00	default	\N	API Keys	Update	Updated key "Expired": expiry	postgres	\N	{"key_id": "fb599893-92a3-4899-bb32-a0c350ffc8ac"}	fb599893-92a3-4899-bb32-a0c350ffc8ac	Expired	{"expires_at": {"new": "2026-11-29T17:53:05.674125+00:00", "old": null}}	postgres	\\xd9881933e2f8dc0ed13852f502e7c3901955673b8840d97655d14bafe07c9c6e	\\x596ce76da81a5ccc5c626c434544003e2ed35dd07d7c891a2c7f982ab77d4830
36	2026-11-29 17:53:05.678486+00	globex	\N	API Keys	Create	Created key "With a lifetime"	postgres	\N	{"key_id": "0baed3fb-de63-4584-a2c4-1be777faa38a"}	0baed3fb-de63-4584-a2c4-1be777faa38a	With a lifetime	{"apis": {"new": ["data"], "old": null}, "hint": {"new": "ak...1d0u", "old": null}, "name": {"new": "With a lifetime", "old": null}, "expires_at": {"new": "3026-04-01T17:53:05.678486+00:00", "old": null}}	postgres	\\x4e77b099d18b431147bb4be656d4f8071cf41de58be259190055cf13eeea0892	\\xca903d26d4623b759f0d391b3b27ca42d2fd990d1310995d2edc7459b283a0a1
37	2026-11-29 17:53:05.682612+00	default	\N	API Keys	Create	Created key "Used up"	postgres	\N	{"key_id": "6ec8cb92-b924-4b29-beb7-bb37153aedc7"}	6ec8cb92-b924-4b29-beb7-bb37153aedc7	Used up	{"apis": {"new": ["data"], "old": null}, "hint": {"new": "ak...9Hb0", "old": null}, "name": {"new": "Used up", "old": null}, "quota": {"new": 2, "old": null}, "quota_period": {"new": "total", "old": null}}	postgres	\\x6acb63c93d694b68544c5e0b182d70713e910dae7cf903a505f667db48ea250e	\\xeeb98f5711783259b681344f19c25969d5b3ed23d37be06e88409494cf578cdc
38	2026-11-29 17:53:05.702702+00	acme	\N	API Keys	Create	Imported key "Of before"	postgres	\N	{"key_id": "a903ab29-4990-4909-8cb0-320241ebdf2d"}	a903ab29-4990-4909-8cb0-320241ebdf2d	Of before	{"apis": {"new": ["data", "billing"], "old": null}, "hint": {"new": "sk_live_…fore", "old": null}, "name": {"new": "Of before", "old": null}}	postgres	\\x5e90e17370616724f9ffdf551a09c4154721d3ebb6ad4247a10c58eb32aa9813	\\x1be8fd23bfb768e1abc8f89d1c22200df77f6b5a6706b75d42bff57aed081f5c
39	2026-11-29 17:53:05.705616+00	acme	\N	API Keys	Create	Created key "End 1"	postgres	\N	{"key_id": "e0843c51-6261-40cb-9650-bec47ba2bf74"}	e0843c51-6261-40cb-9650-bec47ba2bf74	End 1	{"apis": {"new": ["data"], "old": null}, "hint": {"new": "acme...Do5A", "old": null}, "name": {"new": "End 1", "old": null}}	postgres	\\xa7b68762b85a45e22e4749d1c468309393f34c0c5d726c9eafb12923f4881cb0	\\x32230fc3582d7cb38f5b2ba14ff8ed69a9ac55ed2d07599818769380f000948d
40	2026-11-29 17:53:05.705951+00	acme	\N	API Keys	Create	Created key "End 2"	postgres	\N	{"key_id": "2d8ed056-1d62-409b-b794-6e277d7b2263"}	2d8ed056-1d62-409b-b794-6e277d7b2263	End 2	{"apis": {"new": ["data"], "old": null}, "hint": {"new": "acme...w7E7", "old": null}, "name": {"new": "End 2", "old": null}}	postgres	\\x7201d8b4597a19c70698b96ea64cd240552a15770477d3dc5add61885e18b23a	\\x3294dbb4fc7aa32a14e423317744951fe45932d8021d246eab0e2ce44a708f09
41	2026-11-29 17:53:05.70616+00	acme	\N	API Keys	Create	Created key "End 3"	postgres	\N	{"key_id": "87506a96-962a-47ea-89e6-bba19252a1ae"}	87506a96-962a-47ea-89e6-bba19252a1ae	End 3	{"apis": {"new": ["data"], "old": null}, "hint": {"new": "acme...rlxi", "old": null}, "name": {"new": "End 3", "old": null}}	postgres	\\xf69bad5ec958bce06d606afa5e71292a76d9e905b689dc87e5b61a803be290f4	\\xcb49067d78e1a786b3ee3b705d98a290f8c097f79edf4dc03bd2e29f994111d9
42	2026-11-29 17:53:05.706645+00	acme	\N	API Keys	Delete	Archived key "End 1"	postgres	\N	{"key_id": "e0843c51-6261-40cb-9650-bec47ba2bf74"}	e0843c51-6261-40cb-9650-bec47ba2bf74	End 1	{"archived_at": {"new": "2026-11-29T17:53:05.706645+00:00", "old": null}}	postgres	\\xd85663b43015045e1d0d8aa7fdff422bcedb757b1f99f55c05805e721dd3f040	\\xafa99acda979b992846e876afcfadcb879d3076a420e0129a76803063862beaa
43	2026-11-29 17:53:05.71471+00	acme	\N	API Keys	Delete	Archived key "End 2"	postgres	\N	{"key_id": "2d8ed056-1d62-409b-b794-6e277d7b2263"}	2d8ed056-1d62-409b-b794-6e277d7b2263	End 2	{"reason": "no customer any more", "archived_at": {"new": "2026-11-29T17:53:05.71471+00:00", "old": null}}	postgres	\\x4758b9890cc23c590e159f771f866935e23810a2b6faf1b98a3f31442e1220db	\\xbc083155219d3c581b33836779b39ab3a7f90cacf2ac0c253d6f005ae644403b
44	2026-11-29 17:53:05.715165+00	acme	\N	API Keys	Delete	Archived key "End 3"	postgres	\N	{"key_id": "87506a96-962a-47ea-89e6-bba19252a1ae"}	87506a96-962a-47ea-89e6-bba19252a1ae	End 3	{"evicted": [{"name": "End 1", "key_id": "e0843c51-6261-40cb-9650-bec47ba2bf74"}], "archived_at": {"new": "2026-11-29T17:53:05.715165+00:00", "old": null}}	postgres	\\x2b325078ff6f7b5ae5c29531d25809c2e69530e9143fbf067012285791049437	\\xcdc455b381035816bdf060c332414378379ffd01d117ff6d415cd93d1a052f22
45	2026-11-29 17:53:05.718531+00	globex	\N	API Keys	Create	Created key "Leaked"	postgres	\N	{"key_id": "c4e936c1-8271-4eaa-bdf4-5f385ca1c775"}	c4e936c1-8271-4eaa-bdf4-5f385ca1c775	Leaked	{"apis": {"new": ["data"], "old": null}, "hint": {"new": "ak...NPft", "old": null}, "name": {"new": "Leaked", "old": null}, "expires_at": {"new": "3026-04-01T17:53:05.718531+00:00", "old": null}}	postgres	\\x599bf54378500f7e9160f917b35ddaf85f3f34ebd17ee6e7d6c495fe83a5c201	\\x6b5f50640412ed8e405741c7e04511596e9621040912bf8ba5db7804008208d7
46	2026-11-29 17:53:05.718956+00	globex	\N	API Keys	Delete	Archived key "Leaked", which was revoked by a holder of its secret	postgres	\N	{"key_id": "c4e936c1-8271-4eaa-bdf4-5f385ca1c775"}	c4e936c1-8271-4eaa-bdf4-5f385ca1c775	Leaked	{"reason": "found in a repository", "archived_at": {"new": "2026-11-29T17:53:05.718956+00:00", "old": null}}	postgres	\\x1191e0a1acfef5bd6905ca3c0aff2330e39792555fb36abb0ccff038a1d5b7a2	\\x26776f600c0c3fe8f77e0387193a100fb84c73cb07818da57ec729397e1c8d8c
67	2026-11-29 17:53:05.736173+00	quiet	\N	API Keys	Update	Updated key "Name 20": name	postgres	\N	{"key_id": "b5b1b630-0149-4e6e-b56f-50964476e9bd"}	b5b1b630-0149-4e6e-b56f-50964476e9bd	Name 20	{"name": {"new": "Name 20", "old": "Name 19"}}	postgres	\\x1702f21010e83a7f89cb2b7afbcbe8140e870fc5fd33cb5319fcc705ee013506	\\x9b5c9976bfd53cbf012e652a06e64575c46d198b856a4c0de6147263864c3666
68	2026-11-29 17:53:05.754645+00	quiet	\N	Audit Logs	Delete	Purged 20 entries from before 2026-11-29T17:53:05.753312+00:00	postgres	\N	{"workspace": "quiet", "older_than": "2026-11-29T17:53:05.753312+00:00"}	\N	\N	{"kept": 1, "entries": 20, "through": 21, "older_than": "2026-11-29T17:53:05.753312+00:00", "kept_sha256": "81efd73cc290db02427100539fe67ef3cb25054ffccbe0f10ac7148eacc7d774"}	postgres	\N	\\x83f4f4fc99f220c31df2fcdda34cc91f70629f9c62d482540e3d512ee8e45579
69	2026-11-29 17:53:05.827515+00	default	\N	API Keys	Update	Updated key "Plain": team	postgres	\N	{"key_id": "817df14d-7fee-4f80-8708-ced0448afcd8"}	817df14d-7fee-4f80-8708-ced0448afcd8	Plain	{"team": {"new": "platform", "old": null}}	postgres	\\xc4893d09333b7d3e7148408154724b71f785b9223501682390f8041e44ecd91e	\\x3aa7e8538634e5871a0c8cdfde186e10f5e43054e8a586d322dc9063dc3dc557
70	2026-11-29 17:53:05.847133+00	acme	\N	Audit Logs	Export	Mailed a report of 18 entries to "auditor@example.invalid"	postgres	\N	{"report_id": "cd92d810-369e-4930-bbd1-07dac06b4277"}	\N	\N	{"encrypted": {"new": false, "old": null}, "recipient": {"new": "auditor@example.invalid", "old": null}, "report_id": {"new": "cd92d810-369e-4930-bbd1-07dac06b4277", "old": null}}	postgres	\N	\\x4fe29a1ee88d24bdc4d2a9450079a3db5797a997d6624a97c9003674e6b3da5d
\.


--
-- Data for Name: audit_size; Type: TABLE DATA; Schema: apikeys; Owner: postgres
--

COPY apikeys.audit_size (workspace, size, logged_at) FROM stdin;
	3	2026-11-29 17:53:05.109681+00
acme	3	2026-11-29 17:53:05.109987+00
default	3	2026-11-29 17:53:05.110018+00
globex	1	2026-11-29 17:53:05.110032+00
gone	2	2026-11-29 17:53:05.110045+00
quiet	1	2026-11-29 17:53:05.110056+00
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
	0	1	1	0	\\xf664b5080530f7467ff124cdd0bbfe7dac4b67b44d27517ffa9dc5b5ed4f41c7
	1	2	2	0	\\x47f7cb63e30b5dd7d486fa64233f69acea1e33d4f7e5a28177cbe46b398c9e88ea0985aafa24c47983181dc2f6847033cbcbace662512897f7dcd74bea7c0c09
	2	3	3	0	\\x92151ad23345b0a183613e9b9bc64a860e69bbf8dc83713b954efff76df14796
acme	0	4	4	0	\\x1f7d20075defa893993b60d14c798063603cac15c3022bb2353f2c1fe867dd69
acme	1	11	11	0	\\x145a374acd0df3438aa88831a65b7a32570496036ee4e3bdd926e367636215b54139c929ff98af7dd88d0ef2f1935362442163bbb60c225685f48fbfaa72af04
acme	2	13	12	0	\\x3eee5a03b8f3fe6c4019c7141fd91b3ba2e17be97fc558babe6c0a85d839c60a
default	0	9	9	0	\\x4f212f40a44b5c24bc4e94c62e8ee8b528f6e6878e8384e512ed9eee123efcbf
default	1	10	10	0	\\x2346fcffd00dd589a758020e9d98863d4fb18d43f366d4cd6d2b553390b9d13c856c9794632602028ea716f3543df9f619072f52d2c7ddcb0e1ba6ebeabb771e
default	2	14	13	0	\\xf5a71cbb27b3ce07f2e3bbd37c960e1d4d59afbd5fd1e4c43bb09cd15f163cd3
globex	0	5	5	0	\\x277375c57a84413b568917d6e7ea208bed9dbc220191e335c656106011159618
gone	0	7	7	0	\\x26f41d42e12aff65b49d8377449c1ab0f47c7137fa9b195ee4cbb3daba256784
gone	1	8	8	0	\\x5ba3e9170d145f0d9a38aab4a2dd9fbf211b27e34f51fce263266eef80955b6a514cd5b6c62a0e11e1c2fb2f35c2659c9a0cab8a9ab85ccb02b21574a1af48ca
quiet	0	6	6	0	\\xaa119017d11c546b1d92ede296bb5e88af83672080aeaf65d5f9be9af129bf02
	3	15	14	0	\\xbdde5eb7e707e5a41521ef4e136cf7c204bead02776335d7a1ef94338690f42958f059f05930d701c1fa83b592d14b919e40ca84d983a2cfe8ebd7c7dabade46c0ec0a7403bc35b37420ad522404cef7efdda3a8f9206b3b28c2dc689a528e14
	4	18	17	0	\\xf47273d49a355d36745a78f1ac6070bbe73c5cba5a37107cd12429d881815316
	5	19	18	0	\\x028f9d3e3986840246c2dfea457ba2da35110491e40a9958bb714d0ef5210135431b0e1b8032956e90f258adf6b2d855b6719cf1588850c082c08ad6b5ea8ed9
acme	3	16	15	0	\\x816bb6f3741e89291c066377f8aa8e0e58c33d41992123b57f7b9e020909ec0fb35f444f78be9e5325413b7e797f834a07ed84e329341625920d3d8ed14fcf72129f0067ecbf04b5c752fdf68a12961e7ec8af2d96d67e2f3252139bbe1692f3
acme	4	17	16	0	\\x331dbbecd5b1d87dc6bbf5c45c89ff70861b15729df0e6fbf1f7751e4421e2c7
acme	5	23	22	0	\\x6890a9bbc484b1d92067e32e22f9abe26b1bffa6a75df3bee8f3e922beff23a96d9d285e36950ecb5a976284e93018e3de02a9c59ba4bedcaaecd95b75b2f321
acme	6	24	23	0	\\xcbb9d135c08f307db77fd0183502ab192f1d2d7532a7687921fb58363d974e11
acme	7	25	24	0	\\x8e9fde877d63290159ae4c2ed5d3456384e829bc8be1497aaec7ab48ecf2bf5bd50858fb7626120382109e61d7e327576ee27e14e4b0e2ca58b524e56ef375c7b6a817074dbe38afae1877c264c9be3127ace41b3a66093788f6e6c7d2b49ba721e3381e29e18671d9d1e4485b3b19c8a95cfbeb483c1526538c5a6edd3ef6ed
acme	8	26	25	0	\\x9d58ef41ecd5935d9fbcd788dae703947ccbef5eee856ec46969f1dc374fe09e
acme	9	27	26	0	\\xd9764e20dfffac35a4cc59f2038aeaf950cb1336593395ea654a27511afd8c0c774a57d466e0aee024ba053002e0683fec769efa66f1c85f65172df04471b13d
acme	10	28	27	0	\\x24a1ec844edaf0379756cb251dbc35eba07e0ea8b4415f4847b55d50f657456f
acme	11	38	37	0	\\x1be8fd23bfb768e1abc8f89d1c22200df77f6b5a6706b75d42bff57aed081f5cd8cca74f3d9966727dc4057c4bc7bb4fc386f4d3e1116809f6677428c1d360fd65964904464a157cd5703e40add658d72134cc6f68a29edd21646df3c96569d1
acme	12	39	38	0	\\x32230fc3582d7cb38f5b2ba14ff8ed69a9ac55ed2d07599818769380f000948d
acme	13	40	39	0	\\x3294dbb4fc7aa32a14e423317744951fe45932d8021d246eab0e2ce44a708f093567507cf2ff9feb8785f17f4e897b4f61064b0f624129f66d57317795c77d67
acme	14	41	40	0	\\xcb49067d78e1a786b3ee3b705d98a290f8c097f79edf4dc03bd2e29f994111d9
acme	15	42	41	0	\\xafa99acda979b992846e876afcfadcb879d3076a420e0129a76803063862beaa760a35920278fc7c0a9ce375555243f21a955473dbc58cc53e0ccd45d5ba2da8be4c6f18b4eed356750650967d7fd2a63b6c8c1d0190ed01921a5e96791f0c1ccf40c8f09dc6a8160cde1bf719a11cc440c86544c881b6f963fdaa2296871c07166405e4fdbd78da813ec2db3d6aeb0388a45c9c1e282e76970e153cea0be025
acme	16	43	42	0	\\xbc083155219d3c581b33836779b39ab3a7f90cacf2ac0c253d6f005ae644403b
acme	17	44	43	0	\\xcdc455b381035816bdf060c332414378379ffd01d117ff6d415cd93d1a052f22cdaa6ee974fcd421b0625a571b1a0876c9d8f436f07e21af8eb5b7e48263f47e
default	3	22	21	0	\\x7ad42e7ef12fb3b827b2601fc964bf19927da5654ac7090279892cc416626cf1e0b22518d5d72947f24f73a3432bd39ad32918cd62f0fee75d6612b6da593fe91502d7721e90db23d5ebbd3587246aeb28b30b3416b96f942a2bb2ec76ca2f7f
default	4	29	28	0	\\x9b740c7bff95e95396f392fff9b10a9dda0901c3be363f6403ed2fa5e7085718
default	5	30	29	0	\\xd9f366edf2f088e73b5338af4e7c8153584882a65af6e85e51ad298f073830a527101911b5f87d0ceaf3ed739fdc71d1506de8b3affe8e07dc475b96793399e4
default	6	31	30	0	\\xac6c4d347d0c70de65257afc6a7bda1318dc8254f778a85a659c93b62f44d722
default	7	32	31	0	\\x6e92acd6751953664a960850632a3790f2c2238d043caaeaf40851ea52890835618bee490544b97c5b9edddc78b1925ccd84527bab9c31d3658a0699e45847f9e3af02f82fa3ce7c642e36158d8453722078294aace95f744884b80ad60f75e54a25eede4f06b8e01c3c2d6650020527f06125673cf2a9fef568bd9dd0399910
default	8	33	32	0	\\x64ed0d7a4f9ba3866277bf2c7e537ae98e1b646f949bfe2d3fcc79d5d2cac042
default	9	34	33	0	\\xe33b4aa4eba429c3667082194c26c51f78b4e50499b7e6fb4df9183b0817f8edc5f7f8aa0b8181316cd740fb0d7fb7ad7d4fe4cbffbf8138c0b379a930cf0d1f
default	10	35	34	0	\\x596ce76da81a5ccc5c626c434544003e2ed35dd07d7c891a2c7f982ab77d4830
default	11	37	36	0	\\xeeb98f5711783259b681344f19c25969d5b3ed23d37be06e88409494cf578cdc1ffb82454a4278879e0063f5000d88fbba85ffa6189b4189dc41cdf81341d29a21d14af5e7222333f3239b2da7fac2dbfb42e4c18401d059973bc37ab69852c9
globex	1	20	19	0	\\x80fb43d3f57bb86b70fb63b7a95e735e5f7596a2c1130951dac9233720c9129fcd48bd00c02c9a9c8ccc6a02889215b4946695a7227ab691ea92e481637ab6fc
globex	2	21	20	0	\\xf15cbe242c03ccaf333802b3c4c9396bd489e43873d000e9ce9c33df333abd95
globex	3	36	35	0	\\xca903d26d4623b759f0d391b3b27ca42d2fd990d1310995d2edc7459b283a0a144b9ae09601ea9de3c625bcaa3c394ee829a05f2a483343a172344ce5286e42d488c2a9da3633ed05ec8cc869fa703f3fe66cb0f03be554906f6a80f6925012e
globex	4	45	44	0	\\x6b5f50640412ed8e405741c7e04511596e9621040912bf8ba5db7804008208d7
globex	5	46	45	0	\\x26776f600c0c3fe8f77e0387193a100fb84c73cb07818da57ec729397e1c8d8cf0f6998a395833c1eff4e6f88222cc77c6cfa1f06c3637f98957877880d792df
quiet	22	68	67	0	\\x83f4f4fc99f220c31df2fcdda34cc91f70629f9c62d482540e3d512ee8e45579
quiet	21	67	66	0	\\x9b5c9976bfd53cbf012e652a06e64575c46d198b856a4c0de6147263864c3666e97498af4e5b073b008019b34db4d01bb64df7ad3b3230f02fe8d903faa7d2ef
quiet	1	\N	46	0	\\xb8b8cb75c512a9e0536285ffd2ee98ce888e221047408431fefb6c16dcb7fc9f700f09e89e1171728026aea90fa3f0fab4e6d9b82522ce8f7732ef605ae75557
quiet	3	\N	48	1	\\x4c08d499e13ff8c57e896daf13c8fd0b5c0ddf8d47171b90608f1969a65f5355755b137e81336b7953cad02f88d5164116cfea32b0985e89f53e917f3b92d23a
quiet	7	\N	52	2	\\x22e06bdc3860d8bf0c3b8395aefead189a6fb4ddf30b57b00e5f26db8ad667d3ede933ce4f075bdd66d30c9324489aea91ccf9635bda312ae9a8372757543f0d
quiet	15	\N	60	3	\\x4f501691ed8fe13aac65243aa37c1c331314af5af4b4763341abb47d977dcd04325ed2e85b6a50c67f6a28a380a5560def4b20b5471656ce41da070c0f9c8d5d
quiet	19	\N	64	2	\\x70e69daca99c46f7dae326596b89c9c64ddf54d76d20ed1190528bd0962a5f40
quiet	20	\N	65	0	\\x381313c31bcc68e5a28585af0b47d19d164639abdf3b72e9b55f144cc2a77ec2
acme	18	70	69	0	\\x4fe29a1ee88d24bdc4d2a9450079a3db5797a997d6624a97c9003674e6b3da5d
default	12	69	68	0	\\x3aa7e8538634e5871a0c8cdfde186e10f5e43054e8a586d322dc9063dc3dc557
\.


--
-- Data for Name: key; Type: TABLE DATA; Schema: apikeys; Owner: postgres
--

COPY apikeys.key (key_id, audit_id, key_hash, workspace, name, apis, team, expires_at, archived_at, disabled_at, old_key_hash, old_valid_until, allowed_cidrs, rate_limit, rate_window, quota, quota_period, owner, metadata, hint, name_folded, created_at, created_by, updated_at, updated_by, regenerated_at, regenerated_by, disabled_by, archived_by, row_digest) FROM stdin;
37d12412-35b5-4fe5-b5b0-952f28306386	24	\\x2f80f3ce7f54189674d54f94b4146f046cc245f0af651130c282030200177da9	acme	All of it	{data,billing,orders:read}	billing	2999-01-01 00:00:00+00	\N	\N	\N	\N	{192.0.2.0/24,2001:db8::/32}	7000000	01:00:00	1000000000	total	customer 42	{"plan": "platinum"}	acme...4J18	\\x616c6c206f66206974	2026-11-29 17:53:05.6313+00	anna	2026-11-29 17:53:05.639066+00	postgres	\N	\N	\N	\N	\\xa272bc2e9e76a1744052c1fb7aaf722517f369dbcc09218e450b1fc4cd885244
4f0153cd-ee07-44ad-b153-b8c3f615db7a	26	\\x7de660906fcbeaabfa90cfbc05e67f43581426932fc151860379bc37f2fa29fa	acme	Regenerated	{data}	\N	\N	\N	\N	\\xd7beba1cb09104f106ae06fd085a92634788b289d79a80c031967b259d3a6c08	2926-11-29 17:53:05.642907+00	\N	\N	\N	\N	\N	\N	\N	acme...Ihsk	\\x726567656e657261746564	2026-11-29 17:53:05.641527+00	postgres	\N	\N	2026-11-29 17:53:05.643057+00	postgres	\N	\N	\\x59952373ee22e5b74cb1c28b2c6938f2c41accb4f9d88059ab32ada134128e95
7dc52452-041e-46a1-9f52-770303493be5	28	\\xfe6aac3f8230b2fbc2c42ca4dd6439471012f069ff1c33fd768b369bde6d575d	acme	Regenerated at once	{data}	\N	\N	\N	\N	\\x79c4e5cba3ccce30a1d121e65b9d7c90a9894a4694f462db6beab2494e9456ca	\N	\N	\N	\N	\N	\N	\N	\N	acme...vufi	\\x726567656e657261746564206174206f6e6365	2026-11-29 17:53:05.650448+00	postgres	\N	\N	2026-11-29 17:53:05.654672+00	postgres	\N	\N	\\x946a388949dad1ccfa67232099d13b1da6cca92c5a7f54f186585dfe247414cb
71c1ad5c-2525-4f7b-9652-3c0779b5361d	30	\\xd280ab13fc929260dcfb971d8b93865e044ec0e1c4c2ea9c5b8fc22d55135cd3	default	Paused	{data}	\N	\N	\N	2026-11-29 17:53:05.658754+00	\N	\N	\N	\N	\N	\N	\N	\N	\N	ak...5VZc	\\x706175736564	2026-11-29 17:53:05.654923+00	postgres	\N	\N	\N	\N	postgres	\N	\\xa0df2e3b8f9b0bfec56b5f3da12302f6a482c3b1a3a0b9b54f3e58998f5ed917
5003ce87-9490-475e-aefa-14c29ad0e145	33	\\xe001be5aac950a8199efdadba242f2599d09d3f591ac2788769ccfb4de28e15d	default	Paused once	{data}	\N	\N	\N	\N	\N	\N	\N	\N	\N	\N	\N	\N	\N	ak...vqLl	\\x706175736564206f6e6365	2026-11-29 17:53:05.668765+00	postgres	2026-11-29 17:53:05.673677+00	postgres	\N	\N	\N	\N	\\x040f42f17381dcc778544b6fec8a766b63b8f7749f17839afd61761728c6dfcd
fb599893-92a3-4899-bb32-a0c350ffc8ac	35	\\x4a8dec0c0994178a7154a45f8d2044ed82c6dd5007611d8b691e1351e53b99a2	default	Expired	{data}	\N	2026-11-29 17:53:05.674125+00	\N	\N	\N	\N	\N	\N	\N	\N	\N	\N	\N	ak...WM6x	\\x65787069726564	2026-11-29 17:53:05.67388+00	postgres	2026-11-29 17:53:05.674265+00	postgres	\N	\N	\N	\N	\\xd9881933e2f8dc0ed13852f502e7c3901955673b8840d97655d14bafe07c9c6e
0baed3fb-de63-4584-a2c4-1be777faa38a	36	\\xda42bdfc1d14660006775c2cdfa68f3ae2666a85bc04d3d292adaf371762b04a	globex	With a lifetime	{data}	\N	3026-04-01 17:53:05.678486+00	\N	\N	\N	\N	\N	\N	\N	\N	\N	\N	\N	ak...1d0u	\\x776974682061206c69666574696d65	2026-11-29 17:53:05.678486+00	postgres	\N	\N	\N	\N	\N	\N	\\x4e77b099d18b431147bb4be656d4f8071cf41de58be259190055cf13eeea0892
6ec8cb92-b924-4b29-beb7-bb37153aedc7	37	\\xc5dd846ffb3e62204e68158e41cad6ffe80acf29dac5a5987496eb8fcfb79905	default	Used up	{data}	\N	\N	\N	\N	\N	\N	\N	\N	\N	2	total	\N	\N	ak...9Hb0	\\x75736564207570	2026-11-29 17:53:05.682612+00	postgres	\N	\N	\N	\N	\N	\N	\\x6acb63c93d694b68544c5e0b182d70713e910dae7cf903a505f667db48ea250e
a903ab29-4990-4909-8cb0-320241ebdf2d	38	\\xfce45e723adea6d59129e799012d249bcb0c04bd922ce858013f3f9c3c5594ed	acme	Of before	{data,billing}	\N	\N	\N	\N	\N	\N	\N	\N	\N	\N	\N	\N	\N	sk_live_…fore	\\x6f66206265666f7265	2026-11-29 17:53:05.702702+00	postgres	\N	\N	\N	\N	\N	\N	\\x5e90e17370616724f9ffdf551a09c4154721d3ebb6ad4247a10c58eb32aa9813
2d8ed056-1d62-409b-b794-6e277d7b2263	43	\\xfe2671682a21290f3bdfdfe949a51f36731fd815c34d8a412ab59c01526ffbcc	acme	End 2	{data}	\N	\N	2026-11-29 17:53:05.71471+00	\N	\N	\N	\N	\N	\N	\N	\N	\N	\N	acme...w7E7	\\x656e642032	2026-11-29 17:53:05.705951+00	postgres	\N	\N	\N	\N	\N	postgres	\\x4758b9890cc23c590e159f771f866935e23810a2b6faf1b98a3f31442e1220db
87506a96-962a-47ea-89e6-bba19252a1ae	44	\\x654877a1fb68bc70eecaa2ab858d90b61e10e05ce08cc694a1a54ed1d473e1c0	acme	End 3	{data}	\N	\N	2026-11-29 17:53:05.715165+00	\N	\N	\N	\N	\N	\N	\N	\N	\N	\N	acme...rlxi	\\x656e642033	2026-11-29 17:53:05.70616+00	postgres	\N	\N	\N	\N	\N	postgres	\\x2b325078ff6f7b5ae5c29531d25809c2e69530e9143fbf067012285791049437
c4e936c1-8271-4eaa-bdf4-5f385ca1c775	46	\\x1eb302313266ac829879fb28574d9ee0cd86fbaa69380d8b0f3bd3de87921218	globex	Leaked	{data}	\N	3026-04-01 17:53:05.718531+00	2026-11-29 17:53:05.718956+00	\N	\N	\N	\N	\N	\N	\N	\N	\N	\N	ak...NPft	\\x6c65616b6564	2026-11-29 17:53:05.718531+00	postgres	\N	\N	\N	\N	\N	postgres	\\x1191e0a1acfef5bd6905ca3c0aff2330e39792555fb36abb0ccff038a1d5b7a2
817df14d-7fee-4f80-8708-ced0448afcd8	69	\\xa57cc1aad52b6c2e0536e6149494b3c143f8b771440871fec2619b2235975d4e	default	Plain	{data}	platform	\N	\N	\N	\N	\N	\N	\N	\N	\N	\N	\N	\N	ak...zB2a	\\x706c61696e	2026-11-29 17:53:05.614845+00	postgres	2026-11-29 17:53:05.827515+00	postgres	\N	\N	\N	\N	\\xc4893d09333b7d3e7148408154724b71f785b9223501682390f8041e44ecd91e
b5b1b630-0149-4e6e-b56f-50964476e9bd	67	\\x62f8b88c78287c186c44660269e259e867a51d9e748db49c63548d133f1b7769	quiet	Name 20	{data}	\N	\N	\N	\N	\N	\N	\N	\N	\N	\N	\N	\N	\N	ak...f7bR	\\x6e616d65203230	2026-11-29 17:53:05.730882+00	postgres	2026-11-29 17:53:05.736173+00	postgres	\N	\N	\N	\N	\\x1702f21010e83a7f89cb2b7afbcbe8140e870fc5fd33cb5319fcc705ee013506
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

COPY apikeys.workspace (workspace, name, prefix, archive_limit, key_limit, default_lifetime, max_lifetime, rate_limit, rate_window, leak_action, created_at, created_by, updated_at, updated_by, audit_id, row_digest) FROM stdin;
acme	Acme & Söhne	acme	2	50	\N	\N	\N	\N	archive	2026-11-29 17:53:05.031784+00	postgres	\N	\N	4	\\xc82ea4d62186636ccbb5a1dcbfbd6db67e5f8f1be9b3a02b98decb167352646f
globex	\N	ak	3	\N	365000 days	365250 days	1000000	00:00:01	\N	2026-11-29 17:53:05.03411+00	postgres	\N	\N	5	\\x227ac241d19b7cc64ebe74f35325e7660ddc3776af5eb6b2155e91d7be50c105
quiet	\N	ak	10	\N	\N	\N	\N	\N	\N	2026-11-29 17:53:05.034575+00	postgres	\N	\N	6	\\x872666017d9320e50b0e4384eed52c1b2eeddc2d68b975ef64655d04aad3d323
default	Ours	ak	10	\N	\N	\N	\N	\N	\N	2026-11-29 17:53:04.645369+00	postgres	2026-11-29 17:53:05.045666+00	postgres	9	\\x68276292f16f2dd31695a57ec4cf35e545b1e79e0521ca6f039ebc76dfe23439
\.


--
-- Data for Name: key_use; Type: TABLE DATA; Schema: apikeys_internal; Owner: postgres
--

COPY apikeys_internal.key_use (key_id, last_used_at) FROM stdin;
817df14d-7fee-4f80-8708-ced0448afcd8	2026-11-29 17:53:05.831232+00
37d12412-35b5-4fe5-b5b0-952f28306386	2026-11-29 17:53:05.831104+00
a903ab29-4990-4909-8cb0-320241ebdf2d	2026-11-29 17:53:05.831117+00
4f0153cd-ee07-44ad-b153-b8c3f615db7a	2026-11-29 17:53:05.831264+00
b5b1b630-0149-4e6e-b56f-50964476e9bd	2026-11-29 17:53:05.831219+00
6ec8cb92-b924-4b29-beb7-bb37153aedc7	2026-11-29 17:53:05.694458+00
0baed3fb-de63-4584-a2c4-1be777faa38a	2026-11-29 17:53:05.831287+00
5003ce87-9490-475e-aefa-14c29ad0e145	2026-11-29 17:53:05.831064+00
\.


--
-- Data for Name: quota_used; Type: TABLE DATA; Schema: apikeys_internal; Owner: postgres
--

COPY apikeys_internal.quota_used (key_id, period, since, used) FROM stdin;
6ec8cb92-b924-4b29-beb7-bb37153aedc7	total	-infinity	2
37d12412-35b5-4fe5-b5b0-952f28306386	total	-infinity	3
\.


--
-- Data for Name: report; Type: TABLE DATA; Schema: apikeys_internal; Owner: postgres
--

COPY apikeys_internal.report (report_id, workspace, scope, recipient, filters, entries, size, encrypted, asked_at, asked_by, state, queued_at, attempts, next_attempt_at, finished_at, last_error, id_domain, content, origin) FROM stdin;
cd92d810-369e-4930-bbd1-07dac06b4277	acme	{acme}	auditor@example.invalid	\N	18	1757	f	2026-11-29 17:53:05.846128+00	postgres	queued	2026-11-29 17:53:05.846128+00	0	2026-11-29 17:53:05.846128+00	\N	\N	\N	\\x54696d652c5465616d2c456e746974792c41637469766974792c416374696f6e2c4163746f722c49500d0a323032362d31312d32392031373a35333a30352e3731353136352b30302c2c415049204b6579732c224172636869766564206b6579202222456e6420332222222c44656c6574652c706f7374677265732c0d0a323032362d31312d32392031373a35333a30352e37313437312b30302c2c415049204b6579732c224172636869766564206b6579202222456e6420322222222c44656c6574652c706f7374677265732c0d0a323032362d31312d32392031373a35333a30352e3730363634352b30302c2c415049204b6579732c224172636869766564206b6579202222456e6420312222222c44656c6574652c706f7374677265732c0d0a323032362d31312d32392031373a35333a30352e37303631362b30302c2c415049204b6579732c2243726561746564206b6579202222456e6420332222222c4372656174652c706f7374677265732c0d0a323032362d31312d32392031373a35333a30352e3730353935312b30302c2c415049204b6579732c2243726561746564206b6579202222456e6420322222222c4372656174652c706f7374677265732c0d0a323032362d31312d32392031373a35333a30352e3730353631362b30302c2c415049204b6579732c2243726561746564206b6579202222456e6420312222222c4372656174652c706f7374677265732c0d0a323032362d31312d32392031373a35333a30352e3730323730322b30302c2c415049204b6579732c22496d706f72746564206b65792022224f66206265666f72652222222c4372656174652c706f7374677265732c0d0a323032362d31312d32392031373a35333a30352e3635343637322b30302c2c415049204b6579732c22526567656e657261746564206b6579202222526567656e657261746564206174206f6e63652222222c5570646174652c706f7374677265732c0d0a323032362d31312d32392031373a35333a30352e3635303434382b30302c2c415049204b6579732c2243726561746564206b6579202222526567656e657261746564206174206f6e63652222222c4372656174652c706f7374677265732c0d0a323032362d31312d32392031373a35333a30352e3634333035372b30302c2c415049204b6579732c22526567656e657261746564206b6579202222526567656e6572617465642222207769746820616e206f7665726c6170222c5570646174652c706f7374677265732c0d0a323032362d31312d32392031373a35333a30352e3634313532372b30302c2c415049204b6579732c2243726561746564206b6579202222526567656e6572617465642222222c4372656174652c706f7374677265732c0d0a323032362d31312d32392031373a35333a30352e3633393036362b30302c2c415049204b6579732c2255706461746564206b6579202222416c6c206f6620697422223a206e616d652c206d65746164617461222c5570646174652c706f7374677265732c0d0a323032362d31312d32392031373a35333a30352e363331332b30302c706c6174666f726d2c415049204b6579732c2243726561746564206b657920222245766572797468696e67203c623ec384c3963c2f623e2022227822222222222c4372656174652c616e6e612c3139322e302e322e370d0a323032362d31312d32392031373a35333a30352e32353533322b30302c2c4163636573732c224772616e7465642022226175646974222220696e20776f726b737061636520222261636d65222220746f20726f6c65202222726567726573735f616b5f61636d652222222c4372656174652c706f7374677265732c0d0a323032362d31312d32392031373a35333a30352e3132303339372b30302c2c4163636573732c224772616e7465642022226d616e616765222220696e20776f726b737061636520222261636d65222220746f20726f6c65202222726567726573735f616b5f61636d652222222c4372656174652c706f7374677265732c0d0a323032362d31312d32392031373a35333a30352e3036333531362b30302c2c5465616d732c224d6f76656420222262657274222220746f207465616d2022226f72646572732222222c5570646174652c706f7374677265732c0d0a323032362d31312d32392031373a35333a30352e3035313038362b30302c2c5465616d732c22416464656420222262657274222220746f207465616d20222262696c6c696e672222222c4372656174652c706f7374677265732c0d0a323032362d31312d32392031373a35333a30352e3033313833392b30302c2c576f726b7370616365732c224372656174656420776f726b737061636520222261636d652222222c4372656174652c706f7374677265732c0d0a	7713652942918720635/16384
00000000-0000-4000-8000-000000000001	acme	{acme}	auditor@example.invalid	{"search": "End"}	7	1000	f	2026-01-02 03:04:05+00	anna	sent	2026-01-02 03:04:05+00	1	\N	2026-01-02 04:04:05+00	\N	example.invalid	\N	\N
00000000-0000-4000-8000-000000000002	acme	{acme}	auditor@example.invalid	{"search": "End"}	7	1000	f	2026-01-02 03:04:05+00	anna	failed	2026-01-02 03:04:05+00	5	\N	2026-01-02 04:04:05+00	550 no such user	example.invalid	\N	\N
\.


--
-- Data for Name: usage; Type: TABLE DATA; Schema: apikeys_internal; Owner: postgres
--

COPY apikeys_internal.usage (key_id, api, code, old_secret, workspace, count, last_at, last_client) FROM stdin;
00000000-0000-0000-0000-000000000000		MISSING	f		1	2026-11-29 17:53:05.831471+00	\N
00000000-0000-0000-0000-000000000000		NOT_FOUND	f		2	2026-11-29 17:53:05.831431+00	\N
0baed3fb-de63-4584-a2c4-1be777faa38a		VALID	f	globex	3	2026-11-29 17:53:05.831287+00	\N
2d8ed056-1d62-409b-b794-6e277d7b2263		ARCHIVED	f	acme	1	2026-11-29 17:53:05.830703+00	\N
37d12412-35b5-4fe5-b5b0-952f28306386	billing	ADDRESS_NOT_ALLOWED	f	acme	1	2026-11-29 17:53:05.830728+00	198.51.100.1
37d12412-35b5-4fe5-b5b0-952f28306386	billing	VALID	f	acme	3	2026-11-29 17:53:05.831104+00	192.0.2.9
4f0153cd-ee07-44ad-b153-b8c3f615db7a		VALID	f	acme	3	2026-11-29 17:53:05.831245+00	\N
4f0153cd-ee07-44ad-b153-b8c3f615db7a		VALID	t	acme	3	2026-11-29 17:53:05.831264+00	\N
5003ce87-9490-475e-aefa-14c29ad0e145		VALID	f	default	3	2026-11-29 17:53:05.831064+00	\N
6ec8cb92-b924-4b29-beb7-bb37153aedc7		VALID	f	default	2	2026-11-29 17:53:05.694458+00	\N
71c1ad5c-2525-4f7b-9652-3c0779b5361d		DISABLED	f	default	1	2026-11-29 17:53:05.830711+00	\N
7dc52452-041e-46a1-9f52-770303493be5		REGENERATED	t	acme	1	2026-11-29 17:53:05.83065+00	\N
817df14d-7fee-4f80-8708-ced0448afcd8	billing	INSUFFICIENT_PERMISSIONS	f	default	1	2026-11-29 17:53:05.830765+00	\N
817df14d-7fee-4f80-8708-ced0448afcd8	data	VALID	f	default	3	2026-11-29 17:53:05.831232+00	\N
87506a96-962a-47ea-89e6-bba19252a1ae		ARCHIVED	f	acme	1	2026-11-29 17:53:05.830695+00	\N
a903ab29-4990-4909-8cb0-320241ebdf2d	billing	VALID	f	acme	3	2026-11-29 17:53:05.831117+00	\N
b5b1b630-0149-4e6e-b56f-50964476e9bd		VALID	f	quiet	3	2026-11-29 17:53:05.831219+00	\N
c4e936c1-8271-4eaa-bdf4-5f385ca1c775		ARCHIVED	f	globex	1	2026-11-29 17:53:05.830782+00	\N
fb599893-92a3-4899-bb32-a0c350ffc8ac		EXPIRED	f	default	1	2026-11-29 17:53:05.830756+00	\N
\.


--
-- Data for Name: usage_hour; Type: TABLE DATA; Schema: apikeys_internal; Owner: postgres
--

COPY apikeys_internal.usage_hour (key_id, hour, api, code, old_secret, workspace, count, last_at, last_client, slot, slot_count) FROM stdin;
37d12412-35b5-4fe5-b5b0-952f28306386	2026-11-29 17:00:00+00	billing	ADDRESS_NOT_ALLOWED	f	acme	1	2026-11-29 17:53:05.830728+00	198.51.100.1	502138869511449409	1
5003ce87-9490-475e-aefa-14c29ad0e145	2026-11-29 17:00:00+00		VALID	f	default	3	2026-11-29 17:53:05.831064+00	\N	502138869511449413	3
4f0153cd-ee07-44ad-b153-b8c3f615db7a	2026-11-29 17:00:00+00		VALID	t	acme	3	2026-11-29 17:53:05.831264+00	\N	502138869511449419	3
b5b1b630-0149-4e6e-b56f-50964476e9bd	2026-11-29 17:00:00+00		VALID	f	quiet	3	2026-11-29 17:53:05.831219+00	\N	502138869511449416	3
71c1ad5c-2525-4f7b-9652-3c0779b5361d	2026-11-29 17:00:00+00		DISABLED	f	default	1	2026-11-29 17:53:05.830711+00	\N	502138869511449407	1
fb599893-92a3-4899-bb32-a0c350ffc8ac	2026-11-29 17:00:00+00		EXPIRED	f	default	1	2026-11-29 17:53:05.830756+00	\N	502138869511449410	1
7dc52452-041e-46a1-9f52-770303493be5	2026-11-29 17:00:00+00		REGENERATED	t	acme	1	2026-11-29 17:53:05.83065+00	\N	502138869511449404	1
c4e936c1-8271-4eaa-bdf4-5f385ca1c775	2026-11-29 17:00:00+00		ARCHIVED	f	globex	1	2026-11-29 17:53:05.830782+00	\N	502138869511449412	1
a903ab29-4990-4909-8cb0-320241ebdf2d	2026-11-29 17:00:00+00	billing	VALID	f	acme	3	2026-11-29 17:53:05.831117+00	\N	502138869511449415	3
6ec8cb92-b924-4b29-beb7-bb37153aedc7	2026-11-29 17:00:00+00		VALID	f	default	2	2026-11-29 17:53:05.694458+00	\N	502138869511449403	2
00000000-0000-0000-0000-000000000000	2026-11-29 17:00:00+00		MISSING	f		1	2026-11-29 17:53:05.831471+00	\N	502138869511449421	1
0baed3fb-de63-4584-a2c4-1be777faa38a	2026-11-29 17:00:00+00		VALID	f	globex	3	2026-11-29 17:53:05.831287+00	\N	502138869511449420	3
817df14d-7fee-4f80-8708-ced0448afcd8	2026-11-29 17:00:00+00	billing	INSUFFICIENT_PERMISSIONS	f	default	1	2026-11-29 17:53:05.830765+00	\N	502138869511449411	1
37d12412-35b5-4fe5-b5b0-952f28306386	2026-11-29 17:00:00+00	billing	VALID	f	acme	3	2026-11-29 17:53:05.831104+00	192.0.2.9	502138869511449414	3
00000000-0000-0000-0000-000000000000	2026-11-29 17:00:00+00		NOT_FOUND	f		2	2026-11-29 17:53:05.831431+00	\N	502138869511449408	2
4f0153cd-ee07-44ad-b153-b8c3f615db7a	2026-11-29 17:00:00+00		VALID	f	acme	3	2026-11-29 17:53:05.831245+00	\N	502138869511449418	3
2d8ed056-1d62-409b-b794-6e277d7b2263	2026-11-29 17:00:00+00		ARCHIVED	f	acme	1	2026-11-29 17:53:05.830703+00	\N	502138869511449406	1
817df14d-7fee-4f80-8708-ced0448afcd8	2026-11-29 17:00:00+00	data	VALID	f	default	3	2026-11-29 17:53:05.831232+00	\N	502138869511449417	3
87506a96-962a-47ea-89e6-bba19252a1ae	2026-11-29 17:00:00+00		ARCHIVED	f	acme	1	2026-11-29 17:53:05.830695+00	\N	502138869511449405	1
\.


--
-- Data for Name: usage_total; Type: TABLE DATA; Schema: apikeys_internal; Owner: postgres
--

COPY apikeys_internal.usage_total (workspace, api, code, count, old_secret, last_at, last_client) FROM stdin;
		MISSING	1	0	2026-11-29 17:53:05.831471+00	\N
		NOT_FOUND	2	0	2026-11-29 17:53:05.831431+00	\N
acme		ARCHIVED	2	0	2026-11-29 17:53:05.830703+00	\N
acme		REGENERATED	1	1	2026-11-29 17:53:05.83065+00	\N
acme		VALID	6	3	2026-11-29 17:53:05.831264+00	\N
acme	billing	ADDRESS_NOT_ALLOWED	1	0	2026-11-29 17:53:05.830728+00	198.51.100.1
acme	billing	VALID	6	0	2026-11-29 17:53:05.831117+00	192.0.2.9
default		DISABLED	1	0	2026-11-29 17:53:05.830711+00	\N
default		EXPIRED	1	0	2026-11-29 17:53:05.830756+00	\N
default		VALID	5	0	2026-11-29 17:53:05.831064+00	\N
default	billing	INSUFFICIENT_PERMISSIONS	1	0	2026-11-29 17:53:05.830765+00	\N
default	data	VALID	3	0	2026-11-29 17:53:05.831232+00	\N
globex		ARCHIVED	1	0	2026-11-29 17:53:05.830782+00	\N
globex		VALID	3	0	2026-11-29 17:53:05.831287+00	\N
quiet		VALID	3	0	2026-11-29 17:53:05.831219+00	\N
\.


--
-- Data for Name: checkpoint; Type: TABLE DATA; Schema: public; Owner: postgres
--

COPY public.checkpoint (note) FROM stdin;
apikeys/7713652942918720635/16384/registry\n6\nlG94sJE4P5tITbxzivpWbniOL4aFpJyZxM2lZrimkbw=\nsystem=7713652942918720635 database=rows timeline=1\n
apikeys/7713652942918720635/16384/workspace/acme\n18\naze8BxB4ZWnHhWqcwpurR4+xOSyp5qEpXV0iwBRq0Us=\nsystem=7713652942918720635 database=rows timeline=1\n
apikeys/7713652942918720635/16384/workspace/default\n12\ntpJcqide4JiAj/ZEcXOXAKkRIHyWuM7OAM/NbJJ6h0s=\nsystem=7713652942918720635 database=rows timeline=1\n
apikeys/7713652942918720635/16384/workspace/globex\n6\n1Da6KydI8kjxZN1yQzU3+De5RoZYqxzGiGl1fM8I/AI=\nsystem=7713652942918720635 database=rows timeline=1\n
apikeys/7713652942918720635/16384/workspace/gone\n2\nUUzVtsYqDhHhwvsvNcJlnJoMq4qauFzLArIVdKGvSMo=\nsystem=7713652942918720635 database=rows timeline=1\n
apikeys/7713652942918720635/16384/workspace/quiet\n23\nhVn/2JOEqddn8z1n/s6D3OX6DU3tGCO5SOxcpxOifmo=\nsystem=7713652942918720635 database=rows timeline=1\n
\.


--
-- Data for Name: expected; Type: TABLE DATA; Schema: public; Owner: postgres
--

COPY public.expected (name, secret, api, client, code) FROM stdin;
plain	ak_r3NzdCFqX8K5nECWY0ZeJDTOQEzsIa23HjiL1L46s3d1CzB2a	data	\N	VALID
plain, another API	ak_r3NzdCFqX8K5nECWY0ZeJDTOQEzsIa23HjiL1L46s3d1CzB2a	billing	\N	INSUFFICIENT_PERMISSIONS
everything	acme_aw9Ffd1Osd2PRRLPhuXcfny3Kd7qiRtk9IqZqugVngJ3h4J18	billing	192.0.2.9	VALID
everything, from elsewhere	acme_aw9Ffd1Osd2PRRLPhuXcfny3Kd7qiRtk9IqZqugVngJ3h4J18	billing	198.51.100.1	ADDRESS_NOT_ALLOWED
the old secret	acme_ay6pDxh912ZuAdUIJUDsDDRza62NVrhSZhdhIPrnoND1Tgeau	\N	\N	VALID
the new secret	acme_khVlvB6Wmw1tJh0DiYGkeHSFDeWokabyGPTEVGBOrWg1JIhsk	\N	\N	VALID
an old secret without an overlap	acme_8EbYxnvYXrmIfXc9aNJpD2uEXhHrezAxwtqm1t9XykA3wGGDU	\N	\N	REGENERATED
disabled	ak_sVmvHT17ItKFstsZKGPFEK5JxfFdjJSba2VTau4n7xc3p5VZc	\N	\N	DISABLED
enabled	ak_Y1yrnkoIPrvJhV6f6T64fXNKL7rqWwfige0XPRvpFln0tvqLl	\N	\N	VALID
expired	ak_1ryrt2YbL0xXww9qikYLtAeUedXTnqpvdI8g2Umfda10gWM6x	\N	\N	EXPIRED
with the default lifetime	ak_z3ANHKqYlu6tCLpD6JG2SaTviBxmWYLhpgbRSsdM5D42u1d0u	\N	\N	VALID
a quota that is used up	ak_p8BblZNeFmgJtxVqxcVdMEygcvco2aP1YVh4SxVBNuJ4S9Hb0	\N	\N	QUOTA_EXCEEDED
imported	sk_live_of_before	billing	\N	VALID
dropped from the archive	acme_voXOBwFpLp84q6VmKpp5FVWhOurzdHhlUU5281EmMAD08Do5A	\N	\N	NOT_FOUND
archived, second	acme_II7Ig0oCVnlN8FfSzSIe6qh7X1qeZxAKDNBgTOVq4UZ13w7E7	\N	\N	ARCHIVED
archived, last	acme_wDCh0KTNtEo5vdW7Q75nQ9W6afe4dsdNvhcskqqCZwx45rlxi	\N	\N	ARCHIVED
revoked	ak_aULBMmlB4bYxULGo6Pj3HgqwMxHvEtz5LvuRg2SMEXJ02NPft	\N	\N	ARCHIVED
of which entries are purged	ak_argTJOjcv9jfQ54tACA1nTvJuxgJ8mcC2H43bLufGBk0cf7bR	\N	\N	VALID
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


