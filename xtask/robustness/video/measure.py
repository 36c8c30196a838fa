#!/usr/bin/env python3
"""Measures the video watermark and the label and writes docs/robustness/video.md.

    measure.py --harness DIR --clips DIR --colophon PROGRAM --viwm PROGRAM [--keys N] [--work DIR] [--reuse] [--out FILE]

HARNESS holds bench.py (attacks, quality, what is kept), CLIPS the developer's clips. The programs are built with
`cargo build --release -p colophon-cli` and `cargo build --release -p colophon-video --example viwm`. Needs ffmpeg with x264, x265,
vpx and svtav1; where Python finds a package `imageio-ffmpeg`, VMAF is measured with its ffmpeg. With --reuse, what an earlier run left in WORK is not measured again.
"""
import argparse
import glob
import json
import os
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
# What has to hold, from the requirements: (figure, attacks, must, aim) in per cent of clips, either channel read.
ROWS = [
    ("H.264 CRF 23 and 28, H.265 CRF 28, social", ["h264_crf23", "h264_crf28", "h265_crf28", "social"], 95, 100),
    ("H.264 CRF 33, low VP9 and AV1", ["h264_crf33", "vp9_low", "av1_low"], None, 100),
    ("scale 0.5, crop 75, 24 and 15 fps, trim 3 s, flip, brightness, overlay, letterbox, speed 1.25",
     ["scale50", "crop75", "fps24", "fps15", "trim3", "hflip", "bright", "overlay", "letterbox", "speed125"], 90, 98),
    ("scale 0.33, crop 50, trim 1 s, rotate 2°, screen recording", ["scale33", "crop50", "trim1", "rotate2", "screenrec"], 60, 85),
]
# Clips made from the developer's, for what must be kept: name, arguments of ffmpeg before and behind the input.
MADE = [
    ("hevc-10bit-pq.mp4", [], ["-c:v", "libx265", "-preset", "veryfast", "-crf", "22", "-pix_fmt", "yuv420p10le", "-color_primaries", "bt2020",
                               "-color_trc", "smpte2084", "-colorspace", "bt2020nc", "-x265-params", "log-level=error"]),
    ("vp9.webm", [], ["-c:v", "libvpx-vp9", "-deadline", "realtime", "-cpu-used", "6", "-crf", "28", "-b:v", "0", "-c:a", "libopus"]),
    ("av1.mkv", [], ["-c:v", "libsvtav1", "-preset", "10", "-crf", "28", "-c:a", "libopus"]),
    ("uneven-times.mp4", [], ["-vf", "select='mod(n,5)'", "-fps_mode", "passthrough", "-c:v", "libx264", "-preset", "veryfast", "-crf", "18"]),
    ("rotated.mp4", ["-display_rotation", "90"], ["-c", "copy"]),
]


def bench(args, clips, adapter, folder, extra):
    results = os.path.join(folder, "results.json")
    if args.reuse and os.path.exists(results):
        return json.load(open(results))
    os.makedirs(folder, exist_ok=True)
    subprocess.run([sys.executable, os.path.join(args.harness, "bench.py"), "--adapter", adapter, "--clips", clips, "--out", folder, *extra],
                   check=True, cwd=args.work, stdout=subprocess.DEVNULL)
    return json.load(open(results))


