-- The heartbeat: one row, whose time is the copy's age. The nodes write it; or let the server do it (pg_cron):
--   SELECT cron.schedule('jindu', '5 seconds', 'UPDATE public.jindu_heartbeat SET beat_at = clock_timestamp()');
CREATE TABLE IF NOT EXISTS public.jindu_heartbeat (
    id integer PRIMARY KEY DEFAULT 1 CHECK (id = 1),
    beat_at timestamptz NOT NULL
);
INSERT INTO public.jindu_heartbeat (beat_at) VALUES (clock_timestamp()) ON CONFLICT DO NOTHING;
GRANT SELECT, UPDATE ON public.jindu_heartbeat TO jindu;

-- A delete must tell the receipt number. Where it is the primary key, it does. Else, where it is unique and NOT NULL:
--   CREATE UNIQUE INDEX CONCURRENTLY cases_receipt ON public.cases (receipt);
--   ALTER TABLE public.cases REPLICA IDENTITY USING INDEX cases_receipt;
-- Or, at the price of a longer log: ALTER TABLE public.cases REPLICA IDENTITY FULL (then without a column list below).

-- Put your table and your columns in place of these.
-- The columns that leave the server, and no other (PostgreSQL 15; before, leave the list out).
CREATE PUBLICATION jindu FOR
    TABLE public.cases (receipt, id_tail, stage, document, case_type, hall, accepted_on, stage_on, pauses, items, waybill, minor, version),
    TABLE public.jindu_heartbeat;
