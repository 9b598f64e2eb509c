//! A line of which the viewer tells little: no packet's arrival, but what it lost and how long the way was (receiver reports,
//! RFC 3550 §6.4.1), and perhaps an estimate of its own (REMB, draft-alvestrand-rmcat-remb-03).
//!
//! Such an estimate follows what is sent: receivers believe half again of what comes at most, and eight percent more with
//! each second (draft-ietf-rmcat-gcc-02 §5.5). So it is heard as two things only: one that falls says that the line is full,
//! and one that stands says that its viewer wants no more. Whether the line carries more is tried with padding, as on other
//! lines, but slowly: nobody speaks more often than once a second.

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
/// More loss than this is congestion (draft-ietf-rmcat-gcc-02 §6: a tenth), if two reports say so: one is of a few packets. And so
/// much more than usual while more is tried.
const CONGESTED: f32 = 0.1;
const UNUSUAL: f32 = 0.1;
const USUAL_WEIGHT: f32 = 0.2;
/// Packets asked for again tell of loss sooner than reports do. Windows of so many microseconds and at least so many packets; a
/// line that lost so much in two of them, or so much in one, is full: bursts of loss are shorter.
const NACKS_US: i64 = 150_000;
const NACKED_PACKETS: u64 = 20;
const MUCH: f32 = 0.25;
const MOST_OF_IT: f32 = 0.5;
/// A way that has become longer by this is a queue, microseconds: one report may come amid a keyframe, two do not.
const QUEUE_US: i64 = 150_000;
const QUEUED: u8 = 2;
/// While more is tried one says enough, if it is by so much.
const TRIED_QUEUE_US: i64 = 250_000;
/// And where it was longer by this it has not gone well.
const STOOD_US: i64 = 80_000;
/// What is said of losses so soon after a cut, microseconds and a round trip, is of before: reports tell of a second, packets are
/// asked for again within a queue's time.
const OLD_REPORT_US: i64 = 1_200_000;
const OLD_NACK_US: i64 = 400_000;
/// A try is answered by the first report this much after its end, microseconds, a round trip besides: it tells of a second.
const ANSWER_US: i64 = 300_000;
/// And not any more after this.
const PATIENCE_US: i64 = 6_000_000;
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

#[derive(Clone, Copy, Debug)]
struct Try {
    rate: u64,
    ends: i64,
    /// The viewer's own estimate as it began.
    remb: Option<u64>,
    /// The longest way since, microseconds.
    longest: i64,
}

/// What was asked for again since `at`, when so many packets and bytes had been sent.
#[derive(Clone, Copy, Debug, Default)]
struct Nacks {
    at: Option<i64>,
    packets: u64,
    bytes: u64,
    missing: u64,
    /// The window before this one lost much, too.
    was_much: bool,
    /// When the rate was cut for it.
    cut: Option<i64>,
}

/// See the module.
#[derive(Clone, Debug, Default)]
pub(super) struct Reported {
    /// When and how many bytes had been sent, the newest last.
    sent: [(i64, u64); LOOKS],
    looked: usize,
    remb: Option<u64>,
    /// Times in a row that it stood below what was sent.
    stood: u8,
    usual_loss: f32,
    /// The report before this one told of congestion.
    was_congested: bool,
    nacks: Nacks,
    shortest: Option<i64>,
    round_trip: i64,
    queued: u8,
    running: Option<Try>,
    cut: Option<i64>,
    heard: Option<i64>,
}

impl Reported {
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

    /// From now until `ends` up to `rate` is sent to see what the viewer says.
    pub(super) fn begin_try(&mut self, rate: u64, ends: i64) {
        self.running = Some(Try {
            rate,
            ends,
            remb: self.remb,
            longest: 0,
        });
    }

    pub(super) fn end_try(&mut self) {
        self.running = None;
    }

