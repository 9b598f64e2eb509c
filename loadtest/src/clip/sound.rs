//! Encoded sound: Opus packets with their times, whatever file they came from.

use std::time::Duration;

use bytes::Bytes;

use crate::Error;

/// An hour of 20 ms packets.
pub const MAX_PACKETS: usize = 180_000;
/// RFC 6716 §3.2: an Opus packet of 120 ms cannot be longer than this, whatever its frames are.
pub const MAX_PACKET_BYTES: usize = 61_440;

/// An Opus packet and when it sounds, from the start of the clip.
#[derive(Debug, Clone)]
pub struct Packet {
    /// Time from the start of the clip.
    pub at: Duration,
    /// The packet as the encoder made it.
    pub data: Bytes,
}

/// The packets of one sound.
#[derive(Debug, Clone)]
pub struct Sound {
    channels: u8,
    packets: Vec<Packet>,
    duration: Duration,
}

impl Sound {
    /// Takes packets in order; each says itself how long it sounds.
    ///
    /// # Errors
    /// [`Error::Clip`]: no packets or more than [`MAX_PACKETS`], one that is damaged or longer than [`MAX_PACKET_BYTES`].
    pub fn new(channels: u8, raw: impl IntoIterator<Item = Bytes>) -> Result<Self, Error> {
        let bad = |why: &str| Error::Clip(format!("Opus: {why}"));
        let mut at = Duration::ZERO;
        let mut packets = Vec::new();
        for data in raw {
            let length = packet_duration(&data).ok_or_else(|| bad("a packet is empty or damaged"))?;
            if data.len() > MAX_PACKET_BYTES {
                return Err(bad("a packet is too long"));
            }
            if packets.len() == MAX_PACKETS {
                return Err(bad("too many packets"));
            }
            packets.push(Packet { at, data });
            at += length;
        }
        if packets.is_empty() {
            return Err(bad("no sound after the headers"));
        }
        Ok(Self {
            channels,
            packets,
            duration: at,
        })
    }

    /// The channel count of the header; RTP always says two (RFC 7587 §7).
    pub fn channels(&self) -> u8 {
        self.channels
    }

    /// The packets in order; never empty.
    pub fn packets(&self) -> &[Packet] {
        &self.packets
    }

    /// The sum of all packets.
    pub fn duration(&self) -> Duration {
        self.duration
    }
}

/// How long an Opus packet sounds, from its first bytes (RFC 6716 §3.1).
pub(super) fn packet_duration(packet: &[u8]) -> Option<Duration> {
    let toc = *packet.first()?;
    let config = toc >> 3;
    let frame_us: u64 = match config {
        0..=11 => [10_000, 20_000, 40_000, 60_000]
            .get(usize::from(config % 4))
            .copied()?,
        12..=15 => [10_000, 20_000].get(usize::from(config % 2)).copied()?,
        _ => [2_500, 5_000, 10_000, 20_000]
            .get(usize::from(config % 4))
            .copied()?,
    };
    let frames = match toc & 3 {
        0 => 1,
        1 | 2 => 2,
        _ => u64::from(packet.get(1)? & 0x3f),
    };
    let total = frame_us * frames;
    (1..=120_000)
        .contains(&total)
        .then(|| Duration::from_micros(total))
}
