"""Adapter of the harness to the example `imwm pipe`: no process start and no file per picture.

IMWM is the built program (`cargo build --release -p colophon-image --example imwm`). Settings: strength=gentle|default|strong,
effort=default|deep.
"""
import json
import os
import subprocess

import numpy as np

PAYLOAD_BITS = 64
HAS_FOUND = True
settings = {"strength": "default", "effort": "default"}
program = None


def configure(**options):
    settings.update(options)


def call(line, picture, want_picture):
    global program
    if program is None:
        program = subprocess.Popen([os.environ["IMWM"], "pipe"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    program.stdin.write(line.encode() + b"\n")
    program.stdin.write(np.ascontiguousarray(picture).tobytes())
    program.stdin.flush()
    answer = json.loads(program.stdout.readline())
    if not want_picture:
        return answer, None
    data = program.stdout.read(picture.size)
    return answer, np.frombuffer(data, np.uint8).reshape(picture.shape)


def embed(picture, payload, key):
    height, width = picture.shape[:2]
    line = f"embed {width} {height} {payload.hex()} {settings['strength']} {key.encode().hex()}"
    answer, marked = call(line, picture, True)
    if "error" in answer:
        raise RuntimeError(answer["error"])
    return marked


def detect(picture, key):
    height, width = picture.shape[:2]
    answer, _ = call(f"detect {width} {height} {settings['effort']} {key.encode().hex()}", picture, False)
    payload = answer["payload"]
    return {
        "found": answer["found"],
        "payload": bytes.fromhex(payload) if payload else None,
        "confidence": answer["log10_p"],
        "debug": {k: answer[k] for k in ("z", "layer", "timing") if k in answer},
    }
