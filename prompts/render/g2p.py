"""Words to the model's symbols, for Mandarin (zh), Cantonese (yue), English (en).

A reading comes back as a list of units.  A unit is either a syllable or word
with its symbols, or a mark of punctuation.  Anything whose reading would be a
guess (figures, foreign letters, a word that no list holds) is refused: give it
a line in overrides.tsv.
"""
import csv
import importlib.resources as res
import json
import re
from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).parent
PUNCT = {
    "，": ",", "、": ",", "。": ".", "．": ".", "！": "!", "？": "?", "：": ":", "；": ";",
    "（": ",", "）": ",", "(": ",", ")": ",", "《": "", "》": "", "「": "", "」": "", "“": "",
    "”": "", '"': "", "‘": "", "’": "", ",": ",", ".": ".", "!": "!", "?": "?", ":": ":",
    ";": ";", "—": ",", "–": ",", "…": ",", "·": "", "-": "", "'": "",
}
HAN = "\u3400-\u9fff〇"


class Unit(NamedTuple):
    symbols: str
    reading: str = ""   # pinyin, Jyutping, or the word
    tone: int = 0       # Cantonese only
    glue: bool = False  # no space before it


def mark(symbol: str) -> Unit:
    return Unit(symbol, "", 0, True)


def load_overrides(path: Path = HERE / "overrides.tsv"):
    table = {"zh": {}, "yue": {}, "en": {}}
    with path.open(encoding="utf-8", newline="") as f:
        for row in csv.reader(f, delimiter="\t", quoting=csv.QUOTE_NONE):
            if row and row[0] and not row[0].startswith("#"):
                table[row[0]][row[1]] = row[2]
    return table


OVERRIDES = load_overrides()


def pieces(text: str, table: dict, words: bool):
    """Yields (piece, override or None); the longest override wins."""
    keys = sorted(table, key=lambda k: (-len(k), k))
    if not keys:
        yield text, None
        return
    alt = "|".join(map(re.escape, keys))
    if words:
        alt = rf"(?<![A-Za-z0-9'])(?:{alt})(?![A-Za-z0-9'])"
    at = 0
    low = {k.lower(): v for k, v in table.items()}
    for m in re.finditer(alt, text, re.I if words else 0):
        if m.start() > at:
            yield text[at:m.start()], None
        yield m.group(), (low[m.group().lower()] if words else table[m.group()])
        at = m.end()
    if at < len(text):
        yield text[at:], None


# ---- Mandarin ---------------------------------------------------------------

_FOREIGN = {"X5": "ɛks"}  # the letter X; written x5 in the table of overrides


def _zh_unit(py: str, glue: bool) -> Unit:
    from misaki.zh import ZHG2P

    if py.upper() in _FOREIGN:
        return Unit("ˈ" + _FOREIGN[py.upper()], py, 0, glue)
    return Unit(ZHG2P.py2ipa(py).replace(chr(815), ""), py, 0, glue)


def zh(text: str) -> list:
    import jieba
    import logging
    from pypinyin import Style, lazy_pinyin

    jieba.setLogLevel(logging.ERROR)
    out = []
    for piece, reading in pieces(text, OVERRIDES["zh"], False):
        if reading:
            out += [_zh_unit(p, i > 0) for i, p in enumerate(reading.split())]
            continue
        for run in re.findall(rf"[{HAN}]+|[^{HAN}]", piece):
            if run in PUNCT:
                if PUNCT[run]:
                    out.append(mark(PUNCT[run]))
            elif run.isspace():
                continue
            elif re.fullmatch(rf"[{HAN}]+", run):
                for word in jieba.lcut(run, HMM=False):
                    py = lazy_pinyin(
                        word, style=Style.TONE3, neutral_tone_with_five=True, tone_sandhi=True
                    )
                    out += [_zh_unit(p, i > 0) for i, p in enumerate(py)]
            else:
                raise ValueError(f"no reading for {run!r} in {text!r}")
    return out


