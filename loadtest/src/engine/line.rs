//! A bad line, made inside the client: rate with a queue, delay, jitter, loss in bursts, duplicates, disorder. One seed
//! decides.

use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use crate::crowd::Network;

/// IP and UDP headers: the line carries them, too.
const OVERHEAD: usize = 28;
/// What is to be overtaken waits so much longer: some packets of any picture that moves.
const HELD_BACK: Duration = Duration::from_millis(25);

/// What the line does with a datagram.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    /// Lost on the way.
    Lost,
    /// The queue in front of the line was full.
    Overflowed,
    /// It arrives then, and a second time when there is a second time.
    Arrives(Instant, Option<Instant>),
    /// It arrives then, when others have overtaken it.
    Overtaken(Instant),
}

/// Both directions of one viewer's line. The rate holds for what comes in; what goes out is thin.
pub(super) struct Line {
    down: Way,
    up: Way,
}

impl Line {
    /// The line of one viewer; `None` for a perfect one.
    pub(super) fn new(network: &Network, viewer: u64, now: Instant) -> Option<Line> {
        let is_perfect = network.rate_kbps.is_none()
            && network.delay_ms == 0
            && network.jitter_ms == 0
            && network.loss <= 0.0
            && network.duplicates <= 0.0
            && network.reorder <= 0.0;
        let queue_ms = match network.queue_ms {
            0 => Network::QUEUE_MS,
            ms => ms,
        };
        let way = |salt: u64, rate_kbps: Option<u32>| {
            let seed = network.seed ^ viewer.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ salt;
            Way {
                random: StdRng::seed_from_u64(seed),
                rate: rate_kbps.map(|kbps| f64::from(kbps) * 1000.0 / 8.0),
                queue: Duration::from_millis(queue_ms.into()),
                delay: Duration::from_millis(network.delay_ms.into()),
                jitter_us: u64::from(network.jitter_ms) * 1000,
                loss: network.loss.clamp(0.0, 1.0),
                burst: network.burst.max(1.0),
                duplicates: network.duplicates.clamp(0.0, 1.0),
                reorder: network.reorder.clamp(0.0, 1.0),
                is_bad: false,
                free: now,
                last: now,
            }
        };
        (!is_perfect).then(|| Line {
            down: way(1, network.rate_kbps),
            up: way(2, None),
        })
    }

    /// A datagram for the viewer.
    pub(super) fn down(&mut self, now: Instant, len: usize) -> Fate {
        self.down.carry(now, len, true)
    }

    /// A datagram of the viewer's.
    pub(super) fn up(&mut self, now: Instant, len: usize) -> Fate {
        self.up.carry(now, len, false)
    }
}

struct Way {
    random: StdRng,
    /// Bytes per second.
    rate: Option<f64>,
    queue: Duration,
    delay: Duration,
    jitter_us: u64,
    loss: f64,
    burst: f64,
    duplicates: f64,
    reorder: f64,
    /// The bad one of the two states of Gilbert's model: everything is lost.
    is_bad: bool,
    /// When the last datagram in the queue has left it.
    free: Instant,
    /// When the last one arrives that is not held back: jitter delays, it does not reorder.
    last: Instant,
}

impl Way {
    fn carry(&mut self, now: Instant, len: usize, may_be_overtaken: bool) -> Fate {
        if self.is_lost() {
            return Fate::Lost;
        }
        let mut leaves = now;
        if let Some(rate) = self.rate {
            let begins = self.free.max(now);
            if begins.saturating_duration_since(now) > self.queue {
                return Fate::Overflowed;
            }
            leaves = begins + Duration::from_secs_f64((len + OVERHEAD) as f64 / rate.max(1.0));
            self.free = leaves;
        }
        if may_be_overtaken && self.reorder > 0.0 && self.random.random_bool(self.reorder) {
            return Fate::Overtaken(self.last.max(leaves + self.delay) + HELD_BACK);
        }
        let arrives = self.arrival(leaves);
        let again = self.duplicates > 0.0 && self.random.random_bool(self.duplicates);
        let again = again.then(|| self.arrival(leaves));
        Fate::Arrives(arrives, again)
    }

    fn arrival(&mut self, leaves: Instant) -> Instant {
        let jitter = match self.jitter_us {
            0 => 0,
            most => self.random.random_range(0..=most),
        };
        self.last = self.last.max(leaves + self.delay + Duration::from_micros(jitter));
        self.last
    }

