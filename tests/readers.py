#!/usr/bin/env python3
"""Foreign readers for the end-to-end tests: Python's standard library and nothing of this project.

    readers.py aigc FILE          the AIGC object of a Markdown, HTML, WAV, FLAC or PDF file, as JSON
    readers.py store FILE OUT     the C2PA manifest store of a text, Markdown, HTML or PDF file
    readers.py flip FILE OUT      the file with one byte of its content changed
"""

import base64
import html.parser
import json
import pathlib
import re
import struct
import subprocess
import sys
import tempfile


def riff_chunks(data):
    at = 12
    while at + 8 <= len(data):
        size = struct.unpack("<I", data[at + 4 : at + 8])[0]
        yield data[at : at + 4], at + 8, size
        at += 8 + size + size % 2


def flac_blocks(data):
    at, last = data.index(b"fLaC") + 4, False
    while not last:
        last, kind, size = data[at] >= 128, data[at] & 127, int.from_bytes(data[at + 1 : at + 4], "big")
        yield kind, at + 4, size
        at += 4 + size


def markdown(data):
    head = data.decode("utf-8").split("---\n")[1]
    block = re.search(r"^AIGC:\n((?:  .*\n)+)", head, re.M).group(1)
    return {k: v.replace("''", "'") for k, v in re.findall(r"^  (\w+): '(.*)'$", block, re.M)}


def wav(data):
    found = [data[at : at + n] for kind, at, n in riff_chunks(data) if kind == b"AIGC"]
    assert len(found) == 1, f"{len(found)} AIGC chunks"
    return json.loads(found[0])


def flac(data):
    found = []
    for kind, at, _ in flac_blocks(data):
        if kind == 4:
            at += 4 + struct.unpack("<I", data[at : at + 4])[0]
            count, at = struct.unpack("<I", data[at : at + 4])[0], at + 4
            for _ in range(count):
                n = struct.unpack("<I", data[at : at + 4])[0]
                key, _, value = data[at + 4 : at + 4 + n].decode("utf-8").partition("=")
                at += 4 + n
                if key.upper() == "AIGC":
                    found.append(json.loads(value))
    assert len(found) == 1, f"{len(found)} AIGC comments"
    return found[0]


def pdf(path):
    # qpdf's JSON of the trailer's Info dictionary.
    out = subprocess.run(["qpdf", "--json=2", "--json-key=qpdf", path], check=True, capture_output=True).stdout
    objects = json.loads(out)["qpdf"][1]
    info = objects["trailer"]["value"]["/Info"]
    value = objects["obj:" + info]["value"]["/AIGC"]
    return json.loads(value.removeprefix("u:"))


def a8(data):
    """The wrapper of C2PA 2.5, A.8: variation selectors after U+FEFF."""
    text = data.decode("utf-8")
    for match in re.finditer("\ufeff([\ufe00-\ufe0f\U000e0100-\U000e01ef]+)", text):
        codes = map(ord, match.group(1))
        raw = bytes(c - 0xFE00 if c < 0xE0100 else c - 0xE0100 + 16 for c in codes)
        if raw[:8] == b"C2PATXT\0":
            return raw[13 : 13 + struct.unpack(">I", raw[9:13])[0]]
    raise SystemExit("no A.8 wrapper")


def a9(data):
    block = re.search(rb"BEGIN C2PA MANIFEST-----\s*data:application/c2pa;base64,(\S+?)\s*-----END", data)
    return base64.b64decode(block.group(1))


def attached(path):
    """The embedded file of a PDF as poppler finds it."""
    with tempfile.TemporaryDirectory() as tmp:
        out = pathlib.Path(tmp, "store")
        subprocess.run(["pdfdetach", "-save", "1", "-o", out, path], check=True, stdout=subprocess.DEVNULL)
        return out.read_bytes()


def flip(path, data):
    """One bit of the coded content, never of the container's framing."""
    kind = pathlib.Path(path).suffix
    if kind == ".wav":
        at = next(at + n // 2 for k, at, n in riff_chunks(data) if k == b"data")
    elif kind == ".mp4":
        at = data.rindex(b"mdat") + 5000
    elif kind in (".md", ".txt", ".html"):
        at = data.index(b"pilot")
    elif kind == ".pdf":
        at = data.index(b"harbour")
    else:
        # Behind the middle, away from what may be a marker or a frame's header: both begin with 0xff.
        at = len(data) // 2
        while 0xFF in data[at - 16 : at + 1] or data[at] ^ 1 == 0xFF:
            at += 1
    out = bytearray(data)
    out[at] ^= 1
    return bytes(out)


class Page(html.parser.HTMLParser):
    """A page as Python's parser sees it: the meta element, the manifest, and the words of the body."""

    def __init__(self, data):
        super().__init__()
        self.aigc, self.scripts, self.inside = None, [], False
        self.feed(data.decode("utf-8"))

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        if tag == "meta" and attributes.get("name") == "AIGC":
            self.aigc = attributes["content"]
        self.inside = tag == "script" and attributes.get("type") == "application/c2pa"

    def handle_endtag(self, tag):
        self.inside = False

    def handle_data(self, data):
        if self.inside:
            self.scripts.append(data)

    def store(self):
        (one,) = self.scripts
        return base64.b64decode(one, validate=True)


def main(verb, path, out=None):
    data, kind = pathlib.Path(path).read_bytes(), pathlib.Path(path).suffix
    if verb == "aigc":
        read = {".md": markdown, ".html": lambda data: json.loads(Page(data).aigc), ".wav": wav, ".flac": flac}.get(kind)
        value = pdf(path) if kind == ".pdf" else read(data)
        assert value["Label"] == "1" and value["ContentProducer"] and value["ProduceID"], value
        print(json.dumps(value, ensure_ascii=False))
    elif verb == "store":
        readers = {".pdf": lambda: attached(path), ".md": lambda: a9(data), ".html": lambda: Page(data).store()}
        store = readers.get(kind, lambda: a8(data))()
        pathlib.Path(out).write_bytes(store)
    elif verb == "flip":
        pathlib.Path(out).write_bytes(flip(path, data))


main(*sys.argv[1:])
