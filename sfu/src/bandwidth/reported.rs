//! A line of which the viewer tells little: no packet's arrival, but how far it is, what it lost and how long the way was (receiver
//! reports, RFC 3550 §6.4.1), what it asks for again, and perhaps an estimate of its own (REMB, draft-alvestrand-rmcat-remb-03).
//!
//! Each of these words names a packet, of which it is known when it left and what has left since: that much waits ([`passage`]). Two
//! of them tell what the line brings. A sender report behind a short try waits for all of it, and is told of by the next report
//! ([`brief`]).
//!
//! [`passage`]: super::passage
//! [`brief`]: super::brief
//!
//! An estimate of the viewer's own follows what is sent: receivers believe half again of what comes at most, and eight percent more with
//! each second (draft-ietf-rmcat-gcc-02 §5.5). So it is heard as two things only: one that falls says that the line is full,
//! and one that stands says that its viewer wants no more. Where reports tell no round trip a line is tried slowly: nobody speaks
//! more often than once a second.

mod tries;

use std::time::Duration;

use super::brief::Brief;
use super::passage::{Answer, Passage};
use crate::negotiation::MediaKind;
use tries::Try;

/// Between two looks at what was sent, and how many are remembered: a second and a half, microseconds.
const LOOK_US: i64 = 100_000;
const LOOKS: usize = 16;
/// What receivers measure over (libwebrtc, aiortc: a second).
const WINDOW_US: i64 = 1_000_000;
/// An estimate that has fallen by so many percent has been cut; receivers tell at once (libwebrtc: 3).
const FALLEN: u64 = 97;
/// Receivers cut to 85 % of what comes: one of at least this part of what is sent, in percent, says that a large picture made a
/// queue, and that all of it came.
const COMES: u64 = 80;
/// One that is below this part of what is sent, in percent, and does not grow, so many times: the viewer wants no more.
const BELOW: u64 = 90;
const STANDS: u8 = 2;
/// So long after a short try, microseconds, it tells of that, of which reports tell more.
const TRIED_US: i64 = 1_300_000;
/// More loss than this is congestion (draft-ietf-rmcat-gcc-02 §6: a tenth), if two reports say so: one is of a few packets. And so
/// much more than usual while more is tried.
const CONGESTED: f32 = 0.1;
const UNUSUAL: f32 = 0.1;
const USUAL_WEIGHT: f32 = 0.2;
/// Packets asked for again tell of loss sooner than reports do. Windows of so many microseconds and at least so many packets; a
/// line that lost so much in two of them, or so much in one, is full: bursts of loss are shorter.
const NACKS_US: i64 = 150_000;
const NACKED_PACKETS: u64 = 20;
/// And this is looked at while more is tried: of so many packets at least, for of twenty four are lost by chance where one is on
/// average.
const TRIED_PACKETS: u64 = 40;
const MUCH: f32 = 0.25;
const MOST_OF_IT: f32 = 0.5;
/// Where they waited for long, too, less of both tells it.
const SOME: f32 = 0.1;
const FEW_US: i64 = 90_000;
const FEW_PACKETS: u64 = 8;
/// A way that has become longer by this is a queue, microseconds: one report may come amid a keyframe, two do not.
const QUEUE_US: i64 = 150_000;
const QUEUED: u8 = 2;
const QUEUED_US: i64 = 300_000;
/// While more is tried one says enough, if it is by so much.
const TRIED_QUEUE_US: i64 = 250_000;
/// And where it was longer by this it has not gone well.
const STOOD_US: i64 = 80_000;
/// All that is on its way takes longer than this, at the rate at which the line has brought what it has: no keyframe alone does.
const SWAMPED_US: i64 = 250_000;
/// What is said of losses so soon after a cut, microseconds and a round trip, is of before: reports tell of a second.
const OLD_REPORT_US: i64 = 1_200_000;
/// Whoever has said nothing for so long can not be asked.
const SILENT_US: i64 = 12_000_000;

/// What speaks against the rate, and what is to be believed then, bits per second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Word {
    /// Nothing does.
    Fine,
    /// Something waits, but all that was sent has come.
    Busy,
    /// What is tried is too much.
    Enough,
    /// The line is full, and carries so much.
    Full(u64),
    /// A try has shown this.
    Shown(u64),
    /// And that it is no more.
    Reached(u64),
}

impl Word {
    /// The same where there is a reason for it that passes.
    pub(super) fn mildly(self) -> Word {
        match self {
            Word::Full(_) => Word::Busy,
            word => word,
        }
    }
}

