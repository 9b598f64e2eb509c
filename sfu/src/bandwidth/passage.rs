//! What a viewer's words say of how far the line is: a report names the highest number that has come (RFC 3550 §6.4.1), and a
//! request for a packet one that others have passed. What left behind it waits.

use super::departures::{Departure, Departures};
use super::rate;
use crate::negotiation::MediaKind;

/// Two words so far apart, microseconds, tell what comes between them.
const LEAST_US: i64 = 90_000;
/// What the line brings is told from its last second.
const LOOK_BACK_US: i64 = 1_000_000;
/// However much is on its way, no more than this of it is believed to wait, microseconds: queues are seldom longer.
const LONGEST_US: i64 = 1_000_000;

/// How far the line was at a word.
#[derive(Clone, Copy, Debug)]
pub(super) struct Answer {
    heard: i64,
    left: Departure,
    /// Packets of the picture known to be missing by then.
    missing: u64,
    /// How long what was next had waited at least, microseconds.
    pub(super) queue: i64,
}

impl Answer {
    /// When it left, microseconds.
    pub(super) fn left(&self) -> i64 {
        self.left.at
    }

    /// What had left with it.
    pub(super) fn bytes(&self) -> u64 {
        self.left.bytes
    }

    /// Packets of the picture that left since another.
    pub(super) fn packets_since(&self, before: &Answer) -> u64 {
        self.left.packets.saturating_sub(before.left.packets)
    }

    /// Whether no more time than this has passed between the two, microseconds.
    pub(super) fn is_within(&self, before: &Answer, time: i64) -> bool {
        self.heard - before.heard < time
    }

    /// The part of what left since another that is missing, of 1: of so many packets at least.
    pub(super) fn loss_since(&self, before: &Answer, least: u64) -> f32 {
        let missing = self.missing.saturating_sub(before.missing);
        (missing as f32 / self.packets_since(before).max(least) as f32).min(1.0)
    }

    /// Bits per second that came since another; `None` where that is too short a time.
    pub(super) fn came_since(&self, before: &Answer) -> Option<u64> {
        let passed = self.heard - before.heard;
        let bytes = self.left.bytes.saturating_sub(before.left.bytes) as f32;
        let came = bytes * (1.0 - self.loss_since(before, 1)) * 8e6 / passed as f32;
        (passed >= LEAST_US).then_some(came as u64)
    }
}

#[derive(Clone, Debug, Default)]
pub(super) struct Passage {
    departures: Departures,
    /// The shortest time from a departure to a word of it.
    shortest: Option<i64>,
    missing: u64,
    last: Option<Answer>,
    /// What reports alone have counted of it.
    reported: u64,
    /// What the line carries, bits per second, and how long what leaves now waits for that: microseconds, as of when.
    carries: Option<u64>,
    waits: i64,
    at: i64,
    /// The longest wait at which something was lost: the queue holds no more.
    holds: Option<i64>,
}

impl Passage {
    /// A packet of a stream leaves, with which so much has left.
    pub(super) fn note(&mut self, now: i64, kind: MediaKind, sequence: u16, bytes: u64) {
        let before = self.departures.all();
        let left = Departure {
            at: now,
            bytes,
            packets: before.packets + u64::from(kind == MediaKind::Video),
        };
        self.departures.note(kind, sequence, left);
        if let Some(carries) = self.carries {
            let more = takes(bytes.saturating_sub(before.bytes), carries);
            self.wait(now, self.queue(now) + more);
        }
    }

    fn wait(&mut self, now: i64, waits: i64) {
        let most = self.holds.unwrap_or(LONGEST_US).min(LONGEST_US);
        (self.waits, self.at) = (waits.clamp(0, most), now);
    }

    /// How long what leaves now will wait, as far as it is known, microseconds.
    pub(super) fn queue(&self, now: i64) -> i64 {
        (self.waits - (now - self.at)).max(0)
    }

