// Samples: WAV files of them, their level, and their picture.

/** A WAV file: mono, 24 bits, so that nothing of a quiet take is lost. */
export function wav(samples, rate) {
  const bytes = samples.length * 3;
  const view = new DataView(new ArrayBuffer(44 + bytes));
  const text = (at, letters) => [...letters].forEach((letter, n) => view.setUint8(at + n, letter.charCodeAt(0)));
  text(0, "RIFF");
  view.setUint32(4, 36 + bytes, true);
  text(8, "WAVEfmt ");
  view.setUint32(16, 16, true);
  view.setUint16(20, 1, true);
  view.setUint16(22, 1, true);
  view.setUint32(24, rate, true);
  view.setUint32(28, rate * 3, true);
  view.setUint16(32, 3, true);
  view.setUint16(34, 24, true);
  text(36, "data");
  view.setUint32(40, bytes, true);
  for (let n = 0, at = 44; n < samples.length; n += 1, at += 3) {
    const whole = Math.max(-8388608, Math.min(8388607, Math.round(samples[n] * 8388607)));
    view.setInt16(at, whole & 0xffff, true);
    view.setInt8(at + 2, whole >> 16);
  }
  return new Blob([view.buffer], { type: "audio/wav" });
}

export const decibels = (ratio) => 20 * Math.log10(Math.max(ratio, 1e-5));

/** Root mean square and peak of a stretch. */
export function levels(samples) {
  let sum = 0;
  let peak = 0;
  for (const sample of samples) {
    sum += sample * sample;
    peak = Math.max(peak, Math.abs(sample));
  }
  return { rms: Math.sqrt(sum / Math.max(samples.length, 1)), peak };
}

export function joined(blocks) {
  const whole = new Float32Array(blocks.reduce((length, block) => length + block.length, 0));
  let at = 0;
  for (const block of blocks) {
    whole.set(block, at);
    at += block.length;
  }
  return whole;
}

/** Draws samples over the width of a canvas; clipped stretches are red. */
export function draw(canvas, samples) {
  const ratio = devicePixelRatio || 1;
  const width = (canvas.width = Math.max(1, Math.round(canvas.clientWidth * ratio)));
  const height = (canvas.height = Math.max(1, Math.round(canvas.clientHeight * ratio)));
  const pen = canvas.getContext("2d");
  const style = getComputedStyle(canvas);
  pen.clearRect(0, 0, width, height);
  const step = Math.max(1, samples.length / width);
  for (let x = 0; x < width && x * step < samples.length; x += 1) {
    const { peak } = levels(samples.subarray(Math.floor(x * step), Math.floor((x + 1) * step) || 1));
    pen.fillStyle = peak >= 0.985 ? style.getPropertyValue("--bad") : style.getPropertyValue("--wave");
    const tall = Math.max(ratio, peak * height);
    pen.fillRect(x, (height - tall) / 2, 1, tall);
  }
}
