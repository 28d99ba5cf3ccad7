#!/bin/sh
# Installs what is missing, with one apt-get call.
#     tools/deps.sh [run|test|models|fuzz]...     (none: run and test)
# An entry is a Debian package, or package:command where a command of
# another origin will do.  Nothing is touched when nothing is missing.
set -eu
PATH=$PATH:/usr/sbin:/sbin

build="gcc:gcc libc6-dev make:make nginx:nginx nginx-dev
    libopenblas-serial-dev libjansson-dev libprotobuf-c-dev
    protobuf-c-compiler:protoc-c libonnx-dev libjpeg62-turbo-dev libpng-dev
    libpcre2-dev zlib1g-dev libssl-dev"

run="$build curl:curl"

test="$build curl:curl perl:prove libonnx-testdata nghttp2-client:nghttp
    openssl:openssl wrk:wrk python3:/usr/bin/python3 python3-numpy
    python3-onnx python3-sklearn libjs-chart.js openmpi-bin:mpirun
    libopenmpi3"

models="$test nodejs:node npm:npm espeak-ng:espeak-ng fonts-dejavu-core
    chromium:chromium
    python3-pil python3-torch python3-torchvision libopenblas0-pthread
    python3-flask gunicorn:gunicorn"

fuzz="$build clang:clang"

have() {
    case $1 in
    *:*) command -v "${1#*:}" >/dev/null 2>&1 ;;
    *)   dpkg-query -W -f='${db:Status-Status}' "$1" 2>/dev/null |
             grep -qx installed ;;
    esac
}

wanted=
for group in "${@:-run test}"; do
    for g in $group; do
        case $g in
        run)    wanted="$wanted $run" ;;
        test)   wanted="$wanted $test" ;;
        models) wanted="$wanted $models" ;;
        fuzz)   wanted="$wanted $fuzz" ;;
        *)      echo "usage: $0 [run|test|models|fuzz]..." >&2; exit 2 ;;
        esac
    done
done

missing=
for entry in $wanted; do
    package=${entry%%:*}
    case " $missing " in *" $package "*) continue ;; esac
    have "$entry" || missing="$missing $package"
done
missing=${missing# }

[ -n "$missing" ] || exit 0

if ! command -v apt-get >/dev/null 2>&1; then
    echo "This needs Debian packages, or what they hold: $missing" >&2
    exit 1
fi

if [ "$(id -u)" != 0 ]; then
    if command -v sudo >/dev/null 2>&1; then
        who="run" sudo="sudo "
    else
        who="run as root (there is no sudo here; su - asks for its password)"
        sudo=
    fi

    cat >&2 <<EOF
Packages are missing, and only root can install them.  Please $who

    ${sudo}apt-get update
    ${sudo}apt-get install --no-install-recommends $missing

and then the same command again.
EOF
    exit 1
fi

echo "Installing: $missing"
export DEBIAN_FRONTEND=noninteractive
apt-get -qq update || echo "apt-get update failed; trying what is known" >&2
# shellcheck disable=SC2086
if ! apt-get -qq -y --no-install-recommends install $missing; then
    echo "apt-get could not install: $missing" >&2
    exit 1
fi
