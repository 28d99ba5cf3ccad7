#!/bin/bash
# Builds the dynamic module out of tree, against the headers of nginx-dev.
#     tools/module.sh BUILD [CC_OPT [LD_OPT]]
# BUILD holds libmaas.a; the module becomes BUILD/ngx_http_maas_module.so.
# NGINX_SRC names another tree that nginx-dev made.
set -euo pipefail
PATH=$PATH:/usr/sbin:/sbin

root=$(cd "$(dirname "$0")/.." && pwd)
mkdir -p "$1"
build=$(cd "$1" && pwd)
cc_opt=${2-}
ld_opt=${3-}
src=${NGINX_SRC:-/usr/share/nginx/src}
objs=$build/nginx

if [ ! -f "$src/conf_flags" ]; then
    echo "$src/conf_flags is missing: install nginx-dev (make deps)" >&2
    exit 1
fi

export MAAS_BUILD=$build
id="$root $src $cc_opt $ld_opt ${MAAS_PREFIX-} ${CC-} $(nginx -v 2>&1)"

if [ ! -f "$objs/Makefile" ] || [ "$root/config" -nt "$objs/Makefile" ] ||
   [ "$root/config.make" -nt "$objs/Makefile" ] ||
   [ "$(cat "$objs/id" 2>/dev/null)" != "$id" ]
then
    rm -rf "$objs"
    mkdir -p "$objs"
    cd "$src"
    # shellcheck disable=SC1091
    . ./conf_flags
    if ! ./configure \
        --with-cc-opt="-g -O2 -fPIC $cc_opt" \
        --with-ld-opt="-Wl,-z,relro -Wl,-z,now -fPIC $ld_opt" \
        "${NGX_CONF_FLAGS[@]}" --add-dynamic-module="$root" \
        --builddir="$objs" > "$objs/configure.log" 2>&1
    then
        tail -20 "$objs/configure.log" >&2
        echo "nginx's configure failed; all of it: $objs/configure.log" >&2
        exit 1
    fi
    echo "$id" > "$objs/id"
fi

# The link rule does not know the static library.
so=$objs/ngx_http_maas_module.so
if [ -f "$so" ] && [ "$build/libmaas.a" -nt "$so" ]; then
    rm -f "$so"
fi

${MAKE:-make} --no-print-directory -s -f "$objs/Makefile" -C "$src" modules

if ! cmp -s "$so" "$build/ngx_http_maas_module.so"; then
    cp "$so" "$build/ngx_http_maas_module.so.tmp"
    mv "$build/ngx_http_maas_module.so.tmp" "$build/ngx_http_maas_module.so"
    echo "built $build/ngx_http_maas_module.so"
fi
