-- The nodes' role may read the log, the mapped columns and the heartbeat, and write the heartbeat. Nothing else.
-- Replace public.cases and the columns by yours, as in 3-publication.sql. Run it in the database of the cases; it may run again: psql -d crj -v ON_ERROR_STOP=1 -v password="'…'" -f 2-role.sql
-- pg_hba.conf must admit it: hostssl crj jindu 10.0.0.0/8 scram-sha-256
BEGIN;
SELECT 'CREATE ROLE jindu' WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'jindu') \gexec
ALTER ROLE jindu LOGIN REPLICATION PASSWORD :password CONNECTION LIMIT 100;
GRANT USAGE ON SCHEMA public TO jindu;
GRANT SELECT (receipt, id_tail, stage, document, case_type, hall, accepted_on, stage_on, pauses, items, waybill, minor, version)
    ON public.cases TO jindu;
-- If the publication has a row filter, also grant the filter's columns: GRANT SELECT (city) ON public.cases TO jindu;
COMMIT;
