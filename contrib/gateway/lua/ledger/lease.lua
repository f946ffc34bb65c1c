-- lease - one hold for many requests of a project's user, where the balance is comfortable.
--
-- A lease is a hold without parts: each record that names it makes it smaller, and only its release or its
-- deadline ends it. Here it is counted out, in shared memory: what its requests may use while they run,
-- what they did use afterwards, so that all of them together are promised no more than it holds. Before
-- it runs dry the next one takes its place; the old one goes back when its last request has ended. Near
-- the end of a balance there is no new one, and ledgerd is asked for each request.
--
--   current/WHO   the lease that new requests use, gone with its deadline
--   room/LEASE    micro-points that are not promised     flying/LEASE   requests that run on it
--   used/LEASE    when a request of it ended last              until/LEASE    its deadline
--   who/LEASE     whose it is                            rest/LEASE     available beside it
--   all           the list of leases that are to be looked after
local client = require("ledger.client")
local delivery = require("ledger.delivery")
local hold = require("ledger.hold")
local points = require("ledger.points")
local format = string.format

local lease = {}

local ROUND_SECONDS = 1
local PATIENCE_SECONDS = 5
local NEAR_END_SECONDS = 5

local settings, terms
local shared = ngx.shared.ledger_leases

function lease.init(read)
    settings, terms = read, read.lease
end

local function now()
    return ngx.now()
end

-- --- taking -----------------------------------------------------------------------------------

-- No longer used by new requests once it is so close to its deadline.
local function usable_seconds()
    return terms.ttl * 3 / 4
end

local function begin(who, taken)
    local id = taken.hold
    shared:set("room/" .. id, terms.points)
    shared:set("flying/" .. id, 0)
    shared:set("used/" .. id, now())
    shared:set("until/" .. id, now() + terms.ttl)
    shared:set("who/" .. id, who)
    shared:set("rest/" .. id, taken.remaining or 0)
    shared:lpush("all", id)
    shared:set("current/" .. who, id, usable_seconds())
end

local function is_comfortable(available)
    return available ~= nil and available >= terms.comfortable * terms.points
end

local function take(premature, caller, id)
    if premature then
        return
    end
    local who, key = caller.name, "gw/lease/" .. id
    local body = format('{%s,"points":"%s","parts":0,"ttl":"%ds","ref":{"kind":"gateway","id":"%s"}}',
        hold.whose(caller), points.format(terms.points), terms.ttl, id)
    local taken = hold.outcome(client.call("POST", "/v1/holds", body, PATIENCE_SECONDS, { key = key }))
    if taken.state == "held" and is_comfortable(taken.available) then
        begin(who, taken)
    else
        shared:set("near/" .. who, true, NEAR_END_SECONDS)
        if taken.state == "held" then
            delivery.release(taken.hold)
        elseif taken.is_made then
            delivery.release("key:" .. key)
        end
    end
    shared:delete("taking/" .. who)
end

local function want(caller, id)
    local who = caller.name
    if not shared:get("near/" .. who) and shared:add("taking/" .. who, true, 2 * PATIENCE_SECONDS) then
        ngx.timer.at(0, take, caller, id)
    end
end

--- A request was held by itself while `available` micro-points were there: enough for a lease? `id` is
--- the request's.
function lease.offer(caller, id, available)
    if terms and is_comfortable(available) and not shared:get("current/" .. caller.name) then
        want(caller, id)
    end
end

-- --- using ------------------------------------------------------------------------------------

--- Promises `micro` of the caller's lease to a request. Returns the lease's hold and the points that
--- remain, or nil if there is no lease or not so much in it.
function lease.reserve(caller, id, micro)
    local current = terms and micro and shared:get("current/" .. caller.name)
    if not current or not shared:incr("flying/" .. current, 1) then
        return nil
    end
    local room = shared:incr("room/" .. current, -micro)
    local fits = room and room >= 0
    if room and not fits then
        room = shared:incr("room/" .. current, micro)
    end
    if room and room < terms.refill_below then
        want(caller, id)
    end
    if not fits then
        shared:incr("flying/" .. current, -1)
        return nil
    end
    return current, (shared:get("rest/" .. current) or 0) + room
end

--- A request that was promised `promised` has used `used` micro-points.
function lease.finish(id, promised, used)
    shared:incr("room/" .. id, promised - used)
    shared:set("used/" .. id, now())
    shared:incr("flying/" .. id, -1)
end

-- --- looking after ----------------------------------------------------------------------------

local function forget(id, who)
    if shared:get("current/" .. who) == id then
        shared:delete("current/" .. who)
    end
    for _, name in ipairs({ "room/", "flying/", "used/", "until/", "who/", "rest/" }) do
        shared:delete(name .. id)
    end
end

-- Moves the deadline on. False if the lease is over.
local function extend(id, who)
    local answer = client.call("POST", "/v1/holds/" .. id .. "/extend", format('{"ttl":"%ds"}', terms.ttl),
        PATIENCE_SECONDS)
    if answer and answer.status == 200 then
        shared:set("until/" .. id, now() + terms.ttl)
        if shared:get("current/" .. who) == id then
            shared:set("current/" .. who, id, usable_seconds())
        end
        return true
    end
    return not answer or answer.status >= 500
end

-- True if the lease is to be looked after further. One whose requests never came back (a worker was
-- killed) is left to its deadline.
local function look_after(id)
    local who, flying = shared:get("who/" .. id), shared:get("flying/" .. id)
    local used, deadline = shared:get("used/" .. id), shared:get("until/" .. id)
    if not who or not flying or not used or not deadline then
        return false
    end
    local is_current, idle = shared:get("current/" .. who) == id, now() - used
    if flying <= 0 and idle > (is_current and terms.idle or ROUND_SECONDS) then
        forget(id, who)
        delivery.release(id)
        return false
    elseif idle > settings.ttl or deadline < now() then
        forget(id, who)
        return false
    elseif deadline - now() < terms.ttl / 2 and not extend(id, who) then
        forget(id, who)
        return false
    end
    return true
end

local function round(premature)
    if premature or not shared:add("round", true, 2 * PATIENCE_SECONDS) then
        return
    end
    for _ = 1, shared:llen("all") or 0 do
        local id = shared:rpop("all")
        local ok, stays = pcall(look_after, id)
        if not ok then
            ngx.log(ngx.ERR, "ledger: ", stays)
        end
        if id and (stays or not ok) then
            shared:lpush("all", id)
        end
    end
    shared:delete("round")
end

function lease.init_worker()
    if terms then
        assert(ngx.timer.every(ROUND_SECONDS, round))
    end
end

return lease
