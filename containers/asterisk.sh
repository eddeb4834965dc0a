#!/bin/sh
# `configure` writes Asterisk's configuration without seeing this image: its own data, the sounds
# among them, is linked in beside ours here (as cti/asterisk/instance.py does where it can).
set -eu
ours=/srv/asterisk/data
theirs=/usr/share/asterisk
link() { # from a directory, into another, but for one name
    for path in "$1"/*; do
        name=${path##*/}
        [ "$name" = "$3" ] || [ -L "$2/$name" ] || ln -s "$path" "$2/$name"
    done
}
link "$theirs" "$ours" sounds
for folder in "$ours"/sounds/*/; do
    language=$(basename "$folder")
    [ -d "$theirs/sounds/$language" ] || continue
    link "$theirs/sounds/$language" "$folder" digits
    link "$theirs/sounds/$language/digits" "$folder/digits" ""
done
exec /usr/sbin/asterisk -C /srv/asterisk/etc/asterisk.conf "$@"
