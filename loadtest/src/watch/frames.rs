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
pub(crate) struct Watched {
    /// RTP packets.
    pub(crate) packets: u64,
    /// Their payload bytes.
    pub(crate) bytes: u64,
    /// Packets of the picture that never came.
    pub(crate) lost: u64,
    /// Whole pictures: every packet up to a marker is there.
    pub(crate) frames: u64,
    /// Gaps between whole pictures above half a second.
    pub(crate) freezes: u64,
    /// How long those lasted, together.
    pub(crate) frozen: Duration,
    /// From the request to the first whole picture.
    pub(crate) first_picture: Option<Duration>,
    /// Whether sound came.
    pub(crate) has_sound: bool,
    /// Height of the last keyframe whose size could be read, pixels; 0 before.
    pub(crate) height: u16,
    /// Keyframes of another height than the one before.
    pub(crate) layer_switches: u32,
}

/// What one viewer saw since it was last looked at.
#[derive(Debug, Default)]
pub(crate) struct Sight {
    pub(crate) seen: Watched,
    /// From the request to the first packet.
    pub(crate) first_packet: Option<Duration>,
    /// From the publisher to here, of each packet that has a stamp.
    pub(crate) one_way: Vec<Duration>,
}

impl Sight {
    /// Adds what remained at the end.
    pub(super) fn with(mut self, rest: Watched) -> Sight {
        self.seen.lost += rest.lost;
        self.seen.freezes += rest.freezes;
        self.seen.frozen += rest.frozen;
        self.seen.layer_switches += rest.layer_switches;
        self
    }
}

/// Stamps kept between two looks; a stream of 8 Mbit/s has 1,000 packets a second.
const MAX_STAMPS: usize = 4_000;

/// Counts the packets of one picture stream.
#[derive(Debug)]
pub(super) struct Frames {
    begin: Instant,
    pub(super) seen: Watched,
    first_packet: Option<Duration>,
    one_way: Vec<Duration>,
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
            first_packet: None,
            one_way: Vec::new(),
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
            // What comes twice (asked for again, and late) is no second packet.
            Some(highest) if number <= highest && !self.missing.remove(&number) => return,
            Some(highest) if number <= highest => {}
            Some(highest) => {
                self.missing.extend(highest + 1..number);
                self.highest = Some(number);
            }
            None => self.highest = Some(number),
        }
        self.seen.packets += 1;
        self.seen.bytes += bytes as u64;
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

    /// A keyframe of this height begins.
    pub(super) fn keyframe(&mut self, height: u16) {
        if self.seen.height != 0 && self.seen.height != height {
            self.seen.layer_switches += 1;
        }
        self.seen.height = height;
    }

    fn frame(&mut self, now: Instant) {
        self.seen.frames += 1;
        self.gap(now);
        self.last_frame = Some(now);
        let begin = self.begin;
        self.seen.first_picture.get_or_insert_with(|| now - begin);
    }

    pub(super) fn finish(mut self, now: Instant) -> Watched {
        self.seen.lost += self.missing.len() as u64;
        self.gap(now);
        self.seen
    }

    /// Counts the time since the last whole picture when people notice it.
    fn gap(&mut self, now: Instant) {
        if let Some(gap) = self.last_frame.map(|last| now - last)
            && gap > FREEZE
        {
            self.seen.freezes += 1;
            self.seen.frozen += gap;
        }
    }

    /// A packet of any stream, and how old its stamp is.
    pub(super) fn packet(&mut self, now: Instant, age: Option<Duration>) {
        let begin = self.begin;
        self.first_packet.get_or_insert_with(|| now - begin);
        if self.one_way.len() < MAX_STAMPS {
            self.one_way.extend(age);
        }
    }

    /// What was seen since the last time. First moments and the height are told again each time.
    pub(super) fn take(&mut self) -> Sight {
        let rest = Watched {
            first_picture: self.seen.first_picture,
            has_sound: self.seen.has_sound,
            height: self.seen.height,
            ..Watched::default()
        };
        Sight {
            seen: std::mem::replace(&mut self.seen, rest),
            first_packet: self.first_packet,
            one_way: std::mem::take(&mut self.one_way),
        }
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
        receive(170, 1, true);
        receive(200, 2, true);
        receive(900, 3, true);
        receive(950, 5, true);
        let seen = frames.finish(begin + Duration::from_millis(1000));
        assert_eq!(
            (seen.frames, seen.freezes, seen.lost),
            (3, 1, 1),
            "one that comes twice counts once"
        );
        assert_eq!(seen.packets, 7);
        assert_eq!(seen.first_picture, Some(Duration::from_millis(110)));
    }

    #[test]
    fn a_layer_is_another_when_the_keyframes_height_is() {
        let mut frames = Frames::new(Instant::now());
        let mut switches = 0;
        for height in [360, 360, 720, 360] {
            frames.keyframe(height);
            let sight = frames.take();
            switches += sight.seen.layer_switches;
            assert_eq!(sight.seen.height, height);
        }
        assert_eq!(switches, 2);
        assert_eq!(frames.take().seen.height, 360, "it is still there");
    }
}
