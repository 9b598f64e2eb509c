//! What one viewer's line carries: an estimate from transport-wide feedback in the manner of Google congestion control
//! (draft-ietf-rmcat-gcc-02 and what libwebrtc made of it), or from REMB or receiver reports where there is none.
//!
//! Packets that leave are numbered ([`flight`]). Feedback ([`feedback`]) gives each one's arrival, from which come
//! the waiting time ([`queue`]), whether it grows ([`groups`], [`trend`]), what the line has carried ([`carried`]),
//! how fast it brings what left together ([`train`]), what it loses ([`loss`]) and what a probe has shown
//! ([`cluster`]). [`rate`] makes the estimate of it. Who tells less is heard by [`reported`].
//!
//! A server sends one of a few layers, so it differs from a browser's sender in two ways: the estimate is no target
//! to be filled, it stays where it was as long as less is sent; and before it cuts, delay must not only have grown
//! but stand, for a cut that nothing called for costs a layer.

mod brief;
mod bursts;
mod carried;
mod cluster;
mod departures;
mod feedback;
mod flight;
mod groups;
mod late;
mod loss;
mod passage;
mod queue;
mod rate;
mod reported;
mod silence;
mod train;
mod trend;
mod untold;

use std::time::{Duration, Instant};

use carried::Carried;
use cluster::Cluster;
use feedback::TransportFeedback;
pub(crate) use feedback::is_transport_feedback;
pub use flight::Fate;
use flight::Flight;
use groups::Groups;
use loss::Loss;
use queue::Queue;
use rate::Rate;
pub use reported::Report;
use reported::Reported;
use train::Trains;
use trend::{Trend, Usage};
pub use untold::Trial;

/// Delay that every packet has, in microseconds, without which growing delay alone is jitter.
const STANDING_US: i64 = 15_000;
/// Delay that every packet has beyond which it need not grow to be too much.
const FULL_US: i64 = 80_000;
/// A line that would take longer than this for all that is on its way, at the rate at which it brings what left together,
/// is full before a queue has shown itself: a keyframe met a line that has narrowed.
const SWAMPED_US: i64 = 250_000;
/// The same of a line whose queue grows.
const SWAMPED_GROWING_US: i64 = 150_000;
/// A queue that has grown from one feedback to the next, twice, is no jitter where it grew by this much and by so many times
/// what packets come unevenly by: microseconds for both.
const GROWING_US: i64 = 25_000;
const UNEVEN: i64 = 2;
/// With more jitter than this a few packets do not show what the line brings.
const UNTOLD_JITTER_US: i64 = 10_000;
/// Between two cuts: the line must have time to show what the first one did. A round trip is added.
const CUT_INTERVAL_US: i64 = 200_000;
/// A line that carries less than this of the estimate, in percent, is cut at once: the last cut saw only the beginning.
const COLLAPSED: u64 = 70;
/// What a line carries falls to this part of what it did within half a second at most, in one cut.
const MOST_FALL: u64 = 5;
/// A queue shorter than this may be another's short burst, and its share of the line what is missing of ours: then what was
/// carried lately counts, less some percent. If it is the line it is longer with the next feedback.
const DEEP_US: i64 = 100_000;
const GENTLE: u64 = 95;
/// So long after a picture waited for the queue less comes because less is sent: a cut leaves this part, in percent, and is none
/// of a collapse.
const WAITED_US: i64 = 500_000;
const WAITED: u64 = 85;
/// A line is calm again this long after a cut.
const REST_US: i64 = 1_500_000;
/// And may have widened unseen after this.
const IDLE_US: i64 = 3_000_000;
/// Feedback comes every 50 to 250 ms (libwebrtc `TransportSequenceNumberFeedbackGenerator`); so much later than a
/// round trip, it is held up behind a queue or lost.
const LATE_US: i64 = 400_000;
/// However long the queue, half of the line is used while it drains. Microseconds of a second.
const MOST_DRAIN_US: i64 = 500_000;
/// So long what was shown of a line is believed to be so still.
const PROOF_US: i64 = 4_000_000;
/// Packets that feedback should have told of so many microseconds, and so many times the line's jitter, before it came are
/// held up on their way; where they are so many bytes, a large picture is. Smaller ones are late together now and then.
const HELD_UP_US: i64 = 10_000;
const HELD_UP_JITTERS: i64 = 2;
const LARGE: u64 = 20_000;
/// Nothing waits longer than this for the next feedback, microseconds.
const LONGEST_HOLD_US: i64 = 100_000;
/// Bytes that may be on their way before anything was answered: about a keyframe, a tenth of a second of a line of 4 Mbit/s. And
/// how long the answer is waited for, microseconds: it takes a round trip and 50 ms, and some viewers agree to answer and do not.
const FIRST_FLIGHT: u64 = 48 << 10;
const FIRST_ANSWER_US: i64 = 300_000;
/// What left so many microseconds before the newest packet that came, and has not come, is lost: others may overtake it on a way
/// of several paths or radios, by less.
const OVERTAKEN_US: i64 = 200_000;
/// The bytes of headers around a payload that are counted with it: RTP with the usual extensions.
const HEADER_BYTES: usize = 28;