/// What was asked for again since a word.
#[derive(Clone, Copy, Debug, Default)]
struct Nacks {
    since: Option<Answer>,
    /// The window before this one lost much, too.
    was_much: bool,
    /// When the rate was cut for it.
    cut: Option<i64>,
}

/// A viewer's report on one of its streams (RFC 3550 §6.4.1).
#[derive(Clone, Copy, Debug)]
pub struct Report {
    /// What the stream is of.
    pub kind: MediaKind,
    /// The lower half of the highest number that came.
    pub highest: u16,
    /// Lost since the last one: in 256ths, and packets.
    pub lost: u8,
    /// See above.
    pub lost_packets: u64,
    /// By the latest sender report, where the viewer has heard one: there and back, and how long that lay with the viewer.
    pub round_trip: Option<Duration>,
    /// See above.
    pub held: Duration,
}

/// See the module.
#[derive(Clone, Debug, Default)]
pub(super) struct Reported {
    /// When and how many bytes had been sent, the newest last.
    sent: [(i64, u64); LOOKS],
    looked: usize,
    remb: Option<u64>,
    /// Where it stood below what was sent: its viewer wants no more.
    cap: Option<u64>,
    /// Times in a row that it stood below what was sent.
    stood: u8,
    usual_loss: f32,
    /// The report before this one told of congestion.
    was_congested: bool,
    nacks: Nacks,
    passage: Passage,
    /// The last word of each stream's report.
    told: [Option<Answer>; 2],
    /// Since when each has told of a queue.
    queued_since: Option<i64>,
    shortest: Option<i64>,
    round_trip: i64,
    queued: u8,
    running: Option<Try>,
    brief: Option<Brief>,
    /// Short tries in a row that no report has told of.
    unanswered: u8,
    /// When the sender report left that the last report has named.
    named: Option<i64>,
    /// Whether the last try, of either kind, was answered.
    has_answered: bool,
    /// When the newest packet left of which a word says that nothing speaks against the rate.
    fine: Option<i64>,
    /// When a try last made a queue.
    tried: Option<i64>,
    came: Option<u64>,
    cut: Option<i64>,
    heard: Option<i64>,
}

impl Reported {
    /// A packet of a stream leaves, with which so much has left.
    pub(super) fn note(&mut self, now: i64, kind: MediaKind, sequence: u16, bytes: u64) {
        self.passage.note(now, kind, sequence, bytes);
    }

    /// So many bytes were sent until now.
    pub(super) fn look(&mut self, now: i64, bytes: u64) {
        let (newest, _) = self.newest();
        if self.looked > 0 && now - newest < LOOK_US {
            return;
        }
        if let Some(place) = self.sent.get_mut(self.looked % LOOKS) {
            *place = (now, bytes);
        }
        self.looked += 1;
    }

    fn newest(&self) -> (i64, u64) {
        let place = self.looked.wrapping_sub(1) % LOOKS;
        self.sent.get(place).copied().unwrap_or_default()
    }

    /// Bits per second over the last second; none before one has passed.
    pub(super) fn sent(&self) -> Option<u64> {
        let (newest, bytes) = self.newest();
        let known = self.looked.min(LOOKS);
        let (at, before) = (self.sent.iter().take(known))
            .filter(|(at, _)| newest - at >= WINDOW_US)
            .max_by_key(|(at, _)| *at)?;
        let bits = (bytes - before) * 8 * 1_000_000;
        Some(bits / (newest - at).unsigned_abs().max(1))
    }

    /// Whether the viewer speaks at all, so that trying more is answered.
    pub(super) fn is_heard(&self, now: i64) -> bool {
        self.heard.is_some_and(|at| now - at < SILENT_US)
    }

    /// Whether the viewer has told of what left at some time or behind it, and nothing spoke against the rate.
    pub(super) fn is_fine_since(&self, at: i64) -> bool {
        self.fine.is_some_and(|left| left >= at)
    }

    /// Whether the last try, of either kind, was answered: nobody's silence is.
    pub(super) fn has_answered(&self) -> bool {
        self.has_answered
    }

