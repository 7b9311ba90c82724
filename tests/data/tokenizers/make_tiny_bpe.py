#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes the tiny byte-level BPE vocabularies of this folder.

One set of merges is learned from the sentences below; the three vocabularies share it and differ
in how they cut text. Run in this folder: python3 make_tiny_bpe.py
"""
import collections
import json
import pathlib

SENTENCES = """
The lathe turned slowly while the apprentice watched the thin ribbon of brass curl away.
She said that it's better to measure twice, and that they'll never regret the second look.
We've counted 12 wheels, 345 screws and 6789 pins; the ledger doesn't agree with any of them.
In the morning the workshop smelled of oil and of the sea, and the master wasn't there yet.
He'd written the number 2024 on the door, then 20240, then crossed both of them out again.
Under the window lay the drawings: a shaft, a sleeve, another shaft, and the spindle's bearing.
"Turn it down to 3.75 and no further," she'd told him; "I'm not going to say it again!"
Die Spindel läuft ruhig, aber über der Werkbank hängt noch der Geruch von heißem Öl.
Мастер медленно повернул колесо, и тонкая стружка упала на пол.
車床慢慢地轉動，學徒在旁邊看著。
旋盤がゆっくり回り、弟子はそれを見ていた。
The gauge reads 🙂 when it is happy and 🔧 when it is not, or so the children believed.
for (int i = 0; i < count; ++i) {\n    total += values[i];\n}\n
""".strip("\n").split("\n")

MERGES = 320
SPECIAL = ["<|end|>", "<|pad|>"]
WHOLE = "\u0120workbench"  # no merges lead there: found only where they are ignored
USER_DEFINED = "<tool>"    # not special: found in text before all else
GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
LLAMA3 = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}|"
          r" ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+")
QWEN2 = LLAMA3.replace(r"\p{N}{1,3}", r"\p{N}")


def byte_alphabet():
    own = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    shifted = iter(range(256, 512))
    return [chr(b) if b in own else chr(next(shifted)) for b in range(256)]


def words(alphabet):
    """Words as the merges see them: a space belongs to the word behind it."""
    counts = collections.Counter()
    for sentence in SENTENCES:
        text = sentence.replace("\\n", "\n")
        word = ""
        for i, c in enumerate(text):
            starts = c.isspace() or (word and word[-1].isalnum() != c.isalnum() and word != " ")
            if starts and word:
                counts[word] += 1
                word = ""
            word += c
        counts[word] += 1
    return {tuple(alphabet[b] for b in w.encode()): n for w, n in counts.items() if w}


def learn(table):
    merges = []
    while len(merges) < MERGES:
        pairs = collections.Counter()
        for word, n in table.items():
            for pair in zip(word, word[1:]):
                pairs[pair] += n
        best = min(pairs, key=lambda p: (-pairs[p], p))
        merges.append(best)
        table = {merged(word, best): n for word, n in table.items()}
    return merges


def merged(word, pair):
    out, i = [], 0
    while i < len(word):
        if word[i:i + 2] == pair:
            out.append(word[i] + word[i + 1])
            i += 2
        else:
            out.append(word[i])
            i += 1
    return tuple(out)


def write(folder, name, value):
    path = pathlib.Path(folder)
    path.mkdir(exist_ok=True)
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, indent=0)
    (path / name).write_text(text.rstrip("\n") + "\n", encoding="utf-8")


def added_token(i, content, special):
    return {"id": i, "content": content, "single_word": False, "lstrip": False,
            "rstrip": False, "normalized": False, "special": special}


def tokenizer_json(vocab, merges, normalizer, cuts, ignore_merges):
    added = [added_token(vocab[s], s, True) for s in SPECIAL]
    added.append(added_token(len(vocab), USER_DEFINED, False))
    return {
        "version": "1.0", "truncation": None, "padding": None, "added_tokens": added,
        "normalizer": normalizer, "pre_tokenizer": cuts, "post_processor": None,
        "decoder": {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True,
                    "use_regex": True},
        "model": {"type": "BPE", "dropout": None, "unk_token": None,
                  "continuing_subword_prefix": None, "end_of_word_suffix": None,
                  "fuse_unk": False, "byte_fallback": False, "ignore_merges": ignore_merges,
                  "vocab": vocab, "merges": [" ".join(m) for m in merges]}}


def byte_level(use_regex):
    return {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True,
            "use_regex": use_regex}


def split_then_bytes(pattern):
    split = {"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Isolated",
             "invert": False}
    return {"type": "Sequence", "pretokenizers": [split, byte_level(False)]}


def main():
    alphabet = byte_alphabet()
    merges = learn(words(alphabet))
    pieces = [*alphabet, *dict.fromkeys(a + b for a, b in merges), WHOLE, *SPECIAL]
    vocab = {piece: i for i, piece in enumerate(pieces)}
    write("tiny-gpt2", "tokenizer.json",
          tokenizer_json(vocab, merges, None, byte_level(True), False))
    write("tiny-gpt2-merges", "vocab.json", vocab)
    write("tiny-gpt2-merges", "merges.txt",
          "#version: 0.2\n" + "\n".join(" ".join(m) for m in merges))
    write("tiny-gpt2-merges", "special_tokens_map.json",
          {"eos_token": "<|end|>", "pad_token": "<|pad|>"})
    write("tiny-llama3", "tokenizer.json",
          tokenizer_json(vocab, merges, None, split_then_bytes(LLAMA3), True))
    write("tiny-qwen2", "tokenizer.json",
          tokenizer_json(vocab, merges, {"type": "NFC"}, split_then_bytes(QWEN2), False))


if __name__ == "__main__":
    main()
