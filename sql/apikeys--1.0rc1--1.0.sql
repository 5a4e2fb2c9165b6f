/* From 1.0rc1 to 1.0. */
\echo Use "ALTER EXTENSION apikeys UPDATE" to load this file. \quit

SET LOCAL search_path = pg_catalog, pg_temp;

SELECT apikeys_internal.finish_update();
