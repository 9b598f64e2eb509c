//! A network that loses, delays, reorders, doubles and squeezes, as its seed says.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};

/// What one direction of a client's line does to packets.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Line {
    pub(crate) delay: Duration,
    /// Added at random, which reorders.
    pub(crate) jitter: Duration,
    /// Of 1.
    pub(crate) loss: f64,
    /// Of 1.
    pub(crate) doubled: f64,
    /// Bits per second; 0 is no limit.
    pub(crate) rate: u64,
    /// What may wait at the rate's bottleneck.
    pub(crate) queue: Duration,
    /// Packets leave together this often, as a pacer lets them.
    pub(crate) bursts: Duration,
    /// When the last of these was.
    pub(crate) burst_at: Option<Instant>,
    /// When the bottleneck is free.
    pub(crate) free_at: Option<Instant>,
}

impl Line {
    /// 20 ms, nothing lost.
    pub(crate) fn good() -> Line {
        Line {
            delay: Duration::from_millis(20),
            jitter: Duration::ZERO,
            loss: 0.0,
            doubled: 0.0,
            rate: 0,
            queue: Duration::from_millis(300),
            bursts: Duration::ZERO,
            burst_at: None,
            free_at: None,
        }
    }

    pub(crate) fn losing(loss: f64) -> Line {
        Line { loss, ..Line::good() }
    }

    pub(crate) fn with_rate(rate: u64) -> Line {
        Line { rate, ..Line::good() }
    }

    /// Nothing passes.
    pub(crate) fn cut() -> Line {
        Line::losing(1.0)
    }

    /// When a packet comes out, if it does.
    fn pass(&mut self, random: &mut SmallRng, now: Instant, bytes: usize) -> Option<Instant> {
        if random.random_bool(self.loss) {
            return None;
        }
        let mut leaves = now;
        // IPv4 and UDP headers take their part of the line.
        let bits = (bytes + 28) as u64 * 8;
        if let Some(nanos) = (bits * 1_000_000_000).checked_div(self.rate) {
            let starts = self.free_at.map_or(now, |free| free.max(now));
            if starts - now > self.queue {
                return None;
            }
            leaves = starts + Duration::from_nanos(nanos);
            self.free_at = Some(leaves);
            let burst = self.burst_at.filter(|burst| starts < *burst + self.bursts);
            if !self.bursts.is_zero() {
                leaves = burst.unwrap_or(starts).max(now);
                self.burst_at = Some(leaves);
            }
        }
        Some(leaves + self.delay + self.jitter.mul_f64(random.random()))
    }
}

/// A datagram on its way.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Datagram {
    pub(crate) at: Instant,
    /// Keeps the order of what arrives at once.
    number: u64,
    pub(crate) from: SocketAddr,
    pub(crate) to: SocketAddr,
    pub(crate) bytes: Vec<u8>,
}

pub(crate) struct Network {
    pub(crate) random: SmallRng,
    waiting: BinaryHeap<Reverse<Datagram>>,
    sent: u64,
}

impl Network {
    pub(crate) fn new(seed: u64) -> Network {
        Network {
            random: SmallRng::seed_from_u64(seed),
            waiting: BinaryHeap::new(),
            sent: 0,
        }
    }

    pub(crate) fn send(
        &mut self,
        now: Instant,
        line: &mut Line,
        from: SocketAddr,
        to: SocketAddr,
        bytes: &[u8],
    ) {
        let copies = 1 + usize::from(self.random.random_bool(line.doubled));
        for _ in 0..copies {
            let passed = line.pass(&mut self.random, now, bytes.len());
            if let Some(at) = passed {
                self.sent += 1;
                self.waiting.push(Reverse(Datagram {
                    at,
                    number: self.sent,
                    from,
                    to,
                    bytes: bytes.to_vec(),
                }));
            }
        }
    }

    /// Datagrams that somebody will get.
    pub(crate) fn on_the_way(&self, to: SocketAddr) -> impl Iterator<Item = &[u8]> {
        let waiting = self.waiting.iter().map(|Reverse(datagram)| datagram);
        waiting
            .filter(move |datagram| datagram.to == to)
            .map(|datagram| &*datagram.bytes)
    }

    pub(crate) fn next(&self) -> Option<Instant> {
        self.waiting.peek().map(|Reverse(datagram)| datagram.at)
    }

    pub(crate) fn receive(&mut self, now: Instant) -> Option<Datagram> {
        if self.next()? > now {
            return None;
        }
        self.waiting.pop().map(|Reverse(datagram)| datagram)
    }
}
