//! What one viewer's line carries: an estimate from transport-wide feedback, REMB or receiver reports.
//!
//! A first version. Queueing delay above the shortest one-way delay seen lately says that the line is full, loss
//! says so too; otherwise the estimate follows what the line has shown that it carries, and a little more.

mod arrivals;

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use rtc_rtcp::transport_feedbacks::transport_layer_cc::TransportLayerCc;

use arrivals::for_each_status;

/// Packets in flight that are remembered: a second and more of 10 Mbps.
const MAX_IN_FLIGHT: usize = 1024;
/// No line is believed to carry less (bits per second): sound and a thumbnail.
const LEAST: u64 = 60_000;
/// Nor more than is of use.
const MOST: u64 = 50_000_000;
/// Queueing delay that is still no sign of a full line: jitter of Wi-Fi and of the sender's own batches.
const QUEUE_FULL: i64 = 80_000;
const QUEUE_EMPTY: i64 = 30_000;
/// How long the shortest delay counts.
const BASE_WINDOW: Duration = Duration::from_secs(10);
/// Between two decreases: the line must have time to show what the first one did.
const DECREASE_INTERVAL: Duration = Duration::from_millis(300);
/// The window over which the carried rate is measured.
const RATE_WINDOW: Duration = Duration::from_millis(500);
/// Feedback missing for this long while packets leave means the worst.
const SILENCE: Duration = Duration::from_secs(2);

#[derive(Clone, Copy, Debug)]
struct Sent {
    number: u64,
    at: Instant,
    bytes: u32,
}

/// One viewer's line.
#[derive(Debug)]
pub struct Bandwidth {
    epoch: Instant,
    estimate: u64,
    next_number: u64,
    in_flight: VecDeque<Sent>,
    /// When packets left and how many bytes of them the viewer has confirmed, over [`RATE_WINDOW`].
    carried: VecDeque<(Instant, u32)>,
    carried_bytes: u64,
    /// Shortest arrival less departure in microseconds, in this and in the window before.
    base: Option<[i64; 2]>,
    base_since: Instant,
    queue: i64,
    last_decrease: Option<Instant>,
    last_feedback: Option<Instant>,
    oldest_unanswered: Option<Instant>,
    has_transport_feedback: bool,
    loss: f32,
}

impl Bandwidth {
    /// A line of which nothing is known but a guess in bits per second.
    pub fn new(now: Instant, initial: u64) -> Bandwidth {
        Bandwidth {
            epoch: now,
            estimate: initial.clamp(LEAST, MOST),
            next_number: 0,
            in_flight: VecDeque::new(),
            carried: VecDeque::new(),
            carried_bytes: 0,
            base: None,
            base_since: now,
            queue: 0,
            last_decrease: None,
            last_feedback: None,
            oldest_unanswered: None,
            has_transport_feedback: false,
            loss: 0.0,
        }
    }

    /// Bits per second the line is believed to carry.
    pub fn estimate(&self) -> u64 {
        self.estimate
    }

    /// Whether the viewer sends transport-wide feedback, without which probing shows nothing.
    pub fn can_probe(&self) -> bool {
        self.has_transport_feedback
    }

    /// Whether nothing speaks against trying more.
    pub fn is_calm(&self, now: Instant) -> bool {
        let rested = self
            .last_decrease
            .is_none_or(|at| now.saturating_duration_since(at) > Duration::from_secs(3));
        rested && self.queue < QUEUE_EMPTY && self.loss < 0.05
    }

    /// The transport-wide sequence number of a packet that leaves now.
    pub fn number(&mut self, now: Instant, bytes: usize) -> u16 {
        let number = self.next_number;
        self.next_number += 1;
        if self.in_flight.len() >= MAX_IN_FLIGHT {
            self.in_flight.pop_front();
        }
        self.in_flight.push_back(Sent {
            number,
            at: now,
            bytes: u32::try_from(bytes).unwrap_or(u32::MAX),
        });
        self.oldest_unanswered.get_or_insert(now);
        number as u16
    }

    /// The 24-bit abs-send-time of a packet that leaves now (6.18 fixed point seconds).
    pub fn send_time(&self, now: Instant) -> [u8; 3] {
        let passed = now.saturating_duration_since(self.epoch).as_nanos();
        let units = ((passed << 18) / 1_000_000_000) as u32;
        let [_, bytes @ ..] = units.to_be_bytes();
        bytes
    }

