//! What a decoder makes of the packets: frames that can be shown, and every way in which the stream is not one.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use rtc::rtp::Packet;

/// A gap is given up after this time, as players do.
const PATIENCE: Duration = Duration::from_millis(800);

/// At the end of each packet's payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stamp {
    pub(crate) host: u8,
    pub(crate) layer: u8,
    pub(crate) frame: u32,
    pub(crate) part: u8,
    pub(crate) parts: u8,
    pub(crate) keyframe: bool,
    /// After the host's beginning.
    pub(crate) captured_ms: u32,
}

impl Stamp {
    pub(crate) const LEN: usize = 13;

    pub(crate) fn to_bytes(self) -> [u8; Self::LEN] {
        let mut bytes = [0; Self::LEN];
        bytes[..5].copy_from_slice(&[
            self.host,
            self.layer,
            self.part,
            self.parts,
            u8::from(self.keyframe),
        ]);
        bytes[5..9].copy_from_slice(&self.frame.to_be_bytes());
        bytes[9..].copy_from_slice(&self.captured_ms.to_be_bytes());
        bytes
    }

    fn read(payload: &[u8]) -> Option<Stamp> {
        let bytes: &[u8; Self::LEN] = payload.last_chunk()?;
        let word = |at: usize| u32::from_be_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
        Some(Stamp {
            host: bytes[0],
            layer: bytes[1],
            part: bytes[2],
            parts: bytes[3],
            keyframe: bytes[4] != 0,
            frame: word(5),
            captured_ms: word(9),
        })
    }
}

/// What is missing is asked for this often, and so many times.
const NACK_INTERVAL: Duration = Duration::from_millis(50);
const NACKS: u32 = 12;
/// What is late by less may just have been overtaken.
const OVERTAKEN: Duration = Duration::from_millis(15);

/// A frame that could be decoded.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shown {
    pub(crate) at: Instant,
    pub(crate) stamp: Stamp,
}

struct Arrived {
    at: Instant,
    packet: Packet,
}

/// A packet that did not come.
struct Missing {
    asked_at: Instant,
    asked: u32,
}

/// The picture of one viewer.
#[derive(Default)]
pub(crate) struct Screen {
    waiting: BTreeMap<u64, Arrived>,
    missing: BTreeMap<u64, Missing>,
    /// The sequence number before `waiting`, extended.
    done: Option<u64>,
    newest: Option<u64>,
    /// Parts of the frame that is being put together.
    parts: Vec<(Stamp, u32)>,
    /// The last frame decoded; none while only a keyframe helps.
    reference: Option<Stamp>,
    last_timestamp: Option<u32>,
    last_picture_id: Option<u16>,
    pub(crate) shown: Vec<Shown>,
    /// Gaps that were never filled.
    pub(crate) holes: usize,
    /// What no gap explains.
    pub(crate) faults: Vec<String>,
}

impl Screen {
    pub(crate) fn receive(&mut self, now: Instant, packet: Packet) {
        let sequence = u64::from(packet.header.sequence_number);
        let newest = *self.newest.get_or_insert(0x10_0000 + sequence);
        let step = packet.header.sequence_number.wrapping_sub(newest as u16) as i16;
        let extended = newest.wrapping_add_signed(step.into());
        self.newest = Some(newest.max(extended));
        let done = *self.done.get_or_insert(extended - 1);
        if extended <= done {
            return;
        }
        self.missing.remove(&extended);
        for sequence in newest + 1..extended {
            let asked_at = now + OVERTAKEN - NACK_INTERVAL;
            self.missing.insert(sequence, Missing { asked_at, asked: 0 });
        }
        self.waiting.insert(extended, Arrived { at: now, packet });
        self.show(now);
    }

    /// Sequence numbers to ask for again.
    pub(crate) fn nacks(&mut self, now: Instant) -> Vec<u16> {
        let done = self.done.unwrap_or_default();
        self.missing
            .retain(|sequence, missing| *sequence > done && missing.asked < NACKS);
        let due = self
            .missing
            .iter_mut()
            .filter(|(_, missing)| now - missing.asked_at >= NACK_INTERVAL);
        due.map(|(sequence, missing)| {
            missing.asked_at = now;
            missing.asked += 1;
            *sequence as u16
        })
        .collect()
    }

