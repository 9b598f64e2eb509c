//! What one viewer saw, from the packets that came.

use std::collections::BTreeSet;
use std::time::Duration;

use tokio::time::Instant;

/// No whole picture for longer than this is a freeze that people notice.
const FREEZE: Duration = Duration::from_millis(500);
/// A packet that is so far behind the newest does not come any more.
const LATE: u64 = 500;

/// What one viewer saw.
#[derive(Debug, Clone, Default)]
pub struct Watched {
    /// RTP packets.
    pub packets: u64,
    /// Their payload bytes.
    pub bytes: u64,
    /// Packets of the picture that never came.
    pub lost: u64,
    /// Whole pictures: every packet up to a marker is there.
    pub frames: u64,
    /// Gaps between whole pictures above half a second.
    pub freezes: u64,
    /// From the request to the first whole picture.
    pub first_picture: Option<Duration>,
    /// Whether sound came.
    pub has_sound: bool,
}

/// Counts the packets of one picture stream.
#[derive(Debug)]
pub(super) struct Frames {
    begin: Instant,
    pub(super) seen: Watched,
    /// The highest number, unrolled.
    highest: Option<u64>,
    missing: BTreeSet<u64>,
    last_frame: Option<Instant>,
}

impl Frames {
    pub(super) fn new(begin: Instant) -> Frames {
        Frames {
            begin,
            seen: Watched::default(),
            highest: None,
            missing: BTreeSet::new(),
            last_frame: None,
        }
    }

    pub(super) fn sound(&mut self, bytes: usize) {
        self.seen.packets += 1;
        self.seen.bytes += bytes as u64;
        self.seen.has_sound = true;
    }

    pub(super) fn picture(&mut self, now: Instant, sequence: u16, marker: bool, bytes: usize) {
        self.seen.packets += 1;
        self.seen.bytes += bytes as u64;
        let number = match self.highest {
            None => (1 << 16) + u64::from(sequence),
            Some(highest) => {
                let ahead = sequence.wrapping_sub(highest as u16);
                if ahead < 0x8000 {
                    highest + u64::from(ahead)
                } else {
                    highest.saturating_sub(u64::from(0u16.wrapping_sub(ahead)))
                }
            }
        };
        match self.highest {
            Some(highest) if number <= highest => {
                self.missing.remove(&number);
            }
            Some(highest) => {
                self.missing.extend(highest + 1..number);
                self.highest = Some(number);
            }
            None => self.highest = Some(number),
        }
        while let Some(&oldest) = self.missing.first()
            && number > oldest + LATE
        {
            self.missing.pop_first();
            self.seen.lost += 1;
        }
        if marker && self.missing.is_empty() {
            self.frame(now);
        }
    }

    fn frame(&mut self, now: Instant) {
        self.seen.frames += 1;
        if self.last_frame.is_some_and(|last| now - last > FREEZE) {
            self.seen.freezes += 1;
        }
        self.last_frame = Some(now);
        let begin = self.begin;
        self.seen.first_picture.get_or_insert_with(|| now - begin);
    }

    pub(super) fn finish(mut self, now: Instant) -> Watched {
        self.seen.lost += self.missing.len() as u64;
        if self.last_frame.is_some_and(|last| now - last > FREEZE) {
            self.seen.freezes += 1;
        }
        self.seen
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holes_delay_pictures_until_they_are_filled_or_given_up() {
        let begin = Instant::now();
        let mut frames = Frames::new(begin);
        let mut receive = |ms: u64, sequence: u16, marker| {
            frames.picture(begin + Duration::from_millis(ms), sequence, marker, 1000);
        };
        receive(100, 65_534, false);
        receive(110, 65_535, true);
        receive(150, 1, true);
        receive(160, 0, false);
        receive(200, 2, true);
        receive(900, 3, true);
        receive(950, 5, true);
        let seen = frames.finish(begin + Duration::from_millis(1000));
        assert_eq!((seen.frames, seen.freezes, seen.lost), (3, 1, 1));
        assert_eq!(seen.first_picture, Some(Duration::from_millis(110)));
    }
}
