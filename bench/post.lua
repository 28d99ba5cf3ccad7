-- wrk: POSTs the file $BENCH_BODY as JSON; prints one line of JSON.

local file = assert(io.open(os.getenv("BENCH_BODY"), "rb"))

wrk.method = "POST"
wrk.body = file:read("*a")
wrk.headers["Content-Type"] = "application/json"
file:close()

done = function(sum, latency)
    io.write(string.format('RESULT {"requests": %d, "rps": %.1f, '
        .. '"p50_ms": %.4f, "p99_ms": %.4f, "bad": %d}\n',
        sum.requests, sum.requests / (sum.duration / 1e6),
        latency:percentile(50) / 1e3, latency:percentile(99) / 1e3,
        sum.errors.status + sum.errors.connect
        + sum.errors.read + sum.errors.write + sum.errors.timeout))
end
