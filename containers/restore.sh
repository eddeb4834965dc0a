#!/bin/sh
# The other way: a backup's database into a running, empty installation. The engine is stopped
# meanwhile; Asterisk keeps callers with an apology until it is back.
#   containers/restore.sh DIRECTORY [docker compose options, as -p NAME]
set -eu
from=$1
shift
[ -s "$from/database.dump" ] || { echo "there is no $from/database.dump" >&2; exit 1; }
password='export PGPASSWORD=$(cat /run/secrets/database_password)'
docker compose "$@" stop santral
docker compose "$@" exec -T postgres sh -c \
    "$password; pg_restore -U santral -d santral --clean --if-exists --exit-on-error" <"$from/database.dump"
docker compose "$@" run --rm -T --no-deps --entrypoint tar santral -C /var/lib/santral -x <"$from/state.tar"
docker compose "$@" start santral
