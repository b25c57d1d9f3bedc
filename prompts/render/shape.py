"""From units of speech to samples: timing, pitch, trimming and level."""
import math

import numpy as np
import soxr
from scipy.signal import resample_poly

from engine import FRAME, RATE
from g2p import Unit

OUT_RATE = 16000
STEP = RATE / 80          # one pitch step: 12.5 ms
VOICED = 50.0             # Hz; below it the predictor means "no voice"
PAUSE = 12                # frames of the pause before the word that is cut out
STYLE_FLOOR = 20          # very short texts get unsteady with their own style row

# Cantonese tones as (place in the syllable, semitones from the speaker's middle).
YUE_MIDDLE_HZ = 118.0
YUE_TONES = {
    1: ((0.0, 4.6), (1.0, 4.4)),
    2: ((0.0, -2.4), (0.35, -2.2), (1.0, 3.8)),
    3: ((0.0, 0.9), (1.0, 0.6)),
    4: ((0.0, -3.0), (1.0, -5.6)),
    5: ((0.0, -2.6), (0.35, -2.5), (1.0, 0.4)),
    6: ((0.0, -1.9), (1.0, -2.2)),
}


def join(units, final: bool):
    """The symbol string, and for every unit the range of its symbols."""
    text, spans = "", []
    units = list(units)
    if units and not units[-1].reading:
        last = units.pop().symbols
        end = last if final and last in ".?!" else "." if final else ","
    else:
        end = "." if final else ","
    for i, u in enumerate(units):
        if text and not u.glue:
            text += " "
        elif text and u.reading and not units[i - 1].reading:
            text += " "
        spans.append((len(text), len(text) + len(u.symbols), u))
        text += u.symbols
    return text + end, spans