    /// The viewer's own estimate.
    pub(super) fn take_remb(&mut self, now: i64, remb: u64) -> Word {
        self.heard = Some(now);
        let before = self.remb.replace(remb);
        // One that follows is none that its viewer has set.
        self.cap.take_if(|cap| remb.abs_diff(*cap) > *cap / 8);
        let Some(sent) = self.sent() else {
            return Word::Fine;
        };
        let Some(before) = before else { return Word::Fine };
        if self.brief.is_some() || self.tried.is_some_and(|at| now - at < TRIED_US) {
            return Word::Fine;
        }
        let has_fallen = remb * 100 < before * FALLEN;
        let is_below = remb * 100 < sent * BELOW;
        self.stood = match is_below && remb <= before {
            true => self.stood + 1,
            false => 0,
        };
        if has_fallen && self.running.take().is_some() {
            return Word::Enough;
        }
        let has_come = remb * 100 >= sent * COMES;
        if (has_fallen && !has_come) || self.stood >= STANDS {
            if self.stood >= STANDS {
                self.cap = Some(remb);
            }
            self.stood = 0;
            return self.full(now, remb);
        }
        if has_fallen {
            return Word::Busy;
        }
        if !is_below {
            self.fine = self.fine.max(Some(now - self.round_trip - WINDOW_US));
        }
        self.judge(now)
    }

    /// What a report says of losses, and what of a queue.
    pub(super) fn take_report(&mut self, now: i64, report: Report) -> [Word; 3] {
        let round_trip = report.round_trip.map(|time| time.as_micros() as i64);
        let mut by_try = Word::Fine;
        if let Some(round_trip) = round_trip {
            let known = self.shortest.map_or(round_trip, |known| known + known / 128);
            let shortest = round_trip.min(known);
            (self.shortest, self.round_trip) = (Some(shortest), round_trip);
            self.passage.take_round_trip(shortest);
            let left = now - round_trip - report.held.as_micros() as i64;
            self.named = Some(left);
            if let Some(tried) = &mut self.running {
                tried.longest = tried.longest.max(round_trip - shortest);
            }
            by_try = self.take_brief(now, left, round_trip - shortest);
        }
        let answer = (self.passage).take_report(now, report.kind, report.highest, report.lost_packets);
        let place = usize::from(report.kind == MediaKind::Video);
        let before = self.told.get(place).copied().flatten();
        if let Some(told) = self.told.get_mut(place) {
            *told = answer;
        }
        let came = answer.and_then(|answer| answer.came_since(&before?));
        self.came = came.or(self.came);
        let by_queue = match (answer, round_trip) {
            (Some(answer), _) => self.take_queue(now, answer, before),
            (None, Some(_)) => self.take_way(now),
            (None, None) => Word::Fine,
        };
        let loss = f32::from(report.lost) / 256.0;
        let by_way = self.round_trip - self.shortest.unwrap_or_default();
        let queue = answer.map_or(by_way, |answer| answer.queue);
        let is_fine = queue < STOOD_US && loss <= self.usual_loss + UNUSUAL;
        let left = answer.map(|answer| answer.left()).or(self.named);
        if is_fine && report.kind == MediaKind::Video {
            self.fine = self.fine.max(left);
        }
        let by_loss = self.take_loss(now, loss, came);
        [by_loss, by_queue, by_try]
    }

    /// The loss of a report, of 1, and what came since the one before.
    fn take_loss(&mut self, now: i64, loss: f32, came: Option<u64>) -> Word {
        self.heard = Some(now);
        let is_old = self.is_soon_behind(self.cut, now, OLD_REPORT_US);
        let Some(sent) = self.sent().filter(|_| !is_old) else {
            return Word::Fine;
        };
        let was_congested = std::mem::replace(&mut self.was_congested, loss > CONGESTED);
        if loss > MUCH || (loss > CONGESTED && was_congested) {
            return self.full(now, came.unwrap_or((sent as f32 * (1.0 - loss)) as u64));
        }
        if self.is_unusual(loss) {
            return Word::Enough;
        }
        self.usual_loss += (loss - self.usual_loss) * USUAL_WEIGHT;
        self.judge(now)
    }

    /// How long what has not come waits by now.
    fn take_queue(&mut self, now: i64, answer: Answer, before: Option<Answer>) -> Word {
        if let Some(word) = self.take_amid(now, answer) {
            return word;
        }
        if answer.queue < QUEUE_US {
            self.queued_since = None;
        } else if answer.queue > TRIED_QUEUE_US && self.running.take().is_some() {
            self.tried = Some(now);
            return Word::Enough;
        }
        if answer.queue < STOOD_US || self.is_of_try(answer.left()) {
            return Word::Fine;
        }
        let since = *self.queued_since.get_or_insert(now);
        let stands = answer.queue > QUEUE_US && now - since >= QUEUED_US;
        let most = if stands { QUEUE_US } else { SWAMPED_US };
        let brings = self.passage.brings(now, &answer, before.as_ref());
        if self.passage.waits_behind(&answer, brings) > most {
            return self.full(now, brings);
        }
        Word::Fine
    }

