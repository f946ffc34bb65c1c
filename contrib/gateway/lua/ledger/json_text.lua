-- json_text - the text of a JSON object's members, without making the whole into tables.
--
-- A request is sent on as it came but for a few bytes, because encoding it anew would turn [] into {}
-- and cut large integers. An answer is looked into for one member, however large the others are.
-- The text must be JSON (whoever needs to be sure decodes it too); what is not makes nil.
--
-- Every request and every plain answer passes through here, so it is written for the JIT compiler, which
-- knows bytes and plain searches, not patterns.
local cjson = require("cjson.safe").new()
local byte, find, sub = string.byte, string.find, string.sub

local json_text = {}

local QUOTE, BACKSLASH, COLON, COMMA = 34, 92, 58, 44
local OPEN_OBJECT, OPEN_LIST, CLOSE_OBJECT, CLOSE_LIST = 123, 91, 125, 93

-- The place of the next byte that is no blank, and the byte; nil at the end.
local function skip(text, place)
    local c = byte(text, place)
    while c == 32 or c == 10 or c == 13 or c == 9 do
        place = place + 1
        c = byte(text, place)
    end
    return place, c
end

-- The place of the quote that ends the string which begins at `at`.
local function string_end(text, at)
    local place = at + 1
    while true do
        place = find(text, '"', place, true)
        if not place then
            return nil
        end
        local before = place - 1
        while byte(text, before) == BACKSLASH do
            before = before - 1
        end
        if (place - before) % 2 == 1 then -- an even number of backslashes: they escape each other
            return place
        end
        place = place + 1
    end
end

-- The place of the bracket that ends the object or list which begins at `at`.
local function nest_end(text, at)
    local depth, place = 1, at + 1
    while true do
        local c = byte(text, place)
        if c == nil then
            return nil
        elseif c == QUOTE then
            place = string_end(text, place)
            if not place then
                return nil
            end
        elseif c == OPEN_OBJECT or c == OPEN_LIST then
            depth = depth + 1
        elseif c == CLOSE_OBJECT or c == CLOSE_LIST then
            depth = depth - 1
            if depth == 0 then
                return place
            end
        end
        place = place + 1
    end
end

-- The last place of a number, true, false or null that begins at `at`.
local function word_end(text, at)
    local place = at
    local c = byte(text, place)
    while c and c ~= COMMA and c ~= CLOSE_OBJECT and c ~= CLOSE_LIST and c > 32 do
        place = place + 1
        c = byte(text, place)
    end
    return place > at and place - 1 or nil
end

local function value_end(text, at, c)
    if c == QUOTE then
        return string_end(text, at)
    elseif c == OPEN_OBJECT or c == OPEN_LIST then
        return nest_end(text, at)
    end
    return word_end(text, at)
end

-- The decoded string which stands at [first, last], quotes included.
local function string_of(text, first, last)
    local inner = sub(text, first + 1, last - 1)
    if find(inner, "\\", 1, true) then
        return cjson.decode(sub(text, first, last))
    end
    return inner
end

-- The member that begins at `place`: name, first and last place of its value; nil if it is none.
local function member_at(text, place)
    local name_end = string_end(text, place)
    if not name_end then
        return nil
    end
    local colon, c = skip(text, name_end + 1)
    if c ~= COLON then
        return nil
    end
    local first
    first, c = skip(text, colon + 1)
    local last = value_end(text, first, c)
    if not last then
        return nil
    end
    return string_of(text, place, name_end), first, last
end

--- Calls each(name, first, last) with the place of every member's value of the object that the text
--- is; ends early when it returns true. Returns the place of the opening brace, or nil if this is no
--- object.
function json_text.members(text, each)
    local open, c = skip(text, 1)
    if c ~= OPEN_OBJECT then
        return nil
    end
    local place
    place, c = skip(text, open + 1)
    if c == CLOSE_OBJECT then
        return open
    end
    while c == QUOTE do
        local name, first, last = member_at(text, place)
        if not name then
            return nil
        elseif each(name, first, last) then
            return open
        end
        place, c = skip(text, last + 1)
        if c == CLOSE_OBJECT then
            return open
        elseif c ~= COMMA then
            return nil
        end
        place, c = skip(text, place + 1)
    end
    return nil
end

return json_text