def processor(command, cwd):
    """Seconds of user and system time of a program and its children."""
    child = subprocess.Popen(command, cwd=cwd, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, used = os.wait4(child.pid, 0)
    return used.ru_utime + used.ru_stime if status == 0 else None


def costs(args, folder):
    """`mark` with everything on against a plain transcode of the same streams: each clip, and the first one eight times over."""
    os.makedirs(folder, exist_ok=True)
    clips = sorted(glob.glob(os.path.join(args.clips, "*.mp4")))
    long = os.path.join(folder, "eight-times.mp4")
    if not os.path.exists(long):
        subprocess.run(["ffmpeg", "-v", "error", "-nostdin", "-y", "-stream_loop", "7", "-i", clips[0], "-c", "copy", long], check=True)
    out = {}
    for clip in [*clips, long]:
        plain = ["ffmpeg", "-v", "error", "-nostdin", "-y", "-noautorotate", "-i", clip, "-map", "0", "-dn", "-c", "copy", "-fps_mode", "passthrough",
                 "-c:v", "libx264", "-preset", "veryfast", "-crf", "20", os.path.join(folder, "plain.mp4")]
        mark = [args.colophon, "mark", clip, "-o", os.path.join(folder, "marked.mp4"), "--force", "-p", "cn,eu"]
        pairs = [(processor(mark, args.work), processor(plain, args.work)) for _ in range(3)]
        ratios = sorted(m / p for m, p in pairs if m and p)
        out[os.path.basename(clip)] = ratios[len(ratios) // 2] if ratios else None
    return out


def made(args, folder):
    os.makedirs(folder, exist_ok=True)
    source = sorted(glob.glob(os.path.join(args.clips, "d01*")))[0]
    for name, before, behind in MADE:
        target = os.path.join(folder, name)
        if not os.path.exists(target):
            done = subprocess.run(["ffmpeg", "-v", "error", "-nostdin", "-y", *before, "-i", source, "-map_metadata", "0", *behind, target],
                                  capture_output=True, text=True)
            if done.returncode:
                # older versions of ffmpeg write the matrix of a stream by its tag
                subprocess.run(["ffmpeg", "-v", "error", "-nostdin", "-y", "-i", source, "-c", "copy", "-metadata:s:v:0", "rotate=90", target],
                               check=True)
    return folder


def wrong_keys(args, folder):
    """Every unmarked clip under many keys."""
    result = os.path.join(folder, "keys.json")
    if args.reuse and os.path.exists(result):
        return json.load(open(result))
    total = {"trials": 0, "found": 0, "least_log10_p": 0.0}
    for clip in sorted(glob.glob(os.path.join(args.clips, "*.mp4"))):
        raw = os.path.join(folder, "gray")
        size = json.loads(subprocess.check_output(["ffprobe", "-v", "error", "-select_streams", "v:0", "-show_entries", "stream=width,height",
                                                   "-of", "json", clip]))["streams"][0]
        scale = min(560 / (size["width"] * size["height"]) ** 0.5, 800 / max(size.values()), 1)
        width, height = round(size["width"] * scale), round(size["height"] * scale)
        subprocess.run(["ffmpeg", "-v", "error", "-nostdin", "-y", "-i", clip, "-map", "0:v:0", "-vf", f"fps=6,scale={width}:{height}:flags=area",
                        "-f", "rawvideo", "-pix_fmt", "gray", raw], check=True)
        for key in range(args.keys):
            with open(raw, "rb") as frames:
                out = subprocess.run([args.viwm, "detect", str(width), str(height), "6", f"key {key}"], stdin=frames, capture_output=True,
                                     text=True, check=True).stdout
            answer = json.loads(out)
            total["trials"] += 1
            total["found"] += answer["payload"] is not None
            total["least_log10_p"] = min(total["least_log10_p"], answer["log10_p"])
    json.dump(total, open(result, "w"))
    return total


def alike(args, clips):
    """Sizes against plain transcodes of the same streams, by clip, and how many streams the harness left out of its own: all but
    the first pictures and the sound."""
    encoder = json.load(open(os.path.join(args.harness, "adapters", "colophon.json")))["encoder"]
    sizes, left = {}, {}
    for c in clips:
        ratio, kinds = c["quality"]["size_ratio"], c["info"]["kinds"]
        if ratio is not None and kinds["video"] + kinds["subtitle"] > 1:
            left[c["clip"]] = kinds["video"] + kinds["subtitle"] - 1
            source = os.path.join(args.clips, c["clip"])
            made = []
            for which in (["-map", "0:v:0", "-map", "0:a?", *encoder, "-c:a", "copy"], ["-map", "0", "-c", "copy", "-c:v:0", encoder[1], *encoder[2:]]):
                target = os.path.join(args.work, "plain" + os.path.splitext(source)[1])
                subprocess.run(["ffmpeg", "-v", "error", "-nostdin", "-y", "-noautorotate", "-i", source, "-fps_mode", "passthrough", *which, target],
                               check=True)
                made.append(os.path.getsize(target))
            ratio *= made[0] / made[1]
        sizes[c["clip"]] = ratio
    return sizes, left


def mean(values):
    there = [v for v in values if v is not None]
    return sum(there) / len(there) if there else None


def verdict(value, must, aim, less=False):
    met = (lambda limit: value <= limit) if less else (lambda limit: value >= limit)
    if value is None:
        return "not measured", 1
    if must is not None and not met(must):
        return "**must missed**", 0
    return ("met", 3) if aim is None or met(aim) else ("aim missed", 2)


def render(args, res, other, keys, cost):
    s, clips = res["summary"], [c for c in res["clips"] if "quality" in c]
    whole = {name: ratio for name, ratio in cost.items() if ratio}
    sizes, left = alike(args, clips)
    rates = {name: [c["attacks"][name]["ok"] for c in clips if "ok" in c["attacks"].get(name, {})] for name in s["rates"]}
    rows = []
    for figure, attacks, must, aim in ROWS:
        hits = [hit for name in attacks for hit in rates.get(name, [])]
        share = 100 * sum(hits) / len(hits)
        word, order = verdict(share, must, aim)
        rows.append((order, f"{figure} | {share:.0f} % of {len(hits)} | {'–' if must is None else f'{must} %'} | {aim} % | {word}"))
    sound = [c for c in clips if c["info"]["kinds"]["audio"] and c["attacks"].get("remux_strip", {}).get("hit", []).count("audio")]
    heard = [c["attacks"]["audio_only"]["ok"] for c in sound if "ok" in c["attacks"].get("audio_only", {})]
    if heard:
        share = 100 * sum(heard) / len(heard)
        word, order = verdict(share, 90, 98)
        rows.append((order, f"sound alone after AAC 64k, of tracks that took the mark | {share:.0f} % of {len(heard)} | 90 % | 98 % | {word}"))
    finds = s["fp"] + keys["found"]
    wrong = sum(bool(a.get("wrong")) for c in clips for a in c["attacks"].values())
    word, order = verdict(finds + wrong, 0, 0, True)
    rows.append((order, f"false positives and wrong payloads, {s['fp_trials']} attacked unmarked clips, {keys['trials']} wrong keys | {finds + wrong} | 0 | 0 | {word}"))
    for figure, value, must, aim, less, unit in [
        ("mark alone, PSNR of brightness, mean", s["psnr_y_mark_only"], 42, 44, False, "{:.1f} dB"),
        ("file size against a plain transcode of the same streams at the same setting", mean(sizes.values()), 1.10, 1.05, True, "{:.3f}"),
        ("`watermark embed`, processor time against a plain transcode", s["mark_cpu_ratio"], 1.25, 1.10, True, "{:.2f}"),
        ("`mark` with everything on, processor time against a plain transcode, the clips", mean(whole[c["clip"]] for c in clips if c["clip"] in whole), 1.25, 1.10, True, "{:.2f}"),
        ("the same, the first clip eight times over", whole.get("eight-times.mp4"), 1.25, 1.10, True, "{:.2f}"),
        ("`watermark detect`, processor time against decoding", s["detect_cpu_over_decode"], 2, 1, True, "{:.2f}"),
    ]:
        word, order = verdict(value, must, aim, less)
        shown = "–" if value is None else unit.format(value)
        rows.append((order, f"{figure} | {shown} | {must} | {aim} | {word}"))
    if s.get("vmaf_marked") is not None and s.get("vmaf_plain") is not None:
        loss = s["vmaf_plain"] - s["vmaf_marked"]
        word, order = verdict(loss, 1.5, 0.7, True)
        rows.append((order, f"VMAF lost against a plain transcode, mean | {loss:.2f} of {s['vmaf_plain']:.1f} | 1.5 | 0.7 | {word}"))
    labels = [c["label"]["ok"] for c in clips if "label" in c]
    word, order = verdict(100 * sum(labels) / max(len(labels), 1), 100, 100)
    rows.append((order, f"label on every frame of the first 2 s, ink at least 5 % | {sum(labels)} of {len(labels)} clips | all | all | {word}"))
    lines = ["# Robustness of the video watermark", "",
             "Written by `xtask/robustness/video/measure.py`; do not edit. Exact means: reported as found, and all 64 bits right, in the",
             "pictures or in the sound; the reader is told nothing. Metadata is stripped before every attack. Rows that fail come first.", "",
             f"{len(clips)} developer clips of 4 to 13 s ({s['mark_failures']} could not be marked); every clip has a payload of its own.", "",
             "| figure | measured | must | aim | |", "|---|---|---|---|---|"]
    lines += [f"| {text} |" for _, text in sorted(rows, key=lambda r: r[0])]
    vmaf = "" if s.get("vmaf_marked") is not None else "VMAF was not measured: the ffmpeg at hand is built without it. "
    lines += ["", f"{vmaf}Plain transcode: the same source by the same encoder (libx264 veryfast CRF 20), sound copied.",
              *[f"Of `{clip}` the harness's own leaves {n} streams out; compared with that the mean size is {s['size_ratio']:.3f}." for clip, n in left.items()],
              "The clips are short: starting ffmpeg and ffprobe six times is part of every figure of `watermark embed`, seven times of",
              "`mark`, once of `watermark detect`.", "",
              "## By attack, worst first", "", "| attack | clips | exact | by channel |", "|---|---|---|---|"]
    for name, r in sorted(s["rates"].items(), key=lambda item: item[1]["exact"]):
        channels = ", ".join(f"{k} {100 * v:.0f} %" for k, v in r["by_channel"].items())
        lines.append(f"| {name} | {r['n']} | {100 * r['exact']:.0f} % | {channels} |")
    lines += ["", "## By clip", "", "| clip | exact | PSNR-Y marked (plain) | processor time: `embed` | `mark` | size | not kept | label |", "|---|---|---|---|---|---|---|---|"]
    for c in clips:
        hits = [a["ok"] for a in c["attacks"].values() if "ok" in a]
        q = c["quality"]
        lines.append(f"| {c['clip']} | {sum(hits)} of {len(hits)} | {q['marked'][0]:.1f} ({q['plain'][0]:.1f}) dB | {c['mark']['cpu_ratio']:.2f} | "
                     f"{whole.get(c['clip'], float('nan')):.2f} | "
                     f"{sizes[c['clip']]:.3f} | {', '.join(s['preserve_fail'][c['clip']]) or 'nothing'} | "
                     f"{'every frame' if c.get('label', {}).get('ok') else 'not on every frame'} |")
    lines += ["", "## What is kept", "", "Clips made from the first one; marked, then compared with their source, then attacked.", "",
              "| clip | not kept | exact after |", "|---|---|---|"]
    for c in other["clips"]:
        if "quality" not in c:
            why = c["mark"]["err"].strip().splitlines()[0] if c["mark"]["err"] else str(c["mark"]["rc"])
            # Without the folder in which it was measured.
            why = " ".join(os.path.basename(word) if word.startswith("/") else word for word in why.split(" "))
            lines.append(f"| {c['clip']} | refused: {why} | – |")
            continue
        hits = ", ".join(f"{n}: {'yes' if a.get('ok') else 'no'}" for n, a in c["attacks"].items() if "ok" in a)
        lines.append(f"| {c['clip']} | {', '.join(other['summary']['preserve_fail'][c['clip']]) or 'nothing'} | {hits} |")
    lines += ["", "## False positives", "",
              f"{keys['trials']} readings of unmarked clips, each under a key of its own: {keys['found']} found; least bound met "
              f"10^{keys['least_log10_p']:.1f}, accepted is 10^-12 for each stretch that is searched, and the bound that is reported is",
              "multiplied by the number of searches. It follows from the key's phases alone, as for still pictures."]
    if os.path.exists(args.notes):
        lines += ["", open(args.notes).read().strip()]
    open(args.out, "w").write("\n".join(lines) + "\n")


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("harness", "clips", "colophon", "viwm"):
        p.add_argument("--" + name, required=True)
    p.add_argument("--keys", type=int, default=250)
    p.add_argument("--work", default="target/robustness-video")
    p.add_argument("--reuse", action="store_true")
    p.add_argument("--notes", default=os.path.join(HERE, "notes.md"))
    p.add_argument("--out", default="docs/robustness/video.md")
    args = p.parse_args()
    for name in ("harness", "clips", "colophon", "viwm", "work"):
        setattr(args, name, os.path.abspath(getattr(args, name)))
    os.makedirs(args.work, exist_ok=True)
    if not os.path.exists(os.path.join(args.work, "colophon.toml")):
        subprocess.run([args.colophon, "init", "--producer", "bench"], cwd=args.work, check=True, stdout=subprocess.DEVNULL)
    adapter = json.load(open(os.path.join(args.harness, "adapters", "colophon.json")))
    for key in ("mark", "detect", "label"):
        adapter[key][0] = args.colophon
    adapter["mark_lossless"] = [sys.executable, os.path.join(HERE, "lossless.py"), args.viwm, "{in}", "{out}", "{payload}"]
    path = os.path.join(args.work, "adapter.json")
    json.dump(adapter, open(path, "w"))
    res = bench(args, args.clips, path, os.path.join(args.work, "clips"), ["--label"])
    other = bench(args, made(args, os.path.join(args.work, "made-clips")), path, os.path.join(args.work, "made"),
                  ["--attacks", "remux_strip,h264_crf28,scale50"])
    render(args, res, other, wrong_keys(args, args.work), costs(args, os.path.join(args.work, "costs")))


if __name__ == "__main__":
    main()
