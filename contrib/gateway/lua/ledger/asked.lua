-- asked - what a request asks of a model: the endpoint, the model, how long an answer at most.
--
-- The body is decoded, to know that it is JSON and to read it, and its text is kept, to be sent on.
-- Members that decide about money may not stand there twice: which of them counts is each reader's
-- own choice.
local cjson = require("cjson.safe").new()
local json_text = require("ledger.json_text")
local find, sub, gsub = string.find, string.sub, string.gsub

cjson.decode_max_depth(200)
cjson.decode_invalid_numbers(false)

local asked = {}

local MODEL_BYTES = 256

-- Kinds of answer: chat and text are streamed with a usage chunk that has to be asked for, responses and
-- messages tell their usage in events of their own, embeddings have no output.
local endpoints = {
    ["/chat/completions"] = "chat",
    ["/completions"] = "text",
    ["/responses"] = "responses",
    ["/embeddings"] = "embeddings",
    ["/messages"] = "messages",
}

local deciding = {
    model = true, stream = true, stream_options = true, n = true, best_of = true, max_tokens = true,
    max_completion_tokens = true, max_output_tokens = true, background = true, prompt = true,
    timings_per_token = true,
}

--- The kind of endpoint that the path ends in, or nil.
function asked.endpoint(path)
    if path == "/v1/chat/completions" then
        return "chat"
    end
    return endpoints[path:match("(/chat/completions)$") or path:match("(/[%w_]+)$")]
end

local function read_file(path, limit)
    local file = io.open(path, "rb")
    if not file then
        return nil
    end
    local text = file:read(limit + 1)
    file:close()
    return text
end

--- The request's body, from memory or from the file that nginx keeps it in. Nil if there is none;
--- false if it is longer than the limit.
function asked.body(limit)
    ngx.req.read_body()
    local text = ngx.req.get_body_data()
    if not text then
        local path = ngx.req.get_body_file()
        text = path and read_file(path, limit)
    end
    if text and #text > limit then
        return false
    end
    return text
end

-- The places of what decides, or nil and the name of a member that stands there twice.
local function places_of(text)
    local places, twice = {}, nil
    local open = json_text.members(text, function(name, first, last)
        if deciding[name] then
            if places[name] then
                twice = name
                return true
            end
            places[name] = { first, last }
        end
    end)
    if twice or not open then
        return nil, twice
    end
    places.open = open
    return places
end

local function is_model_name(name)
    return type(name) == "string" and #name <= MODEL_BYTES and find(name, "^[\32-\126]+$") ~= nil
end

-- How many prompts the request holds: a list of texts, or of lists of token numbers.
local function prompts_of(prompt)
    if type(prompt) == "table" and #prompt > 0 and type(prompt[1]) ~= "number" then
        return #prompt
    end
    return 1
end

-- A request that may be metered, or nil, what is wrong, and the member that is at fault.
local function check(request)
    local document, stream = request.document, request.document.stream
    if not is_model_name(document.model) then
        return nil, "model must be the name of a model, in ASCII", "model"
    elseif stream ~= nil and stream ~= cjson.null and type(stream) ~= "boolean" then
        return nil, "stream must be true or false", "stream"
    elseif request.endpoint == "responses" and document.background == true then
        return nil, "background responses cannot be metered here: leave background out", "background"
    end
    return request
end

--- What the body asks for, at an endpoint of this kind: { endpoint, document, text, places, model,
--- is_stream, prompts }; or nil, what is wrong with it, and the member that is at fault.
function asked.read(endpoint, text)
    local document = cjson.decode(text)
    local places, twice
    if type(document) == "table" then
        places, twice = places_of(text)
    end
    if twice then
        return nil, twice .. " is given twice", twice
    elseif not places then
        return nil, "the body must be a JSON object"
    end
    return check({
        endpoint = endpoint,
        document = document,
        text = text,
        places = places,
        model = document.model,
        is_stream = document.stream == true,
        prompts = endpoint == "text" and prompts_of(document.prompt) or 1,
    })
end

-- --- what is sent on --------------------------------------------------------------------------

local function replace(text, first, last, by)
    return sub(text, 1, first - 1) .. by .. sub(text, last + 1)
end

-- stream_options with the switches set, whatever the client said of them.
local function set_switches(options, switches)
    local missing = {}
    for _, name in ipairs(switches) do
        local place
        json_text.members(options, function(member, first, last)
            if member == name then
                place = { first, last }
            end
        end)
        if place then
            options = replace(options, place[1], place[2], "true")
        else
            missing[#missing + 1] = '"' .. name .. '":true'
        end
    end
    if #missing == 0 then
        return options
    end
    local comma = find(options, "^%s*{%s*}") and "" or ","
    return (gsub(options, "{", function() return "{" .. table.concat(missing, ",") .. comma end, 1))
end

-- The text with members put in front of all others.
local function put_in(request, text, members)
    if #members == 0 then
        return text
    end
    local open = request.places.open
    return sub(text, 1, open) .. table.concat(members, ",") .. "," .. sub(text, open + 1)
end

--- The text to send on so that a stream tells its usage: include_usage, and what tells of the
--- progress of one that may be cut off ("timings" of llama-server, "usage" on each chunk of vLLM).
--- Second result: whether the client asked for the usage itself.
function asked.text_to_send(request, progress)
    local text, document = request.text, request.document
    if not request.is_stream or (request.endpoint ~= "chat" and request.endpoint ~= "text") then
        return text, true
    end
    local options, place = document.stream_options, request.places.stream_options
    local members, switches = {}, { "include_usage" }
    if progress == "usage" then
        switches[2] = "continuous_usage_stats"
    end
    if not place then
        members[1] = '"stream_options":' .. set_switches("{}", switches)
    elseif options == cjson.null then
        text = replace(text, place[1], place[2], set_switches("{}", switches))
    elseif type(options) == "table" then
        text = replace(text, place[1], place[2], set_switches(sub(text, place[1], place[2]), switches))
    end
    if progress == "timings" and not request.places.timings_per_token then
        members[#members + 1] = '"timings_per_token":true'
    end
    return put_in(request, text, members), type(options) == "table" and options.include_usage == true
end

return asked