/// One viewer's line.
#[derive(Debug)]
pub struct Bandwidth {
    epoch: Instant,
    rate: Rate,
    flight: Flight,
    groups: Groups,
    trend: Trend,
    queue: Queue,
    carried: Carried,
    trains: Trains,
    loss: Loss,
    cluster: Cluster,
    /// Microseconds; the shortest lately, `None` before feedback.
    round_trip: Option<i64>,
    last_cut: Option<i64>,
    /// When a picture last waited for the queue.
    waited: Option<i64>,
    probed: Option<i64>,
    /// When the estimate was last seen to be what the line carries, or close to it.
    proven: i64,
    /// When feedback last came, and when the newest packet that it told of had left.
    answered: i64,
    told: i64,
    has_transport_feedback: bool,
    /// What the line was believed to carry before it fell silent, while it is.
    before_silence: Option<u64>,
    has_returned: bool,
    /// What is believed of a line of which nothing is known, bits per second.
    initial: u64,
    /// When packets last left, and the same in microseconds: all that are written in one go leave at once.
    moment: (Instant, i64),
    /// A large picture is held up on its way, and until when that counts.
    held_until: Option<i64>,
    /// What a viewer says who gives no transport-wide feedback.
    reported: Option<Box<Reported>>,
}

impl Bandwidth {
    /// A line of which nothing is known but a guess in bits per second.
    pub fn new(now: Instant, initial: u64) -> Bandwidth {
        Bandwidth {
            epoch: now,
            rate: Rate::new(initial),
            flight: Flight::new(),
            groups: Groups::default(),
            trend: Trend::new(),
            queue: Queue::default(),
            carried: Carried::default(),
            trains: Trains::default(),
            loss: Loss::default(),
            cluster: Cluster::default(),
            round_trip: None,
            last_cut: None,
            waited: None,
            probed: None,
            proven: 0,
            answered: 0,
            told: 0,
            has_transport_feedback: false,
            before_silence: None,
            has_returned: false,
            initial,
            moment: (now, 0),
            held_until: None,
            reported: None,
        }
    }

    /// Bits per second the line is believed to carry, RTP headers included, what is below them not.
    pub fn estimate(&self) -> u64 {
        self.rate.estimate()
    }

    /// Whether the viewer tells of each packet.
    pub fn has_transport_feedback(&self) -> bool {
        self.has_transport_feedback
    }

    /// Whether nothing speaks against trying more.
    pub fn is_calm(&self, now: Instant) -> bool {
        let now = self.micros(now);
        let rested = self.last_cut.is_none_or(|at| now - at > REST_US);
        rested && self.queue.unusual() < STANDING_US && self.loss.is_calm() && !self.is_unanswered(now)
    }

