#!/usr/bin/env python3
"""Makes the samples. Needs Python 3, ffmpeg and espeak-ng; uses no other material.

    python3 samples/make.py

Everything is drawn, synthesised or written here. Results are committed, so tests and the demo need neither this script
nor its tools. `samples.toml` is rewritten with size and digest of every file.
"""

import hashlib
import math
import pathlib
import random
import struct
import subprocess
import tempfile
import wave
import zlib

HERE = pathlib.Path(__file__).resolve().parent
W, H = 960, 640

MARKDOWN = """---
title: The harbour at low water
lang: en
---

# The harbour at low water

The tide went out at six, and the boats sat down in the mud one after the other, each with a small sigh of its own. By
half past the harbour was a field of ropes.

## What the pilot said

1. Nobody leaves before noon.
2. The channel has moved again, a boat's length to the north.
3. Whoever says otherwise has not looked.

```python
def depth(hour, mean=2.4, range_m=3.1):
    return mean + range_m / 2 * math.cos(math.tau * hour / 12.42)
```

She wrote the figures on the slate under the bell and went home.
"""

TEXT = """The harbour at low water

The tide went out at six, and the boats sat down in the mud one after the other, each with a small sigh of its own. By half past the harbour was a field of ropes. The pilot stood at the rail and counted the masts, as she did every morning, and found one too many.

It was a thin mast, grey, with no flag. Nobody had seen it come in. The boy from the chandlery said it must have come with the fog, and the pilot said fog does not sail, and that was all they could agree on until the sun was up and they could read the name on the stern.
"""

PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>The harbour at low water</title>
<style>body > p { max-width: 40em }</style>
</head>
<body>
<h1>The harbour at low water</h1>
<p>The tide went out at six, and the boats sat down in the mud one after the other.</p>
<!-- the pilot's </body> is a comment -->
<p>The pilot stood at the rail and counted the masts, and found one too many.</p>
<script>document.title += " </body>";</script>
</body>
</html>
"""

CUES = [("00:00:01", "00:00:03", "The tide went out at six."), ("00:00:04", "00:00:06", "The pilot counted the masts.")]
SUBRIP = "\n\n".join(f"{i}\n{a},000 --> {b},000\n{t}" for i, (a, b, t) in enumerate(CUES, 1)) + "\n"
WEBVTT = "WEBVTT\n\n" + "\n\n".join(f"{a}.000 --> {b}.000 line:85%\n{t}" for a, b, t in CUES) + "\n"

PDF_LINES = [
    ("F2", 22, "The harbour at low water"),
    ("F1", 11, ""),
    ("F1", 11, "The tide went out at six, and the boats sat down in the mud one after the other, each with"),
    ("F1", 11, "a small sigh of its own. By half past the harbour was a field of ropes. The pilot stood at"),
    ("F1", 11, "the rail and counted the masts, as she did every morning, and found one too many."),
    ("F1", 11, ""),
    ("F1", 11, "It was a thin mast, grey, with no flag. Nobody had seen it come in."),
]


def noise(seed):
    """Smooth noise over one dimension: a sum of sines with seeded phases."""
    rng = random.Random(seed)
    parts = [(rng.uniform(0, math.tau), 2.0**k) for k in range(7)]
    return lambda x: sum(math.sin(p + x * f) / f**0.9 for p, f in parts)


def scene():
    """A harbour at dawn: sky, sun, four ranges of hills, water with its glitter."""
    rng = random.Random(7)
    ridges = [(0.44 + 0.07 * i, noise(11 + i), 0.055 - 0.006 * i) for i in range(4)]
    tops = [[base + n(x / W * 5.0) * amp for x in range(W)] for base, n, amp in ridges]
    rows = []
    for y in range(H):
        v = y / H
        row = bytearray()
        for x in range(W):
            u = x / W
            if v > 0.72:
                t = (v - 0.72) / 0.28
                wave_ = math.sin(x * 0.045 + math.sin(y * 0.31) * 3.0) * math.sin(y * 0.9)
                glitter = max(0.0, 1 - abs(u - 0.68) / (0.03 + 0.14 * t)) * max(0.0, wave_)
                r, g, b = 66 + 70 * (1 - t), 84 + 62 * (1 - t), 112 + 40 * (1 - t)
                r, g, b = r + 120 * glitter + 8 * wave_, g + 92 * glitter + 8 * wave_, b + 50 * glitter + 8 * wave_
            else:
                s = v / 0.72
                d = math.hypot((u - 0.68) * W / H, v - 0.36)
                sun = max(0.0, min(1.0, (0.062 - d) * 90))
                halo = math.exp(-d * 4.2)
                r = 92 + 138 * s + 60 * halo
                g = 124 + 62 * s + 42 * halo
                b = 168 - 22 * s + 10 * halo
                r, g, b = r + (255 - r) * sun, g + (240 - g) * sun, b + (205 - b) * sun
                for i, top in enumerate(tops):
                    if v > top[x]:
                        k = 0.30 + 0.2 * i
                        haze = math.exp(-(v - top[x]) * 9)
                        r = r * (1 - k) + (38 + 40 * haze) * k
                        g = g * (1 - k) + (52 + 34 * haze) * k
                        b = b * (1 - k) + (76 + 28 * haze) * k
            n = rng.uniform(-3.2, 3.2)
            row += bytes(max(0, min(255, int(c + n))) for c in (r, g, b))
        rows.append(row)
    # Two masts with their stays, drawn over everything.
    for mx, top, foot in ((0.23, 0.30, 0.80), (0.31, 0.41, 0.78)):
        for y in range(int(top * H), int(foot * H)):
            for dx in range(-1, 2):
                x = int(mx * W) + dx
                rows[y][3 * x : 3 * x + 3] = bytes((28, 26, 30))
            reach = int((y / H - top) * 0.34 * W)
            for x in (int(mx * W) - reach, int(mx * W) + reach):
                rows[y][3 * x : 3 * x + 3] = bytes((44, 42, 48))
        hull = int(foot * H)
        for y in range(hull, hull + 18):
            half = 62 - (y - hull) * 2
            a, b = 3 * (int(mx * W) - half), 3 * (int(mx * W) + half)
            rows[y][a:b] = bytes((52, 34, 34)) * ((b - a) // 3)
    return rows


def png(rows):
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    # Filter 2 (up) suits a picture made of smooth rows.
    raw, above = bytearray(), bytes(3 * W)
    for row in rows:
        raw.append(2)
        raw += bytes((a - b) & 255 for a, b in zip(row, above))
        above = row
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", struct.pack(">IIBBBBB", W, H, 8, 2, 0, 0, 0))
        + chunk(b"tEXt", b"Title\0The harbour at low water")
        + chunk(b"IDAT", zlib.compress(bytes(raw), 9))
        + chunk(b"IEND", b"")
    )


def music(path, rate=44100, seconds=9.0):
    """Four slow chords on a plucked instrument over a low note, in stereo."""
    chords = [(220.0, 277.18, 329.63), (196.0, 246.94, 293.66), (174.61, 220.0, 261.63), (164.81, 207.65, 246.94)]
    n = int(rate * seconds)
    left, right = [0.0] * n, [0.0] * n
    rng = random.Random(3)
    for c in range(int(seconds / 2.25) + 1):
        for i, f in enumerate(chords[c % 4] + (chords[c % 4][0] / 2, chords[c % 4][2] * 2)):
            start = int((c * 2.25 + i * 0.19) * rate)
            pan = rng.uniform(0.25, 0.75)
            for k in range(min(n - start, int(2.6 * rate))):
                t = k / rate
                env = min(1.0, t * 220) * math.exp(-t * (1.6 + i * 0.35))
                s = env * (math.sin(math.tau * f * t) + 0.42 * math.sin(math.tau * 2 * f * t) * math.exp(-t * 3) + 0.2 * math.sin(math.tau * 3 * f * t) * math.exp(-t * 5))
                left[start + k] += s * (1 - pan)
                right[start + k] += s * pan
    peak = max(map(abs, left + right))
    with wave.open(str(path), "wb") as w:
        w.setnchannels(2)
        w.setsampwidth(2)
        w.setframerate(rate)
        fade = lambda k: min(1.0, k / 400, (n - k) / (rate * 0.6))
        w.writeframes(b"".join(struct.pack("<hh", int(left[k] / peak * 19000 * fade(k)), int(right[k] / peak * 19000 * fade(k))) for k in range(n)))


def pdf():
    content = ["BT", "72 720 Td"]
    for font, size, line in PDF_LINES:
        text = line.replace("\\", "\\\\").replace("(", "\\(").replace(")", "\\)")
        content += [f"/{font} {size} Tf", f"({text}) Tj", f"0 -{size * 1.5:.1f} Td"]
    stream = "\n".join(content + ["ET"]).encode()
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R /Resources << /Font << /F1 5 0 R /F2 6 0 R >> >> >>",
        b"<< /Length %d >>\nstream\n%s\nendstream" % (len(stream), stream),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>",
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica-Bold /Encoding /WinAnsiEncoding >>",
        b"<< /Title (The harbour at low water) >>",
    ]
    out, offsets = bytearray(b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n"), []
    for i, body in enumerate(objects, 1):
        offsets.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (i, body)
    start = len(out)
    out += b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    out += b"".join(b"%010d 00000 n \n" % o for o in offsets)
    out += b"trailer\n<< /Size %d /Root 1 0 R /Info 7 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (len(objects) + 1, start)
    return bytes(out)


def run(*args):
    subprocess.run([str(a) for a in args], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def main():
    exact = ("-fflags", "+bitexact", "-flags:v", "+bitexact", "-flags:a", "+bitexact", "-map_metadata", "-1")
    (HERE / "picture.png").write_bytes(png(scene()))
    run("ffmpeg", "-y", "-i", HERE / "picture.png", "-q:v", "3", "-pix_fmt", "yuvj420p", *exact, HERE / "photo.jpg")
    with tempfile.TemporaryDirectory() as tmp:
        tune = pathlib.Path(tmp, "tune.wav")
        music(tune)
        run("ffmpeg", "-y", "-i", tune, *exact, HERE / "music.flac")
        run("ffmpeg", "-y", "-i", tune, "-c:a", "libmp3lame", "-b:a", "128k", *exact, HERE / "music.mp3")
        spoken = pathlib.Path(tmp, "spoken.wav")
        run("espeak-ng", "-v", "en-gb", "-s", "150", "-w", spoken, TEXT.split("\n\n")[1])
        run("ffmpeg", "-y", "-i", spoken, "-t", "9", "-ar", "22050", "-ac", "1", *exact, HERE / "speech.wav")
        pan = "zoompan=z='1.06+0.03*sin(on/40)':x='iw*0.02+on*0.25':y='ih*0.02':d=96:s=640x360:fps=24"
        run("ffmpeg", "-y", "-i", HERE / "picture.png", "-i", tune, "-filter_complex", f"[0:v]{pan},format=yuv420p[v]",
            "-map", "[v]", "-map", "1:a", "-t", "4", "-c:v", "libx264", "-preset", "slow", "-crf", "24", "-g", "48",
            "-c:a", "aac", "-b:a", "96k", *exact, HERE / "clip.mp4")
    (HERE / "story.md").write_text(MARKDOWN, encoding="utf-8")
    (HERE / "story.txt").write_text(TEXT, encoding="utf-8")
    (HERE / "page.html").write_text(PAGE, encoding="utf-8")
    (HERE / "clip.srt").write_text(SUBRIP, encoding="utf-8")
    (HERE / "clip.vtt").write_text(WEBVTT, encoding="utf-8")
    (HERE / "story.pdf").write_bytes(pdf())
    lines = ["# Written by make.py. Everything here is made by that script; licence CC0-1.0.", ""]
    for name in sorted(p.name for p in HERE.iterdir() if p.suffix not in {".py", ".toml", ".c2pa"}):
        data = (HERE / name).read_bytes()
        lines += [f"[{name.replace('.', '_')}]", f'file = "{name}"', f"bytes = {len(data)}", f'sha256 = "{hashlib.sha256(data).hexdigest()}"', ""]
    (HERE / "samples.toml").write_text("\n".join(lines), encoding="utf-8")


if __name__ == "__main__":
    main()
