//! G.711, clips in memory, tones and their detection.
