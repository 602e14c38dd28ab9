-- Indexes that searches need beside those of 0001. Measured on 500,000 Observations of 2,000 patients (2 cores, warm),
-- the median without -> with.

-- From a resource to its own rows: conditions on the rows of one patient's record, chains, includes, sorting, :missing.
-- Task?patient&_sort=-modified 159 -> 1.1 ms; _include=Observation:performer of 50 matches 43 -> 2.7 ms;
-- Observation?code&value-quantity 57 -> 7 ms; Patient?_sort=family (2,000) 61 -> 6 ms. The rids of new rows ascend, so an
-- insert only touches the last page, and deduplication keeps them at a third of the size of the value indexes.
-- Not for the five that every computed Observation has several of: they are looked up by value, for which index_token_code
-- serves, and 18 of the 24 token rows of a scored response are theirs.
create index index_token_rid on index_token (rid, param)
  where param <> -1499930192  -- Observation.code
    and param <> -669361060   -- Observation.category
    and param <> -2018435935  -- Observation.method
    and param <> 1456023351   -- Observation.component-code
    and param <> -1703966234; -- Observation.identifier
create index index_reference_rid on index_reference (rid, param);
create index index_date_rid on index_date (rid, param);
create index index_string_rid on index_string (rid, param);
create index index_uri_rid on index_uri (rid, param);
create index index_quantity_rid on index_quantity (rid, param);

-- Observation?patient&code[&date]: the codes of one record together. The number is that of Observation.code.
create index index_token_observation_code on index_token (patient, code, rid desc) include (system) where param = -1499930192;

-- A type by clinical date or status without a patient: work lists and population queries.
-- Observation?_sort=-date 508 -> 0.4 ms; Observation?date=2024-03-03 145 -> 1.3 ms; a rare Task?status 18 -> 0.2 ms.
create index resource_date on resource (type, date_low desc nulls last, rid desc) where live;
-- Not for Observations, most of all rows: nearly all are final, and the others are rare enough to be met on the way.
create index resource_status on resource (type, status, rid desc) where live and status is not null and type <> 'Observation';

-- How frequent a code is depends on its parameter; without this the planner multiplies the two as if they were independent.
create statistics index_token_values (mcv, ndistinct) on param, code from index_token;
