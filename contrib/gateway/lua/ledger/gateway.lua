-- gateway - what nginx calls: who asks, may they, what was used.
--
-- access decides before the model is asked, the filters read the answer as it passes, and log makes
-- the one record of the request, which ends its hold. Nothing after access can refuse anything.
local asked = require("ledger.asked")
local caller = require("ledger.caller")
local client = require("ledger.client")
local counts = require("ledger.counts")
local delivery = require("ledger.delivery")
local estimate = require("ledger.estimate")
local hold = require("ledger.hold")
local lease = require("ledger.lease")
local meter = require("ledger.meter")
local points = require("ledger.points")
local posture = require("ledger.posture")
local price = require("ledger.price")
local record = require("ledger.record")
local refusal = require("ledger.refusal")
local settings = require("ledger.settings")

local gateway = {}

local GUESSING_MILLISECONDS = 2000

local site -- the settings

--- Reads the settings; nginx does not start without.
function gateway.init(path)
    site = settings.load(path)
    for _, part in ipairs({ client, caller, delivery, hold, lease, meter, posture, price, record }) do
        part.init(site)
    end
end

function gateway.init_worker()
    delivery.init_worker()
    lease.init_worker()
end

-- --- before the model is asked ----------------------------------------------------------------

local function refuse_away()
    return refusal.answer(503, "cannot_decide",
        "accounting cannot be asked at the moment; nothing was used")
end

local function key_of_request()
    return caller.key()
        or refusal.answer(401, "invalid_api_key", "no API key was given: send Authorization: Bearer KEY")
end

-- Whose key it is; nil while ledgerd is away.
local function identify(key)
    local found, fault, why = caller.identify(key, posture.may_ask())
    if found then
        return found
    elseif fault == "unknown" then
        return refusal.answer(401, "invalid_api_key", "this API key is not known, or was revoked")
    elseif fault == "guessing" then
        return refusal.answer(429, "rate_limit_exceeded", "too many unknown API keys from this address",
            nil, GUESSING_MILLISECONDS)
    end
    if why then
        posture.failed(why)
    end
    return nil
end

-- Whose key it was, for a model whose posture is open while ledgerd is away.
local function identify_away(key, model)
    return posture.is_open(model) and caller.last_known(key) or refuse_away()
end