    /// Shows what can be shown, giving up gaps that lasted too long.
    pub(crate) fn show(&mut self, now: Instant) {
        while let Some((&next, arrived)) = self.waiting.first_key_value() {
            if self.done.is_some_and(|done| next > done + 1) {
                if now - arrived.at < PATIENCE {
                    return;
                }
                self.holes += 1;
                self.parts.clear();
                self.reference = None;
                self.last_picture_id = None;
            }
            self.done = Some(next);
            if let Some(arrived) = self.waiting.remove(&next) {
                self.decode(now, &arrived.packet);
            }
        }
    }

    pub(crate) fn needs_keyframe(&self) -> bool {
        self.reference.is_none() && self.done.is_some()
    }

    fn decode(&mut self, now: Instant, packet: &Packet) {
        // Probes and fillers have none.
        let Some(stamp) = Stamp::read(&packet.payload) else {
            return;
        };
        let timestamp = packet.header.timestamp;
        if let Some(last) = self.last_timestamp
            && (timestamp.wrapping_sub(last) as i32) < 0
        {
            self.faults.push(format!(
                "time went back by {} at {stamp:?}",
                last.wrapping_sub(timestamp)
            ));
        }
        if stamp.part == 0 {
            self.parts.clear();
            self.follow_picture_id(packet, stamp);
            if self.last_timestamp == Some(timestamp) {
                self.faults.push(format!("two frames at one time at {stamp:?}"));
            }
        }
        self.last_timestamp = Some(timestamp);
        let whole = self.parts.len() == usize::from(stamp.part)
            && self.parts.last().is_none_or(|(before, at)| {
                (before.host, before.layer, before.frame, *at)
                    == (stamp.host, stamp.layer, stamp.frame, timestamp)
            });
        if !whole {
            if self.reference.is_some() {
                self.faults.push(format!("a frame in pieces at {stamp:?}"));
            }
            self.parts.clear();
            self.reference = None;
            return;
        }
        self.parts.push((stamp, timestamp));
        if stamp.part + 1 == stamp.parts {
            if !packet.header.marker {
                self.faults.push(format!("no marker at {stamp:?}"));
            }
            self.finish(now, stamp);
        }
    }

    fn finish(&mut self, now: Instant, stamp: Stamp) {
        let follows = self.reference.is_some_and(|before| {
            (before.host, before.layer, before.frame + 1) == (stamp.host, stamp.layer, stamp.frame)
        });
        if !follows && !stamp.keyframe {
            if let Some(before) = self.reference {
                self.faults.push(format!("{stamp:?} after {before:?}"));
            }
            self.reference = None;
            return;
        }
        self.reference = Some(stamp);
        self.shown.push(Shown { at: now, stamp });
    }

    /// RFC 7741 §4.2: a picture id grows by one with each frame.
    fn follow_picture_id(&mut self, packet: &Packet, stamp: Stamp) {
        let payload = &packet.payload;
        if payload.len() < 4 || payload[0] & 0x80 == 0 || payload[1] & 0x80 == 0 {
            self.last_picture_id = None;
            return;
        }
        let id = u16::from_be_bytes([payload[2] & 0x7f, payload[3]]);
        if let Some(last) = self.last_picture_id
            && id != (last + 1) & 0x7fff
        {
            self.faults
                .push(format!("picture id {id} after {last} at {stamp:?}"));
        }
        self.last_picture_id = Some(id);
    }
}

/// The sound of one viewer: numbers and times go on.
#[derive(Default)]
pub(crate) struct Speaker {
    pub(crate) packets: usize,
    /// When each came.
    heard: Vec<Instant>,
    pub(crate) last_at: Option<Instant>,
    last: Option<(u16, u32)>,
    pub(crate) faults: Vec<String>,
}

impl Speaker {
    pub(crate) fn receive(&mut self, now: Instant, packet: &Packet) {
        let (sequence, timestamp) = (packet.header.sequence_number, packet.header.timestamp);
        if let Some((last, at)) = self.last {
            let step = sequence.wrapping_sub(last) as i16;
            if step <= 0 {
                // Overtaken or doubled on the way.
                return;
            }
            let time = timestamp.wrapping_sub(at) as i32;
            if time <= 0 || (step == 1 && time > 48_000 * 30) {
                self.faults
                    .push(format!("sound went by {step} packets and {time} ticks"));
            }
        }
        self.packets += 1;
        self.heard.push(now);
        self.last_at = Some(now);
        self.last = Some((sequence, timestamp));
    }

    /// The longest time without a packet since the first.
    pub(crate) fn longest_gap(&self) -> Duration {
        let gaps = self.heard.windows(2).map(|pair| pair[1] - pair[0]);
        gaps.max().unwrap()
    }
}