    /// Whether the line has not been full for longer than it takes it to be calm again: it may have widened.
    pub fn is_idle(&self, now: Instant) -> bool {
        let now = self.micros(now);
        self.last_cut.is_none_or(|at| now - at > IDLE_US)
    }

    /// Whether the line has shown lately that it carries about the estimate: a line that is used little may have narrowed
    /// unseen. True where nothing can be shown.
    pub fn is_proven(&self, now: Instant) -> bool {
        !self.has_transport_feedback || self.micros(now) - self.proven < PROOF_US
    }

    /// What the line carries, where it has shown its limit lately, less what lets its queue drain within a second:
    /// bits per second.
    pub fn limit(&self, now: Instant) -> Option<u64> {
        self.limit_for(now, self.standing(now))
    }

    /// The same for what leaves behind all that is on its way, the [`Bandwidth::backlog`] of this moment: a queue that was
    /// told may have drained since.
    pub fn limit_behind(&self, now: Instant, backlog: Duration) -> Option<u64> {
        let waits = i64::try_from(backlog.as_micros()).unwrap_or(i64::MAX);
        self.limit_for(now, self.standing(now).min(waits))
    }

    /// How long every packet waits, microseconds, by what tells it best.
    fn standing(&self, now: Instant) -> i64 {
        let reported = self.reported.as_ref();
        reported.map_or_else(
            || self.queue.standing(),
            |reported| reported.queue(self.micros(now)),
        )
    }

    fn limit_for(&self, now: Instant, queue: i64) -> Option<u64> {
        let is_told = self.has_transport_feedback || self.reported.is_some();
        let has_limit = is_told && !self.is_calm(now);
        let drain = queue.clamp(0, MOST_DRAIN_US).unsigned_abs();
        has_limit.then(|| self.estimate() * (1_000_000 - drain) / 1_000_000)
    }

    /// Whether a large picture is held up on its way to somebody whose line has not shown a limit yet. The next feedback
    /// tells more, and what is sent until then would only make the queue longer.
    pub fn is_held_up(&self, now: Instant) -> bool {
        self.held_until.is_some_and(|until| self.micros(now) < until) && self.is_calm(now)
    }

    /// Whether so much has left that only the first feedback can tell whether there is room for more.
    pub fn awaits_answer(&self, now: Instant) -> bool {
        let is_much = self.trains.rate().is_none() && self.flight.bytes() >= FIRST_FLIGHT;
        is_much && self.flight.age(self.micros(now)) < FIRST_ANSWER_US
    }

    /// How long what is on its way will wait at the narrowest place, by what the line carries now. Nothing where nothing tells it.
    pub fn backlog(&self, now: Instant) -> Duration {
        if let Some(reported) = &self.reported {
            return Duration::from_micros(reported.queue(self.micros(now)).unsigned_abs());
        }
        // What has come since it was last told.
        let since = (self.micros(now) - self.answered).clamp(0, LATE_US);
        let waits = (self.takes(self.carries()) - since).max(0).unsigned_abs();
        Duration::from_micros(if self.has_transport_feedback { waits } else { 0 })
    }

    /// Bits per second that a line with a queue carries now.
    pub fn carries(&self) -> u64 {
        if let Some(reported) = &self.reported {
            return reported.carries().unwrap_or(self.estimate());
        }
        // The last moments of a line that has just narrowed are partly those of a wide one.
        self.carried.latest().min(self.trains.rate().unwrap_or(u64::MAX))
    }

    /// Microseconds that all that was on its way at the last answer takes on a line of so many bits per second, beyond what
    /// a round trip of it is.
    fn takes(&self, carried: u64) -> i64 {
        let takes = self.flight.bytes() * 8 * 1_000_000 / carried.max(rate::LEAST);
        i64::try_from(takes).unwrap_or(i64::MAX) - self.round_trip.unwrap_or_default()
    }

    /// Bits per second at which the line has brought what left together; `None` while nothing has shown it.
    pub fn brings(&self) -> Option<u64> {
        self.trains.rate()
    }

