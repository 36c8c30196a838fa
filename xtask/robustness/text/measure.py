#!/usr/bin/env python3
"""Holds the text watermarks against foreign code, and writes docs/robustness/text.md.

    measure.py --harness DIR --corpus DIR --colophon PROGRAM --robustness PROGRAM [--tables FILE] [--n N] [--out FILE]

HARNESS holds sim.py and eval_detector.py (simulated answers marked by a reference, and a comparison of p-values), CORPUS human
texts named en_*.txt and zh_*.txt. PROGRAM `colophon` is the command (`cargo build -p colophon-cli`), `robustness` the
example (`cargo build --release -p colophon-tokenmark --features tokenizer,config --example robustness`). Needs numpy and scipy;
with torch and transformers the speed is compared with Hugging Face's processors on the same rows in the same run. TABLES is
what an earlier run of the example wrote. Times are processor time.
"""
import argparse
import glob
import json
import os
import secrets
import subprocess
import sys
import tempfile
import time


def reference(args, folder):
    """Rows marked under fresh keys by the reference, scored by it and by the command."""
    data, report = os.path.join(folder, "data"), os.path.join(folder, "report.json")
    key = secrets.randbits(63)
    keys = [str(secrets.randbits(62)) for _ in range(30)]
    run = [sys.executable, "-B"]
    subprocess.run(
        run + ["sim.py", "export", "--out", data, "--n", str(args.n), "--len", "400", "--lm", "zipf:1.0",
               "--key", str(key), "--keys", *keys],
        cwd=args.harness, check=True, stdout=subprocess.DEVNULL)
    command = f"{os.path.abspath(args.colophon)} text detect --scheme {{scheme}} --config {{config}} --jsonl"
    text = subprocess.run(
        run + [os.path.join(args.harness, "eval_detector.py"), "--data", data, "--cmd", command, "--out", report],
        check=True, capture_output=True, text=True).stdout
    rates = {line.split(":")[0]: line.split(":")[1].split()[0] for line in text.splitlines() if "tokens per CPU second" in line}
    with open(report) as lines:
        return json.load(lines), rates


def reference_table(rows, rates):
    yield "## Against the reference detectors\n"
    yield ("Answers of 400 tokens at 1 nat, marked by a reference implementation under keys drawn for this run, scored by it and "
           "by `colophon text detect`. Each share is ours, then the reference's. The reference of SynthID takes a normal "
           "distribution for its score, ours the exact one, so its p-values differ in the far tail.\n")
    yield "| scheme | edit | rows | p ≤ 1e-2 | p ≤ 1e-4 | p ≤ 1e-6 | largest difference of log10 p |"
    yield "|---|---|---|---|---|---|---|"
    for r in rows:
        shares = [" / ".join(f"{x:.3f}" for x in r[f"share<= {t:g}"]) for t in (1e-2, 1e-4, 1e-6)]
        difference = f"{r['max_dlog10p']:.3f}" if "max_dlog10p" in r else ""
        yield f"| {r['scheme']} | {r['edit']} | {r['rows']} | {' | '.join(shares)} | {difference} |"
    yield "\nThe whole command (a development build), process start and JSON included: " + ", ".join(
        f"{name} {int(rate) / 1e6:.1f} million tokens per second" for name, rate in rates.items()) + ".\n"


