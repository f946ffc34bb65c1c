-- inflate - answers of an engine that compresses although nobody asked it to.
--
-- They are read and passed on as plain bytes. Without lua-zlib, or where the encoding is another one, they
-- pass as they are and are counted by their bytes.
local has_zlib, zlib = pcall(require, "zlib")

local inflate = {}

local STEP_BYTES = 4096 -- a step becomes some four megabytes at most

local encodings = { gzip = true, ["x-gzip"] = true, deflate = true }

--- A reader of the encoding, or nil if it cannot be read here.
function inflate.new(encoding)
    if has_zlib and encodings[encoding:lower()] then
        return { read = zlib.inflate(), taken = 0 }
    end
    return nil
end

-- One step. A stream that has ended may be followed by another one: both are the answer.
local function read_step(reader, step, out)
    while step ~= "" do
        local ok, plain, is_end, taken = pcall(reader.read, step)
        if not ok then
            return false
        end
        out[#out + 1] = plain
        if not is_end then
            reader.taken = taken
            return true
        end
        step = step:sub(taken - reader.taken + 1)
        reader.read, reader.taken = zlib.inflate(), 0
    end
    return true
end

--- The plain bytes of a piece, or nil if it cannot be right.
function inflate.read(reader, piece)
    local out = {}
    for at = 1, #piece, STEP_BYTES do
        if not read_step(reader, piece:sub(at, at + STEP_BYTES - 1), out) then
            return nil
        end
    end
    return table.concat(out)
end

return inflate
