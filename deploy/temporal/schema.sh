#!/bin/sh
# Brings Temporal's two databases to the schema of this Temporal version. Changes nothing where they are there already.
set -eu

versions=/etc/temporal/schema/postgresql/v12

for store in temporal visibility; do
  case $store in
    temporal) export SQL_DATABASE=temporal ;;
    visibility) export SQL_DATABASE=temporal_visibility ;;
  esac
  temporal-sql-tool setup-schema --version 0.0
  temporal-sql-tool update-schema --schema-dir "$versions/$store/versioned"
done
