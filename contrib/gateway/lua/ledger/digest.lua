-- digest - SHA-256, by the OpenSSL that nginx itself is linked with.
local ffi = require("ffi")

ffi.cdef([[
unsigned char *SHA256(const unsigned char *data, size_t length, unsigned char *digest);
]])

local digest = {}
local result = ffi.new("unsigned char[32]")

--- The 32 bytes of the text's SHA-256.
function digest.sha256(text)
    ffi.C.SHA256(text, #text, result)
    return ffi.string(result, 32)
end

return digest
