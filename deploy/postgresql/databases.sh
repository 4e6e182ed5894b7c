#!/bin/sh
# Runs once, while PostgreSQL's volume is empty: a role and its own databases for each program that stores here.
set -eu

psql --no-psqlrc --quiet --set ON_ERROR_STOP=1 --username "${POSTGRES_USER:-postgres}" --dbname postgres <<'SQL'
\getenv temporal_password TEMPORAL_DATABASE_PASSWORD
\getenv poolwright_password POOLWRIGHT_DATABASE_PASSWORD

CREATE ROLE temporal LOGIN PASSWORD :'temporal_password';
CREATE DATABASE temporal OWNER temporal;
CREATE DATABASE temporal_visibility OWNER temporal;
REVOKE CONNECT ON DATABASE temporal, temporal_visibility FROM PUBLIC;

CREATE ROLE poolwright LOGIN PASSWORD :'poolwright_password';
CREATE DATABASE poolwright OWNER poolwright;
REVOKE CONNECT ON DATABASE poolwright FROM PUBLIC;
SQL
