-- A table of cases whose columns are named as in config/jindu.toml: to try things out with, and for the tests.
CREATE TABLE public.cases (
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
