-- client - calls of ledgerd: HTTP/1.1 over nginx's sockets, kept alive, within a deadline, bounded.
--
-- There is no HTTP client for nginx's Lua in Debian. This one speaks to ledgerd alone, whose answers
-- have a Content-Length; anything else is an error.
local tcp = ngx.socket.tcp
local now, update_time = ngx.now, ngx.update_time
local concat, match, lower = table.concat, string.match, string.lower

local client = {}

local HEAD_BYTES = 16384
local BODY_BYTES = 16777216
local IDLE_MILLISECONDS = 10000 -- shorter than ledgerd's own idle_timeout
local IDLE_CONNECTIONS = 128

local settings, fixed_headers

function client.init(read)
    settings = read
    fixed_headers = "\r\nHost: " .. read.ledger.host
        .. (read.token and "\r\nAuthorization: Bearer " .. read.token or "")
end

local function head_of(method, path, body, headers)
    return concat({ method, " ", path, " HTTP/1.1", fixed_headers,
        "\r\nContent-Type: ", headers and headers.content_type or "application/json",
        headers and headers.key and "\r\nIdempotency-Key: " .. headers.key or "",
        "\r\nContent-Length: ", #body, "\r\n\r\n", body })
end

-- Lets the socket's next act last until the deadline; false if that has passed.
local function until_deadline(sock, deadline)
    update_time()
    local left = (deadline - now()) * 1000
    if left < 1 then
        return false
    end
    sock:settimeout(left)
    return true
end

local function connect(deadline)
    local sock, ledger, ok, why = tcp(), settings.ledger
    until_deadline(sock, deadline)
    if ledger.port then
        ok, why = sock:connect(ledger.socket, ledger.port)
    else
        ok, why = sock:connect(ledger.socket)
    end
    if not ok then
        return nil, "cannot connect: " .. why
    end
    return sock
end

local function receive(sock, deadline)
    local head, why = sock:receiveuntil("\r\n\r\n")(HEAD_BYTES)
    if not head then
        return nil, why
    end
    head = lower(head)
    local status = match(head, "^http/1%.[01] (%d%d%d)")
    local length = tonumber(match(head, "\ncontent%-length:%s*(%d+)"))
    if not status or not length or length > BODY_BYTES then
        return nil, "an answer that is no HTTP, has no length or is too long"
    end
    if not until_deadline(sock, deadline) then
        return nil, "timeout"
    end
    local body = ""
    if length > 0 then
        body, why = sock:receive(length)
        if not body then
            return nil, why
        end
    end
    return { status = tonumber(status), body = body,
        keep = not match(head, "\nconnection:%s*close") }
end

-- One exchange. Returns the answer; or nil, why, and whether a connection that was kept had gone.
local function exchange(message, deadline)
    local sock, why = connect(deadline)
    if not sock then
        return nil, why, false
    end
    local was_kept = (sock:getreusedtimes() or 0) > 0
    local sent, answer
    if not until_deadline(sock, deadline) then
        sock:close()
        return nil, "timeout", false
    end
    sent, why = sock:send(message)
    if sent then
        answer, why = receive(sock, deadline)
    end
    if not answer then
        sock:close()
        return nil, why, was_kept and why == "closed"
    end
    if answer.keep then
        sock:setkeepalive(IDLE_MILLISECONDS, IDLE_CONNECTIONS)
    else
        sock:close()
    end
    return answer
end

--- Calls ledgerd and waits `seconds` at most. `headers`: key (Idempotency-Key) and content_type.
--- Returns { status, body }, or nil and why. What is called must bear being called twice: a kept
--- connection that ledgerd has closed meanwhile is replaced by a new one.
function client.call(method, path, body, seconds, headers)
    update_time()
    local deadline = now() + seconds
    local message = head_of(method, path, body, headers)
    local answer, why, retry = exchange(message, deadline)
    while not answer and retry do
        answer, why, retry = exchange(message, deadline)
    end
    return answer, why
end

return client
