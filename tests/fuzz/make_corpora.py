#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes the seeds of the fuzz targets: small well-formed files that mutations start from.

Run in this folder: python3 make_corpora.py
"""
import json
import pathlib
import struct

ROOT = pathlib.Path(__file__).parent / "corpus"


def write(target, name, data):
    folder = ROOT / target
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(data if isinstance(data, bytes) else data.encode())


def u32(n):
    return struct.pack("<I", n)


def u64(n):
    return struct.pack("<Q", n)


# safetensors

def safetensors(header, data):
    text = json.dumps(header, separators=(",", ":")).encode()
    return u64(len(text)) + text + data


def tensor(dtype, shape, begin, end):
    return {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}


def make_safetensors():
    target = "fuzz_safetensors"
    write(target, "empty", safetensors({}, b""))
    write(target, "one", safetensors({"a": tensor("F32", [2, 2], 0, 16)}, bytes(16)))
    write(target, "many", safetensors(
        {"__metadata__": {"format": "pt"}, "a": tensor("F16", [3], 0, 6),
         "b": tensor("I64", [1, 1], 6, 14), "c": tensor("U8", [0, 4], 14, 14),
         "d": tensor("BF16", [], 14, 16)}, bytes(range(16))))
    write(target, "unknown", safetensors({"a": tensor("F8_E4M3", [4], 0, 4)}, bytes(4)))


# GGUF

def gguf_text(text):
    data = text if isinstance(text, bytes) else text.encode()
    return u64(len(data)) + data


class Gguf:
    """Keys and tensors of one file."""

    def __init__(self, version=3):
        self.version, self.keys, self.rows = version, [], []
        self.data = b""

    def key(self, name, kind, value):
        self.keys.append(gguf_text(name) + u32(kind) + value)
        return self

    def text(self, name, value):
        return self.key(name, 8, gguf_text(value))

    def u32(self, name, value):
        return self.key(name, 4, u32(value))

    def f32(self, name, value):
        return self.key(name, 6, struct.pack("<f", value))

    def texts(self, name, values):
        return self.key(name, 9, u32(8) + u64(len(values)) + b"".join(map(gguf_text, values)))

    def floats(self, name, values):
        return self.key(name, 9, u32(6) + u64(len(values)) + struct.pack(f"<{len(values)}f", *values))

    def integers(self, name, values):
        return self.key(name, 9, u32(5) + u64(len(values)) + struct.pack(f"<{len(values)}i", *values))

    def tensor(self, name, extents, kind, size):
        self.data += bytes(-len(self.data) % 32)
        row = gguf_text(name) + u32(len(extents)) + b"".join(map(u64, extents))
        self.rows.append(row + u32(kind) + u64(len(self.data)))
        self.data += bytes(i * 7 % 60 for i in range(size))
        return self

    def bytes(self):
        out = b"GGUF" + u32(self.version) + u64(len(self.rows)) + u64(len(self.keys))
        out += b"".join(self.keys) + b"".join(self.rows)
        return out + bytes(-len(out) % 32) + self.data


def llama_keys(gguf, architecture="llama"):
    gguf.text("general.architecture", architecture)
    for name, value in (("block_count", 1), ("context_length", 64), ("embedding_length", 8),
                        ("feed_forward_length", 16), ("attention.head_count", 2)):
        gguf.u32(f"{architecture}.{name}", value)
    return gguf.f32(f"{architecture}.attention.layer_norm_rms_epsilon", 1e-5)


def make_gguf():
    target = "fuzz_gguf"
    write(target, "empty", Gguf().bytes())
    write(target, "kinds", Gguf(2).key("a", 0, b"\1").key("b", 3, b"\1\0").key("c", 10, u64(1 << 63))
          .key("d", 12, struct.pack("<d", 0.5)).key("e", 7, b"\1").u32("general.alignment", 64)
          .bytes())
    model = llama_keys(Gguf()).u32("llama.attention.head_count_kv", 1)
    model.tensor("token_embd.weight", [8, 4], 1, 64).tensor("blk.0.attn_q.weight", [8, 8], 0, 256)
    model.tensor("blk.0.attn_k.weight", [8, 4], 0, 128).tensor("rope_freqs.weight", [2], 0, 8)
    write(target, "llama", model.bytes())
    write(target, "quantized", llama_keys(Gguf(), "qwen2").f32("qwen2.rope.freq_base", 1e6)
          .tensor("token_embd.weight", [32, 2], 8, 68).tensor("blk.0.attn_q.bias", [8], 30, 16)
          .bytes())
    blocks = llama_keys(Gguf()).tensor("token_embd.weight", [8, 4], 1, 64)
    blocks.tensor("blk.0.attn_q.weight", [32, 4], 2, 72)
    for name, row, kind, size in (("attn_v", 32, 3, 20), ("attn_output", 32, 6, 22),
                                  ("ffn_norm", 32, 7, 24), ("ffn_gate", 256, 12, 144),
                                  ("ffn_up", 256, 13, 176), ("ffn_down", 256, 14, 210)):
        blocks.tensor(f"blk.0.{name}.weight", [row], kind, size)
    write(target, "blocks", blocks.bytes())
    pieces = ["<unk>", "<s>", "</s>", "<0x0A>", "\u2581", "a", "b", "\u2581a", "ab", "<tool>"]
    write(target, "spm", Gguf().text("tokenizer.ggml.model", "llama")
          .texts("tokenizer.ggml.tokens", pieces)
          .floats("tokenizer.ggml.scores", [0, 0, 0, 0, -3, -4, -5, -1, -2, 0])
          .integers("tokenizer.ggml.token_type", [2, 3, 3, 6, 1, 1, 1, 1, 1, 4]).bytes())
    letters = [chr(c) for c in range(0x61, 0x7B)] + ["\u0120"]
    write(target, "bpe", Gguf().text("tokenizer.ggml.model", "gpt2")
          .text("tokenizer.ggml.pre", "llama-bpe")
          .texts("tokenizer.ggml.tokens", letters + ["th", "the", "\u0120the", "<end>"])
          .integers("tokenizer.ggml.token_type", [1] * 30 + [3])
          .texts("tokenizer.ggml.merges", ["t h", "th e", "\u0120 the"])
          .u32("tokenizer.ggml.eos_token_id", 30).bytes())


# Tokenizers

def byte_alphabet():
    own = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    shifted = iter(range(256, 512))
    return [chr(b) if b in own else chr(next(shifted)) for b in range(256)]


def tokenizer_json(normalizer, cuts):
    letters = byte_alphabet()
    pieces = [*letters, "th", "the", "\u0120the", "aa", "aaaa"]
    return "j" + json.dumps({
        "added_tokens": [{"id": len(pieces), "content": "<|end|>", "special": True},
                         {"id": len(pieces) + 1, "content": "<tool>", "special": False}],
        "normalizer": normalizer, "pre_tokenizer": cuts,
        "model": {"type": "BPE", "ignore_merges": True,
                  "vocab": {piece: i for i, piece in enumerate(pieces)},
                  "merges": ["t h", "th e", "\u0120 the", "a a", ["aa", "aa"]]}},
        ensure_ascii=False, separators=(",", ":"))


def proto(number, kind, payload):
    return bytes([number << 3 | kind]) + payload


def varint(n):
    out = b""
    while n >= 128:
        out += bytes([n & 127 | 128])
        n >>= 7
    return out + bytes([n])


def block(number, payload):
    key = varint(number << 3 | 2)
    return key + varint(len(payload)) + payload


def charsmap():
    """A normalization table that turns "A" into "a": a double-array trie of one key."""
    units = [0x80000000] * 1024
    first, leaf = 256, 0x341
    units[0] = first << 10
    child = first ^ ord("A")
    units[child] = ord("A") | 1 << 8 | (child ^ leaf) << 10
    units[leaf] = 0x80000000
    table = struct.pack(f"<{len(units)}I", *units)
    return u32(len(table)) + table + b"a\0"


def sentencepiece(model_type, normalizer, extra=b""):
    pieces = [("<unk>", 0, 2), ("<s>", 0, 3), ("</s>", 0, 3), ("<0x0A>", 0, 6), ("\u2581", -3, 1),
              ("a", -4, 1), ("b", -5, 1), ("\u2581a", -1, 1), ("ab", -2, 1), ("<tool>", 0, 4)]
    out = b""
    for text, score, kind in pieces:
        out += block(1, block(1, text.encode()) + proto(2, 5, struct.pack("<f", score))
                     + proto(3, 0, varint(kind)))
    trainer = proto(3, 0, varint(model_type)) + extra
    return b"m" + out + block(2, trainer) + block(3, normalizer)


def make_tokenizers():
    target = "fuzz_tokenizer"
    byte_level = {"type": "ByteLevel", "add_prefix_space": False, "use_regex": True}
    split = {"type": "Split", "pattern": {"Regex": "\\p{N}{1,3}|\\s+(?!\\S)|\\s+"},
             "behavior": "Isolated", "invert": False}
    write(target, "gpt2", tokenizer_json(None, byte_level))
    write(target, "split", tokenizer_json(
        {"type": "NFC"}, {"type": "Sequence", "pretokenizers": [
            split, {"type": "Digits", "individual_digits": True},
            {**byte_level, "use_regex": False}]}))
    write(target, "merges", "v" + json.dumps({"a": 0, "b": 1, "ab": 2}) + "\0#version: 0.2\na b\n")
    write(target, "unigram", sentencepiece(1, proto(3, 0, b"\1") + proto(4, 0, b"\0")))
    write(target, "bpe", sentencepiece(2, block(1, b"identity")))
    write(target, "charsmap", sentencepiece(1, block(2, charsmap())))


# Frames and specs

EVENTS = {
    "progress": {"fraction": 0.5, "phase": "loading"},
    "metric": {"name": "loss", "value": None, "unit": "nat", "step": 3},
    "token": {"position": 1, "token": 2, "text": "a", "model": "m", "origin": "greedy",
              "probability": 0.5, "us": 10.0},
    "cell": {"state": "done", "key": "k", "params": {"bits": 3}, "metrics": {"bytes": 4},
             "message": ""},
    "artifact": {"name": "plot", "mime": "image/png", "bytes": 3},
    "array": {"name": "x", "dtype": "F32", "shape": [1]},
    "run": {"state": "running", "message": "", "record": {"host": "h"}},
    "log": {"level": "info", "text": "hello"},
}


def frame(kind, payload):
    return u32(len(payload)) + bytes([kind]) + payload


def event(kind, payload, raw=b""):
    text = json.dumps({"run": 1, "cell": 0, "seq": 2, "at_ns": 3, "kind": kind,
                       "payload": payload}).encode()
    return frame(4, u32(len(text)) + text + raw)


def make_frames():
    target = "fuzz_frame"
    magic = b"\x89LATHE\r\n"
    for kind, payload in EVENTS.items():
        write(target, kind, b"\0\xff" + event(kind, payload, b"\0\0\0\0"))
    both = b"".join(event(kind, EVENTS[kind]) for kind in ("progress", "log"))
    write(target, "stream", b"\1\2noise" + magic + frame(1, b'{"protocol":1}') + both + frame(6, b""))


def make_specs():
    target = "fuzz_spec"
    write(target, "empty", "{}")
    write(target, "full", json.dumps({
        "study": "fuzz.study", "seed": 7, "device": "cpu", "target": "scalar", "threads": 2,
        "repeat": 1, "params": {"model": "m", "flag": True, "real": 0.25, "text": "it's"},
        "sweep": {"integer": [2, 3], "choice": ["a", "b"]}, "done": ["k"]}))
    for kind, payload in EVENTS.items():
        write(target, kind, json.dumps(payload))
    write(target, "study", json.dumps({
        "id": "s", "title": "S", "summary": "x", "paper": "", "params": [{
            "name": "bits", "kind": "integer", "default": 3, "help": "", "unit": "bit",
            "minimum": 2, "maximum": None, "choices": [], "flag": "", "sweep": True,
            "required": False, "advanced": False}],
        "metrics": [{"name": "ppl", "title": "P", "unit": "", "better": -1, "help": ""}]}))


if __name__ == "__main__":
    make_safetensors()
    make_gguf()
    make_tokenizers()
    make_frames()
    make_specs()
