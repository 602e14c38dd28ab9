#!/bin/sh
# Runs once, when the database container creates its data: one role owns the database and migrates it, another one is the service's,
# which gets its rights table by table when the service starts (src/store/roles.ts).
# The superuser loses its password, so that it can be reached from inside the container only.
set -eu
psql --set=ON_ERROR_STOP=1 --set=password="$(cat /run/secrets/database_password)" --set=service="$(cat /run/secrets/service_password)" --username=postgres --dbname=postgres <<'SQL'
create role intersession login password :'password';
create role intersession_service login password :'service';
create database intersession owner intersession;
revoke connect on database intersession from public;
grant connect on database intersession to intersession_service;
alter role postgres password null;
SQL
