# What the examples' run.sh share; `. ../example.sh` is their first line.
#
# An example runs in BUILD/examples/NAME ($work): its files are copied there,
# models are trained into $work/models, nginx serves them from there on a free
# port ($url).  MAAS_BUILD is the folder of the build, the checkout's build/
# by default.  However the script ends, nginx is stopped; it leaves the data,
# the models and logs/error.log behind.
#
#     begin                 a fresh $work; the script goes on in it
#     maas COMMAND ...      the command that was built, shown first
#     serve                 starts nginx with nginx.conf, waits for an answer
#     reload                new versions are served
#     ask PATH [CURL ...]   a request, shown with its answer
set -eu
PATH=$PATH:/usr/sbin:/sbin

here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../../.." && pwd)
build=${MAAS_BUILD:-$root/build}
build=$(cd "$build" 2>/dev/null && pwd) || build=
name=$(basename "$here")
work=$build/examples/$name
port=
url=

fail() {
    echo "$name: $*" >&2
    exit 1
}

for file in maas ngx_http_maas_module.so; do
    [ -e "$build/$file" ] || fail "${build:-build}/$file is missing: run make"
done

begin() {
    rm -rf "$work"
    mkdir -p "$work/logs" "$work/temp"
    cp "$here"/* "$work/"
    ln -s "$build" "$work/modules"
    cd "$work"
    exec 3>&1
    trap finish EXIT
    trap 'exit 1' HUP INT TERM
}

maas() {
    echo "\$ maas $*" >&3
    "$build/maas" "$@"
}

alive() {
    [ -s nginx.pid ] && kill -0 "$(cat nginx.pid)" 2>/dev/null
}

finish() {
    status=$?
    if alive; then
        pid=$(cat nginx.pid)
        kill -QUIT "$pid"
        i=0
        while kill -0 "$pid" 2>/dev/null; do
            i=$((i + 1))
            [ $i -ne 50 ] || kill -TERM "$pid" || true
            [ $i -lt 300 ] || break
            sleep 0.1
        done
    fi
    exit $status
}

answers() {
    i=0
    until curl -sf -o /dev/null --max-time 2 "$url/v2/health/ready"; do
        i=$((i + 1))
        if [ $i -ge 300 ] || ! alive; then
            tail -5 logs/error.log >&2
            fail "no answer from $url"
        fi
        sleep 0.1
    done
}

# As root the workers stay root, so that $work needs no permissions.
nginx_here() {
    if [ "$(id -u)" = 0 ]; then
        set -- "$@" -g 'user root;'
    fi
    nginx -p "$work/" -c nginx.conf -e logs/error.log "$@"
}

serve() {
    port=$(perl -MIO::Socket::INET -e 'print IO::Socket::INET->new(
        Listen => 1, LocalAddr => "127.0.0.1")->sockport')
    url=http://127.0.0.1:$port
    sed "s/127\.0\.0\.1:8080/127.0.0.1:$port/" "$here/nginx.conf" > nginx.conf
    echo "\$ nginx -p $work/ -c nginx.conf"
    nginx_here || fail "nginx did not start; see $work/logs/error.log"
    answers
}

# The old worker is gone when the new one alone answers.
reload() {
    old=$(cat "/proc/$(cat nginx.pid)/task/$(cat nginx.pid)/children")
    echo "\$ nginx -s reload"
    nginx_here -s reload
    i=0
    for pid in $old; do
        while kill -0 "$pid" 2>/dev/null; do
            i=$((i + 1))
            [ $i -lt 600 ] || fail "the old worker does not end"
            sleep 0.1
        done
    done
    answers
}

ask() {
    path=$1
    shift
    printf '$ curl'
    for word in "$@" "$url$path"; do
        case $word in
        *[!-A-Za-z0-9_.:/@=]*)  printf " '%s'" "$word" ;;
        *)                      printf ' %s' "$word" ;;
        esac
    done
    echo
    curl -sS --fail-with-body --max-time 60 "$@" "$url$path" ||
        fail "the request failed"
    echo
}
