-- delivery - records on their way to ledgerd.
--
-- The journal on disk is the truth, and ledgerd reads it; this queue is for speed, so that a balance is
-- right within a fraction of a second. It lives in shared memory, so a worker may end; where nginx is
-- killed, or the queue is full, the journal has what is lost here. One worker at a time sends, in
-- order: a lease is given back behind the records that name it. What comes in fast is gathered for half a
-- second, since a small batch costs ledgerd almost as much as a large one.
local client = require("ledger.client")
local posture = require("ledger.posture")
local byte, match = string.byte, string.match
local concat = table.concat

local delivery = {}

local QUEUE, SENDING, LATE, GATHERING = "queue", "sending", "late", "gathering"
local BATCH_RECORDS, BATCH_BYTES = 1000, 1048576
local PAUSE_SECONDS = 0.1
local BUSY_RECORDS = 30 -- in a pause: then more are gathered, as a batch costs ledgerd much and a record little
local GATHER_SECONDS = 0.5
local PATIENCE_SECONDS = 10
local RELEASE_TRIES = 6
local RELEASE = 45 -- a line that begins with '-' is a release, any other one a record

local settings
local queue = ngx.shared.ledger_queue
local failures = 0

local function push(line)
    local length, why = queue:lpush(QUEUE, line)
    if not length or length > settings.max_queued_records then
        if length then
            queue:rpop(QUEUE)
        end
        if queue:add("warned", true, 60) then
            ngx.log(ngx.ERR, "ledger: records wait in the journal alone: ", why or "the queue is full")
        end
    end
end

--- A record's line goes to ledgerd soon.
function delivery.record(line)
    push(line)
end

--- A hold (its id, or "key:" and its key) is given back, behind the records that wait now. `tries`:
--- how often it was tried already; a hold that is not there may be on its way.
function delivery.release(hold, tries)
    push("-" .. (tries or 0) .. " " .. hold)
end

-- The records up to the next release, or one release: what kind it is, its lines, and whether that was all
-- that waited.
local function take()
    local lines, bytes = {}, 0
    while #lines < BATCH_RECORDS and bytes < BATCH_BYTES do
        local line = queue:rpop(QUEUE)
        if not line then
            return "records", lines, true
        end
        if byte(line) == RELEASE then
            if #lines == 0 then
                return "release", { line }
            end
            queue:rpush(QUEUE, line)
            break
        end
        lines[#lines + 1] = line
        bytes = bytes + #line
    end
    return "records", lines
end

local function put_back(lines)
    for i = #lines, 1, -1 do
        queue:rpush(QUEUE, lines[i])
    end
end

-- What ledgerd says of its fates is in its own log and quarantine; here only whether it has them.
local function send_records(lines)
    local answer, why = client.call("POST", "/v1/usage", concat(lines, "\n") .. "\n", PATIENCE_SECONDS,
        { content_type = "application/x-ndjson" })
    if answer and (answer.status == 200 or answer.status == 409) then
        return true
    elseif answer and (answer.status == 400 or answer.status == 413 or answer.status == 415) then
        ngx.log(ngx.ERR, "ledger: ledgerd refuses ", #lines, " records, which the journal has: ",
            answer.status)
        return true
    end
    return false, why or "POST /v1/usage was answered with " .. answer.status
end

local function send_release(lines)
    local tries, hold = match(lines[1], "^%-(%d+) (.*)$")
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
        local kind, lines, is_all = take()
        if #lines == 0 then
            return
        end
        local ok, why = (kind == "release" and send_release or send_records)(lines)
        if not ok then
            put_back(lines)
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
        if is_all then
            if #lines >= BUSY_RECORDS then
                queue:set(GATHERING, true, GATHER_SECONDS)
            end
            return
        end
        queue:set(SENDING, ngx.worker.pid(), 2 * PATIENCE_SECONDS)
    end
end

local function round(premature)
    if premature or queue:get(LATE) then
        return
    end
    local length = queue:llen(QUEUE) or 0
    if length < BATCH_RECORDS and queue:get(GATHERING) then
        return
    end
    if length > 0 and queue:add(SENDING, ngx.worker.pid(), 2 * PATIENCE_SECONDS) then
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
