//! The head of a WAV file of 16-bit samples at 8 kHz.

/// The head of a file with so many samples, all channels together; none: to the end of the file.
pub(crate) fn head(channels: u16, samples: Option<u64>) -> [u8; HEAD_OCTETS] {
    let size = samples.map_or(u32::MAX, |samples| u32::try_from(samples * 2).unwrap_or(u32::MAX));
    let frame = 2 * channels;
    let mut head = [0; HEAD_OCTETS];
    head[..4].copy_from_slice(b"RIFF");
    head[4..8].copy_from_slice(&size.saturating_add(36).to_le_bytes());
    head[8..16].copy_from_slice(b"WAVEfmt ");
    head[16..20].copy_from_slice(&16_u32.to_le_bytes());
    head[20..22].copy_from_slice(&1_u16.to_le_bytes());
    head[22..24].copy_from_slice(&channels.to_le_bytes());
    head[24..28].copy_from_slice(&8000_u32.to_le_bytes());
    head[28..32].copy_from_slice(&(8000 * u32::from(frame)).to_le_bytes());
    head[32..34].copy_from_slice(&frame.to_le_bytes());
    head[34..36].copy_from_slice(&16_u16.to_le_bytes());
    head[36..40].copy_from_slice(b"data");
    head[40..].copy_from_slice(&size.to_le_bytes());
    head
}

pub(crate) const HEAD_OCTETS: usize = 44;
