-- counts - the usage objects of all providers, as disjoint counts of tokens.
--
-- The same shapes and rules as ledgerd's own importers have (importers/token_counts.c), so that what is
-- metered here and what is imported from a body are the same: input without what came from a cache, or was
-- written to one, and output with its reasoning.
local type, tonumber, match = type, tonumber, string.match

local counts = {}

local COUNT_MAX = 999999999999

local shapes = {
    -- chat, completions, embeddings
    { input = "prompt_tokens", output = "completion_tokens", details = "prompt_tokens_details",
        inside = { "cached_tokens", "prompt_cache_hit_tokens", "num_cached_tokens" } },
    -- responses; Anthropic, whose cache counts are beside the input
    { input = "input_tokens", output = "output_tokens", details = "input_tokens_details",
        inside = { "cached_tokens" }, beside = "cache_read_input_tokens",
        written = "cache_creation_input_tokens" },
}

-- The count of a member: nil if it is absent or null, false if it is no count.
local function count_of(object, name)
    local value = object[name]
    if value == nil or type(value) == "userdata" then
        return nil
    end
    if type(value) == "string" then
        value = match(value, "^%d+$") and tonumber(value)
    end
    if type(value) ~= "number" or value < 0 or value % 1 ~= 0 or value > COUNT_MAX then
        return false
    end
    return value
end

local function inside_of(usage, shape)
    local details = shape.details and usage[shape.details]
    for _, name in ipairs(shape.inside) do
        local count
        if type(details) == "table" then
            count = count_of(details, name)
        end
        if count == nil then
            count = count_of(usage, name)
        end
        if count ~= nil then
            return count
        end
    end
    return nil
end

local function read_shape(usage, shape)
    local input, output = count_of(usage, shape.input), count_of(usage, shape.output)
    if input == nil and output == nil then
        return nil
    end
    local cached, written
    if shape.beside then
        cached, written = count_of(usage, shape.beside), count_of(usage, shape.written)
    end
    local is_beside = cached ~= nil or written ~= nil
    if not is_beside then
        cached = inside_of(usage, shape)
    end
    if input == false or output == false or cached == false or written == false then
        return false
    end
    input, output, cached, written = input or 0, output or 0, cached or 0, written or 0
    if not is_beside then
        if cached > input then
            return false
        end
        input = input - cached
    end
    return { input = input, cached = cached, written = written, output = output }
end

--- { input, cached, written, output } of a usage object; nil if it tells none, false if what it tells
--- cannot be right.
function counts.of(usage)
    if type(usage) ~= "table" then
        return nil
    end
    for _, shape in ipairs(shapes) do
        local read = read_shape(usage, shape)
        if read ~= nil then
            return read
        end
    end
    return nil
end

--- The counts of llama-server's timings: what was read anew, from its cache, and produced so far.
function counts.of_timings(timings)
    if type(timings) ~= "table" then
        return nil
    end
    local input, cached = count_of(timings, "prompt_n"), count_of(timings, "cache_n")
    local output = count_of(timings, "predicted_n")
    if not output or input == false or cached == false then
        return nil
    end
    return { input = input or 0, cached = cached or 0, written = 0, output = output }
end

local function prompt_of(read)
    return read.input + read.cached + read.written
end

--- Takes over the prompt of `from` if it is the larger one: of two reports of one call that is the
--- whole.
function counts.merge_prompt(into, from)
    if prompt_of(from) >= prompt_of(into) then
        into.input, into.cached, into.written = from.input, from.cached, from.written
    end
end

function counts.none()
    return { input = 0, cached = 0, written = 0, output = 0 }
end

return counts
