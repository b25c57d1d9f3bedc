"""Renders the music that callers hear while they wait: two phrases of our own, plucked strings.

    venv/bin/python music.py

writes audio/zh/music.hold.a.wav and .b.wav (8 kHz, 16-bit, one channel, 9 s each) and their lines of the manifest. The flow plays them as a, a, b, a and again.
Each phrase begins and ends in silence, so that any of them may follow any other without a click. The notes lie between 147 and
659 Hz and their partials below 3.4 kHz, which is what a telephone line carries. The same script gives the same bytes.

The tune and the sound are made by this script alone, and are under the licence of the project.
"""

import math
import struct
import wave

from render import PROMPTS, load_manifest, save_manifest, sha

RATE = 8_000
TEXT = "♪"  # what lists of recordings have in place of words
STEP = 0.375  # seconds of one eighth
LENGTH = 24  # eighths of a phrase
FADE = 0.5  # seconds in which a phrase ends
LEVEL = -27.0  # dBov of the root mean square: softer than speech, which is at -20

# Notes as semitones from D4 (293.66 Hz): the pentatonic scale of D. (eighth, semitones, strength)
D3, A3, B3, D4, E4, FIS4, A4, B4, D5, E5 = -12, -5, -3, 0, 2, 4, 7, 9, 12, 14
PHRASES = {
    "a": [
        (0, D3, 0.8), (0, D4, 0.7), (2, FIS4, 0.6), (4, A4, 0.8), (6, B4, 0.6), (7, A4, 0.5),
        (8, B3, 0.8), (8, FIS4, 0.7), (10, E4, 0.5), (12, D4, 0.7), (14, E4, 0.6), (15, FIS4, 0.5),
        (16, A3, 0.8), (16, E4, 0.8), (18, D4, 0.5), (20, A3, 0.6), (20, E4, 0.6),
    ],
    "b": [
        (0, B3, 0.8), (0, B4, 0.7), (2, D5, 0.7), (4, E5, 0.7), (6, D5, 0.6), (7, B4, 0.5),
        (8, A3, 0.8), (8, A4, 0.8), (10, FIS4, 0.5), (12, E4, 0.6), (14, FIS4, 0.5), (15, A4, 0.5),
        (16, D3, 0.8), (16, FIS4, 0.8), (18, E4, 0.5), (20, D4, 0.7), (20, A3, 0.5),
    ],
}


def pluck(semitones, strength):
    """One string: partials that fade the faster the higher they are."""
    base = 293.66 * 2 ** (semitones / 12)
    partials = [(k, k**-1.4) for k in range(1, 9) if k * base < 3_400]
    samples = []
    for n in range(int(3.0 * RATE)):
        t = n / RATE
        attack = min(1.0, t / 0.004)
        tone = sum(a * math.sin(2 * math.pi * k * base * t) * math.exp(-t * (0.9 + 0.7 * k)) for k, a in partials)
        samples.append(strength * attack * tone)
    return samples


def phrase(notes):
    total = int(LENGTH * STEP * RATE)
    mix = [0.0] * total
    for eighth, semitones, strength in notes:
        start = int(eighth * STEP * RATE) + RATE // 50
        for n, sample in enumerate(pluck(semitones, strength)):
            if start + n < total:
                mix[start + n] += sample
    fade = int(FADE * RATE)
    for n in range(fade):
        mix[total - 1 - n] *= 0.5 - 0.5 * math.cos(math.pi * n / fade)
    return mix


def main():
    manifest = PROMPTS / "manifest.json"
    clips = load_manifest(manifest)
    mixes = {name: phrase(notes) for name, notes in PHRASES.items()}
    # One gain for both, so that a phrase that follows another is as loud.
    square = sum(sample * sample for mix in mixes.values() for sample in mix) / sum(map(len, mixes.values()))
    gain = 10 ** (LEVEL / 20) / math.sqrt(square)
    for name, mix in mixes.items():
        peak = max(abs(sample * gain) for sample in mix)
        assert peak < 0.7, f"{name} is too loud: {peak}"
        octets = b"".join(struct.pack("<h", round(sample * gain * 32_767)) for sample in mix)
        path = PROMPTS / "audio" / "zh" / f"music.hold.{name}.wav"
        with wave.open(str(path), "wb") as out:
            out.setnchannels(1)
            out.setsampwidth(2)
            out.setframerate(RATE)
            out.writeframes(octets)
        clips["zh", f"music.hold.{name}"] = {
            "lang": "zh",
            "id": f"music.hold.{name}",
            "text": TEXT,
            "text_sha256": sha(TEXT.encode()),
            "state": "music",
            "sha256": sha(path.read_bytes()),
            "ms": round(len(mix) * 1000 / RATE),
        }
    save_manifest(manifest, clips)


if __name__ == "__main__":
    main()
