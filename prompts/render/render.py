#!/usr/bin/env python3
"""Renders placeholder recordings from a list of texts.

    render.py --voices DIR LIST [LIST ...]

A list has one clip a line: language, clip id and text, with tabs between (or
one JSON object a line with the keys lang, id, text).  A clip is rendered only
if its text, its reading, its voice or the renderer has changed.
"""
import argparse
import fnmatch
import hashlib
import json
import os
import sys
import wave
from pathlib import Path

import numpy as np

import g2p
import shape
from engine import RATE, Engine

HERE = Path(__file__).resolve().parent
PROMPTS = HERE.parent
RENDERER = "kokoro-82m-int8 r1"
LICENCE = (
    "Synthetic speech made with Kokoro-82M (Apache-2.0). Placeholders only: "
    "to be replaced by the operator's own recordings before going live."
)
# voice, pace, gain of the whole set in dB (measured once over the set)
VOICES = {
    "zh": ("zm_yunjian", 1.0, 0.8),
    "yue": ("bm_george*0.7+zm_yunjian*0.3", 1.12, 1.0),
    "en": ("bm_george", 1.2, 0.0),
}
# Single Cantonese syllables are understood better with more of the Mandarin voice in the mixture.
SYLLABLE_VOICE = {"yue": "bm_george*0.5+zm_yunjian*0.5"}
# Vocabulary that mostly ends a phrase; other texts fall only where their own punctuation says so.
FINAL = (
    "digit.f.*", "day.*", "key.*", "money.*", "unit.minute", "time.am", "time.pm",
    "time.noon", "time.midnight", "word.*",
)
# A digit inside a group: level and short. Longest length in ms for each language.
MEDIAL = "digit.m.*"
CLOSING = "digit.f.*"  # the last digit of a group: lower and longer
MEDIAL_MS = {"zh": 380, "yue": 380, "en": 460}
SHORT = 3  # syllables; Chinese texts up to this length are cut out of a carrier
SHORT_GAIN = {"zh": (7.5, 4.0), "yue": (5.0, 4.0)}  # their own set: gain and leeway in dB
CLOSERS = "。！？.!?"


def ends(clip_id: str, text: str) -> bool:
    if any(fnmatch.fnmatchcase(clip_id, p) for p in FINAL):
        return True
    return text.rstrip()[-1:] in CLOSERS


def read_list(paths):
    clips = {}
    for path in paths:
        for n, line in enumerate(Path(path).read_text(encoding="utf-8").splitlines(), 1):
            if not line.strip() or line.startswith("#"):
                continue
            if line.startswith("{"):
                o = json.loads(line)
                lang, cid, text = o["lang"], o["id"], o["text"]
            else:
                lang, cid, text = line.split("\t")[:3]
            if lang not in VOICES or not cid or cid.strip(".") != cid or "/" in cid:
                raise SystemExit(f"{path}:{n}: bad clip {lang} {cid}")
            if clips.get((lang, cid), text) != text:
                raise SystemExit(f"{path}:{n}: {lang} {cid} has two texts")
            clips[lang, cid] = text
    return clips


def pieces(units, limit=300):
    """Long texts are spoken sentence by sentence."""
    out, cur, size = [], [], 0
    for u in units:
        cur.append(u)
        size += len(u.symbols) + 1
        if not u.reading and u.symbols in ".?!" and size > limit / 3 or size > limit and not u.reading:
            out.append(cur)
            cur, size = [], 0
    if cur:
        out.append(cur)
    return out


def plan(lang, cid, text):
    """The voice and the symbols, as they are written into the manifest."""
    units = g2p.units(lang, text)
    final = ends(cid, text)
    parts = pieces(units)
    symbols = " | ".join(
        shape.join(p, final if i == len(parts) - 1 else True)[0] for i, p in enumerate(parts)
    )
    if fnmatch.fnmatchcase(cid, MEDIAL):
        symbols = "medial " + symbols
    voice = VOICES[lang][0]
    if sum(bool(u.reading) for u in units) == 1:
        voice = SYLLABLE_VOICE.get(lang, voice)
    return voice, symbols, parts, final


def is_short(lang, parts):
    return lang in SHORT_GAIN and sum(bool(u.reading) for p in parts for u in p) <= SHORT


def speak(engine, voice, lang, cid, parts, final):
    pace, shift = VOICES[lang][1], 1.0
    medial, closing = (fnmatch.fnmatchcase(cid, p) for p in (MEDIAL, CLOSING))
    short = is_short(lang, parts)
    if short:
        pace = 0.82 if medial else 0.72 if closing else 0.85
    if closing:
        shift = 0.93
    if medial and not short:
        for _ in range(5):
            _, a = shape.speak(engine, voice, lang, parts[0], False, pace, 0.5)
            a = shape.trim(a, RATE, 0.015, 0.030)
            long = len(a) * 1000 / (MEDIAL_MS[lang] * RATE)
            if long <= 1:
                break
            pace *= max(1.06, long)
        return a
    if short:
        # another pace where the cut fell into the word (too soft) or the digit is too long
        best = None
        for k in (1.0, 1.06, 0.94, 1.12, 1.2):
            a = shape.speak_short(engine, voice, lang, parts[0], pace * k, shift)[1]
            a = shape.trim(a, RATE, *((0.015, 0.030) if medial else (0.025, 0.070)))
            lack = max(0.0, -20 - sum(SHORT_GAIN[lang]) - shape.active_level(a, RATE))
            long = max(0.0, len(a) * 1000 / RATE - MEDIAL_MS[lang]) if medial else 0.0
            fault = lack + long / 20
            if best is None or fault < best[0]:
                best = (fault, a)
            if fault <= 0.5:
                break
        return best[1]
    out = []
    for i, p in enumerate(parts):
        last = i == len(parts) - 1
        _, a = shape.speak(engine, voice, lang, p, final if last else True, pace, 1.0, shift)
        if len(parts) > 1:
            a = shape.trim(a, RATE)
            out.append(a)
            if not last:
                out.append(np.zeros(int(0.28 * RATE), np.float32))
        else:
            out.append(a)
    return np.concatenate(out)


def sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def write_wav(path: Path, pcm) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    tmp = path.with_suffix(".tmp")
    with wave.open(str(tmp), "wb") as w:
        w.setnchannels(1)
        w.setsampwidth(2)
        w.setframerate(shape.OUT_RATE)
        w.writeframes(pcm.tobytes())
    tmp.replace(path)


def save_manifest(path: Path, clips: dict) -> None:
    order = (
        "lang", "id", "text", "text_sha256", "state", "voice", "phonemes", "sha256", "ms", "renderer",
    )
    head = {
        "renderer": RENDERER,
        "licence_note": LICENCE,
        "placeholder_voice": {k: v[0] for k, v in VOICES.items()},
        "format": "RIFF PCM, 16-bit, mono, 16000 Hz",
    }
    dump = lambda o: json.dumps(o, ensure_ascii=False)
    lines = ["{"]
    lines += [f'  "{k}": {dump(v)},' for k, v in head.items()]
    rows = [
        "    " + dump({k: c[k] for k in order if k in c and not (k == "renderer" and c[k] == RENDERER)})
        for _, c in sorted(clips.items())
    ]
    lines.append('  "clips": [')
    text = "\n".join(lines) + "\n" + ",\n".join(rows) + ("\n" if rows else "") + "  ]\n}\n"
    tmp = path.with_suffix(".tmp")
    tmp.write_text(text, encoding="utf-8")
    tmp.replace(path)


def load_manifest(path: Path):
    if not path.exists():
        return {}
    doc = json.loads(path.read_text(encoding="utf-8"))
    # a clip names its renderer only if that is not the one at the top
    return {(c["lang"], c["id"]): {"renderer": doc["renderer"], **c} for c in doc["clips"]}


def main() -> int:
    cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "prompt-render"
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("lists", nargs="+")
    p.add_argument("--voices", type=Path, required=True, help="folder of the voices' .bin files")
    p.add_argument("--out", type=Path, default=PROMPTS / "audio")
    p.add_argument("--manifest", type=Path, default=PROMPTS / "manifest.json")
    p.add_argument("--cache", type=Path, default=cache, help="where the model's stages are kept")
    p.add_argument("--lang", choices=sorted(VOICES), action="append", help="only this language")
    p.add_argument("--only", help="only clips whose id matches this pattern")
    p.add_argument("--threads", type=int, default=1)
    p.add_argument("--force", action="store_true", help="render unchanged clips too")
    p.add_argument("--prune", action="store_true", help="remove clips that are not in the lists")
    p.add_argument("--dry-run", action="store_true", help="show readings, render nothing")
    a = p.parse_args()

    wanted = read_list(a.lists)
    have = load_manifest(a.manifest)
    engine, done, kept, failed = None, 0, 0, []
    for (lang, cid), text in wanted.items():
        if a.lang and lang not in a.lang or a.only and not fnmatch.fnmatchcase(cid, a.only):
            continue
        old = have.get((lang, cid))
        if old and old["state"] != "placeholder":
            kept += 1  # somebody's recording, or music: never touched
            continue
        try:
            voice, symbols, parts, final = plan(lang, cid, text)
        except ValueError as e:
            failed.append((lang, cid, str(e)))
            continue
        if a.dry_run:
            print(lang, cid, text, symbols, sep="\t")
            continue
        path = a.out / lang / f"{cid}.wav"
        base = {"lang": lang, "id": cid, "text": text, "text_sha256": sha(text.encode())}
        same = (
            old
            and not a.force
            and (old["voice"], old["phonemes"], old["renderer"]) == (voice, symbols, RENDERER)
            and path.exists()
            and sha(path.read_bytes()) == old["sha256"]
        )
        if same:
            have[lang, cid] = {**old, **base}
            kept += 1
            continue
        try:
            engine = engine or Engine(a.cache, a.voices, a.threads)
            sound = speak(engine, voice, lang, cid, parts, final)
            set_gain = SHORT_GAIN[lang] if is_short(lang, parts) else (VOICES[lang][2], 2.0)
            pcm, gain, wish = shape.master(sound, *set_gain)
        except ValueError as e:
            failed.append((lang, cid, str(e)))
            continue
        write_wav(path, pcm)
        have[lang, cid] = {
            **base,
            "state": "placeholder",
            "voice": voice,
            "phonemes": symbols,
            "sha256": sha(path.read_bytes()),
            "ms": round(len(pcm) * 1000 / shape.OUT_RATE),
            "renderer": RENDERER,
        }
        done += 1
        print(f"{lang} {cid} {have[lang, cid]['ms']} ms gain {gain:+.1f} (wish {wish:+.1f})", flush=True)
        if done % 25 == 0:
            save_manifest(a.manifest, have)
    if a.dry_run:
        for f in failed:
            print("FAILED", *f, sep="\t", file=sys.stderr)
        return 1 if failed else 0
    if a.prune:
        for key in [k for k in have if k not in wanted and have[k]["state"] == "placeholder"]:
            (a.out / key[0] / f"{key[1]}.wav").unlink(missing_ok=True)
            del have[key]
        for f in sorted(a.out.glob("*/*.wav")):
            if (f.parent.name, f.stem) not in have:
                f.unlink()
    save_manifest(a.manifest, have)
    print(f"rendered {done}, unchanged {kept}, failed {len(failed)}")
    for f in failed:
        print("FAILED", *f, sep="\t", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
