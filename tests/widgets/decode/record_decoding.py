#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Records what an engine says while it decodes a text, measures a small grid of thresholds and
replays the text with others: recorded_decoding.json, from which the panel's tests are made.

    record_decoding.py LATHE_RUN > recorded_decoding.json
"""

import json
import struct
import subprocess
import sys

MAGIC = b"\x89LATHE\r\n"
HELLO, SUBMIT, EVENT, ASK, ANSWER = 1, 2, 4, 9, 10
PAIR = {"big": "translate-big", "little": "translate-little-aligned"}
TEXT = "Zwei Jungen tragen gemeinsam eine schwere Holzleiter über den Hof."


class Engine:
    def __init__(self, program):
        self.process = subprocess.Popen(
            [program, "serve"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        seen = b""
        while not seen.endswith(MAGIC):
            seen += self.process.stdout.read(1)

    def send(self, kind, payload):
        data = json.dumps(payload).encode()
        self.process.stdin.write(struct.pack("<IB", len(data), kind) + data)
        self.process.stdin.flush()

    def receive(self, wanted):
        while True:
            size, kind = struct.unpack("<IB", self.process.stdout.read(5))
            data = self.process.stdout.read(size)
            if kind == EVENT:
                (head,) = struct.unpack("<I", data[:4])
                data = data[4:4 + head]
            if kind in wanted:
                return kind, json.loads(data)

    def run(self, number, spec):
        self.send(SUBMIT, {"run": number, "spec": spec})
        events = []
        while True:
            _, event = self.receive({EVENT})
            event.pop("run")
            if event["kind"] == "run":
                event["payload"]["record"] = {}  # of the machine; no test reads it
            events.append(event)
            if event["kind"] == "run" and event["payload"]["state"] not in ("queued", "running"):
                return {"spec": spec, "events": events}


def spec_of(study, params, sweep=None):
    return {
        "study": study, "seed": 1, "device": "cpu", "target": "", "threads": 1, "repeat": 1,
        "params": params, "sweep": sweep or {}, "done": []}


def main():
    engine = Engine(sys.argv[1])
    _, hello = engine.receive({HELLO})
    studies = {study["id"]: study for study in hello["studies"]}
    once = spec_of("decode.once", {**PAIR, "source": TEXT, "alpha_fb": 0.9, "alpha_rb": 2.0})
    decoded = engine.run(1, once)
    metrics = next(
        e["payload"]["metrics"] for e in decoded["events"]
        if e["kind"] == "cell" and e["payload"]["state"] == "done")
    answers = []
    for number, (fallback, rollback) in enumerate([(0.9, 2.0), (0.5, 0.5)]):
        params = {**once["params"], "strategy": "bild", "alpha_fb": fallback, "alpha_rb": rollback}
        spec = once if number == 0 else spec_of("decode.once", params)
        engine.send(ASK, {
            "question": number, "about": "decode.what-if", "spec": spec, "costs": metrics["costs"]})
        answers.append(engine.receive({ANSWER})[1]["result"])
    grid = engine.run(2, spec_of(
        "decode.pareto", {**PAIR, "max_texts": 12}, {"alpha_fb": [0.5, 0.9], "alpha_rb": [1.0, 5.0]}))
    json.dump({
        "studies": [studies["decode.once"], studies["decode.pareto"]],
        "decoding": decoded, "answers": answers, "grid": grid}, sys.stdout,
        ensure_ascii=False, separators=(",", ":"))
    print()


if __name__ == "__main__":
    main()
