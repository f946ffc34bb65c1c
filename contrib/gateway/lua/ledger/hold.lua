-- hold - points of a project, held for one request before its model is asked.
--
-- The request's record names the hold and ends it: there is no other call for that. A hold of which
-- nobody knows whether it was made (the answer came too late) is given back by its key.
local cjson = require("cjson.safe")
local client = require("ledger.client")
local points = require("ledger.points")
local encode, find, format = cjson.encode, string.find, string.format

local hold = {}

local settings, source

function hold.init(read)
    settings, source = read, encode(read.source)
end

--- The Idempotency-Key of a request's hold.
function hold.key(id)
    return "gw/" .. id
end

--- Members project and user, as JSON.
function hold.whose(caller)
    return '"project":' .. encode(caller.project)
        .. (caller.user and ',"user":' .. encode(caller.user) or "")
end

--- Members that are the shape of so many tokens of a model, as JSON.
function hold.shape(model, input, output)
    return format('"source":%s,"class":%s,"seconds":"0","meters":{"input_tokens":"%d","output_tokens":"%d"}',
        source, encode(model), input, output)
end

-- Points that are left after a decision: what was available less what was asked for.
local function remaining_of(decision)
    local available = points.parse(decision.available)
    local requested = points.parse(decision.requested)
    return available and requested and available - requested, available
end

--- What an answer to POST /v1/holds says. One of
---   { state = "held", hold, remaining, available }        remaining and available may be nil
---   { state = "refused", status, code, message, remaining }
---   { state = "away", why, is_made }                      is_made: the hold may be there all the same
function hold.outcome(answer, why)
    local document = answer and cjson.decode(answer.body)
    if type(document) ~= "table" then
        return { state = "away", why = why or "an answer that is no JSON",
            is_made = not (why and find(why, "^cannot connect")) }
    end
    local status, decision = answer.status, document.decision
    if status == 200 or status == 201 then
        local remaining, available = remaining_of(type(decision) == "table" and decision or {})
        return { state = "held", hold = document.hold, remaining = remaining, available = available }
    elseif type(decision) == "table" and decision.allowed == false and status < 500 then
        return { state = "refused", status = status, code = document.code, message = document.detail,
            remaining = points.parse(decision.available) }
    end
    return { state = "away", why = tostring(status) .. " " .. tostring(document.detail),
        is_made = status == 409 }
end

--- Hold what the request may use; see hold.outcome.
function hold.take(id, caller, model, input, output)
    local body = format('{%s,%s,"ttl":"%ds","ref":{"kind":"gateway","id":"%s"}}', hold.whose(caller),
        hold.shape(model, input, output), settings.ttl, id)
    return hold.outcome(client.call("POST", "/v1/holds", body, settings.deadline, { key = hold.key(id) }))
end

return hold
