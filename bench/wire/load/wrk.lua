-- The request of one case, and its result as one line of JSON. Arguments: header kind, bytes to upload, then the
-- headers of a browser as name and value in turn.

function init(args)
  local upload = tonumber(args[2])
  if upload > 0 then
    wrk.method = "POST"
    wrk.body = string.rep("x", upload)
    wrk.headers["Content-Type"] = "application/octet-stream"
  end
  if args[1] == "browser" then
    for i = 3, #args, 2 do wrk.headers[args[i]] = args[i + 1] end
  end
end

function done(summary, latency)
  local e = summary.errors
  io.write(string.format(
    'RESULT {"requests":%d,"durationUs":%d,"bytes":%d,"p50Us":%d,"p99Us":%d,"p999Us":%d,' ..
    '"errors":{"connect":%d,"read":%d,"write":%d,"timeout":%d,"status":%d}}\n',
    summary.requests, summary.duration, summary.bytes,
    latency:percentile(50), latency:percentile(99), latency:percentile(99.9),
    e.connect, e.read, e.write, e.timeout, e.status))
end
