-- Posts one picture again and again, and prints what benchmarks/load.py reads: one line of JSON.
-- Arguments: the picture's file, and the seconds between two requests that ask for a new connection.

local ffi = require("ffi")
ffi.cdef("typedef struct { long seconds; long nanoseconds; } moment; int clock_gettime(int clock, moment *at);")
local at = ffi.new("moment")
local MONOTONIC = 1

local function now()
  ffi.C.clock_gettime(MONOTONIC, at)
  return tonumber(at.seconds) + tonumber(at.nanoseconds) / 1e9
end

function init(args)
  local file = assert(io.open(args[1], "rb"))
  wrk.method = "POST"
  wrk.body = file:read("*a")
  wrk.headers["Content-Type"] = "image/png"
  file:close()
  kept = wrk.format()
  wrk.headers["Connection"] = "close"
  closing = wrk.format()
  pause = tonumber(args[2])
  renewal = now() + pause
end

function request()
  if now() < renewal then
    return kept
  end
  renewal = now() + pause
  return closing
end

function done(summary, latency, requests)
  local errors = summary.errors
  io.write(string.format(
    '{"requests": %d, "duration_us": %d, "bad_status": %d, "broken": %d, "p50_us": %d, "p99_us": %d}\n',
    summary.requests, summary.duration, errors.status,
    errors.connect + errors.read + errors.write + errors.timeout,
    latency:percentile(50), latency:percentile(99)))
end