# ---- Cantonese --------------------------------------------------------------

_INITIALS = {
    "b": "p", "p": "pʰ", "m": "m", "f": "f", "d": "t", "t": "tʰ", "n": "n", "l": "l",
    "gw": "kw", "kw": "kʰw", "g": "k", "k": "kʰ", "ng": "ŋ", "h": "h", "w": "w",
    "z": "ʦ", "c": "ʦʰ", "s": "s", "j": "j", "": "",
}
_FINALS = {
    "aa": "a", "aai": "ai", "aau": "au", "aam": "am", "aan": "an", "aang": "aŋ",
    "aap": "ap", "aat": "at", "aak": "ak",
    "a": "ʌ", "ai": "ʌi", "au": "ʌu", "am": "ʌm", "an": "ʌn", "ang": "ʌŋ",
    "ap": "ʌp", "at": "ʌt", "ak": "ʌk",
    "e": "ɛ", "ei": "ei", "eu": "ɛu", "em": "ɛm", "eng": "ɛŋ", "ep": "ɛp", "ek": "ɛk",
    "oe": "ɜː", "oeng": "ɜːŋ", "oek": "ɜːk", "eoi": "ɜy", "eon": "ɜn", "eot": "ɜt",
    "i": "i", "iu": "iu", "im": "im", "in": "in", "ing": "ɪŋ", "ip": "ip", "it": "it",
    "ik": "ɪk",
    "o": "ɔ", "oi": "ɔi", "ou": "ou", "on": "ɔn", "ong": "ɔŋ", "ot": "ɔt", "ok": "ɔk",
    "u": "u", "ui": "ui", "un": "un", "ung": "ʊŋ", "ut": "ut", "uk": "ʊk",
    "yu": "y", "yun": "yn", "yut": "yt", "m": "mː", "ng": "ŋː",
}
# The nearest of the four Mandarin tone marks; the pitch itself is set later.
_TONE_MARK = {1: "→", 2: "↗", 3: "→", 4: "↓", 5: "↗", 6: "↘"}


def jyutping_unit(jp: str, glue: bool) -> Unit:
    if jp.upper() in _FOREIGN:
        return Unit(_FOREIGN[jp.upper()] + "→", jp, 1, glue)
    m = re.fullmatch(r"(gw|kw|ng|[bpmfdtnlgkhwzcsj]?)([aeiouy][a-z]*|m|ng)([1-6])", jp)
    if not m:
        m = re.fullmatch(r"()(m|ng)([1-6])", jp)
    if not m or m[2] not in _FINALS:
        raise ValueError(f"not Jyutping: {jp!r}")
    initial, final, tone = m[1], m[2], int(m[3])
    sym = _INITIALS[initial]
    if initial in "zc" and initial and final[0] in "iye" and final not in ("e", "ei", "eng", "ek"):
        sym = {"z": "ʨ", "c": "ʨʰ"}[initial]
    vowel = _FINALS[final]
    coda = vowel[-1] if vowel[-1] in "mnŋptk" and final not in ("m", "ng") else ""
    body = vowel[: len(vowel) - len(coda)]
    return Unit(sym + body + _TONE_MARK[tone] + coda, jp, tone, glue)


def _word_starts(text: str) -> set:
    """Where words begin: the model was taught with spaces between words."""
    import jieba
    import logging
    from opencc import OpenCC

    jieba.setLogLevel(logging.ERROR)
    simple = OpenCC("t2s").convert(text)
    if len(simple) != len(text):
        simple = text
    at, starts = 0, set()
    for word in jieba.lcut(simple, HMM=False):
        starts.add(at)
        at += len(word)
    return starts


