-- Erasure of a person's record, and what stands against it.

-- A record that must be kept, whatever is asked: one row a hold. It is released, never deleted.
create table legal_hold (
  patient   bigint not null,
  reason    text collate "C" not null,        -- a reference to the case, not its content
  placed    timestamptz not null default clock_timestamp(),
  released  timestamptz
);
create unique index legal_hold_patient on legal_hold (patient) where released is null;

-- An erasure that was confirmed. It is begun in the transaction that takes the Patient away, done in steps after it, and goes
-- on after an interruption until `finished` is set.
create table erasure (
  patient    bigint primary key,
  id         text collate "C" not null,       -- logical id of the Patient
  begun      timestamptz not null,
  finished   timestamptz,
  resources  integer not null default 0,      -- erased so far, the Patient among them
  versions   integer not null default 0
);

-- The deleted resources of a record; the others are found by resource_patient_date.
create index resource_patient_deleted on resource (patient) where method = 'D' and patient is not null;