    /// Gilbert's model: `loss` of all datagrams, in bursts of `burst` on average.
    fn is_lost(&mut self) -> bool {
        if self.loss <= 0.0 {
            return false;
        }
        if self.burst <= 1.0 || self.loss >= 1.0 {
            return self.random.random_bool(self.loss);
        }
        let change = if self.is_bad {
            1.0 / self.burst
        } else {
            self.loss / (self.burst * (1.0 - self.loss))
        };
        self.is_bad ^= self.random.random_bool(change.clamp(0.0, 1.0));
        self.is_bad
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn network() -> Network {
        Network {
            rate_kbps: None,
            queue_ms: 200,
            delay_ms: 0,
            jitter_ms: 0,
            loss: 0.0,
            burst: 1.0,
            duplicates: 0.0,
            reorder: 0.0,
            seed: 5,
        }
    }

    fn fates(network: &Network, count: u32, every: Duration) -> Vec<(Instant, Fate)> {
        let begin = Instant::now();
        let mut line = Line::new(network, 3, begin).unwrap();
        let sent = (0..count).map(|n| begin + every * n);
        sent.map(|at| (at, line.down(at, 1172))).collect()
    }

    fn share(fates: &[(Instant, Fate)], fate: Fate) -> f64 {
        fates.iter().filter(|(_, f)| *f == fate).count() as f64 / fates.len() as f64
    }

    #[test]
    fn a_perfect_line_is_none() {
        assert!(Line::new(&network(), 1, Instant::now()).is_none());
    }

    #[test]
    fn loss_is_as_asked_alone_and_in_bursts() {
        for burst in [1.0, 4.0] {
            let fates = fates(
                &Network {
                    loss: 0.05,
                    burst,
                    ..network()
                },
                200_000,
                MS,
            );
            let lost = share(&fates, Fate::Lost);
            assert!((lost - 0.05).abs() < 0.005, "{lost}");
            let bursts = fates
                .windows(2)
                .filter(|w| w[0].1 != Fate::Lost && w[1].1 == Fate::Lost)
                .count();
            let mean = lost * 200_000.0 / bursts as f64;
            assert!((mean - burst).abs() < 0.2 * burst, "bursts of {mean}");
        }
    }

    #[test]
    fn a_thin_line_queues_and_then_overflows() {
        // 1,200 bytes take 12 ms at 800 kbit/s and come every 6 ms.
        let thin = Network {
            rate_kbps: Some(800),
            // The usual one.
            queue_ms: 0,
            delay_ms: 20,
            ..network()
        };
        let fates = fates(&thin, 1000, 6 * MS);
        let Fate::Arrives(first, None) = fates[0].1 else {
            panic!("{:?}", fates[0])
        };
        assert_eq!(first - fates[0].0, 32 * MS);
        let overflowed = share(&fates, Fate::Overflowed);
        assert!((overflowed - 0.5).abs() < 0.03, "{overflowed}");
        let longest = fates.iter().filter_map(|(sent, fate)| match fate {
            Fate::Arrives(at, _) => Some(*at - *sent),
            _ => None,
        });
        let longest = longest.max().unwrap();
        assert!(longest > 220 * MS && longest <= 232 * MS, "{longest:?}");
    }

    #[test]
    fn as_many_are_overtaken_as_asked_and_the_others_keep_their_order() {
        let bad = Network {
            delay_ms: 10,
            reorder: 0.05,
            ..network()
        };
        let fates = fates(&bad, 20_000, MS);
        let mut overtaken = 0;
        for (sent, fate) in fates {
            match fate {
                Fate::Arrives(at, None) => assert_eq!(at, sent + 10 * MS),
                Fate::Overtaken(at) => {
                    assert_eq!(at, sent + 10 * MS + HELD_BACK);
                    overtaken += 1;
                }
                other => panic!("{other:?}"),
            }
        }
        assert!((900..1100).contains(&overtaken), "{overtaken}");
    }

    #[test]
    fn jitter_delays_without_reordering_and_a_seed_decides() {
        let bad = Network {
            delay_ms: 10,
            jitter_ms: 30,
            duplicates: 0.1,
            ..network()
        };
        let fates = fates(&bad, 10_000, MS);
        let mut last = fates[0].0;
        let mut twice = 0;
        for (sent, fate) in &fates {
            let Fate::Arrives(at, again) = *fate else {
                panic!("{fate:?}")
            };
            assert!(at >= last && at >= *sent + 10 * MS);
            last = again.unwrap_or(at);
            twice += usize::from(again.is_some());
        }
        assert!((900..1100).contains(&twice), "{twice}");
        let begin = Instant::now();
        let run = |viewer| {
            let mut line = Line::new(&bad, viewer, begin).unwrap();
            (0..100)
                .map(|n| line.down(begin + MS * n, 100))
                .collect::<Vec<_>>()
        };
        assert_eq!(run(1), run(1));
        assert_ne!(run(1), run(2));
    }
}