def peer(args, folder):
    """Hugging Face's processors and ours on the same rows."""
    try:
        import numpy as np
        import torch
        import transformers
        from transformers.generation.logits_process import (
            SynthIDTextWatermarkLogitsProcessor as SynthId, WatermarkLogitsProcessor as Kgw)
    except ImportError as e:
        yield "## Against Hugging Face\n"
        yield f"Not measured: {e}.\n"
        return
    torch.set_num_threads(1)
    vocabulary, rows = 128256, 3
    generator = torch.Generator().manual_seed(5)
    logits = torch.randn(rows, vocabulary, generator=generator) * 3
    contexts = torch.randint(0, vocabulary, (rows, 4), generator=generator)
    keys = [secrets.randbits(40) for _ in range(30)]
    hashing_key = 1_000_000_007
    with open(os.path.join(folder, "rows.json"), "w") as out:
        json.dump({"vocab": vocabulary, "contexts": contexts.tolist(), "keys": keys, "hashing_key": hashing_key}, out)
    logits.numpy().astype("<f4").tofile(os.path.join(folder, "rows.f32"))

    def synthid():
        return SynthId(ngram_len=5, keys=keys, sampling_table_size=65536, sampling_table_seed=0, context_history_size=1024, device="cpu")

    def least(call, times):
        best = float("inf")
        for i in range(times):
            start = time.process_time()
            call(i)
            best = min(best, time.process_time() - start)
        return best

    kgw = Kgw(vocab_size=vocabulary, device="cpu", greenlist_ratio=0.25, bias=2.0, hashing_key=hashing_key, seeding_scheme="lefthash", context_width=1)
    theirs = {"synthid": [], "kgw": []}
    with torch.no_grad():
        for row, context in zip(logits, contexts):
            processor = synthid()
            flat = torch.zeros(1, vocabulary)
            ids = torch.zeros(1, 1, dtype=torch.long)
            processor(ids, flat)
            for i in range(4):
                ids = torch.cat([ids, context[i].view(1, 1)], 1)
                scores = processor(ids, row.view(1, -1) if i == 3 else flat)
            theirs["synthid"].append(scores[0].numpy())
            theirs["kgw"].append(kgw(context.view(1, -1), row.view(1, -1).clone())[0].numpy())
        processor = synthid()
        one = logits[:1]
        seconds = {
            "synthid": least(lambda i: processor(contexts[:1] + i, one), 8),
            "kgw": least(lambda i: kgw(contexts[:1] + i, one.clone()), 20),
        }
    ours = json.loads(subprocess.run([args.robustness, "--peer", folder], check=True, capture_output=True, text=True).stdout)
    yield "## Against Hugging Face\n"
    yield (f"transformers {transformers.__version__}, torch {torch.__version__}, one thread; whole rows of {vocabulary:,} logits, "
           "the least processor time of several calls (ours: the least time of many), every call with another last token. The results were compared entry by "
           "entry.\n")
    yield "| processor | theirs, ms | ours, ms | ratio | largest difference of a probability |"
    yield "|---|---|---|---|---|"
    for name, title in (("synthid", "SynthID, 30 layers, table"), ("kgw", "KGW left hash, 25 %")):
        mine = np.fromfile(os.path.join(folder, f"{name}.f32"), "<f4").reshape(rows, vocabulary).astype(float)
        known = np.stack(theirs[name]).astype(float)
        def probability(x):
            x = np.exp(x - x.max(1, keepdims=True))
            return x / x.sum(1, keepdims=True)
        difference = np.abs(probability(mine) - probability(known)).max()
        yield f"| {title} | {seconds[name] * 1e3:.2f} | {ours[name] * 1e3:.3f} | {seconds[name] / ours[name]:.0f} | {difference:.1e} |"
    yield ""


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--harness", required=True)
    parser.add_argument("--corpus", required=True)
    parser.add_argument("--colophon", required=True)
    parser.add_argument("--robustness", required=True)
    parser.add_argument("--tables")
    parser.add_argument("--n", type=int, default=200)
    parser.add_argument("--out", default=os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../../docs/robustness/text.md"))
    args = parser.parse_args()
    if args.tables:
        with open(args.tables) as lines:
            tables = lines.read()
    else:
        files = [sorted(glob.glob(os.path.join(args.corpus, f"{lang}_*.txt"))) for lang in ("en", "zh")]
        tables = subprocess.run([args.robustness, "--english", *files[0], "--chinese", *files[1]], check=True,
                                capture_output=True, text=True).stdout
    with tempfile.TemporaryDirectory() as folder:
        rows, rates = reference(args, folder)
        added = [*reference_table(rows, rates), *peer(args, folder)]
    head, mark, tail = tables.partition("## How this was measured")
    with open(args.out, "w") as out:
        out.write(head + "\n".join(added) + "\n" + mark + tail)


if __name__ == "__main__":
    main()
