-- The nodes' role: it may read the log, the mapped columns and the heartbeat, and write the heartbeat. Nothing else.
-- Run with: psql -v ON_ERROR_STOP=1 -v password="'…'" -f 2-role.sql
-- pg_hba.conf must let it in: hostssl crj jindu 10.0.0.0/8 scram-sha-256
CREATE ROLE jindu LOGIN REPLICATION PASSWORD :password CONNECTION LIMIT 100;
GRANT USAGE ON SCHEMA public TO jindu;
GRANT SELECT (receipt, id_tail, stage, document, case_type, hall, accepted_on, stage_on, pauses, items, waybill, minor, version)
    ON public.cases TO jindu;
-- Where the publication has a row filter, also what that reads: GRANT SELECT (city) ON public.cases TO jindu;
