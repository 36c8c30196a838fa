#!/usr/bin/env python3
"""Signed text against `c2pa-text` (PyPI), both ways: A.7 (HTML), A.8 (plain text), A.9 (Markdown).

    interop_text.py COLOPHON SAMPLES

COLOPHON is the built command, SAMPLES the folder with story.*. What the command signs must be found by the other implementation,
byte for byte the same store; a store put in by the other implementation must be found by the command. Exits 77 where `c2pa-text`
is not installed.
"""
import json
import os
import subprocess
import sys
import tempfile

try:
    import c2pa_text as other
except ImportError:
    print("c2pa-text is not installed: nothing was compared")
    sys.exit(77)

PAGE = "<!DOCTYPE html>\n<html><head><meta charset=\"utf-8\"><title>a</title>\n</head>\n<body>\n<p>Text.</p>\n</body></html>\n"


def store_of(name, text):
    """The manifest store the other implementation finds."""
    if name.endswith(".txt"):
        return other.extract_manifest(text)[0]
    found = other.extract_html(text) if name.endswith(".html") else other.extract_structured(text)
    return found and found.manifest


def moved(name, text, store):
    """The text with the other implementation's carrier of the store in place of ours."""
    if name.endswith(".txt"):
        start, length = other.find_wrapper_info(text)[1:]
        raw = text.encode()
        rest = (raw[:start] + raw[start + length:]).decode()
        return rest + other.encode_wrapper_padded(store, other.worst_case_wrapper_byte_length(len(store)))
    if name.endswith(".html"):
        start = text.index('<script type="application/c2pa">')
        rest = text[:start] + text[text.index("</script>", start) + len("</script>"):]
        return other.embed_html_inline(rest, store, newline="").html
    head, line = text.rsplit("\n", 1)
    assert "C2PA MANIFEST" in line
    prefix, suffix = other.comment_syntax("text/markdown")
    return other.embed_structured(head, other.encode_data_uri(store), prefix, suffix, other.Placement.END).text


def manifests(colophon, path):
    """Manifest findings of `colophon inspect`."""
    done = subprocess.run([colophon, "inspect", path, "--json"], capture_output=True, text=True)
    return [f for f in json.loads(done.stdout)["findings"] if f["mark"].startswith("c2pa")]


def main():
    colophon, samples = map(os.path.abspath, sys.argv[1:3])
    bad = []
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        subprocess.run([colophon, "init", "--producer", "001191110000MA0000007710001", "--organisation", "Interop"], check=True, capture_output=True)
        with open("story.html", "w", newline="") as out:
            out.write(PAGE)
        for name in ("story.txt", "story.md"):
            with open(os.path.join(samples, name), newline="") as source, open(name, "w", newline="") as out:
                out.write(source.read())
        for name in ("story.txt", "story.md", "story.html"):
            signed = "signed-" + name
            subprocess.run([colophon, "mark", name, "-o", signed, "-p", "cn"], check=True, capture_output=True)
            with open(signed, newline="") as source:
                text = source.read()
            store = store_of(name, text)
            if not store or store[4:8] != b"jumb":
                bad.append(f"{name}: the other implementation finds no store")
                continue
            back = "back-" + name
            with open(back, "w", newline="") as out:
                out.write(moved(name, text, store))
            found = manifests(colophon, back)
            states = [f["state"] for f in found]
            if states not in (["valid"], ["trusted"]):
                bad.append(f"{name}: the command does not accept the other implementation's carrier: {found}")
            print(f"{name}: {len(store)} bytes found by the other implementation; its own carrier of them is {states}")
            if name.endswith(".html"):
                twice = text.replace("</head>", '<script type="application/c2pa">YQ==</script></head>')
                with open("twice.html", "w", newline="") as out:
                    out.write(twice)
                try:
                    other.extract_html(twice)
                    bad.append("two elements: the other implementation accepts them")
                except other.HtmlError as e:
                    code = json.dumps(manifests(colophon, "twice.html"))
                    if e.code not in code:
                        bad.append(f"two elements: {e.code} is not what the command says: {code}")
    for line in bad:
        print("FAILED", line)
    sys.exit(1 if bad else 0)


if __name__ == "__main__":
    main()