    /// The loss of a report on repairs and padding, of 1: of interest only while more is tried.
    pub(super) fn take_padding_loss(&mut self, loss: f32) -> Word {
        if self.is_unusual(loss) {
            Word::Enough
        } else {
            Word::Fine
        }
    }

    /// Whether a try is what loses so much, which ends it.
    fn is_unusual(&mut self, loss: f32) -> bool {
        let is_unusual = loss > self.usual_loss + UNUSUAL;
        let ends = is_unusual && (self.running.is_some() || self.brief.is_some());
        if ends {
            self.end_try();
        }
        ends
    }

    fn full(&mut self, now: i64, rate: u64) -> Word {
        self.end_try();
        self.cut = Some(now);
        self.passage.set_carries(now, Some(rate));
        Word::Full(rate)
    }

    /// Whether what is said now is of before a cut, when that takes so long to be told.
    fn is_soon_behind(&self, cut: Option<i64>, now: i64, time: i64) -> bool {
        cut.is_some_and(|at| now - at < time + self.round_trip)
    }

    /// So many packets were asked for that had not been asked for before, the newest of this number.
    pub(super) fn take_missing(&mut self, now: i64, newest: u16, missing: u64) -> Word {
        let Some(answer) = self.passage.take_missing(now, newest, missing) else {
            return Word::Fine;
        };
        if let Some(word) = self.take_amid(now, answer) {
            return word;
        }
        let is_old = self.nacks.cut.is_some_and(|at| answer.left() < at);
        let since = (self.nacks.since).filter(|since| !is_old && answer.is_within(since, WINDOW_US));
        let (cut, was_much) = (self.nacks.cut, self.nacks.was_much);
        let begin = |was_much| Nacks {
            since: Some(answer),
            was_much,
            cut,
        };
        let Some(since) = since else {
            self.nacks = begin(false);
            return Word::Fine;
        };
        let loss = answer.loss_since(&since, TRIED_PACKETS);
        if self.is_unusual(loss) {
            return Word::Enough;
        }
        let waits = since.queue.min(answer.queue) > STOOD_US;
        let (time, packets) = if waits {
            (FEW_US, FEW_PACKETS)
        } else {
            (NACKS_US, NACKED_PACKETS)
        };
        if answer.is_within(&since, time) || answer.packets_since(&since) < packets {
            return Word::Fine;
        }
        let loss = answer.loss_since(&since, packets);
        let is_full = loss > MOST_OF_IT || loss > MUCH && was_much || loss > SOME && waits;
        self.nacks = begin(loss > MUCH);
        match answer.came_since(&since).filter(|_| is_full) {
            Some(came) => {
                self.nacks.cut = Some(now);
                self.full(now, came)
            }
            None => Word::Fine,
        }
    }

    /// How long what leaves now waits, as far as it is known, microseconds.
    pub(super) fn queue(&self, now: i64) -> i64 {
        self.passage.queue(now)
    }

    /// What the line carries where it has shown that, bits per second.
    pub(super) fn carries(&self) -> Option<u64> {
        self.passage.carries()
    }

    /// What came between the last two reports, bits per second.
    pub(super) fn came(&self) -> Option<u64> {
        self.came
    }

    /// What leaves waits for nothing: the line has shown that there is room.
    pub(super) fn has_room(&mut self, now: i64) {
        self.passage.set_carries(now, None);
    }

    /// The round trip of a report that says no more.
    fn take_way(&mut self, now: i64) -> Word {
        let queue = self.round_trip - self.shortest.unwrap_or(self.round_trip);
        self.queued = match queue > QUEUE_US {
            true => self.queued.saturating_add(1),
            false => 0,
        };
        if self.queued >= QUEUED
            && let Some(sent) = self.sent()
        {
            self.queued = 0;
            return self.full(now, sent * 85 / 100);
        }
        let is_enough = queue > TRIED_QUEUE_US;
        match self.running.take_if(|_| is_enough) {
            Some(_) => Word::Enough,
            None => Word::Fine,
        }
    }
}

#[cfg(test)]
mod tests;
