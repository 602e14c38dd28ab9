#!/bin/sh
# Runs once, when the database container creates its data: the service gets a role that owns its own database and nothing else.
# The superuser loses its password, so that it can be reached from inside the container only.
set -eu
psql --set=ON_ERROR_STOP=1 --set=password="$(cat /run/secrets/database_password)" --username=postgres --dbname=postgres <<'SQL'
create role intersession login password :'password';
create database intersession owner intersession;
revoke connect on database intersession from public;
alter role postgres password null;
SQL
