-- The request of the HTTP rows, for wrk; axum and the gateway get the same.
wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"
wrk.body = '{"name":"bench","payload":"' .. string.rep("x", 64) .. '","number":1}'

-- What the other load generators say, in one line. wrk counts other statuses than 2xx and 3xx; looking at
-- bodies would make it slower than what it measures.
function done(summary, latency)
  local seconds = summary.duration / 1e6
  local errors = summary.errors
  io.write(string.format(
    '{"requests":%d,"seconds":%.3f,"per_second":%.0f,"p50_us":%d,"p99_us":%d,"errors":%d}\n',
    summary.requests, seconds, summary.requests / seconds, latency:percentile(50), latency:percentile(99),
    errors.connect + errors.read + errors.write + errors.status + errors.timeout))
end
