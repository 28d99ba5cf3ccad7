#!/bin/bash
# Figures of this machine: tools/bench.sh BUILD [SECONDS]
#   1. maas bench, one thread, beside ONNX Runtime where t/models/npm.sh has
#      installed it; models: digits, and $MAAS_MODELS (../shared/models).
#   2. requests per second of digits beside nginx's return 200.
#   3. a static location's p99 while a model of about 200 ms runs at full load.
set -euo pipefail
PATH=$PATH:/usr/sbin:/sbin

root=$(cd "$(dirname "$0")/.." && pwd)
build=$(cd "$1" && pwd)
seconds=${2:-3}
models=${MAAS_MODELS:-$root/../shared/models}
dir=$build/bench
export MAAS_NPM=$build/models

rm -rf "$dir"
mkdir -p "$dir/logs" "$dir/temp"
cd "$root"

field() { sed -E "s/.*\"$1\":([-+.0-9e]+).*/\1/"; }

echo "== models, 1 thread ($("$build/maas" --version))"
printf '%-22s %11s %9s %11s %7s\n' model 'median ms' GFLOP/s 'ORT ms' ratio

for f in conf/models/digits/model.onnx "$models"/{mnist_8,super_resolution}.onnx \
         "$models"/light/light_{squeezenet,shufflenet,resnet50}.onnx
do
    [ -f "$f" ] || continue
    name=$(basename "$f" .onnx)
    [ "$name" != model ] || name=digits
    json=$("$build/maas" bench "$f" --seconds "$seconds" --json) || continue
    ms=$(echo "$json" | field median_ms)
    ort=-
    if [ -d "$MAAS_NPM/node_modules/onnxruntime-node" ]; then
        ort=$(node tools/bench_ort.mjs "$f" "$seconds" 2>"$dir/ort.log") || ort=-
    fi
    printf '%-22s %11.4f %9.2f %11s %7s\n' "$name" "$ms" \
        "$(echo "$json" | field gflops)" "$ort" \
        "$([ "$ort" = - ] && echo - || echo "$ms $ort" |
           awk '{ printf "%.2f", $1 / $2 }')"
done

/usr/bin/python3 t/data/make_models.py "$dir" > /dev/null

cat > "$dir/nginx.conf" <<EOF
load_module $build/ngx_http_maas_module.so;
worker_processes 1;
pid nginx.pid;
error_log logs/error.log;
events { worker_connections 1024; }
http {
    access_log off;
    keepalive_requests 100000000;
    client_body_temp_path temp/body;
    proxy_temp_path temp/proxy;
    fastcgi_temp_path temp/fastcgi;
    uwsgi_temp_path temp/uwsgi;
    scgi_temp_path temp/scgi;
    client_body_buffer_size 64k;
    maas_images images;
    maas_compiler $build/maas;
    maas_model digits { source $root/conf/models/digits; queue max=1024; }
    maas_model slow { source slow.onnx; queue max=64 timeout=60s; }
    server {
        listen unix:$dir/socket;
        listen 127.0.0.1:0;
        location = /return { default_type application/json; return 200 '{"a":1}'; }
        location = /digits { maas_pass digits; }
        location = /slow { maas_pass slow; maas_timeout 60s; }
    }
}
EOF

port=$(perl -MIO::Socket::INET -e 'print IO::Socket::INET->new(Listen => 1,
    LocalAddr => "127.0.0.1")->sockport')
sed -i "s/127.0.0.1:0/127.0.0.1:$port/" "$dir/nginx.conf"
args=(-p "$dir/" -c nginx.conf -e logs/error.log)
[ "$(id -u)" != 0 ] || args+=(-g 'user root;')
nginx "${args[@]}"
trap 'nginx "${args[@]}" -s stop 2>/dev/null || true' EXIT
url=http://127.0.0.1:$port

post() {                        # file of the body, content type
    cat > "$dir/post.lua" <<EOF
local f = io.open("$1", "rb")
wrk.method = "POST"
wrk.body = f:read("*a")
wrk.headers["Content-Type"] = "$2"
EOF
}

load() {                        # connections, arguments of wrk
    wrk -t1 -c"$1" -d"${seconds}s" --latency "${@:2}" > "$dir/wrk.log"
    awk '/Requests\/sec/ { r = $2 } /99%/ { p = $2 }
         /Non-2xx/ { x = ", not 2xx: " $NF }
         END { printf "%9.0f req/s, p99 %s%s\n", r, p, x }' "$dir/wrk.log"
}

echo
echo "== one worker, 16 connections"
sample=conf/models/digits/sample
post "$sample.json" application/json
printf '%-34s' 'return 200'; load 16 "$url/return"
printf '%-34s' 'return 200, the same POST'; load 16 -s "$dir/post.lua" "$url/return"
printf '%-34s' 'digits, JSON'; load 16 -s "$dir/post.lua" "$url/digits"
post "$sample.png" image/png
printf '%-34s' 'digits, PNG'; load 16 -s "$dir/post.lua" "$url/digits"

echo
echo "== a static location beside a busy model"
rows=$(perl -e 'print join ",", ("[0.25]") x 320')
echo "{\"instances\":[$rows]}" > "$dir/slow.json"
curl -sS -o /dev/null -w "one request of the model: %{time_total} s (%{http_code})\n" \
    -H 'Content-Type: application/json' -d "@$dir/slow.json" "$url/slow"
post "$dir/slow.json" application/json
wrk -t1 -c8 -d"$((seconds + 2))s" -s "$dir/post.lua" "$url/slow" \
    > "$dir/slow.log" &
sleep 1
printf '%-34s' 'return 200, 4 connections'; load 4 "$url/return"
wait $!
awk '/requests in/ { print "the model meanwhile: " $0 }
     /Non-2xx/ { print }' "$dir/slow.log"
[ ! -s "$dir/logs/error.log" ] || tail -3 "$dir/logs/error.log"
