-- delivery - records on their way to ledgerd.
--
-- The journal on disk is the truth, and ledgerd reads it; this queue is for speed, so that a balance is
-- right within a fraction of a second. It lives in shared memory, so a worker may end; where nginx is
-- killed, or the queue is full, the journal has what is lost here. One worker at a time sends, in
-- order: a lease is given back behind the records that name it. A worker's records of the last moment go
-- into the queue together, an item for many.
local client = require("ledger.client")
local posture = require("ledger.posture")
local byte, match = string.byte, string.match
local concat = table.concat

local delivery = {}

local QUEUE, WAITING, SENDING, LATE = "queue", "waiting", "sending", "late"
local OWN_RECORDS, BATCH_ITEMS, BATCH_BYTES = 100, 100, 4194304
local PAUSE_SECONDS = 0.2
local PATIENCE_SECONDS = 10
local RELEASE_TRIES = 6
local RELEASE = 45 -- an item that begins with '-' is a release; others are records, a line each

local settings
local queue = ngx.shared.ledger_queue
local own, own_count = {}, 0 -- this worker's records of the last moment
local failures = 0

local function push(item, records)
    local waiting = queue:incr(WAITING, records, 0) or 0
    local length, why
    if waiting <= settings.max_queued_records or records == 0 then
        length, why = queue:lpush(QUEUE, item)
    end
    if not length then
        queue:incr(WAITING, -records, 0)
        if queue:add("warned", true, 60) then
            ngx.log(ngx.ERR, "ledger: records wait in the journal alone: ", why or "the queue is full")
        end
    end
end

local function push_own()
    if own_count > 0 then
        push(own_count .. "\n" .. concat(own, "\n", 1, own_count), own_count)
        own_count = 0
    end
end

--- A record's line goes to ledgerd soon.
function delivery.record(line)
    own_count = own_count + 1
    own[own_count] = line
    if own_count >= OWN_RECORDS or ngx.worker.exiting() then
        push_own()
    end
end

--- A hold (its id, or "key:" and its key) is given back, behind the records that wait now. `tries`:
--- how often it was tried already; a hold that is not there may be on its way.
function delivery.release(hold, tries)
    push_own()
    push("-" .. (tries or 0) .. " " .. hold, 0)
end

-- The records up to the next release, or one release: what kind it is, and its items.
local function take()
    local items, bytes = {}, 0
    while #items < BATCH_ITEMS and bytes < BATCH_BYTES do
        local item = queue:rpop(QUEUE)
        if not item then
            break
        end
        if byte(item) == RELEASE then
            if #items == 0 then
                return "release", { item }
            end
            queue:rpush(QUEUE, item)
            break
        end
        items[#items + 1] = item
        bytes = bytes + #item
    end
    return "records", items
end

local function put_back(items)
    for i = #items, 1, -1 do
        queue:rpush(QUEUE, items[i])
    end
end

-- How many records the items hold, and their lines.
local function open_items(items)
    local count, lines = 0, {}
    for i, item in ipairs(items) do
        local number, first = match(item, "^(%d+)\n()")
        count = count + tonumber(number)
        lines[i] = item:sub(first)
    end
    return count, concat(lines, "\n") .. "\n"
end

-- What ledgerd says of its fates is in its own log and quarantine; here only whether it has them.
local function send_records(items)
    local count, lines = open_items(items)
    local answer, why = client.call("POST", "/v1/usage", lines, PATIENCE_SECONDS,
        { content_type = "application/x-ndjson" })
    if answer and (answer.status == 200 or answer.status == 409) then
        queue:incr(WAITING, -count, 0)
        return true
    elseif answer and (answer.status == 400 or answer.status == 413 or answer.status == 415) then
        ngx.log(ngx.ERR, "ledger: ledgerd refuses ", count, " records, which the journal has: ",
            answer.status)
        queue:incr(WAITING, -count, 0)
        return true
    end
    return false, why or "POST /v1/usage was answered with " .. answer.status
end

local function send_release(items)
    local tries, hold = match(items[1], "^%-(%d+) (.*)$")
    local answer, why = client.call("POST", "/v1/holds/" .. ngx.escape_uri(hold) .. "/release", "{}",
        PATIENCE_SECONDS)
    if not answer or answer.status >= 500 then
        return false, why or "a release was answered with " .. answer.status
    end
    if answer.status == 404 and tonumber(tries) < RELEASE_TRIES then
        ngx.timer.at(2 ^ tonumber(tries), function()
            delivery.release(hold, tonumber(tries) + 1)
        end)
    end
    return true
end

local function send_all()
    while true do
        local kind, items = take()
        if #items == 0 then
            return
        end
        local ok, why = (kind == "release" and send_release or send_records)(items)
        if not ok then
            put_back(items)
            failures = failures + 1
            queue:set(LATE, true, math.min(2 ^ failures / 8, 5))
            if queue:add("warned", true, 60) then
                ngx.log(ngx.ERR, "ledger: records wait: ", why)
            end
            return
        end
        failures = 0
        if not queue:llen(QUEUE) or queue:llen(QUEUE) == 0 then
            posture.settled()
        end
        queue:set(SENDING, ngx.worker.pid(), 2 * PATIENCE_SECONDS)
    end
end

local function round(premature)
    push_own()
    if premature or queue:get(LATE) then
        return
    end
    local length = queue:llen(QUEUE)
    if length == 0 then -- what a killed worker was sending is not there any more
        queue:delete(WAITING)
    elseif length and queue:add(SENDING, ngx.worker.pid(), 2 * PATIENCE_SECONDS) then
        local ok, why = pcall(send_all)
        queue:delete(SENDING)
        if not ok then
            ngx.log(ngx.ERR, "ledger: ", why)
        end
    end
end

function delivery.init(read)
    settings = read
end

function delivery.init_worker()
    assert(ngx.timer.every(PAUSE_SECONDS, round))
end

return delivery
