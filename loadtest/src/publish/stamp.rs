//! A stamp at the end of a payload: when it left and which it is, readable behind any server that forwards payloads.
//!
//! Servers rewrite what stands in front (sequence, timestamp, payload descriptor); none touches the end. RTP padding
//! must be off before it is read.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Bytes of a stamp.
pub const LENGTH: usize = 24;
const MAGIC: [u8; 8] = *b"VtrStamp";

/// When a payload left its publisher, and which of its stream it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    /// The publisher's clock when the packet was handed to the network: microseconds since 1970.
    pub sent_us: u64,
    /// Counts the packets of its RTP stream from 0: what is missing was lost between here and there.
    pub number: u64,
}

impl Stamp {
    /// The bytes that end a payload.
    pub fn bytes(self) -> [u8; LENGTH] {
        let mut bytes = [0; LENGTH];
        let parts = MAGIC
            .into_iter()
            .chain(self.sent_us.to_be_bytes())
            .chain(self.number.to_be_bytes());
        for (place, byte) in bytes.iter_mut().zip(parts) {
            *place = byte;
        }
        bytes
    }

    /// How long ago it left, by this machine's clock; zero when the publisher's is ahead.
    pub fn age(self) -> Duration {
        Duration::from_micros(unix_us().saturating_sub(self.sent_us))
    }

    /// The stamp of a payload; none when it has none.
    pub fn read(payload: &[u8]) -> Option<Stamp> {
        let rest = payload
            .get(payload.len().checked_sub(LENGTH)?..)?
            .strip_prefix(&MAGIC)?;
        let (sent, number) = rest.split_first_chunk::<8>()?;
        Some(Stamp {
            sent_us: u64::from_be_bytes(*sent),
            number: u64::from_be_bytes(number.try_into().ok()?),
        })
    }
}

/// The clock that stamps are written and read by: of one machine, or of two that agree.
pub(super) fn unix_us() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(now.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stamp_is_found_at_the_end_and_nowhere_else() {
        let stamp = Stamp {
            sent_us: 1_700_000_000_123_456,
            number: 7,
        };
        let mut payload = vec![0x90, 0x80];
        payload.extend(stamp.bytes());
        assert_eq!(Stamp::read(&payload), Some(stamp));
        payload.push(0);
        assert_eq!(Stamp::read(&payload), None);
        for length in 0..LENGTH {
            assert_eq!(Stamp::read(&stamp.bytes()[..length]), None);
        }
    }
}
