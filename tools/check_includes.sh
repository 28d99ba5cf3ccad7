#!/bin/sh
# Enforces who may include what (TAP on stdout; run by prove).  A folder of
# the engine may include itself and the folders that its row names; only
# ngx_maas_module/ sees ngx_*.h, and of the engine it sees maas.h alone.
cd "$(dirname "$0")/.." || exit 1

n=0
bad=0

report() {                      # name, findings
    n=$((n + 1))
    if [ -z "$2" ]; then
        echo "ok $n - $1"
    else
        echo "not ok $n - $1"
        echo "$2" | sed 's/^/# /'
        bad=1
    fi
}

# folder: what it may include besides itself
rules="
include:
base:
tensor:   base
kernels:  base tensor
graph:    base tensor kernels
ops:      base tensor kernels graph
formats:  base tensor kernels graph
token:    base tensor kernels graph
media:    base tensor kernels graph repo/meta.h
train:    base tensor kernels graph ops formats token media
llm:      base tensor kernels graph ops formats token media
repo:     base tensor kernels graph ops formats token media train llm
sched:    base tensor kernels graph ops formats token media train llm
proto:    base tensor kernels graph ops formats token media train llm repo
          sched metrics api/model.h
metrics:  base tensor kernels graph ops formats token media train llm
api:      base tensor kernels graph ops formats token media train llm repo
          sched proto metrics
cli:      base tensor kernels graph ops formats token media train llm repo
          sched proto metrics api
"
rules=$(echo "$rules" | awk '/^[a-z]+:/ { if (s) print s; s = $0; next }
    { s = s " " $0 } END { print s }')

quoted() {                      # file:header of every #include "..."
    grep -rHE '^[ \t]*#[ \t]*include[ \t]*"' --include='*.[ch]' "$1" \
        2>/dev/null |
        sed -E 's/^([^:]*):[^"]*"([^"]*)".*/\1:\2/'
}

judge() {                       # folder, row; file:header on stdin
    awk -F: -v d="$1" -v row="$2" '
        BEGIN { m = split(row, w, " ") }
        {
            h = $2
            if (h == "maas_types.h" || h == "maas.h") next
            if (h ~ /\.pb-c\.h$/ && (d == "formats" || d == "proto")) next
            if (h == "build_id.h" && d == "repo") next
            if (h !~ /\//) { print $1 ": \"" h "\" is not from engine/"; next }
            split(h, p, "/")
            if (p[1] == d) next
            for (i = 1; i <= m; i++) if (w[i] == p[1] || w[i] == h) next
            print $1 " includes " h
        }'
}

for dir in engine/*/; do
    d=$(basename "$dir")
    row=$(echo "$rules" | sed -n "s/^$d: *//p" | tr -s ' ')
    if echo "$rules" | grep -q "^$d:"; then
        report "engine/$d includes itself${row:+ and $row}" \
            "$(quoted "engine/$d" | judge "$d" "$row")"
    else
        report "engine/$d is in the table" "add it to tools/check_includes.sh"
    fi
done

report "the engine includes no ngx_*.h" \
    "$(grep -rnE '#[ \t]*include[ \t]*[<"]ngx_' engine --include='*.[ch]')"

report "ngx_maas_module sees maas.h alone" \
    "$(quoted ngx_maas_module | awk -F: '$2 !~ /^ngx_/ && $2 != "maas.h"')"

report "cblas.h is included in kernels/blas only" \
    "$(grep -rnE '#[ \t]*include[ \t]*[<"][^">]*cblas' engine ngx_maas_module \
           --include='*.[ch]' | grep -v '^engine/kernels/blas/')"

report "LAPACK is called in train/lapack.c only" \
    "$(grep -rnE '\<d(ge|po|sy|or|tr)[a-z0-9]{2,4}_ *\(' engine \
           ngx_maas_module --include='*.[ch]' |
       grep -v '^engine/train/lapack.c:')"

report "intrinsics are in kernels/x86 only" \
    "$(grep -rnE '#[ \t]*include[ \t]*<[a-z0-9]*(intrin|x86gprintrin)\.h>' \
           engine ngx_maas_module --include='*.[ch]' |
       grep -v '^engine/kernels/x86/')"

report "file base names are unique" \
    "$(find engine ngx_maas_module t -name '*.[ch]' -printf '%f\n' |
       sort | uniq -d)"

echo "1..$n"
exit $bad
