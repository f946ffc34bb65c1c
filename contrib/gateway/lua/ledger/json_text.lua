-- json_text - the text of a JSON object's members, without making the whole into tables.
--
-- A request is sent on as it came but for a few bytes, because encoding it anew would turn [] into {}
-- and cut large integers. An answer is looked into for one member, however large the others are.
-- The text must be JSON (whoever needs to be sure decodes it too); what is not makes nil.
local cjson = require("cjson.safe").new()
local byte, find, sub = string.byte, string.find, string.sub

local json_text = {}

local QUOTE, OPEN_OBJECT, OPEN_LIST, COLON, COMMA = 34, 123, 91, 58, 44
local CLOSE_OBJECT, CLOSE_LIST = 125, 93

-- The place of the quote that ends the string which begins at `at`.
local function string_end(text, at)
    local place = at + 1
    while true do
        place = find(text, '["\\]', place)
        if not place then
            return nil
        elseif byte(text, place) == QUOTE then
            return place
        end
        place = place + 2
    end
end

-- The place of the bracket that ends the object or list which begins at `at`.
local function nest_end(text, at)
    local depth, place = 1, at + 1
    while true do
        place = find(text, '["%[%]{}]', place)
        if not place then
            return nil
        end
        local c = byte(text, place)
        if c == QUOTE then
            place = string_end(text, place)
            if not place then
                return nil
            end
        elseif c == OPEN_OBJECT or c == OPEN_LIST then
            depth = depth + 1
        else
            depth = depth - 1
            if depth == 0 then
                return place
            end
        end
        place = place + 1
    end
end

local function value_end(text, at)
    local c = byte(text, at)
    if c == QUOTE then
        return string_end(text, at)
    elseif c == OPEN_OBJECT or c == OPEN_LIST then
        return nest_end(text, at)
    elseif c == nil or c == CLOSE_OBJECT or c == CLOSE_LIST then
        return nil
    end
    local stop = find(text, "[%s,%]}]", at)
    return stop and stop - 1 or #text
end

-- The decoded string which stands at [first, last], quotes included.
local function string_of(text, first, last)
    local inner = sub(text, first + 1, last - 1)
    if find(inner, "\\", 1, true) then
        return cjson.decode(sub(text, first, last))
    end
    return inner
end

--- Calls each(name, first, last) with the place of every member's value of the object that begins
--- at `at` (default: the first byte that is no blank); ends early when it returns true. Returns the
--- place of the opening brace, or nil if this is no object.
function json_text.members(text, each, at)
    local open = find(text, "%S", at or 1)
    if not open or byte(text, open) ~= OPEN_OBJECT then
        return nil
    end
    local place = find(text, "%S", open + 1)
    if place and byte(text, place) == CLOSE_OBJECT then
        return open
    end
    while place and byte(text, place) == QUOTE do
        local name_end = string_end(text, place)
        local first = name_end and find(text, "%S", name_end + 1)
        if not first or byte(text, first) ~= COLON then
            return nil
        end
        first = find(text, "%S", first + 1)
        local last = first and value_end(text, first)
        local name = last and string_of(text, place, name_end)
        if not name then
            return nil
        end
        if each(name, first, last) then
            return open
        end
        place = find(text, "%S", last + 1)
        local c = place and byte(text, place)
        if c == CLOSE_OBJECT then
            return open
        elseif c ~= COMMA then
            return nil
        end
        place = find(text, "%S", place + 1)
    end
    return nil
end

--- The decoded value of one member of an object, or nil.
function json_text.member(text, wanted)
    local value
    json_text.members(text, function(name, first, last)
        if name == wanted then
            value = cjson.decode(sub(text, first, last))
            return true
        end
    end)
    return value
end

return json_text
