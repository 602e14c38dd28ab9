-- The access log as evidence: what a row says is sealed in a chain, and what may have to be forgotten is kept beside it.

-- The query of a search names people. Its text stands apart and can be erased; the row keeps the digest of salt and text, which
-- nobody can guess back once the salt is gone, so that the chain still holds.
create table audit_query (
  event  uuid primary key,
  salt   bytea not null,
  query  text not null
);

alter table audit_event add column query_digest bytea;              -- SHA-256 of salt and query; null: there was none
alter table audit_event add column purpose text collate "C";        -- code of v3-ActReason, where a caller stated one (BTG: break the glass)

insert into audit_query (event, salt, query) select id, uuid_send(gen_random_uuid()), query from audit_event where query is not null;
update audit_event e set query_digest = sha256(q.salt || convert_to(q.query, 'UTF8')) from audit_query q where q.event = e.id;
alter table audit_event drop column query;

-- One row an event, written by one job (src/jobs/audit-seal.ts): its place in the order of (recorded, id), and the SHA-256 of
-- the hash before and of the row. `recorded` and `event` repeat the event, so that one that is gone can be named.
create table audit_seal (
  position  bigint primary key,
  recorded  timestamptz not null,
  event     uuid not null,
  hash      bytea not null
);

-- An event by its id. Ids ascend with time: an insert touches the last page.
create index audit_event_id on audit_event (id);

-- Whose record an event is about, also after the Patient was deleted.
create index resource_patient_rid on resource (rid) where type = 'Patient';
