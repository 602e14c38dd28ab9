-- What the embedded authorization server must remember. No code, token, cookie, secret or password stands here: each is known
-- by its digest, so who reads these tables (a backup, a replica) can act as nobody.

-- Sessions, pending sign-ins, authorization codes, refresh tokens, grants, launch ids, used client assertions.
create table authorization_entry (
  kind      text collate "C" not null,
  digest    bytea not null,                   -- SHA-256 of the id
  payload   text not null,                    -- JSON without the id
  grant_id  text collate "C",
  uid       text collate "C",
  account   text collate "C",
  client    text collate "C",
  consumed  timestamptz,                      -- when a code or refresh token was used: a second use is an attack
  expires   timestamptz not null,
  primary key (kind, digest)
);
create index authorization_entry_grant on authorization_entry (grant_id) where grant_id is not null;
create index authorization_entry_uid on authorization_entry (uid) where uid is not null;
create index authorization_entry_account on authorization_entry (account) where account is not null;
create index authorization_entry_client on authorization_entry (client) where client is not null;
create index authorization_entry_expires on authorization_entry (expires);

create table authorization_client (
  id            text collate "C" primary key,
  registration  text not null,                -- JSON (src/auth/client.ts)
  secret        bytea,                        -- SHA-256 of a secret of at least 32 characters
  created       timestamptz not null default now()
);

create table authorization_user (
  id           uuid primary key,              -- `sub` of the tokens: never given to somebody else
  name         text collate "C" not null unique,
  password     text not null,                 -- scrypt, with its parameters and salt
  fhir_user    text collate "C" not null,     -- Practitioner/x or Patient/x
  created      timestamptz not null default now()
);

-- Failed sign-ins by user name and by address, in a window.
create table authorization_attempt (
  key       bytea primary key,
  failures  integer not null,
  until     timestamptz not null
);

-- Access tokens carry their own proof, so the ones that were taken back are listed until they would have expired.
create table authorization_revocation (
  id       text collate "C" primary key,      -- token, grant or client
  expires  timestamptz not null
);