def yue_timing(dur, spans):
    """Checked syllables (-p -t -k) are short; no syllable is clipped."""
    dur = dur.copy()
    for k, (a, b, u) in enumerate(spans):
        if not u.tone:
            continue
        i = np.arange(a + 1, b + 1)  # index 0 is the silent start
        last = k == len(spans) - 1 or not spans[k + 1][2].reading
        if u.reading[-2] in "ptk":
            cap = 11 if last else 8
            while dur[i].sum() > cap and dur[i].max() > 1:
                dur[i[np.argmax(dur[i])]] -= 1
        else:
            low = 9 if last else 7
            vowel = i[len(i) // 2]
            while dur[i].sum() < low:
                dur[vowel] += 1
    return dur


def yue_pitch(f0, dur, spans, final: bool):
    """Lays the six tones over the predicted voicing."""
    f = f0.reshape(-1)
    edge = np.concatenate([[0], np.cumsum(dur)]) * 2
    voiced = f > VOICED
    semi = np.full(len(f), np.nan)
    phrase = []

    def finish(is_last):
        if not phrase:
            return
        n = len(phrase)
        for k, (a, b, tone) in enumerate(phrase):
            steps = [s for s in range(a, b) if voiced[s]]
            fall = 0.6 - 1.6 * (k / max(1, n - 1) if n > 1 else 0.5)
            if is_last and final and k == n - 1:
                fall -= 0.6
            places = np.linspace(0, 1, len(steps)) if len(steps) > 1 else np.array([0.5])
            xs, ys = zip(*YUE_TONES[tone])
            for s, p in zip(steps, places):
                semi[s] = np.interp(p, xs, ys) + fall
        phrase.clear()

    for a, b, u in spans:
        if u.tone:
            phrase.append((int(edge[a + 1]), int(edge[b + 1]), u.tone))
        elif not u.reading:
            finish(False)
    finish(True)
    known = ~np.isnan(semi)
    if not known.any():
        return f0
    # voiced steps outside any syllable (joins, tails) follow their neighbour
    at = np.arange(len(f))
    semi = np.interp(at, at[known], semi[known])
    smooth = np.convolve(np.pad(semi, 2, mode="edge"), np.ones(5) / 5, mode="valid")
    f[voiced] = (YUE_MIDDLE_HZ * 2 ** (smooth / 12))[voiced]
    return f.reshape(f0.shape).astype(np.float32)


def scale_pitch(f0, spread=1.0, shift=1.0):
    """Narrows or widens the movement of the voice, and moves it as a whole."""
    f = f0.reshape(-1)
    v = f > VOICED
    if v.any():
        mid = np.exp(np.median(np.log(f[v])))
        f[v] = mid * (f[v] / mid) ** spread * shift
    return f.reshape(f0.shape).astype(np.float32)


def speak(engine, voice, lang, units, final, speed=1.0, spread=1.0, shift=1.0):
    symbols, spans = join(units, final)
    tok = engine.tokens(symbols)
    style = engine.style(voice, max(STYLE_FLOOR, len(symbols)))
    dur = engine.timing(tok, style, speed)
    if lang == "yue":
        dur = yue_timing(dur, spans)
    f0, en, asr = engine.prosody(tok, style, dur)
    if lang == "yue":
        f0 = yue_pitch(f0, dur, spans, final)
    if spread != 1.0 or shift != 1.0:
        f0 = scale_pitch(f0, spread, shift)
    return symbols, engine.sound(f0, en, asr, style)


def speak_short(engine, voice, lang, units, speed=1.0, shift=1.0):
    """A short word alone makes the model add stray sounds at its edges.

    It is said three times over, with pauses; the third is cut out."""
    word = [u for u in units if u.reading]
    comma = Unit(",", "", 0, True)
    symbols, spans = join([*word, comma, *word, comma, *word], True)
    tok = engine.tokens(symbols)
    style = engine.style(voice, max(STYLE_FLOOR, len(symbols)))
    dur = engine.timing(tok, style, speed)
    if lang == "yue":
        dur = yue_timing(dur, spans)
    for i in (symbols.index(",") + 1, symbols.rindex(",") + 1):  # a clear pause; the tone before it does not drawl
        dur[i] = max(dur[i], PAUSE)
        dur[i - 1] = min(dur[i - 1], 6)
    f0, en, asr = engine.prosody(tok, style, dur)
    if lang == "yue":
        f0 = yue_pitch(f0, dur, spans, True)
    if shift != 1.0:
        f0 = scale_pitch(f0, 1.0, shift)
    sound = engine.sound(f0, en, asr, style)
    said = [s for s in spans if s[2].reading]
    first, last = said[len(word)][0], said[2 * len(word) - 1][1]  # of the second time
    return symbols, last_word(sound, dur[first + 1 : last + 1].sum() * FRAME / RATE)


def last_word(a, seconds):
    """The last word of `a`, about that long: cut at the quietest point before it.

    The timing says only roughly where the pause is, so it is looked for from
    the end of the speech backwards."""
    n = RATE // 200
    m = len(a) // n
    p = (a[: m * n].reshape(m, n).astype(np.float64) ** 2).mean(1)
    e = 10 * np.log10(np.convolve(p, np.ones(5) / 5, mode="same") + 1e-12)
    end = int(np.flatnonzero(e > e.max() - 30)[-1])
    lo = max(0, end - int((1.5 * seconds + 0.08) * 200))
    hi = max(lo + 1, end - int(max(0.11, 0.6 * seconds) * 200))
    return a[(lo + int(np.argmin(e[lo:hi]))) * n :]


# ---- samples ----------------------------------------------------------------


def db(x):
    return 20 * math.log10(max(float(x), 1e-9))


def trim(a, rate, before=0.025, after=0.070):
    """Cuts silence: three quiet 5 ms frames in a row are silence."""
    n = rate // 200
    m = len(a) // n
    e = 20 * np.log10(np.sqrt((a[: m * n].reshape(m, n).astype(np.float64) ** 2).mean(1)) + 1e-9)
    top, floor = e.max(), np.percentile(e, 5)
    loud = e > max(top - 38, min(floor + 12, top - 26))
    run = np.convolve(loud, np.ones(3), mode="same") >= 2
    at = np.flatnonzero(run & loud)
    if not len(at):
        raise ValueError("silent")
    first = max(0, at[0] * n - int(before * rate))
    last = min(len(a), (at[-1] + 1) * n + int(after * rate))
    return a[first:last]


def active_level(a, rate):
    """Active speech level, in the manner of ITU-T P.56: dBov over the active parts."""
    n = rate // 100
    m = max(1, len(a) // n)
    p = (a[: m * n].reshape(m, n).astype(np.float64) ** 2).mean(1)
    if p.max() <= 0:
        return -120.0
    level = p.max()
    for _ in range(20):
        act = p > level * 10 ** (-15.9 / 10)
        held = np.convolve(act, np.ones(11), mode="full")[5:-5] > 0  # short gaps stay active
        new = p[held].mean()
        if abs(new - level) < 1e-12:
            break
        level = new
    return 10 * math.log10(level)


def true_peak(a):
    return float(np.abs(resample_poly(a.astype(np.float64), 4, 1)).max())


def master(a, set_gain_db, leeway, target=-20.0, ceiling=-3.2):
    """24 kHz floats to the finished 16 kHz 16-bit samples; also the gain used."""
    a = soxr.resample(a.astype(np.float64), RATE, OUT_RATE, quality="VHQ")
    a = trim(a - a.mean(), OUT_RATE)
    wish = target - active_level(a, OUT_RATE)
    gain = set_gain_db + min(leeway, max(-leeway, wish - set_gain_db))
    gain = min(gain, ceiling - db(true_peak(a)))
    a = a * 10 ** (gain / 20)
    for k, ms in ((0, 5), (1, 10)):
        n = OUT_RATE * ms // 1000
        ramp = 0.5 - 0.5 * np.cos(np.pi * (np.arange(n) + 0.5) / n)
        if k == 0:
            a[:n] *= ramp
        else:
            a[-n:] *= ramp[::-1]
    pcm = np.clip(np.rint(a * 32768), -32768, 32767).astype("<i2")
    return pcm, gain, wish