def yue(text: str) -> list:
    import ToJyutping

    out = []
    for piece, reading in pieces(text, OVERRIDES["yue"], False):
        if reading:
            out += [jyutping_unit(p, i > 0) for i, p in enumerate(reading.split())]
            continue
        starts, at = _word_starts(piece), 0
        for ch, jp in ToJyutping.get_jyutping_list(piece):
            glue = at not in starts
            at += len(ch)
            if ch in PUNCT:
                if PUNCT[ch]:
                    out.append(mark(PUNCT[ch]))
            elif ch.isspace():
                continue
            elif jp:
                out += [jyutping_unit(p, glue or i > 0) for i, p in enumerate(jp.split())]
            else:
                raise ValueError(f"no reading for {ch!r} in {text!r}")
    return out


# ---- English ----------------------------------------------------------------

_lexicon = {}
VOWELS = "AIOQWYaiuæɑɒɔəɛɜɪʊʌɐ"


def _load_lexicon():
    if not _lexicon:
        for name in ("gb_silver.json", "gb_gold.json"):
            with (res.files("misaki") / "data" / name).open(encoding="utf-8") as f:
                _lexicon.update(json.load(f))
    return _lexicon


def _look(word: str):
    lex = _load_lexicon()
    for w in (word, word.lower(), word.lower().capitalize()):
        if w in lex:
            v = lex[w]
            return v if isinstance(v, str) else v["DEFAULT"]
    return None


def _suffixed(word: str):
    w = word.lower()
    for end, stems in (
        ("'s", [w[:-2]]),
        ("s", [w[:-1], w[:-2] if w.endswith("es") else "", w[:-3] + "y" if w.endswith("ies") else ""]),
        ("ed", [w[:-2], w[:-1], w[:-3]]),
        ("ing", [w[:-3], w[:-3] + "e", w[:-4]]),
    ):
        if not w.endswith(end) or len(w) < len(end) + 2:
            continue
        for stem in stems:
            ps = _look(stem) if len(stem) > 1 else None
            if not ps:
                continue
            last = ps[-1]
            if end in ("s", "'s"):
                return ps + ("s" if last in "ptkfθ" else "ɪz" if last in "szʃʒʧʤ" else "z")
            if end == "ed":
                return ps + ("t" if last in "pkfθʃsʧ" else "ɪd" if last in "td" else "d")
            return ps + "ɪŋ"
    return None


def _en_word(word: str, following: str) -> str:
    w = word.lower()
    vowel_next = bool(following) and following.lstrip("ˈˌ")[:1] in VOWELS
    if w == "the":
        return "ði" if vowel_next else "ðə"
    if w == "to":
        return "tʊ" if vowel_next else "tə"
    if w == "a":
        return "ɐ"
    if w == "an":
        return "ɐn"
    if w == "in":
        return "ɪn" if following else "ˈɪn"
    ps = _look(word) or _suffixed(word)
    if not ps:
        raise ValueError(f"no reading for {word!r}")
    return ps


def en(text: str) -> list:
    flat = []
    for piece, reading in pieces(text, OVERRIDES["en"], True):
        if reading:
            flat.append((piece, reading))
            continue
        for tok in re.findall(r"[A-Za-z]+(?:['’][A-Za-z]+)*|\S", piece):
            if tok in PUNCT:
                if PUNCT[tok]:
                    flat.append((None, PUNCT[tok]))
            elif tok[0].isascii() and tok[0].isalpha():
                flat.append((tok.replace("’", "'"), None))
            else:
                raise ValueError(f"no reading for {tok!r} in {text!r}")
    out, following = [], ""
    for word, ps in reversed(flat):
        if word is None:
            out.append(mark(ps))
            following = ""
        else:
            ps = ps or _en_word(word, following)
            out.append(Unit(ps, word))
            following = ps
    return out[::-1]


def units(lang: str, text: str) -> list:
    got = {"zh": zh, "yue": yue, "en": en}[lang](text)
    while got and not got[0].reading:
        got.pop(0)
    clean = []
    for u in got:  # of several marks in a row keep the last
        if not u.reading and clean and not clean[-1].reading:
            clean.pop()
        clean.append(u)
    return clean
