-- A table of cases whose columns have the names in config/jindu.toml, for trials and tests; jindu feed play --sql fills it.
CREATE TABLE IF NOT EXISTS public.cases (
    receipt text PRIMARY KEY,
    applicant_name text,
    id_tail text,
    stage text,
    document text,
    case_type text,
    hall text,
    accepted_on date,
    stage_on date,
    pauses jsonb,
    items text[],
    waybill text,
    minor boolean,
    version bigint
);
