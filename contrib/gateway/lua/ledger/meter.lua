-- meter - what an answer used: from its usage, or as well as it can be told.
--
-- Nothing is refused here and nothing is free: an answer that does not tell its usage, or tells one that
-- cannot be right, is estimated by its chunks or bytes.
local counts = require("ledger.counts")
local estimate = require("ledger.estimate")
local inflate = require("ledger.inflate")
local json_text = require("ledger.json_text")
local stream = require("ledger.stream")
local cjson = require("cjson.safe").new()
local decode = cjson.decode
local find, sub, concat = string.find, string.sub, table.concat

cjson.decode_invalid_numbers(false)

local meter = {}

local settings

function meter.init(read)
    settings = read
end

--- A meter of the answer to a request (asked.read) whose input is estimated as `input`. `encoding` and
--- `content_type` are the answer's headers or nil; `shows_usage`: the client asked for the usage itself.
function meter.new(request, input, status, content_type, encoding, shows_usage)
    local self = { request = request, input = input, status = status, bytes = 0 }
    if encoding and encoding ~= "" and encoding ~= "identity" then
        self.inflate = inflate.new(encoding)
        self.is_opaque = not self.inflate
    end
    if status < 400 and content_type and find(content_type, "^text/event%-stream") and not self.is_opaque then
        self.stream = stream.new(request.endpoint, not shows_usage)
    else
        self.pieces = {}
    end
    return self
end

--- True if what goes to the client may be of another length than what the engine sent.
function meter.changes_length(self)
    return self.inflate ~= nil or (self.stream ~= nil and self.stream.hides)
end

--- True if the answer was compressed and is passed on plain.
function meter.inflates(self)
    return self.inflate ~= nil
end

local function keep(self, piece)
    if self.pieces and not self.is_opaque and self.bytes <= settings.max_answer_bytes then
        self.pieces[#self.pieces + 1] = piece
    else
        self.pieces = nil
    end
end

--- Reads a piece of the answer; returns what goes to the client, or nil if the answer cannot be read on.
function meter.read(self, piece, is_last)
    self.is_whole = self.is_whole or is_last
    if self.inflate and piece ~= "" then
        piece = inflate.read(self.inflate, piece)
        if not piece then
            return nil
        end
    end
    self.bytes = self.bytes + #piece
    if self.stream then
        return stream.read(self.stream, piece, is_last)
    end
    if piece ~= "" then
        keep(self, piece)
    end
    return piece
end

local function by_chunks(self)
    return { input = self.input, cached = 0, written = 0, output = self.stream.said }
end

local function by_bytes(self)
    local output = 0
    if self.request.endpoint ~= "embeddings" then
        output = estimate.tokens(settings, self.bytes)
    end
    return { input = self.input, cached = 0, written = 0, output = output }
end

local function read_plain(self)
    local text = self.pieces and concat(self.pieces) or ""
    local usage, model
    json_text.members(text, function(name, first, last)
        if name == "usage" then
            usage = decode(sub(text, first, last))
        elseif name == "model" then
            model = decode(sub(text, first, last))
        end
    end)
    return counts.of(usage), type(model) == "string" and model or nil
end

local function finish_stream(self)
    local part = self.stream
    local read, basis = stream.counts(part)
    local outcome = part.failed and "failed" or (self.is_whole or part.done) and "completed" or "cut"
    if not read and part.failed and part.said == 0 then
        return counts.none(), "reported", "failed", part.model
    end
    return read or by_chunks(self), read and basis or "estimated", outcome, part.model
end

--- Counts where the answer could not be made sense of at all: by its bytes.
function meter.estimate(self)
    return by_bytes(self), "estimated", self.is_whole and "completed" or "cut"
end

--- Counts, basis, outcome ("completed", "failed", or "cut" by whoever hung up) and the engine's name of the
--- model, which may be nil. An error that tells no usage cost nothing.
function meter.finish(self)
    if self.stream then
        return finish_stream(self)
    end
    local read, model = read_plain(self)
    if self.status >= 400 then
        return read or counts.none(), "reported", "failed", model
    end
    return read or by_bytes(self), read and "reported" or "estimated",
        self.is_whole and "completed" or "cut", model
end

return meter
