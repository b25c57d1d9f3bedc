-- The heartbeat: one row; the replica's age is the time since it was written. The nodes write it, or the server does (pg_cron):
--   SELECT cron.schedule('jindu', '5 seconds', 'UPDATE public.jindu_heartbeat SET beat_at = clock_timestamp()');
CREATE TABLE IF NOT EXISTS public.jindu_heartbeat (
    id integer PRIMARY KEY DEFAULT 1 CHECK (id = 1),
    beat_at timestamptz NOT NULL
);
INSERT INTO public.jindu_heartbeat (beat_at) VALUES (clock_timestamp()) ON CONFLICT DO NOTHING;
GRANT SELECT, UPDATE ON public.jindu_heartbeat TO jindu;

-- A delete must carry the receipt number. It does if that is the primary key. If it is unique and NOT NULL instead:
--   CREATE UNIQUE INDEX CONCURRENTLY cases_receipt ON public.cases (receipt);
--   ALTER TABLE public.cases REPLICA IDENTITY USING INDEX cases_receipt;
-- Or, with a longer log: ALTER TABLE public.cases REPLICA IDENTITY FULL (then without the column list below).

-- Replace the table and the columns by yours. Only the columns listed leave the server (PostgreSQL 15; omit the list before 15).
CREATE PUBLICATION jindu FOR
    TABLE public.cases (receipt, id_tail, stage, document, case_type, hall, accepted_on, stage_on, pauses, items, waybill, minor, version),
    TABLE public.jindu_heartbeat;
