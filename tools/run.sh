#!/bin/sh
# The quick start's server.
#     tools/run.sh start BUILD PORT | stop BUILD
# It lives in BUILD/run/: conf/ (a copy of quickstart.conf with the port, and
# a link to the models), modules -> BUILD, images/, logs/.
set -eu
PATH=$PATH:/usr/sbin:/sbin

root=$(cd "$(dirname "$0")/.." && pwd)
build=$2
run=$build/run

fail() {
    echo "make run: $*" >&2
    exit 1
}

alive() {
    [ -s "$run/nginx.pid" ] && kill -0 "$(cat "$run/nginx.pid")" 2>/dev/null
}

stop() {
    alive || return 0
    pid=$(cat "$run/nginx.pid")
    kill -QUIT "$pid"
    i=0
    while kill -0 "$pid" 2>/dev/null; do
        i=$((i + 1))
        [ $i -ne 50 ] || kill -TERM "$pid" || true
        [ $i -lt 300 ] || fail "nginx, process $pid, does not end"
        sleep 0.1
    done
}

if [ "$1" = stop ]; then
    if alive; then
        stop
        echo "stopped"
    else
        echo "nothing runs under $run"
    fi
    exit 0
fi

port=$3
case $port in
''|*[!0-9]*) fail "PORT=$port is not a port number" ;;
esac

stop
mkdir -p "$run/conf" "$run/logs" "$run/temp"
ln -sfn "$build" "$run/modules"
ln -sfn "$root/conf/models" "$run/conf/models"
sed "s/127\.0\.0\.1:8080/127.0.0.1:$port/" "$root/conf/quickstart.conf" \
    > "$run/conf/quickstart.conf"
: > "$run/logs/error.log"

set -- -p "$run/" -c conf/quickstart.conf -e logs/error.log
if [ "$(id -u)" = 0 ]; then
    echo "Running as root: the workers stay root too (-g 'user root;'), so"
    echo "that this folder needs no permissions.  Do not do so elsewhere."
    set -- "$@" -g 'user root;'
fi

if ! nginx "$@"; then
    if grep -q 'Address already in use' "$run/logs/error.log"; then
        fail "port $port is taken; try: make run PORT=$((port + 1))"
    fi
    fail "nginx did not start; see above and $run/logs/error.log"
fi

url=http://127.0.0.1:$port
i=0
until curl -sf -o /dev/null --max-time 2 "$url/v2/health/ready"; do
    i=$((i + 1))
    if [ $i -ge 300 ] || ! alive; then
        tail -5 "$run/logs/error.log" >&2
        fail "no answer from $url after $((i / 10)) s"
    fi
    sleep 0.1
done

png=conf/models/digits/sample.png
json=conf/models/digits/sample.json
cd "$root"

echo
echo "\$ curl --data-binary @$png -H 'Content-Type: image/png' $url/digits"
curl -sS --fail-with-body --max-time 60 --data-binary "@$png" \
    -H 'Content-Type: image/png' "$url/digits" || fail "the request failed"

cat <<EOF


nginx runs with $run/conf/quickstart.conf.  Try next:

    curl -d @$json $url/digits
    curl $url/v2/models/digits
    ${build#"$root/"}/maas inspect conf/models/digits/model.onnx --plan

and then: make stop
EOF
