#!/bin/sh
# The first start makes the cluster, the user and its database; every start runs the server.
# DATABASE_PASSWORD_FILE names the file with the user's password, which must be there.
set -eu
user=santral
if [ ! -s "$PGDATA/PG_VERSION" ]; then
    password=$(cat "${DATABASE_PASSWORD_FILE:?names no file}")
    [ -n "$password" ] || { echo "the database's password is empty" >&2; exit 1; }
    printf '%s\n' "$password" >/tmp/password
    rm -rf "$PGDATA/new"
    mkdir -m 700 -p "$PGDATA/new"
    initdb --pgdata "$PGDATA/new" --username "$user" --pwfile /tmp/password --encoding UTF8 \
        --locale C.UTF-8 --auth-local scram-sha-256 --auth-host scram-sha-256 --data-checksums
    rm /tmp/password
    printf 'host all all all scram-sha-256\n' >>"$PGDATA/new/pg_hba.conf"
    # Everything moves at the end, the version's file last: a start cut short begins anew.
    version=$(cat "$PGDATA/new/PG_VERSION")
    rm "$PGDATA/new/PG_VERSION"
    mv "$PGDATA/new"/* "$PGDATA"/
    rmdir "$PGDATA/new"
    chmod 700 "$PGDATA"
    printf '%s\n' "$version" >"$PGDATA/PG_VERSION"
    # `--single` needs no server: the database is there before anyone can connect.
    printf 'CREATE DATABASE %s;\n' "$user" | postgres --single -D "$PGDATA" postgres >/dev/null
fi
exec postgres -D "$PGDATA" -c listen_addresses='*' -c unix_socket_directories=/run/postgresql \
    -c logging_collector=off -c log_connections=off "$@"