    /// Takes transport-wide feedback.
    pub fn handle_transport_feedback(&mut self, now: Instant, feedback: &TransportLayerCc) {
        let Some(newest) = self.next_number.checked_sub(1) else {
            return;
        };
        self.has_transport_feedback = true;
        self.last_feedback = Some(now);
        let behind = (newest as u16).wrapping_sub(feedback.base_sequence_number);
        let Some(base) = newest.checked_sub(u64::from(behind)) else {
            return;
        };
        let (mut acknowledged, mut lost, mut delays, mut measured) = (0u32, 0u32, 0i64, 0i64);
        let mut last = base;
        for_each_status(feedback, |offset, arrival| {
            let number = base + u64::from(offset);
            last = number;
            let Some(sent) = self.take_sent(number) else {
                return;
            };
            let Some(arrival) = arrival else {
                lost += 1;
                return;
            };
            acknowledged += 1;
            self.carried.push_back((sent.at, sent.bytes));
            self.carried_bytes += u64::from(sent.bytes);
            let departure = sent.at.saturating_duration_since(self.epoch).as_micros() as i64;
            delays += self.queueing(now, arrival - departure);
            measured += 1;
        });
        self.in_flight.retain(|sent| sent.number > last);
        self.oldest_unanswered = self.in_flight.front().map(|sent| sent.at);
        if acknowledged + lost == 0 {
            return;
        }
        if measured > 0 {
            self.queue = delays / measured;
        }
        let loss = lost as f32 / (acknowledged + lost) as f32;
        self.loss = self.loss * 0.8 + loss * 0.2;
        let rate = self.carried_rate();
        self.adapt(now, rate);
    }

    fn take_sent(&self, number: u64) -> Option<Sent> {
        let first = self.in_flight.front()?.number;
        let place = usize::try_from(number.checked_sub(first)?).ok()?;
        self.in_flight
            .get(place)
            .copied()
            .filter(|sent| sent.number == number)
    }

    /// Microseconds above the shortest way seen lately.
    fn queueing(&mut self, now: Instant, delay: i64) -> i64 {
        if now.saturating_duration_since(self.base_since) > BASE_WINDOW {
            self.base_since = now;
            self.base = self.base.map(|[current, _]| [delay, current]);
        }
        let [current, before] = self.base.unwrap_or([delay, delay]);
        let current = current.min(delay);
        self.base = Some([current, before]);
        delay - current.min(before)
    }

    /// Bits per second confirmed, over the last half second of departures.
    fn carried_rate(&mut self) -> u64 {
        let Some(&(newest, _)) = self.carried.back() else {
            return 0;
        };
        while let Some(&(at, bytes)) = self.carried.front()
            && newest.saturating_duration_since(at) > RATE_WINDOW
        {
            self.carried.pop_front();
            self.carried_bytes -= u64::from(bytes);
        }
        self.carried_bytes * 8 * 1000 / RATE_WINDOW.as_millis() as u64
    }

    fn adapt(&mut self, now: Instant, rate: u64) {
        if self.queue > QUEUE_FULL || self.loss > 0.1 {
            let is_new = self
                .last_decrease
                .is_none_or(|at| now.saturating_duration_since(at) >= DECREASE_INTERVAL);
            if is_new {
                self.last_decrease = Some(now);
                let by_delay = if self.queue > QUEUE_FULL {
                    rate * 85 / 100
                } else {
                    u64::MAX
                };
                let by_loss = (self.estimate as f32 * (1.0 - 0.5 * self.loss)) as u64;
                self.set(self.estimate.min(by_delay).min(by_loss));
            }
        } else if self.queue < QUEUE_EMPTY && self.loss < 0.02 {
            // What was carried without a queue can be carried; a tenth more is worth trying.
            self.set(self.estimate.max(rate * 110 / 100));
        }
    }

    /// Takes the viewer's own estimate (REMB). Where there is transport-wide feedback that knows better.
    pub fn handle_remb(&mut self, now: Instant, bitrate: u64) {
        self.last_feedback = Some(now);
        if !self.has_transport_feedback {
            self.set(bitrate);
        }
    }

    /// Takes the loss of a receiver report, in 256ths, when there is nothing better.
    pub fn handle_loss(&mut self, now: Instant, fraction: u8) {
        self.last_feedback = Some(now);
        if self.has_transport_feedback {
            return;
        }
        let loss = f32::from(fraction) / 256.0;
        self.loss = loss;
        if loss > 0.1 {
            self.last_decrease = Some(now);
            self.set((self.estimate as f32 * (1.0 - 0.5 * loss)) as u64);
        } else if loss < 0.02 {
            self.set(self.estimate * 105 / 100);
        }
    }

    /// Lets time pass: a line that answers nothing carries nothing.
    pub fn handle_time(&mut self, now: Instant) {
        let unanswered = self
            .oldest_unanswered
            .is_some_and(|at| now.saturating_duration_since(at) > SILENCE);
        let silent = self
            .last_feedback
            .is_some_and(|at| now.saturating_duration_since(at) > SILENCE);
        if self.has_transport_feedback && unanswered && silent {
            self.last_feedback = Some(now);
            self.last_decrease = Some(now);
            self.set(self.estimate / 2);
        }
    }

    fn set(&mut self, estimate: u64) {
        self.estimate = estimate.clamp(LEAST, MOST);
    }
}

#[cfg(test)]
mod tests;
