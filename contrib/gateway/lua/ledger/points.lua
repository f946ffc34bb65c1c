-- points - amounts as ledgerd writes them, as whole micro-points.
--
-- Shared dicts count in doubles, which are exact up to 2^53. An amount beyond that (nine thousand
-- million points) is not read at all: whoever asks treats it as one that cannot be counted with.
local floor, ceil, format, match = math.floor, math.ceil, string.format, string.match

local points = { MICRO_MAX = 2 ^ 53 }

--- Micro-points of "1234.500000", or nil if the text is no amount that can be counted with.
function points.parse(text)
    if type(text) ~= "string" then
        return nil
    end
    local sign, whole, fraction = match(text, "^(%-?)(%d+)%.?(%d*)$")
    if not whole or #whole > 10 or #fraction > 6 then
        return nil
    end
    local micro = tonumber(whole) * 1000000 + (tonumber(fraction) or 0) * 10 ^ (6 - #fraction)
    if micro > points.MICRO_MAX then
        return nil
    end
    return sign == "-" and -micro or micro
end

--- "1234.500000" of micro-points.
function points.format(micro)
    local sign = micro < 0 and "-" or ""
    micro = micro < 0 and -micro or micro
    local whole = floor(micro / 1000000)
    return format("%s%d.%06d", sign, whole, micro - whole * 1000000)
end

--- The price of `count` things at `per_million` micro-points a million, in micro-points, rounded up;
--- nil where it is too large to be counted with. Exact: the two parts stay below 2^53.
function points.price(count, per_million)
    if count > 1e9 then
        return nil
    end
    local each = floor(per_million / 1000000)
    local rest = per_million - each * 1000000
    local micro = count * each + ceil(count * rest / 1000000)
    if micro > points.MICRO_MAX then
        return nil
    end
    return micro
end

return points