local function is_unmetered(path)
    for _, free in ipairs(site.unmetered) do
        if path == free or path:sub(1, #free + 1) == free .. "/" then
            return true
        end
    end
    return false
end

-- The request, or an answer that says what is wrong with it.
local function read_request(endpoint)
    if (ngx.var.http_content_encoding or "identity") ~= "identity" then
        return refusal.answer(415, "unsupported_encoding", "send the request uncompressed")
    end
    local text = asked.body(site.max_request_bytes)
    if text == false then
        return refusal.answer(413, "request_too_large",
            "the request is longer than " .. site.max_request_bytes .. " bytes")
    end
    local request, fault, param = asked.read(endpoint, text or "")
    if not request then
        return refusal.answer(400, "invalid_request", fault, param)
    end
    return request
end

local function show_remaining(micro)
    if micro then
        ngx.header["x-ratelimit-remaining-points"] = points.format(micro)
    end
end

local function refuse(outcome)
    show_remaining(outcome.remaining)
    if outcome.status == 404 then -- the token's project is no longer there
        outcome.status = 403
    end
    return refusal.answer(outcome.status == 402 and 402 or 403, outcome.code or "forbidden",
        outcome.message or "this project may not use the model")
end

-- ledgerd cannot be asked: lets the request in by the open budget, or refuses it.
local function admit(call, model)
    if posture.is_open(model) and posture.admit(call.promised) then
        call.is_open = true
        return call
    end
    return refuse_away()
end

-- Points for the request: out of a lease, of a hold of its own, or of the open budget.
local function take_points(call, model, input, output)
    call.promised = price.of(call.caller, call.model,
        { input = input, cached = 0, written = 0, output = output })
    call.lease, call.remaining = lease.reserve(call.caller, call.id, call.promised)
    if call.lease then
        call.hold = call.lease
        return call
    elseif not posture.may_ask() then
        return admit(call, model)
    end
    local outcome = hold.take(call.id, call.caller, call.model, input, output)
    if outcome.state == "away" then
        posture.failed(outcome.why)
        if outcome.is_made then
            delivery.release("key:" .. hold.key(call.id))
        end
        return admit(call, model)
    end
    posture.answered()
    if outcome.state == "refused" then
        return refuse(outcome)
    end
    call.hold, call.remaining = outcome.hold, outcome.remaining
    lease.offer(call.caller, call.id, outcome.available)
    return call
end

local function pass_unmetered(path)
    local method = ngx.req.get_method()
    if (method ~= "GET" and method ~= "HEAD") or not is_unmetered(path) then
        return refusal.answer(404, "unknown_endpoint",
            "this gateway does not serve " .. method .. " " .. path)
    end
    if not identify(key_of_request()) then
        return refuse_away()
    end
end

--- access_by_lua: returns if the request may go on to the engine, else answers it.
function gateway.access()
    local var = ngx.var
    local path = var.uri
    local endpoint = asked.endpoint(path)
    if not endpoint or ngx.req.get_method() ~= "POST" then
        return pass_unmetered(path)
    end
    local key = key_of_request()
    local found = identify(key)
    local request = read_request(endpoint)
    local model = settings.model(site, request.model)
    local call = {
        id = var.request_id,
        caller = found or identify_away(key, model),
        model = request.model,
        request = request,
        started = ngx.req.start_time(),
    }
    local input, output = estimate.of(site, model, request)
    call.input = input
    if site.lease or posture.is_open(model) then
        price.want(call.caller, call.model)
    end
    take_points(call, model, input, output)
    ngx.ctx.ledger_call = call -- from here on it has a record, whatever happens
    local text, shows_usage = asked.text_to_send(request, model.progress)
    call.shows_usage = shows_usage
    if text ~= request.text then
        ngx.req.set_body_data(text)
    end
end

-- --- while the answer passes ------------------------------------------------------------------

--- header_filter_by_lua.
function gateway.header_filter()
    local call = ngx.ctx.ledger_call
    if not call then
        return
    end
    local header = ngx.header
    local part = meter.new(call.request, call.input, ngx.status, header["Content-Type"],
        header["Content-Encoding"], call.shows_usage)
    call.meter = part
    if meter.inflates(part) then
        header["Content-Encoding"] = nil
    end
    if meter.changes_length(part) then
        header["Content-Length"] = nil
    end
    header["x-request-id"] = call.id
    show_remaining(call.remaining)
end

--- body_filter_by_lua.
function gateway.body_filter()
    local call = ngx.ctx.ledger_call
    if not call then
        return
    end
    local arg = ngx.arg
    local piece = arg[1]
    local out = meter.read(call.meter, piece, arg[2])
    if not out then
        ngx.log(ngx.ERR, "ledger: an answer in a broken encoding was cut off")
        return ngx.ERROR
    elseif out ~= piece then
        arg[1] = out
    end
    if call.meter.stream and out ~= "" then
        call.written, call.sent_before = #out, tonumber(ngx.var.body_bytes_sent)
    end
end

-- --- when all is over -------------------------------------------------------------------------

-- Who hung up: what was written last cannot be sent to a client that is gone.
local function cut_by(call)
    local sent = tonumber(ngx.var.body_bytes_sent) - (call.sent_before or 0)
    return sent < (call.written or call.meter.bytes) and "cancelled" or "failed"
end

local function count(call)
    if not call.meter then -- the engine never answered
        call.counts, call.basis, call.outcome = counts.none(), "reported", "failed"
        return
    end
    local ok
    ok, call.counts, call.basis, call.outcome, call.engine_model = pcall(meter.finish, call.meter)
    if not ok then -- whatever it was: what ran is booked
        ngx.log(ngx.ERR, "ledger: ", call.counts)
        call.counts, call.basis, call.outcome = meter.estimate(call.meter)
    end
    if call.outcome == "cut" then
        call.outcome = cut_by(call)
    end
end

local function settle_local(call)
    if not call.lease and not call.is_open then
        return
    end
    local used = price.of(call.caller, call.model, call.counts) or call.promised
    if call.lease then
        lease.finish(call.lease, call.promised, used)
    else
        posture.finish(call.promised, used)
    end
end

--- log_by_lua: makes the record, for the journal and for ledgerd. A request that cost nothing has one
--- too, because nothing else ends its hold for certain.
function gateway.log()
    local call = ngx.ctx.ledger_call
    if not call then
        return
    end
    count(call)
    call.ended = ngx.now()
    call.is_stream, call.endpoint = call.request.is_stream, call.request.endpoint
    local line = record.line(call)
    ngx.var.ledger_record = line
    delivery.record(line)
    settle_local(call)
end

return gateway
