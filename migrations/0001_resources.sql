-- Every version of every resource is one row. The body is the exact text that a read returns.
-- `rid` is the surrogate of the logical resource (the same in all its versions); index rows point to it.
-- `live` marks the current version of a resource that is not deleted. A deletion is a version without a body.
-- `patient` is the rid of the Patient whose record the resource belongs to (null: no patient's record);
-- every visibility predicate reads it, so every index row carries it too.
-- `last_updated` orders the feed: a reader that stays before the commit horizon (src/store/load.ts) never skips a commit.
-- Nothing here depends on lz4, on a superuser extension, on session state or on cross-patient keys.

create sequence rid as bigint increment by 1024 start with 1024;

create table resource (
  type          text collate "C" not null,
  id            text collate "C" not null,
  version       integer not null,
  rid           bigint not null,
  live          boolean not null,
  method        "char" not null,              -- C created by POST, P created by PUT, U updated, D deleted: what a history reports
  restricted    boolean not null default false, -- meta.security says so: for one side only (src/fhir/labels.ts)
  private       boolean not null default false, -- that side is the client's: an entry that is kept private
  patient       bigint,
  status        text collate "C",             -- the type's own status code, where it has one
  date_low      timestamptz,                  -- the type's clinical date (schemas/r4/types.json), half-open [low, high)
  date_high     timestamptz,
  last_updated  timestamptz not null,
  body          text
);
alter table resource alter column body set storage external;
-- read, vread, instance history, update guard
create unique index resource_version on resource (id, type, version);
-- index row -> resource; default search order (newest created first)
create unique index resource_live on resource (type, rid) where live;
-- the queries of one patient's record: Observation, QuestionnaireResponse, Task, Goal ... by clinical date
create index resource_patient_date on resource (patient, type, date_low desc nulls last, rid desc) where live and patient is not null;
-- type history, _lastUpdated
create index resource_last_updated on resource (type, last_updated desc, rid desc);

-- Narrow index rows for what is multi-valued or rare. `param` is a stable 32-bit number of "Type.code".
create table index_token (
  param    integer not null,
  code     text collate "C" not null,
  system   bigint not null,                   -- 64-bit hash of the system URI; 0: no system
  rid      bigint not null,
  patient  bigint
);
create index index_token_code on index_token (param, code, rid desc) include (system, patient);

create table index_reference (
  param        integer not null,
  target_id    text collate "C" not null,     -- logical id, or the whole URL of a reference to elsewhere
  target_type  text collate "C",              -- null for a reference to elsewhere
  rid          bigint not null,
  patient      bigint
);
create index index_reference_target on index_reference (param, target_id, rid desc) include (target_type, patient);

create table index_date (
  param    integer not null,
  low      timestamptz not null,
  high     timestamptz not null,              -- half-open: the first instant after the range
  rid      bigint not null,
  patient  bigint
);
create index index_date_low on index_date (param, low desc, rid desc) include (high, patient);

create table index_string (
  param    integer not null,
  value    text collate "C" not null,         -- folded: lower case, no accents, single spaces
  exact    text collate "C" not null,
  rid      bigint not null,
  patient  bigint
);
create index index_string_value on index_string (param, value, rid desc) include (patient);

create table index_uri (
  param    integer not null,
  value    text collate "C" not null,         -- canonical: without |version
  version  text collate "C",
  rid      bigint not null,
  patient  bigint
);
create index index_uri_value on index_uri (param, value, rid desc) include (version, patient);

-- number and quantity: the range that the written precision stands for (100 is [99.5, 100.5))
create table index_quantity (
  param    integer not null,
  code     text collate "C" not null,         -- unit code or unit text; '' for a plain number
  system   bigint not null,
  low      numeric not null,
  high     numeric not null,
  rid      bigint not null,
  patient  bigint
);
create index index_quantity_low on index_quantity (param, code, low, rid desc) include (high, system, patient);

-- What the outcome engine knows of a patient: one narrow row for each score, session, goal, open request.
-- It is a projection of `resource`, written in the same transaction, and may be rebuilt from it.
create table record_entry (
  patient  bigint not null,
  kind     text collate "C" not null,         -- score, session, episode, goal, task
  key      text collate "C" not null,         -- score: instrument id; task: questionnaire canonical; else ''
  id       text collate "C" not null,         -- id of the source resource
  at       timestamptz,
  value    numeric,
  data     text not null                      -- JSON: what `outcomes/record.ts` declares for the kind
);
create unique index record_entry_key on record_entry (patient, kind, key, id);

create table idempotency (
  client     text collate "C" not null,
  key        text collate "C" not null,
  body_hash  bytea not null,
  status     smallint not null,
  type       text collate "C" not null,
  id         text collate "C" not null,
  version    integer not null,
  created    timestamptz not null default now(),
  primary key (client, key)
);
create index idempotency_created on idempotency using brin (created);

-- The access log. A row a patient and event; AuditEvent resources are rendered from it.
create table audit_event (
  id           uuid not null,
  recorded     timestamptz not null,
  interaction  text collate "C" not null,     -- read, vread, search-type, create, ..., operation
  action       "char" not null,               -- C R U D E
  outcome      "char" not null,               -- 0 success, 4 refused, 8 error
  client       text collate "C" not null,
  agent        text collate "C",              -- Practitioner/x, Patient/y ... where the token names a user
  patient      bigint,
  entity_type  text collate "C",
  entity_id    text collate "C",
  version      integer,
  query        text,
  request_id   text collate "C" not null,
  address      inet
);
create index audit_event_patient on audit_event (patient, recorded desc) where patient is not null;
create index audit_event_recorded on audit_event (recorded desc);

-- Small facts of the deployment: hash of the shipped definitions, ...
create table setting (
  name   text collate "C" primary key,
  value  text not null
);
