-- A province feeds its cities: each city has a PostgreSQL server of its own, which takes the city's cases from the
-- province, and feeds the city's nodes. No node holds a slot of the province.

-- On the province's server: a publication for each city, with a row filter (PostgreSQL 15). The filter's column must be
-- in the replica identity, or the province's own updates and deletes are refused. (A column list of any other publication
-- must then have it too.)
BEGIN;
ALTER TABLE public.cases ALTER city SET NOT NULL;
CREATE UNIQUE INDEX cases_city ON public.cases (city, receipt);
ALTER TABLE public.cases REPLICA IDENTITY USING INDEX cases_city;
CREATE PUBLICATION city_gz FOR
    TABLE public.cases WHERE (city = '4401'),
    TABLE public.jindu_heartbeat;
COMMIT;

-- On the city's server, with the same two tables in it (a primary key on receipt is identity enough here):
CREATE SUBSCRIPTION province
    CONNECTION 'host=province.example dbname=crj user=city_gz sslmode=verify-full sslrootcert=/etc/jindu/ca.pem'
    PUBLICATION city_gz;
-- The nodes follow the city's publication (3-publication.sql) with heartbeat_every_s = 0: the heartbeat is the province's
-- clock, and comes through both steps. What is late anywhere shows as age.