    /// The viewer's own estimate.
    pub(super) fn take_remb(&mut self, now: i64, remb: u64) -> Word {
        self.heard = Some(now);
        let before = self.remb.replace(remb);
        let Some(sent) = self.sent() else {
            return Word::Fine;
        };
        let Some(before) = before else { return Word::Fine };
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
            self.stood = 0;
            return self.full(now, remb);
        }
        if has_fallen {
            return Word::Busy;
        }
        self.judge(now)
    }

    /// The loss of a report, of 1.
    pub(super) fn take_loss(&mut self, now: i64, loss: f32) -> Word {
        self.heard = Some(now);
        let is_old = self.is_soon_behind(self.cut, now, OLD_REPORT_US);
        let Some(sent) = self.sent().filter(|_| !is_old) else {
            return Word::Fine;
        };
        let was_congested = std::mem::replace(&mut self.was_congested, loss > CONGESTED);
        if loss > MUCH || (loss > CONGESTED && was_congested) {
            return self.full(now, (sent as f32 * (1.0 - loss)) as u64);
        }
        if self.is_unusual(loss) {
            return Word::Enough;
        }
        self.usual_loss += (loss - self.usual_loss) * USUAL_WEIGHT;
        self.judge(now)
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
        self.running
            .take_if(|_| loss > self.usual_loss + UNUSUAL)
            .is_some()
    }

    fn full(&mut self, now: i64, rate: u64) -> Word {
        (self.running, self.cut) = (None, Some(now));
        Word::Full(rate)
    }

    /// Whether what is said now is of before a cut, when that takes so long to be told.
    fn is_soon_behind(&self, cut: Option<i64>, now: i64, time: i64) -> bool {
        cut.is_some_and(|at| now - at < time + self.round_trip)
    }

    /// So many packets were asked for that had not been asked for before, when so many packets and bytes had been sent.
    pub(super) fn take_missing(&mut self, now: i64, missing: u64, packets: u64, bytes: u64) -> Word {
        let cut = self.nacks.cut;
        let begin = |was_much| Nacks {
            at: Some(now),
            packets,
            bytes,
            missing: 0,
            was_much,
            cut,
        };
        let is_old = self.is_soon_behind(cut, now, OLD_NACK_US);
        let Some(at) = self.nacks.at.filter(|at| now - at < WINDOW_US && !is_old) else {
            self.nacks = begin(false);
            return Word::Fine;
        };
        self.nacks.missing += missing;
        let (sent, passed) = (packets - self.nacks.packets, now - at);
        let loss = self.nacks.missing as f32 / sent.max(NACKED_PACKETS) as f32;
        if self.is_unusual(loss) {
            return Word::Enough;
        }
        if passed < NACKS_US || sent < NACKED_PACKETS {
            return Word::Fine;
        }
        let rate = (bytes - self.nacks.bytes) * 8 * 1_000_000 / passed.unsigned_abs();
        let is_full = loss > MOST_OF_IT || (loss > MUCH && self.nacks.was_much);
        self.nacks = begin(loss > MUCH);
        if !is_full {
            return Word::Fine;
        }
        self.nacks.cut = Some(now);
        self.full(now, (rate as f32 * (1.0 - loss).max(0.1)) as u64)
    }

    /// How much longer the way is than it was at its shortest, microseconds, as last told.
    pub(super) fn queue(&self) -> i64 {
        self.round_trip - self.shortest.unwrap_or(self.round_trip)
    }

    /// The round trip of a report, microseconds.
    pub(super) fn take_round_trip(&mut self, now: i64, round_trip: i64) -> Word {
        let known = self.shortest.map_or(round_trip, |known| known + known / 128);
        let shortest = round_trip.min(known);
        (self.shortest, self.round_trip) = (Some(shortest), round_trip);
        self.queued = match round_trip > shortest + QUEUE_US {
            true => self.queued.saturating_add(1),
            false => 0,
        };
        if self.queued >= QUEUED
            && let Some(sent) = self.sent()
        {
            self.queued = 0;
            return self.full(now, sent * 85 / 100);
        }
        if let Some(tried) = &mut self.running {
            tried.longest = tried.longest.max(round_trip);
        }
        let is_enough = self.queue() > TRIED_QUEUE_US;
        match self.running.take_if(|_| is_enough) {
            Some(_) => Word::Enough,
            None => Word::Fine,
        }
    }

    /// What came of a try.
    fn judge(&mut self, now: i64) -> Word {
        let Some(tried) = self.running else {
            return Word::Fine;
        };
        if now < tried.ends + ANSWER_US + self.round_trip {
            return Word::Fine;
        }
        self.running = None;
        // One who tells of an estimate, and does not raise it, has not seen it or does not want more.
        let is_raised = match (tried.remb, self.remb) {
            (Some(before), Some(remb)) => remb > before || remb >= tried.rate,
            _ => true,
        };
        let is_short = self
            .shortest
            .is_none_or(|shortest| tried.longest < shortest + STOOD_US);
        if is_raised && is_short && now - tried.ends < PATIENCE_US {
            Word::Shown(tried.rate)
        } else {
            Word::Fine
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: i64 = 1_000_000;

    /// Two seconds of so many bits per second behind what was sent before.
    fn send(line: &mut Reported, from: i64, bits: u64) -> i64 {
        let (_, before) = line.newest();
        for look in 1..=20 {
            line.look(from + look * LOOK_US, before + bits / 80 * look.unsigned_abs());
        }
        from + 2 * SECOND
    }

    #[test]
    fn an_estimate_that_only_follows_what_is_sent_is_none() {
        let mut line = Reported::default();
        assert_eq!(line.take_remb(0, 100_000), Word::Fine, "nothing was sent yet");
        let now = send(&mut line, 0, 400_000);
        assert_eq!(line.sent(), Some(400_000));
        for (remb, word) in [
            (200_000, Word::Fine),
            (216_000, Word::Fine),
            (600_000, Word::Fine),
            (340_000, Word::Busy),
            (370_000, Word::Fine),
            (300_000, Word::Full(300_000)),
        ] {
            assert_eq!(line.take_remb(now, remb), word, "{remb}");
        }
        // It stands: the viewer wants no more.
        for word in [Word::Fine, Word::Fine, Word::Full(340_000)] {
            assert_eq!(line.take_remb(now, 340_000), word);
        }
    }

    #[test]
    fn loss_and_queues_speak_against_a_rate() {
        let mut line = Reported::default();
        let now = send(&mut line, 0, 400_000);
        assert_eq!(line.take_loss(now, 0.05), Word::Fine);
        assert_eq!(line.take_loss(now, 0.5), Word::Full(200_000));
        assert_eq!(
            line.take_loss(now + SECOND, 0.5),
            Word::Fine,
            "it tells of before"
        );
        assert_eq!(line.take_loss(now + 2 * SECOND, 0.5), Word::Full(200_000));
        for (ms, word) in [
            (40, Word::Fine),
            (250, Word::Fine),
            (40, Word::Fine),
            (250, Word::Fine),
            (250, Word::Full(340_000)),
        ] {
            assert_eq!(line.take_round_trip(now, ms * 1000), word);
        }
    }

    #[test]
    fn a_try_is_answered_behind_its_end() {
        let mut line = Reported::default();
        assert!(!line.is_heard(0));
        let now = send(&mut line, 0, 400_000);
        for (loss, late, word) in [
            (0.0, 0, Word::Fine),
            (0.0, SECOND, Word::Shown(900_000)),
            (0.05, SECOND, Word::Shown(900_000)),
            (0.15, SECOND, Word::Enough),
            (0.0, 10 * SECOND, Word::Fine),
        ] {
            line.begin_try(900_000, now);
            assert_eq!(line.take_loss(now + late, loss), word);
            line.running = None;
        }
        // It has not raised its own estimate.
        line.take_remb(now, 400_000);
        line.begin_try(900_000, now);
        assert_eq!(line.take_remb(now + SECOND, 400_000), Word::Fine);
        line.begin_try(900_000, now);
        assert_eq!(line.take_remb(now + SECOND, 430_000), Word::Shown(900_000));
        // The way has become longer meanwhile.
        line.take_round_trip(now, 40_000);
        line.begin_try(900_000, now);
        line.take_round_trip(now, 130_000);
        assert_eq!(line.take_remb(now + SECOND, 460_000), Word::Fine);
        assert!(line.is_heard(now + SECOND) && !line.is_heard(now + SECOND + SILENT_US));
    }
}
