-- stream - an answer of server-sent events, read while it passes through.
--
-- Lines are put together over the edges of the pieces that nginx reads; counts come from the chunks that
-- tell them (importers/tokens_sse.c reads whole streams by the same rules). The usage chunk that
-- the client did not ask for is taken out. That needs whole lines, so there what is no whole line yet waits
-- for its rest; elsewhere bytes pass as they come.
local cjson = require("cjson.safe").new()
local counts = require("ledger.counts")
local decode = cjson.decode
local byte, find, sub, match = string.byte, string.find, string.sub, string.match
local concat = table.concat
local re_find = ngx.re.find

cjson.decode_invalid_numbers(false)

local stream = {}

local LINE_BYTES = 1048576 -- a longer line passes unread
local RETURN = 13

-- Something that the model said, in any of the shapes.
local SAYS = [["(?:content|text|reasoning_content|reasoning|arguments|delta|thinking|partial_json|refusal)"]]
    .. [=[\s*:\s*"[^"]]=]

--- A stream of an endpoint of this kind; `hides`: take the usage chunk out.
function stream.new(endpoint, hides)
    return { endpoint = endpoint, hides = hides, rest = "", said = 0 }
end

-- A total so far of the choice that the chunk belongs to.
local function add_running(self, choices, read)
    local index = type(choices[1]) == "table" and tonumber(choices[1].index) or 0
    local outputs = self.outputs or {}
    self.outputs = outputs
    outputs[index] = math.max(outputs[index] or 0, read.output)
    self.running = self.running or counts.none()
    counts.merge_prompt(self.running, read)
end

local function add_event(self, read)
    self.events = self.events or counts.none()
    counts.merge_prompt(self.events, read)
    self.events.output = math.max(self.events.output, read.output)
end

-- Several closing chunks add up their output and count the prompt once.
local function add_closing(self, read)
    self.closing = self.closing or counts.none()
    counts.merge_prompt(self.closing, read)
    self.closing.output = self.closing.output + read.output
end

-- True if the chunk is one that tells the usage and nothing else.
local function add_usage(self, answer)
    local read, choices = counts.of(answer.usage), answer.choices
    if read == false then
        self.trouble = true
    end
    if type(choices) ~= "table" then
        if read and answer.usage.prompt_tokens ~= nil then
            add_closing(self, read)
        elseif read then
            add_event(self, read)
        end
        return false
    end
    if #choices > 0 then
        if read then
            add_running(self, choices, read)
        end
        return false
    end
    if read then
        add_closing(self, read)
    end
    return type(answer.usage) == "table"
end

-- True if the chunk is to be hidden.
local function read_chunk(self, text)
    local chunk = decode(text)
    if type(chunk) ~= "table" then
        return false
    end
    local answer = type(chunk.response) == "table" and chunk.response
        or type(chunk.message) == "table" and chunk.message or chunk
    if type(answer.model) == "string" and not self.model then
        self.model = answer.model
    end
    if type(answer.error) == "table" then
        self.failed = true
    end
    local timings = counts.of_timings(answer.timings)
    if timings then
        self.timings = timings
    end
    return type(answer.usage) == "table" and add_usage(self, answer)
end

local ends = { ["response.completed"] = true, ["response.incomplete"] = true, ["message_stop"] = true }

local function read_event_type(self, text)
    local event = match(text, '"type"%s*:%s*"([%w_%.]+)"')
    if event and (ends[event] or event == "response.failed") then
        self.done = true
        self.failed = self.failed or event == "response.failed"
    end
    return event
end

-- Counts a chunk with which the model said something; the events that repeat it say nothing new.
local function count_said(self, text)
    if self.endpoint == "responses" or self.endpoint == "messages" then
        local event = read_event_type(self, text)
        if event and not find(event, "delta$") then
            return
        end
    end
    if re_find(text, SAYS, "jo") then
        self.said = self.said + 1
    end
end

-- One line without its end. True if it is to be hidden.
local function read_line(self, line)
    local first = match(line, "^data:%s*()")
    if not first or first > #line then
        return false
    end
    local text = sub(line, first)
    if find(text, "^%[DONE%]") then
        self.done = true
        return false
    end
    count_said(self, text)
    if not self.model or find(text, '"usage"%s*:%s*{') or find(text, '"timings"', 1, true)
        or find(text, '"error"', 1, true) then
        return read_chunk(self, text)
    end
    return false
end

-- Reads the whole lines of `text` from `place` on; returns where the last one ends.
local function each_line(self, text, keep)
    local place = 1
    while true do
        local newline = find(text, "\n", place, true)
        if not newline then
            return place
        end
        local last = byte(text, newline - 1) == RETURN and newline - 2 or newline - 1
        keep(self, text, place, last, newline)
        place = newline + 1
    end
end

local function watch(self, text, first, last)
    if last >= first then
        read_line(self, sub(text, first, last))
    end
end

-- A hidden line takes the empty line that ends its event with it.
local function filter(self, text, first, last, newline)
    local out = self.out
    if last < first then
        if self.hiding then
            self.hiding = false
            return
        end
    elseif read_line(self, sub(text, first, last)) then
        self.hiding = true
        return
    end
    out[#out + 1] = sub(text, first, newline)
end

--- Reads a piece and returns what goes to the client.
function stream.read(self, piece, is_last)
    local text = self.rest == "" and piece or self.rest .. piece
    if not self.hides then
        local rest = sub(text, each_line(self, text, watch))
        if is_last then
            read_line(self, rest)
        end
        self.rest = #rest <= LINE_BYTES and rest or ""
        return piece
    end
    self.out = {}
    local rest = sub(text, each_line(self, text, filter))
    if is_last or #rest > LINE_BYTES then
        if not read_line(self, rest) then
            self.out[#self.out + 1] = rest
        end
        rest = ""
    end
    self.rest = rest
    return concat(self.out)
end

local function sum(outputs)
    local total = 0
    for _, output in pairs(outputs) do
        total = total + output
    end
    return total
end

-- Events tell the prompt first and the output last: of one cut off in between, the chunks are counted.
local function counts_of_events(self)
    if self.done then
        return self.events, "reported"
    elseif self.said > self.events.output then
        self.events.output = self.said
        return self.events, "estimated"
    end
    return self.events, "partial"
end

--- Counts and whether they are all ("reported") or what there was so far ("partial"; "estimated"
--- where chunks were counted), or nil.
function stream.counts(self)
    if self.trouble then
        return nil
    elseif self.closing then
        return self.closing, "reported"
    elseif self.events then
        return counts_of_events(self)
    elseif self.running then
        self.running.output = sum(self.outputs)
        return self.running, self.done and "reported" or "partial"
    elseif self.timings then
        return self.timings, self.done and "reported" or "partial"
    end
    return nil
end

return stream
