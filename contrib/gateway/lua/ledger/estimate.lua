-- estimate - what a request may use, before anybody knows.
--
-- Input by the bytes of the request (a token of text is seldom shorter than three bytes), pictures and
-- sound apart, whose bytes say nothing of their tokens. Output by what the request allows, but not
-- more than the model can give; by the model's usual length where the request does not say. An estimate
-- that always took the most would keep others out for answers that are never that long.
local ceil, floor, max, min = math.ceil, math.floor, math.max, math.min
local find, gsub = string.find, string.gsub

local estimate = {}

local COUNT_MAX = 1e9

local limits = { "max_completion_tokens", "max_output_tokens", "max_tokens" }
local multiples = { "n", "best_of" }

local function limit_of(document)
    for _, name in ipairs(limits) do
        local limit = document[name]
        if type(limit) == "number" and limit >= 1 then
            return floor(min(limit, COUNT_MAX))
        end
    end
    return nil
end

local function answers_of(document)
    local most = 1
    for _, name in ipairs(multiples) do
        local count = document[name]
        if type(count) == "number" and count > most then
            most = floor(min(count, COUNT_MAX))
        end
    end
    return most
end

--- Tokens of `bytes` of text, by the settings' rule of thumb.
function estimate.tokens(settings, bytes)
    return min(ceil(bytes / settings.bytes_per_token), COUNT_MAX)
end

local function input_of(settings, text)
    if not find(text, '"data', 1, true) then
        return estimate.tokens(settings, #text)
    end
    local rest, links = gsub(text, '"data:[^"]*"', "")
    local sounds
    rest, sounds = gsub(rest, '"data"%s*:%s*"[^"]*"', "")
    return min(estimate.tokens(settings, #rest) + (links + sounds) * settings.image_tokens, COUNT_MAX)
end

--- Input and output tokens that the request may use.
function estimate.of(settings, model, request)
    local input = input_of(settings, request.text)
    if request.endpoint == "embeddings" then
        return input, 0
    end
    local limit = limit_of(request.document)
    local each = limit and min(limit, model.max_output_tokens)
        or model.usual_output_tokens or model.max_output_tokens
    local answers = answers_of(request.document) * request.prompts
    return input, max(1, min(each * answers, COUNT_MAX))
end

return estimate
