-- settings - gateway.json, read once when nginx starts or reloads.
--
-- A file that says anything which is not understood keeps nginx from starting, with a sentence: a
-- setting that is silently ignored would be found by its bill.
local cjson = require("cjson.safe").new()
local points = require("ledger.points")

cjson.decode_max_depth(8)

local settings = {}

local LEASE_SECONDS_MIN = 4 -- leases are looked after once a second

local units = { ms = 0.001, s = 1, m = 60, h = 3600, d = 86400 }

local function is_null(value)
    return value == nil or value == cjson.null
end

-- Each kind turns what the file says into what the library uses, or returns nil and what it must be.
local kinds = {}

function kinds.text(value)
    if type(value) == "string" and value ~= "" then
        return value
    end
    return nil, "a string that is not empty"
end

-- The name becomes part of a source, and of metrics.
function kinds.name(value)
    if type(value) == "string" and value:find("^[%w%._-]+$") and #value <= 64 then
        return value
    end
    return nil, "a name of letters, digits, '.', '_' and '-'"
end

function kinds.seconds(value)
    local count, unit = tostring(value):match("^(%d+)(%a+)$")
    if count and units[unit] and tonumber(count) > 0 then
        return tonumber(count) * units[unit]
    end
    return nil, 'a duration such as "50ms", "5s" or "15m"'
end

-- What ledgerd is told in whole seconds.
function kinds.whole_seconds(value)
    local read = kinds.seconds(value)
    if read and read >= 1 then
        return math.floor(read)
    end
    return nil, 'a duration of a second or more, such as "2m"'
end

function kinds.count(value)
    if type(value) == "number" and value >= 1 and value <= 1e9 and value % 1 == 0 then
        return value
    end
    return nil, "a whole number from 1 to 1000000000"
end

function kinds.points(value)
    local micro = points.parse(value)
    if micro and micro >= 0 then
        return micro
    end
    return nil, 'points such as "100" or "12.5", as a string'
end

function kinds.posture(value)
    if value == "open" or value == "closed" then
        return value
    end
    return nil, '"open" or "closed"'
end

function kinds.progress(value)
    if value == "timings" or value == "usage" then
        return value
    end
    return nil, '"timings" or "usage"'
end

function kinds.address(value)
    local path = tostring(value):match("^unix:(/.+)$")
    if path then
        return { socket = value, host = "localhost" }
    end
    local host, port = tostring(value):match("^([%d%.]+):(%d+)$")
    if not host then
        host, port = tostring(value):match("^(%[[%x:%.]+%]):(%d+)$")
    end
    if host and tonumber(port) <= 65535 then
        return { socket = host, port = tonumber(port), host = host }
    end
    return nil, '"unix:/PATH" or "HOST:PORT", where HOST is an address'
end

function kinds.paths(value)
    if type(value) ~= "table" then
        return nil, "a list of paths"
    end
    local paths = {}
    for _, path in ipairs(value) do
        if type(path) ~= "string" or not path:find("^/") then
            return nil, "a list of paths that begin with /"
        end
        paths[#paths + 1] = path
    end
    return paths
end

-- Fields of each object: kind, default; a field without a default must be given, `optional` ones may
-- be null or missing.
local fields = {
    caller = {
        cache = { "seconds", 5 },
        unknown = { "seconds", 1 },
        remember = { "seconds", 900 },
        failures = { "count", 30 },
        failures_within = { "seconds", 10 },
    },
    lease = {
        points = { "points" },
        refill_below = { "points" },
        ttl = { "whole_seconds", 120 },
        idle = { "seconds", 30 },
        comfortable = { "count", 4 },
    },
    model = {
        max_output_tokens = { "count", 4096 },
        usual_output_tokens = { "count", optional = true },
        posture = { "posture", optional = true },
        progress = { "progress", optional = true },
    },
}

fields.gateway = {
    name = { "name" },
    ledger = { "address" },
    token_file = { "text", optional = true },
    deadline = { "seconds", 0.05 },
    ttl = { "whole_seconds", 900 },
    max_request_bytes = { "count", 33554432 },
    max_answer_bytes = { "count", 16777216 },
    bytes_per_token = { "count", 3 },
    image_tokens = { "count", 1000 },
    max_queued_records = { "count", 50000 },
    unmetered = { "paths", { "/v1/models" } },
    posture = { "posture", "closed" },
    open_budget_points = { "points", 0 },
    caller = { "object", {}, of = fields.caller },
    lease = { "object", optional = true, of = fields.lease },
    models = { "models", {} },
}

local read_object

local function read_field(place, field, value)
    local kind = field[1]
    if is_null(value) then
        if field.optional then
            return nil
        elseif field[2] == nil then
            error(place .. " is missing", 0)
        elseif kind ~= "object" and kind ~= "models" then
            return field[2]
        end
        value = field[2]
    end
    if kind == "object" then
        return read_object(place, field.of, value)
    elseif kind == "models" then
        local models = {}
        if type(value) ~= "table" then
            error(place .. " must be an object", 0)
        end
        for name, model in pairs(value) do
            models[name] = read_object(place .. "." .. name, fields.model, model)
        end
        models["*"] = models["*"] or read_object(place .. ".*", fields.model, {})
        return models
    end
    local read, must_be = kinds[kind](value)
    if read == nil then
        error(place .. " must be " .. must_be, 0)
    end
    return read
end

function read_object(place, known, object)
    if type(object) ~= "table" then
        error(place .. " must be an object", 0)
    end
    for name in pairs(object) do
        if not known[name] then
            error(("%s: there is no setting %s"):format(place, tostring(name)), 0)
        end
    end
    local read = {}
    for name, field in pairs(known) do
        read[name] = read_field(place .. "." .. name, field, object[name])
    end
    return read
end

local function read_file(path)
    local file, why = io.open(path, "rb")
    if not file then
        error("cannot be read: " .. why, 0)
    end
    local text = file:read("*a")
    file:close()
    return text or ""
end

-- The token by which the gateway itself is known to ledgerd.
local function read_token(path)
    local token = read_file(path):match("^%s*(.-)%s*$")
    if not token:find("^[%w%._~+/=-]+$") then
        error("token_file: " .. path .. " does not hold one token", 0)
    end
    return token
end

local function check_lease(lease)
    if lease and lease.refill_below >= lease.points then
        error("lease.refill_below must be less than lease.points", 0)
    elseif lease and lease.ttl < LEASE_SECONDS_MIN then
        error("lease.ttl must be " .. LEASE_SECONDS_MIN .. "s or more", 0)
    end
end

local function load(path)
    local document, why = cjson.decode(read_file(path))
    if type(document) ~= "table" then
        error("is no JSON object: " .. tostring(why), 0)
    end
    local read = read_object("gateway", fields.gateway, document)
    check_lease(read.lease)
    read.source = "gateway:" .. read.name
    read.token = read.token_file and read_token(read.token_file)
    return read
end

--- The settings of the file, in seconds, bytes and micro-points; throws a sentence that names it.
--- `token` is the text of token_file, `source` is "gateway:NAME".
function settings.load(path)
    local ok, read = pcall(load, path)
    if not ok then
        error(path .. ": " .. read, 0)
    end
    return read
end

--- What the settings say of a model, by name or else by "*".
function settings.model(read, name)
    return read.models[name] or read.models["*"]
end

return settings
