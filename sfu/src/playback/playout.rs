//! How long a player may hold a picture before it shows it
//! (`http://www.webrtc.org/experiments/rtp-hdrext/playout-delay`).

use std::time::Duration;

/// Units on the wire, milliseconds.
const UNIT_MS: u128 = 10;
/// The longest delay of twelve bits.
const MOST: u128 = 0xfff;

/// The extension's value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlayoutDelay([u8; 3]);

impl PlayoutDelay {
    /// From the shortest and the longest delay, rounded down to 10 ms, at most 40.95 s.
    pub fn new(min: Duration, max: Duration) -> PlayoutDelay {
        let units = |time: Duration| (time.as_millis() / UNIT_MS).min(MOST) as u32;
        let [_, bytes @ ..] = (units(min) << 12 | units(max.max(min))).to_be_bytes();
        PlayoutDelay(bytes)
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn twelve_bits_each_in_tens_of_milliseconds() {
        let delay = |min, max| PlayoutDelay::new(Duration::from_millis(min), Duration::from_millis(max));
        assert_eq!(delay(0, 0).bytes(), [0, 0, 0]);
        assert_eq!(delay(100, 1009).bytes(), [0x00, 0xa0, 0x64]);
        assert_eq!(delay(50_000, 10).bytes(), [0xff, 0xff, 0xff]);
    }
}
