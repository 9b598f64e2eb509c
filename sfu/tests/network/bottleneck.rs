//! The narrowest place of a line: a rate that follows a plan, a queue, loss and delay.

use std::time::Duration;

use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};

/// How packets get lost, besides by a full queue.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Loss {
    None,
    /// Each by itself, of 1.
    Random(f64),
    /// Now and then, of 1, so many on average one after the other.
    Bursts(f64, f64),
}

#[derive(Clone, Debug)]
pub(crate) struct Bottleneck {
    /// From when on it carries how many bits per second, in order, the first from the beginning.
    pub(crate) plan: Vec<(Duration, u64)>,
    /// What may wait, as time; more is dropped.
    pub(crate) queue: Duration,
    /// One way, behind the queue; the same back.
    pub(crate) delay: Duration,
    /// Added at random.
    pub(crate) jitter: Duration,
    /// What is delayed more may be overtaken, as on a way of several paths.
    pub(crate) overtakes: bool,
    pub(crate) loss: Loss,
    /// Of what goes back, each by itself, of 1.
    pub(crate) loss_back: f64,
    /// From when to when nothing comes through, either way.
    pub(crate) outage: (Duration, Duration),
    pub(crate) random: SmallRng,
    pub(crate) is_losing: bool,
    pub(crate) free_at: Duration,
    pub(crate) last_arrival: Duration,
    /// When each packet came and how long it waited and was on the line.
    pub(crate) waits: Vec<(Duration, Duration)>,
    /// When packets were dropped by the full queue.
    pub(crate) dropped: Vec<Duration>,
}

impl Bottleneck {
    /// 20 ms each way, a queue of 300 ms.
    pub(crate) fn new(seed: u64, plan: &[(u64, u64)]) -> Bottleneck {
        let plan = plan
            .iter()
            .map(|(seconds, kbps)| (Duration::from_secs(*seconds), kbps * 1000));
        Bottleneck {
            plan: plan.collect(),
            queue: Duration::from_millis(300),
            delay: Duration::from_millis(20),
            jitter: Duration::ZERO,
            overtakes: false,
            loss: Loss::None,
            loss_back: 0.0,
            outage: (Duration::ZERO, Duration::ZERO),
            random: SmallRng::seed_from_u64(seed),
            is_losing: false,
            free_at: Duration::ZERO,
            last_arrival: Duration::ZERO,
            waits: Vec::new(),
            dropped: Vec::new(),
        }
    }

    /// A cell's rate as a phone moves: a walk of its logarithm every 100 ms between 300 kbps and 12 Mbps, and now and
    /// then nothing for a moment. 30 ms each way, a deep queue.
    pub(crate) fn mobile(seed: u64, seconds: u64) -> Bottleneck {
        let mut random = SmallRng::seed_from_u64(seed);
        let mut level = 3000f64.ln();
        let plan = (0..seconds * 10).map(|step| {
            // It comes back to its middle.
            level += (3000f64.ln() - level) * 0.01 + random.random_range(-0.16..0.16);
            level = level.clamp(300f64.ln(), 12_000f64.ln());
            let kbps = if random.random_bool(0.003) {
                30.0
            } else {
                level.exp()
            };
            (Duration::from_millis(step * 100), (kbps * 1000.0) as u64)
        });
        Bottleneck {
            plan: plan.collect(),
            delay: Duration::from_millis(30),
            jitter: Duration::from_millis(8),
            queue: Duration::from_millis(800),
            ..Bottleneck::new(seed, &[(0, 3000)])
        }
    }

    /// Bits per second at a time.
    pub(crate) fn rate(&self, at: Duration) -> u64 {
        let begun = self.plan.iter().rev().find(|(from, _)| *from <= at);
        begun.unwrap_or(&self.plan[0]).1
    }

    /// When so many bits that begin at a time have left.
    fn leaves(&self, mut at: Duration, mut bits: f64) -> Duration {
        loop {
            let rate = self.rate(at) as f64;
            let ends = self.plan.iter().map(|(from, _)| *from).find(|from| *from > at);
            let takes = Duration::from_secs_f64(bits / rate);
            match ends {
                Some(ends) if at + takes > ends => {
                    bits -= (ends - at).as_secs_f64() * rate;
                    at = ends;
                }
                _ => return at + takes,
            }
        }
    }

    /// How long it needs for so many bytes of a picture that begin at a time, with headers and sound beside.
    pub(crate) fn takes(&self, at: Duration, bytes: usize) -> Duration {
        let picture = bytes as f64 * 8.0 * 1.06;
        let mut takes = Duration::ZERO;
        // The longer it takes the more sound comes between.
        for _ in 0..4 {
            takes = self.leaves(at, picture + takes.as_secs_f64() * 60_000.0) - at;
        }
        takes
    }

    /// When a datagram that goes back comes out, if it does.
    pub(crate) fn pass_back(&mut self, now: Duration) -> Option<Duration> {
        let is_lost = self.loss_back > 0.0 && self.random.random_bool(self.loss_back);
        (!is_lost && !self.is_out(now)).then_some(now + self.delay)
    }

    fn is_out(&self, now: Duration) -> bool {
        (self.outage.0..self.outage.1).contains(&now)
    }

    /// When a datagram comes out, if it does.
    pub(crate) fn pass(&mut self, now: Duration, bytes: usize) -> Option<Duration> {
        if self.is_out(now) {
            return None;
        }
        let starts = self.free_at.max(now);
        if starts - now > self.queue {
            self.dropped.push(now);
            return None;
        }
        // IPv4 and UDP headers take their part of the line.
        let leaves = self.leaves(starts, (bytes + 28) as f64 * 8.0);
        self.free_at = leaves;
        self.waits.push((now, leaves - now));
        if self.loses() {
            return None;
        }
        let jitter = self.jitter.mul_f64(self.random.random());
        let arrival = leaves + self.delay + jitter;
        self.last_arrival = self.last_arrival.max(arrival);
        Some(if self.overtakes {
            arrival
        } else {
            self.last_arrival
        })
    }

    fn loses(&mut self) -> bool {
        match self.loss {
            Loss::None => false,
            Loss::Random(loss) => self.random.random_bool(loss),
            Loss::Bursts(loss, length) => {
                let ends = 1.0 / length;
                let begins = loss * ends / (1.0 - loss);
                let turns = self
                    .random
                    .random_bool(if self.is_losing { ends } else { begins });
                self.is_losing ^= turns;
                self.is_losing
            }
        }
    }
}
