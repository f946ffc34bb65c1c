-- refusal - answers of the gateway's own, in the form that OpenAI's clients show to people.
--
-- Those clients try again on 408, 409, 429 and 5xx unless told not to, and sleep for as long as
-- retry-after says. So what will not change by itself says x-should-retry: false, and what is over
-- soon says how soon.
local encode = require("cjson.safe").encode

local refusal = {}

local kinds = { -- status -> type of error
    [400] = "invalid_request_error",
    [401] = "authentication_error",
    [402] = "insufficient_quota",
    [403] = "permission_error",
    [404] = "invalid_request_error",
    [405] = "invalid_request_error",
    [413] = "invalid_request_error",
    [415] = "invalid_request_error",
    [429] = "rate_limit_error",
    [503] = "service_unavailable",
}

--- Answers and ends the request. `param` names the member of the request that is at fault;
--- `retry_milliseconds` makes a rate limit say when to come again.
function refusal.answer(status, code, message, param, retry_milliseconds)
    local header = ngx.header
    ngx.status = status
    header["Content-Type"] = "application/json"
    if retry_milliseconds then
        header["retry-after-ms"] = retry_milliseconds
        header["Retry-After"] = math.ceil(retry_milliseconds / 1000)
    else
        header["x-should-retry"] = "false"
    end
    if status == 401 then
        header["WWW-Authenticate"] = "Bearer"
    end
    local body = '{"error":{"message":' .. encode(message) .. ',"type":"' .. kinds[status]
        .. '","param":' .. (param and encode(param) or "null") .. ',"code":"' .. code .. '"}}\n'
    header["Content-Length"] = #body
    ngx.print(body)
    return ngx.exit(ngx.HTTP_OK) -- ends the request; the status is the one above
end

return refusal
