#!/bin/sh
# Everything that cannot be made again, into one directory: the database as it is at one moment, the
# recordings, the spool. Under live calls; docs/operations.md tells how to get it back.
#   containers/backup.sh DIRECTORY [docker compose options, as -p NAME]
set -eu
into=$1
shift
mkdir -p "$into"
chmod 700 "$into"
password='export PGPASSWORD=$(cat /run/secrets/database_password)'
docker compose "$@" exec -T postgres sh -c "$password; pg_dump -U santral -Fc santral" >"$into/database.new"
docker compose "$@" exec -T santral tar -C /var/lib/santral -c \
    --exclude=./prompts --exclude=./announcements --exclude=./pages . >"$into/state.tar"
# The dump is whole when its table of contents can be read.
docker compose "$@" exec -T postgres pg_restore --list <"$into/database.new" >/dev/null
mv "$into/database.new" "$into/database.dump"
