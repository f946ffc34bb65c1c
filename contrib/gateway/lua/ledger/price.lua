-- price - what a model's tokens cost, as ledgerd rates them.
--
-- Asked for a million of each meter by checks, in the background, and remembered for each project (a
-- service pays nothing): leases and the open budget count with it. What is booked is rated by ledgerd
-- alone.
local cjson = require("cjson.safe")
local client = require("ledger.client")
local hold = require("ledger.hold")
local points = require("ledger.points")
local format, gmatch = string.format, string.gmatch

local price = {}

local FRESH_SECONDS = 30
local PATIENCE_SECONDS = 5
local LOOKED_MAX = 1000
local meters = { "input_tokens", "cached_input_tokens", "cache_write_input_tokens", "output_tokens" }

local rated_refusals = {
    insufficient_points = true, no_active_grant = true, project_limit = true, user_limit = true,
    share_cap = true,
}

local own, own_until = {}, 0
local looked, looked_count = {}, 0 -- when this worker looks again whether prices are fresh

local settings
local shared = ngx.shared.ledger_state

function price.init(read)
    settings = read
end

local function question(caller, model, meter)
    return format('{%s,"source":%s,"class":%s,"seconds":"0","meters":{"%s":"1000000"}}',
        hold.whose(caller), cjson.encode(settings.source), cjson.encode(model), meter)
end

-- Micro-points of a decision's question, or "-" where there is no price. Nil if the decision was made before
-- anything was rated.
local function price_in(decision)
    if decision.reason == "no_rate" then
        return "-"
    elseif decision.allowed ~= true and not rated_refusals[decision.reason] then
        return nil
    end
    local micro = points.parse(decision.requested)
    return micro and format("%d", micro) or "-"
end

-- "5000 - 0 20000": micro-points a million of each meter, "-" for one without a price.
local function ask(caller, model)
    local questions, prices = {}, {}
    for i, meter in ipairs(meters) do
        questions[i] = question(caller, model, meter)
    end
    local answer = client.call("POST", "/v1/checks", "[" .. table.concat(questions, ",") .. "]",
        PATIENCE_SECONDS)
    local decisions = answer and answer.status == 200 and cjson.decode(answer.body)
    if type(decisions) ~= "table" or #decisions ~= #meters then
        return nil
    end
    for i, decision in ipairs(decisions) do
        prices[i] = price_in(decision)
        if not prices[i] then
            return nil
        end
    end
    return table.concat(prices, " ")
end

local function name_of(caller, model)
    return caller.project .. "\n" .. model
end

local function refresh(premature, caller, model)
    local what = name_of(caller, model)
    local line = not premature and ask(caller, model)
    if line then
        shared:set("price:" .. what, line)
        shared:set("fresh:" .. what, true, FRESH_SECONDS)
    end
    shared:delete("pricing:" .. what)
end

-- The four prices of a line; false where there is none. This worker keeps them for a second.
local function prices_of(what)
    local now = ngx.now()
    if now >= own_until then
        own, own_until = {}, now + 1
    end
    local prices = own[what]
    if prices == nil then
        local line = shared:get("price:" .. what)
        if not line then
            return nil
        end
        prices = {}
        for text in gmatch(line, "%S+") do
            prices[#prices + 1] = tonumber(text) or false
        end
        own[what] = prices
    end
    return prices
end

--- Has the model's prices asked for, if they are not known or not of late.
function price.want(caller, model)
    local what = name_of(caller, model)
    local now = ngx.now()
    if (looked[what] or 0) > now then
        return
    elseif looked_count >= LOOKED_MAX then
        looked, looked_count = {}, 0
    end
    looked_count = looked[what] and looked_count or looked_count + 1
    looked[what] = now + (prices_of(what) and 1 or 0)
    if not shared:get("fresh:" .. what) and shared:add("pricing:" .. what, true, 2 * PATIENCE_SECONDS) then
        ngx.timer.at(0, refresh, caller, model)
    end
end

local function part(count, each)
    if count == 0 then
        return 0
    end
    return each and points.price(count, each)
end

--- Micro-points of the counts, each part rounded up; nil if a price that it takes is not known.
function price.of(caller, model, counts)
    local prices = prices_of(name_of(caller, model))
    if not prices then
        return nil
    end
    local input, cached = part(counts.input, prices[1]), part(counts.cached, prices[2])
    local written, output = part(counts.written, prices[3]), part(counts.output, prices[4])
    return input and cached and written and output and input + cached + written + output or nil
end

return price