    /// Bits per second that have come over the last half second.
    pub fn carried(&self) -> u64 {
        let reported = self.reported.as_ref().and_then(|reported| reported.came());
        reported.unwrap_or(self.carried.rate())
    }

    /// How much later packets come than the earliest sent with them, on average.
    pub fn jitter(&self) -> Duration {
        Duration::from_micros(self.queue.jitter().unsigned_abs())
    }

    /// How long every packet waits on its way.
    pub fn queueing(&self) -> Duration {
        Duration::from_micros(self.queue.standing().unsigned_abs())
    }

    /// Fraction of packets that were lost over the last seconds, 0 to 1.
    pub fn loss(&self) -> f32 {
        self.loss.fraction()
    }

    /// The transport-wide sequence number of a packet that leaves now with so many bytes of payload.
    pub fn number(&mut self, now: Instant, bytes: usize) -> u16 {
        if self.moment.0 != now {
            self.moment = (now, self.micros(now));
        }
        let (at, bytes) = (self.moment.1, bytes + HEADER_BYTES);
        let cluster = self.cluster.sent(at, bytes);
        self.flight.push(at, bytes, cluster)
    }

    /// A number of the packet that left last, by which [`Bandwidth::fate`] is told.
    pub fn newest(&self) -> Option<u64> {
        self.flight.newest()
    }

    /// What has become of a packet, by the viewer's feedback.
    pub fn fate(&self, number: u64) -> Fate {
        self.flight.fate(number)
    }

    /// The 24-bit abs-send-time of a packet that leaves now (6.18 fixed point seconds).
    pub fn send_time(&self, now: Instant) -> [u8; 3] {
        let passed = now.saturating_duration_since(self.epoch).as_nanos();
        let units = ((passed << 18) / 1_000_000_000) as u32;
        let [_, bytes @ ..] = units.to_be_bytes();
        bytes
    }

    /// Takes one RTCP packet of transport-wide feedback; anything else is passed over.
    pub fn handle_transport_feedback(&mut self, now: Instant, packet: &[u8]) {
        let now = self.micros(now);
        let Some(feedback) = TransportFeedback::parse(packet) else {
            return;
        };
        let Some(base) = self.flight.unroll(feedback.base) else {
            return;
        };
        let mut newest = None;
        for (place, arrival) in feedback.statuses() {
            // One that has not come may have been overtaken.
            let Some(arrival) = arrival else { continue };
            let number = base + u64::from(place);
            let Some(sent) = self.flight.take(now, number) else {
                continue;
            };
            newest = Some((number, sent.at));
            self.queue.take(sent.at, arrival);
            self.carried.add(arrival, sent.bytes);
            self.trains.add(sent.at, arrival, sent.bytes);
            self.cluster.came(sent.cluster, arrival, sent.bytes);
            if let Some(step) = self.groups.add(sent.at, arrival) {
                self.trend.add(step);
            }
        }
        let Some((number, sent_at)) = newest else {
            return;
        };
        self.has_transport_feedback = true;
        self.reported = None;
        self.told = sent_at;
        let silence = now - std::mem::replace(&mut self.answered, now);
        self.flight.settle(number);
        self.queue.finish(now);
        self.end_silence(now, sent_at, silence);
        let (came, lost) = self.flight.judge(now, sent_at - OVERTAKEN_US);
        self.loss.count(came, lost);
        let round_trip = now - sent_at;
        // The shortest, forgotten slowly.
        let known = self.round_trip.map_or(round_trip, |known| known + known / 128);
        self.round_trip = Some(round_trip.min(known));
        self.adapt(now, sent_at);
        self.look_for_held_up(now);
    }

    /// Packets of a large picture that feedback should have told of by now wait somewhere: what follows would, too.
    fn look_for_held_up(&mut self, now: i64) {
        let round_trip = self.round_trip.unwrap_or_default();
        let late = round_trip + HELD_UP_US + HELD_UP_JITTERS * self.queue.jitter();
        let is_held_up = self.flight.bytes_older_than(now, late) >= LARGE && !self.cluster.is_pending();
        self.held_until = is_held_up.then_some(now + LONGEST_HOLD_US);
    }

