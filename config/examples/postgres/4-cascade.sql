-- A province feeds its cities. Each city has its own PostgreSQL server, which subscribes to the city's cases at the province and
-- feeds the city's nodes. No node holds a slot at the province.

-- On the province's server: one publication per city, with a row filter (PostgreSQL 15). The filter's column must be in the replica
-- identity, or the server refuses the province's own updates and deletes. Column lists of other publications must then include it.
BEGIN;
ALTER TABLE public.cases ALTER city SET NOT NULL;
CREATE UNIQUE INDEX cases_city ON public.cases (city, receipt);
ALTER TABLE public.cases REPLICA IDENTITY USING INDEX cases_city;
CREATE PUBLICATION city_gz FOR
    TABLE public.cases WHERE (city = '4401'),
    TABLE public.jindu_heartbeat;
COMMIT;

-- On the city's server, which has the same two tables (a primary key on receipt suffices as identity here):
CREATE SUBSCRIPTION province
    CONNECTION 'host=province.example dbname=crj user=city_gz sslmode=verify-full sslrootcert=/etc/jindu/ca.pem'
    PUBLICATION city_gz;
-- The nodes follow the city's publication (3-publication.sql) with heartbeat_every_s = 0: the heartbeat carries the province's clock
-- through both steps, so a delay anywhere shows as age.
