-- posture - what happens while ledgerd cannot decide: closed, or open within a counted budget.
--
-- Whether ledgerd is away is counted in shared memory: after some failures in a row nobody asks it for a
-- second, so requests are answered at once instead of each waiting for its deadline. The open
-- budget counts what was let in unheld, as estimated while it runs, as it cost afterwards, and until
-- ledgerd has its record; then there is room again.
local points = require("ledger.points")

local posture = {}

local FAILURES_MAX = 5
local FAILURES_SECONDS = 10
local PAUSE_SECONDS = 1

local settings
local shared = ngx.shared.ledger_state

function posture.init(read)
    settings = read
end

--- ledgerd did not answer, or could not decide.
function posture.failed(why)
    local count = shared:incr("failures", 1, 0, FAILURES_SECONDS)
    if count and count >= FAILURES_MAX then
        shared:set("away", true, PAUSE_SECONDS)
    end
    if shared:add("warned", true, 10) then
        ngx.log(ngx.ERR, "ledger: ledgerd cannot be asked: ", why)
    end
end

--- ledgerd answered.
function posture.answered()
    if shared:get("failures") then
        shared:delete("failures")
    end
end

--- False for a moment after ledgerd has failed several times in a row.
function posture.may_ask()
    return not shared:get("away")
end

--- True if the model may be used while ledgerd is away.
function posture.is_open(model)
    return (model.posture or settings.posture) == "open"
end

--- Takes `micro` points out of the open budget; false if they are not there. Nil counts as too much.
function posture.admit(micro)
    if not micro then
        return false
    end
    local running = shared:incr("open_running", micro, 0)
    if not running or running + (shared:get("open_owed") or 0) > settings.open_budget_points then
        shared:incr("open_running", -micro, 0)
        return false
    end
    return true
end

--- A request that was let in for `estimated` has cost `micro`, and its record is queued.
function posture.finish(estimated, micro)
    shared:incr("open_owed", micro, 0)
    shared:incr("open_running", -estimated, 0)
end

--- Every record that was queued is ledgerd's now.
function posture.settled()
    if shared:get("open_owed") then
        shared:delete("open_owed")
    end
end

--- The budget, for messages.
function posture.budget()
    return points.format(settings.open_budget_points)
end

return posture