    fn adapt(&mut self, now: i64, answered: i64) {
        let probed = self.cluster.judge(answered, self.queue.blur());
        let standing = self.queue.standing();
        let swamped = self.swamped();
        let is_full = match self.trend.usage() {
            _ if swamped.is_some() => true,
            // A probe makes a queue of its own.
            Usage::Over => self.queue.unusual() > STANDING_US && !self.cluster.is_pending(),
            Usage::Normal => standing > FULL_US,
            // It drains.
            Usage::Under => false,
        };
        if let Some(probed) = probed {
            self.probed = Some(now);
            self.rate.probed(now, probed);
            self.trains.probed(now, probed);
        } else if is_full && self.may_cut(now) {
            self.last_cut = Some(now);
            // A moment without packets is not a line without room.
            let lately = self.carried.rate();
            let least = if standing < DEEP_US {
                lately * GENTLE / 100
            } else {
                lately / MOST_FALL
            };
            let least = if self.has_waited(now) {
                least.max(self.estimate() * WAITED / 100)
            } else {
                least
            };
            let carried = swamped.unwrap_or(self.carried.latest().max(least));
            self.trains.limit(now, carried);
            self.rate.decrease(now, carried, standing);
        } else if !is_full && self.queue.unusual() < STANDING_US && self.loss.is_calm() {
            let round_trip = self.round_trip.unwrap_or_default();
            self.rate.increase(now, self.carried.rate(), round_trip);
        }
        if probed.is_some() || self.rate.is_supported_by(self.carried.rate()) {
            self.proven = now;
        }
        // What is sent is what comes and what is lost.
        let carried = self.carried.rate();
        let sent = (carried as f32 / (1.0 - self.loss.fraction()).max(0.1)) as u64;
        if self.loss.is_congestion(now, sent) {
            self.last_cut = Some(now);
            self.rate.limit(now, carried);
        }
    }

    /// What the line brings now, where that is much too little for what is on its way: by a train of packets that is held
    /// up, or by what comes at all while the queue grows.
    fn swamped(&self) -> Option<u64> {
        // A probe is a train and makes a queue of its own.
        if self.cluster.is_pending() {
            return None;
        }
        let is_told = self.queue.jitter() <= UNTOLD_JITTER_US;
        let by_train = self.trains.latest().filter(|_| is_told);
        let grows = self.queue.growth() > GROWING_US + UNEVEN * self.queue.unevenness();
        let by_growth = grows.then(|| self.carried.latest());
        let is_swamped = |&(brings, most): &(u64, i64)| {
            brings < self.estimate() * COLLAPSED / 100 && self.takes(brings) > most
        };
        let found = [
            by_train.map(|brings| (brings, SWAMPED_US)),
            by_growth.map(|brings| (brings, SWAMPED_GROWING_US)),
        ];
        found
            .into_iter()
            .flatten()
            .find(is_swamped)
            .map(|(brings, _)| brings)
    }

    /// Whether less comes because less is sent.
    fn has_waited(&self, now: i64) -> bool {
        self.waited.is_some_and(|at| now - at < WAITED_US)
    }

    fn may_cut(&self, now: i64) -> bool {
        let interval = CUT_INTERVAL_US + self.round_trip.unwrap_or_default();
        let is_over = |at: Option<i64>| at.is_none_or(|at| now - at >= interval);
        let has_collapsed =
            !self.has_waited(now) && self.carried.latest() < self.estimate() * COLLAPSED / 100;
        // What a probe or a burst has piled up must have time to drain, too.
        is_over(self.probed) && (is_over(self.last_cut) || has_collapsed)
    }

    fn micros(&self, now: Instant) -> i64 {
        now.saturating_duration_since(self.epoch).as_micros() as i64
    }
}

#[cfg(test)]
mod tests;
