-- caller - whose key is this? ledgerd says, and its answer is remembered for seconds.
--
-- Remembered is what ledgerd said under the SHA-256 of the key, never the key. An answer holds for
-- `caller.cache` seconds, so a revoked key is refused after that at the latest; a key that ledgerd
-- does not know is remembered for `caller.unknown` seconds. What was once known is kept longer
-- (`caller.remember`) for the one case that ledgerd is away and a model's posture is open.
--
-- Only unknown keys are counted against an address, so that nobody can make the gateway ask ledgerd
-- about guesses all day; whose key was known of late is asked about all the same, as many may share an
-- address with one who guesses.
local cjson = require("cjson.safe")
local client = require("ledger.client")
local posture = require("ledger.posture")
local sha256 = require("ledger.digest").sha256
local find, match, sub = string.find, string.match, string.sub

local caller = {}

local KEY_BYTES = 4096 -- JWTs are long
local PATH = "/v1/tokens/introspect"
local UNKNOWN = "-"

local settings
local known = ngx.shared.ledger_callers

function caller.init(read)
    settings = read
end

--- The key of the request: a bearer token, or Anthropic's x-api-key. Nil if there is none.
function caller.key()
    local var = ngx.var
    local header = var.http_authorization
    local key
    if not header then
        key = var.http_x_api_key
    elseif sub(header, 1, 7) == "Bearer " then
        key = sub(header, 8)
    else
        key = match(header, "^[Bb][Ee][Aa][Rr][Ee][Rr] +(%S+)%s*$")
    end
    return key and #key <= KEY_BYTES and key or nil
end

-- { project, user } of a remembered line.
local function caller_of(line)
    local project, user = match(line, "^([^\n]*)\n(.*)$")
    return { project = project, user = user ~= "" and user or nil, name = line }
end

local function remember(digest, answer)
    if answer.active ~= true or answer.role ~= "gateway-user" or type(answer.project) ~= "string" then
        known:set(digest, UNKNOWN, settings.caller.unknown)
        known:delete("last" .. digest)
        return nil
    end
    local line = answer.project .. "\n" .. (type(answer.user) == "string" and answer.user or "")
    known:set(digest, line, settings.caller.cache)
    known:set("last" .. digest, line, settings.caller.remember)
    return caller_of(line)
end

-- An address that has asked with too many unknown keys.
local function failures_of(address)
    return "bad" .. address
end

local function is_guessing(address)
    local failures = known:get(failures_of(address))
    return failures and failures >= settings.caller.failures
end

local function ask(key, digest)
    local answer, why = client.call("POST", PATH, '{"token":' .. cjson.encode(key) .. "}",
        settings.deadline)
    local document = answer and answer.status == 200 and cjson.decode(answer.body)
    if type(document) ~= "table" then
        return nil, "away", why or "introspection was answered with " .. answer.status
    end
    posture.answered()
    local found = remember(digest, document)
    if not found then
        known:incr(failures_of(ngx.var.binary_remote_addr), 1, 0, settings.caller.failures_within)
        return nil, "unknown"
    end
    return found
end

--- Who calls with the key: { project, user, name }, where user may be nil. Or nil and "unknown",
--- "guessing", or "away", with why ledgerd could not tell if it was asked. `may_ask`: false while
--- ledgerd is known to be away.
function caller.identify(key, may_ask)
    local digest = sha256(key)
    local line = known:get(digest)
    if line == UNKNOWN then
        return nil, "unknown"
    elseif line then
        return caller_of(line)
    elseif not find(key, "^[%w%._~+/=-]+$") then
        return nil, "unknown"
    elseif is_guessing(ngx.var.binary_remote_addr) and not known:get("last" .. digest) then
        return nil, "guessing"
    elseif not may_ask then
        return nil, "away"
    end
    return ask(key, digest)
end

--- Who called with the key when ledgerd last knew it, or nil.
function caller.last_known(key)
    local line = known:get("last" .. sha256(key))
    return line and caller_of(line)
end

return caller
