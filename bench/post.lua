-- wrk: POSTs the files of $BENCH_BODY, one a line, in turn as JSON; prints one
-- line of JSON.

local bodies, n = {}, 0

for name in os.getenv("BENCH_BODY"):gmatch("[^\n]+") do
    local file = assert(io.open(name, "rb"))
    bodies[#bodies + 1] = file:read("*a")
    file:close()
end

wrk.method = "POST"
wrk.body = bodies[1]
wrk.headers["Content-Type"] = "application/json"

if #bodies > 1 then
    init = function()
        for i, body in ipairs(bodies) do
            bodies[i] = wrk.format(nil, nil, nil, body)
        end
    end

    request = function()
        n = n % #bodies + 1
        return bodies[n]
    end
end

done = function(sum, latency)
    io.write(string.format('RESULT {"requests": %d, "rps": %.1f, '
        .. '"p50_ms": %.4f, "p99_ms": %.4f, "bad": %d}\n',
        sum.requests, sum.requests / (sum.duration / 1e6),
        latency:percentile(50) / 1e3, latency:percentile(99) / 1e3,
        sum.errors.status + sum.errors.connect
        + sum.errors.read + sum.errors.write + sum.errors.timeout))
end