    /// What the line carries where it has shown that, bits per second.
    pub(super) fn carries(&self) -> Option<u64> {
        self.carries
    }

    /// The line carries this: bits per second, none where it is known to have room.
    pub(super) fn set_carries(&mut self, now: i64, carries: Option<u64>) {
        self.carries = carries.map(|carries| carries.max(rate::LEAST));
        let Some(carries) = self.carries else {
            (self.waits, self.holds) = (0, None);
            return;
        };
        let waits = (self.last.filter(|last| last.heard == now))
            .map_or(self.queue(now), |last| self.waits_behind(&last, carries));
        self.wait(now, waits);
    }

    /// The shortest round trip that is known otherwise.
    pub(super) fn take_round_trip(&mut self, shortest: i64) {
        self.shortest = Some(self.shortest.map_or(shortest, |known| known.min(shortest)));
    }

    /// The highest number that has come, and how many the viewer has counted as lost since its last report.
    pub(super) fn take_report(
        &mut self,
        now: i64,
        kind: MediaKind,
        highest: u16,
        lost: u64,
    ) -> Option<Answer> {
        if kind == MediaKind::Video {
            self.reported += lost;
            self.missing = self.missing.max(self.reported);
        }
        let left = self.departures.find(kind, highest)?;
        let way = now - left.at;
        let known = self.shortest.map_or(way, |known| known + known / 128);
        let shortest = way.min(known);
        self.shortest = Some(shortest);
        let next = self.departures.find(kind, highest.wrapping_add(1));
        let queue = next.map_or(0, |next| (now - next.at - shortest).max(0));
        Some(self.answer(now, left, queue))
    }

    /// So many packets are missing that were not known to be, the newest of this number.
    pub(super) fn take_missing(&mut self, now: i64, newest: u16, missing: u64) -> Option<Answer> {
        self.missing += missing;
        // What reports count they count once.
        let left = self.departures.find(MediaKind::Video, newest)?;
        let queue = now - left.at - self.shortest?;
        self.holds = Some(self.holds.unwrap_or_default().max(queue));
        Some(self.answer(now, left, queue.max(0)))
    }

    fn answer(&mut self, now: i64, left: Departure, queue: i64) -> Answer {
        let answer = Answer {
            heard: now,
            left,
            missing: self.missing,
            queue,
        };
        self.last = Some(answer);
        if let Some(carries) = self.carries {
            self.wait(now, self.waits_behind(&answer, carries));
        }
        answer
    }

    /// Bits per second that the line has brought at least up to an answer, since the moment from when on it was most. Less what is
    /// missing since the answer before, but no less than came between the two.
    pub(super) fn brings(&self, now: i64, answer: &Answer, before: Option<&Answer>) -> u64 {
        let came = now - self.shortest.unwrap_or_default();
        let since = self.departures.since(came - LOOK_BACK_US);
        let rate = |(at, before): (i64, u64)| {
            let bytes = answer.left.bytes.saturating_sub(before);
            (at <= answer.left.at && came - at >= LEAST_US)
                .then(|| bytes * 8_000_000 / (came - at).unsigned_abs())
        };
        let brings = since.filter_map(rate).max().unwrap_or_default();
        let lasting = before.map_or(brings, |before| {
            let left = brings as f32 * (1.0 - answer.loss_since(before, 1));
            (left as u64).max(answer.came_since(before).unwrap_or_default())
        });
        brings.min(lasting).max(rate::LEAST)
    }

    /// How long all that has left behind an answer waits on a line of so many bits per second, microseconds.
    pub(super) fn waits_behind(&self, answer: &Answer, carries: u64) -> i64 {
        let behind = self.departures.all().bytes.saturating_sub(answer.left.bytes);
        takes(behind, carries) - self.shortest.unwrap_or_default()
    }
}

fn takes(bytes: u64, carries: u64) -> i64 {
    let takes = bytes * 8_000_000 / carries.max(rate::LEAST);
    i64::try_from(takes).unwrap_or(i64::MAX)
}
