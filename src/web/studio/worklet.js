// Hands the microphone's samples to the page, 10 ms at a time.
class Tap extends AudioWorkletProcessor {
  constructor() {
    super();
    this.block = new Float32Array(Math.round(sampleRate / 100));
    this.at = 0;
    this.energy = [];
  }

  /** The channels with a signal: a silent one would halve the mean. */
  spoken(channels) {
    if (channels.length === 1) return channels;
    channels.forEach((channel, c) => {
      const now = channel.reduce((sum, sample) => sum + sample * sample, 0);
      this.energy[c] = 0.999 * (this.energy[c] || 0) + now;
    });
    const most = Math.max(...this.energy.slice(0, channels.length));
    return channels.filter((_, c) => this.energy[c] >= most / 100);
  }

  process(inputs) {
    const channels = inputs[0];
    if (!channels.length) return true;
    const spoken = this.spoken(channels);
    for (let n = 0; n < channels[0].length; n += 1) {
      let sum = 0;
      for (const channel of spoken) sum += channel[n];
      this.block[this.at++] = sum / spoken.length;
      if (this.at === this.block.length) {
        this.port.postMessage(this.block.slice());
        this.at = 0;
      }
    }
    return true;
  }
}
registerProcessor("tap", Tap);
