#!/usr/bin/env python3
"""Checks the recordings against the manifest and, if given, the lists.

    check.py [LIST ...]

Every file: RIFF PCM, 16-bit, mono, 16 kHz (music 8 kHz); 80 ms to 15 s; not silent; true
peak at most -3 dBFS; no click at either end; length and sum as the manifest
says.  The manifest, the folder and the lists must name the same clips.
"""
import hashlib
import sys
import wave
from collections import defaultdict

import numpy as np

import music
import shape
from render import PROMPTS, load_manifest, read_list


def main() -> int:
    clips = load_manifest(PROMPTS / "manifest.json")
    files = {(f.parent.name, f.stem): f for f in (PROMPTS / "audio").glob("*/*.wav")}
    bad, levels, size = [], defaultdict(list), 0
    for key in sorted(set(files) - set(clips)):
        bad.append((*key, "file without a line in the manifest"))
    if len(sys.argv) > 1:
        wanted = read_list(sys.argv[1:])
        bad += [(*k, "asked for, but not in the manifest") for k in sorted(set(wanted) - set(clips))]
        bad += [(*k, "in the manifest, but not asked for") for k in sorted(set(clips) - set(wanted))]
        bad += [
            (*k, "its text has changed") for k in sorted(set(wanted) & set(clips))
            if clips[k]["text"] != wanted[k]
        ]
    for key, c in sorted(clips.items()):
        if key not in files:
            bad.append((*key, "no file"))
            continue
        data = files[key].read_bytes()
        size += len(data)
        if hashlib.sha256(data).hexdigest() != c["sha256"]:
            bad.append((*key, "the file is not the one in the manifest"))
        if hashlib.sha256(c["text"].encode()).hexdigest() != c["text_sha256"]:
            bad.append((*key, "text_sha256 is not the text's"))
        with wave.open(str(files[key])) as w:
            form = (w.getnchannels(), w.getsampwidth(), w.getframerate(), w.getcomptype())
            n = w.getnframes()
            raw = w.readframes(n)
        rate = music.RATE if c["state"] == "music" else shape.OUT_RATE
        if form != (1, 2, rate, "NONE") or len(raw) != 2 * n:
            bad.append((*key, f"format {form}"))
            continue
        a = np.frombuffer(raw, "<i2").astype(np.float64) / 32768
        ms = round(n * 1000 / rate)
        if ms != c["ms"]:
            bad.append((*key, f"{ms} ms, manifest says {c['ms']}"))
        if not 80 <= ms <= 15000:
            bad.append((*key, f"{ms} ms long"))
        level = shape.active_level(a, rate)
        peak = shape.db(shape.true_peak(a))
        if level < -40:
            bad.append((*key, f"silent: {level:.1f} dBov"))
        if peak > -3.0:
            bad.append((*key, f"peak {peak:.2f} dBFS"))
        if abs(a[0]) > 0.01 or abs(a[-1]) > 0.01:
            bad.append((*key, "starts or ends with a click"))
        levels[key[0]].append((level, peak, ms))
    for lang, v in sorted(levels.items()):
        v = np.array(v)
        q = np.percentile(v[:, 0], [0, 5, 50, 95, 100])
        print(
            f"{lang}: {len(v)} clips, {v[:, 2].sum() / 1000:.0f} s, {v[:, 2].min():.0f}..{v[:, 2].max():.0f} ms, "
            f"level min/5/50/95/max % {' '.join(f'{x:.1f}' for x in q)} dBov, peak at most {v[:, 1].max():.2f} dBFS"
        )
    print(f"{len(clips)} clips, {size / 1e6:.1f} MB")
    for b in bad:
        print("BAD", *b)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
