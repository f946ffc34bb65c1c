"""Writes a small language model with random weights, which llama-server runs like any other: what it says means
nothing, how many tokens that was is exact.

    tiny_model.py FILE

The file is GGUF (version 3) of the llama architecture.  Its vocabulary is bytes.  Own code, because llama.cpp's
own writer needs numpy; and random without a library, but always the same, so that a file is made once.
"""

import array
import random
import struct
import sys

EMBED, LAYERS, HEADS, FEED, CONTEXT = 64, 2, 4, 128, 4096
ALIGN = 32
U32, I32, F32, STRING, ARRAY = 4, 5, 6, 8, 9  # types of values
NORMAL, UNKNOWN, CONTROL, BYTE = 1, 2, 3, 6  # kinds of tokens


def text(value):
    data = value.encode()
    return struct.pack("<Q", len(data)) + data


def value_of(kind, value):
    if kind == STRING:
        return text(value)
    return struct.pack("<f" if kind == F32 else "<i", value)


def pair(key, kind, value):
    if isinstance(value, list):
        return (text(key) + struct.pack("<IIQ", ARRAY, kind, len(value))
                + b"".join(value_of(kind, item) for item in value))
    return text(key) + struct.pack("<I", kind) + value_of(kind, value)


def vocabulary():
    tokens = [("<unk>", UNKNOWN), ("<s>", CONTROL), ("</s>", CONTROL)]
    tokens += [(f"<0x{byte:02X}>", BYTE) for byte in range(256)]
    return tokens + [("\u2581", NORMAL)] + [(chr(c), NORMAL) for c in range(ord("a"), ord("z") + 1)]


def metadata(tokens):
    return [
        pair("general.architecture", STRING, "llama"),
        pair("general.name", STRING, "tiny"),
        pair("llama.context_length", U32, CONTEXT),
        pair("llama.embedding_length", U32, EMBED),
        pair("llama.block_count", U32, LAYERS),
        pair("llama.feed_forward_length", U32, FEED),
        pair("llama.attention.head_count", U32, HEADS),
        pair("llama.attention.layer_norm_rms_epsilon", F32, 1e-5),
        pair("llama.rope.dimension_count", U32, EMBED // HEADS),
        pair("tokenizer.ggml.model", STRING, "llama"),
        pair("tokenizer.ggml.tokens", STRING, [token for token, _ in tokens]),
        pair("tokenizer.ggml.scores", F32, [0.0] * len(tokens)),
        pair("tokenizer.ggml.token_type", I32, [kind for _, kind in tokens]),
        pair("tokenizer.ggml.bos_token_id", U32, 1),
        pair("tokenizer.ggml.eos_token_id", U32, 2),
        pair("tokenizer.ggml.unknown_token_id", U32, 0),
    ]


def shapes(words):
    result = {"token_embd.weight": (EMBED, words), "output_norm.weight": (EMBED,), "output.weight": (EMBED, words)}
    for layer in range(LAYERS):
        block = f"blk.{layer}."
        result.update({block + "attn_norm.weight": (EMBED,), block + "ffn_norm.weight": (EMBED,)})
        result.update({f"{block}attn_{part}.weight": (EMBED, EMBED) for part in ("q", "k", "v", "output")})
        result.update({block + "ffn_gate.weight": (EMBED, FEED), block + "ffn_up.weight": (EMBED, FEED),
                       block + "ffn_down.weight": (FEED, EMBED)})
    return result


def weights(rng, shape):
    if len(shape) == 1:
        return array.array("f", [1.0] * shape[0]).tobytes()
    return array.array("f", [rng.gauss(0, 0.2) for _ in range(shape[0] * shape[1])]).tobytes()


def write(path):
    rng = random.Random(20270601)
    tokens = vocabulary()
    tensors = {name: (shape, weights(rng, shape)) for name, shape in shapes(len(tokens)).items()}
    keys = metadata(tokens)
    head = b"GGUF" + struct.pack("<IQQ", 3, len(tensors), len(keys)) + b"".join(keys)
    data = b""
    for name, (shape, content) in tensors.items():
        head += text(name) + struct.pack("<I", len(shape)) + struct.pack(f"<{len(shape)}Q", *shape)
        head += struct.pack("<IQ", 0, len(data))  # 32-bit floats, and where they are
        data += content + bytes(-len(content) % ALIGN)
    with open(path, "wb") as file:
        file.write(head + bytes(-len(head) % ALIGN) + data)


if __name__ == "__main__":
    write(sys.argv[1])
