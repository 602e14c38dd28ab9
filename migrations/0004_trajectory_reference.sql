-- What the scores of closed episodes were, session by session: the reference of the expected course. One row a version; what is
-- written is never changed, so that an Observation that names a version can be followed. No row is about fewer than 30 people.
create table trajectory_reference (
  version   bigint generated always as identity primary key,
  computed  timestamptz not null default clock_timestamp(),
  body      text not null                     -- JSON: `scales` of outcomes/trajectory-reference.ts
);

create function trajectory_reference_is_kept() returns trigger language plpgsql as $$
begin
  raise exception 'a version of the trajectory reference is never changed';
end $$;
create trigger trajectory_reference_is_kept before update or delete on trajectory_reference
  for each statement execute function trajectory_reference_is_kept();
