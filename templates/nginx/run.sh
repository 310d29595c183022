#!/bin/sh
# Runs nginx, and lets it take over a split that changed. A rollout changes the ConfigMap, the kubelet swaps the mounted
# file. nginx reads a copy, which is replaced only by a file that `nginx -t` accepted: a broken one changes nothing.
set -u

config=/etc/routing/nginx
split=/etc/routing/split/split.conf
live=/tmp/nginx
settle=[[ settle ]]
every=1
again=30

say() {
    echo "run.sh: $*" >&2
}

# Tries a split beside the running one, and puts it in its place.
take() {
    mkdir -p "$live/next" &&
        cp "$config/nginx.conf" "$live/next/nginx.conf" &&
        cp "$1" "$live/next/split.conf" &&
        nginx -t -q -c "$live/next/nginx.conf" &&
        mv "$live/next/split.conf" "$live/split.conf"
}

# Whether the mounted split is one that waits: neither the one in use, nor one that was refused a moment ago.
# A refused one is tried again now and then: perhaps a name did not resolve.
waits() {
    cmp -s "$split" "$live/split.conf" && return 1
    cmp -s "$split" "$live/next/split.conf" || return 0
    [ $((looks % again)) -eq 0 ]
}

# Requests keep coming until every router knows that this pod is going; then nginx finishes what it has.
stop() {
    trap '' TERM QUIT INT
    sleep "$settle"
    kill -QUIT "$nginx"
    wait "$nginx"
    exit $?
}

mkdir -p "$live" && cp "$config/nginx.conf" "$live/nginx.conf" || exit 1
if ! take "$split"; then
    say "the split is refused; everybody goes to the champion"
    # shellcheck disable=SC2016
    echo 'split_clients $split_key $split { * champion; } map $request_id $testers { default champion; }' >"$live/champion.conf"
    take "$live/champion.conf" || exit 1
fi

nginx -c "$live/nginx.conf" &
nginx=$!
trap stop TERM QUIT INT

looks=0
while sleep "$every" & wait $! && kill -0 "$nginx" 2>/dev/null; do
    looks=$((looks + 1))
    if waits; then
        if take "$split"; then
            kill -HUP "$nginx"
            say "the split changed"
        else
            say "the split is refused; the one in use stays"
        fi
    fi
done
wait "$nginx"
