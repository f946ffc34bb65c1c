-- record - the usage record of a request, one line whose bytes never change.
--
-- The same line goes to the journal and to ledgerd, so what arrives twice is the same twice.
local cjson = require("cjson.safe")
local format, gsub, sub, date = string.format, string.gsub, string.sub, os.date
local floor = math.floor

local record = {}

local MODEL_BYTES = 256

local ENCODED_MAX = 1000

local source
local encoded, encoded_count = {}, 0 -- the same few names stand in most records
local last_second, last_text

function record.init(read)
    source = cjson.encode(read.source)
end

local function encode(text)
    local known = encoded[text]
    if known then
        return known
    elseif encoded_count >= ENCODED_MAX then
        encoded, encoded_count = {}, 0
    end
    known = cjson.encode(text)
    encoded[text], encoded_count = known, encoded_count + 1
    return known
end

local function time_text(seconds)
    local whole = floor(seconds)
    if whole ~= last_second then
        last_second, last_text = whole, date("!%Y-%m-%dT%H:%M:%S", whole)
    end
    return last_text .. format(".%03dZ", floor((seconds - whole) * 1000))
end

-- What an engine calls its model, as far as it is ASCII that can be read.
local function clean(name)
    return (gsub(sub(name, 1, MODEL_BYTES), "[^\32-\126]", "?"))
end

--- The line, without its end, of
---   { id, caller, model, started, ended, outcome, counts, hold, basis, engine_model, is_stream,
---     endpoint, is_open }
--- where times are seconds since 1970; hold, engine_model and is_open may be nil.
function record.line(call)
    local counts, caller = call.counts, call.caller
    local ended = call.ended < call.started and call.started or call.ended
    return '{"source":' .. source .. ',"id":"' .. call.id
        .. '","project":' .. encode(caller.project)
        .. (caller.user and ',"user":' .. encode(caller.user) or "")
        .. ',"class":' .. encode(call.model)
        .. ',"start":"' .. time_text(call.started) .. '","end":"' .. time_text(ended)
        .. '","state":"final","outcome":"' .. call.outcome
        .. format('","meters":{"input_tokens":"%d","cached_input_tokens":"%d","output_tokens":"%d"',
            counts.input, counts.cached, counts.output)
        .. (counts.written > 0 and format(',"cache_write_input_tokens":"%d"}', counts.written) or "}")
        .. (call.hold and ',"hold":' .. encode(call.hold) or "")
        .. ',"basis":"' .. call.basis .. '","attributes":{'
        .. (call.engine_model and '"model":' .. encode(clean(call.engine_model)) .. "," or "")
        .. (call.is_open and '"admitted":"open",' or "")
        .. '"stream":"' .. (call.is_stream and "true" or "false")
        .. '","endpoint":"' .. call.endpoint .. '"}}'
end

return record
