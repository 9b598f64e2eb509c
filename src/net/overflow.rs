//! What happens when the kernel takes no more: of a picture the newest packets are dropped, and what must not be lost
//! waits for room.

use std::collections::VecDeque;

use sfu::transport::{Remote, Run};

/// Bytes that wait while the kernel is full: sound, reports and messages of a thousand viewers for a tenth of a second,
/// after which they are worth nothing either.
const MAX_WAITING_BYTES: usize = 2 << 20;

/// What the kernel did with a run it was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Handed {
    /// It took it.
    Taken,
    /// It is full; so many bytes of the run left.
    Full(usize),
    /// It refuses what is left of the run; so many bytes of it left.
    Refused(usize),
}

/// Datagrams that were not sent; only ever grows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Lost {
    /// Because the kernel was full.
    pub full: u64,
    /// For another reason.
    pub refused: u64,
    /// Datagrams that were sent late because the kernel was full.
    pub waited: u64,
}

/// What waits for room, oldest first.
#[derive(Debug, Default)]
pub(super) struct Overflow {
    waiting: VecDeque<Waiting>,
    bytes: usize,
    lost: Lost,
}

#[derive(Debug)]
struct Waiting {
    to: Remote,
    segment: usize,
    bytes: Vec<u8>,
}

impl Overflow {
    /// Whether something waits.
    pub(super) fn is_waiting(&self) -> bool {
        !self.waiting.is_empty()
    }

    pub(super) fn lost(&self) -> Lost {
        self.lost
    }

    /// Sends what waits, then these runs. `hand_over` gives the kernel one.
    pub(super) fn send<'r>(
        &mut self,
        runs: impl Iterator<Item = Run<'r>>,
        mut hand_over: impl FnMut(&Run<'_>) -> Handed,
    ) {
        let mut is_full = self.send_waiting(&mut hand_over);
        for run in runs {
            // Once it is full nobody asks again in this turn: what could not leave is the newest there is.
            let handed = if is_full { Handed::Full(0) } else { hand_over(&run) };
            match handed {
                Handed::Taken => {}
                Handed::Full(sent) => {
                    is_full = true;
                    self.keep_or_drop(&run, sent);
                }
                Handed::Refused(sent) => {
                    self.lost.refused += datagrams(run.bytes.len().saturating_sub(sent), run.segment);
                }
            }
        }
    }

    /// True when the kernel is still full.
    fn send_waiting(&mut self, hand_over: &mut impl FnMut(&Run<'_>) -> Handed) -> bool {
        while let Some(first) = self.waiting.front_mut() {
            let run = Run {
                to: first.to,
                bytes: &first.bytes,
                segment: first.segment,
                is_video: false,
            };
            match hand_over(&run) {
                Handed::Taken => {}
                Handed::Full(sent) => {
                    let sent = sent.min(first.bytes.len());
                    first.bytes.drain(..sent);
                    self.bytes -= sent;
                    return true;
                }
                Handed::Refused(sent) => {
                    self.lost.refused += datagrams(first.bytes.len().saturating_sub(sent), first.segment);
                }
            }
            self.bytes -= first.bytes.len();
            self.waiting.pop_front();
        }
        false
    }

    fn keep_or_drop(&mut self, run: &Run<'_>, sent: usize) {
        let left = run.bytes.get(sent..).unwrap_or_default();
        let count = datagrams(left.len(), run.segment);
        if run.is_video || self.bytes + left.len() > MAX_WAITING_BYTES {
            self.lost.full += count;
            return;
        }
        self.lost.waited += count;
        self.bytes += left.len();
        self.waiting.push_back(Waiting {
            to: run.to,
            segment: run.segment,
            bytes: left.to_vec(),
        });
    }
}

fn datagrams(bytes: usize, segment: usize) -> u64 {
    bytes.div_ceil(segment.max(1)) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(bytes: &[u8], is_video: bool) -> Run<'_> {
        Run {
            to: Remote::Tcp(u64::from(bytes[0])),
            bytes,
            segment: 10,
            is_video,
        }
    }

    /// A kernel with room for that many runs; notes what it took.
    fn kernel(mut room: usize, took: &mut Vec<u8>) -> impl FnMut(&Run<'_>) -> Handed {
        move |run| {
            if room == 0 {
                return Handed::Full(0);
            }
            room -= 1;
            took.push(run.bytes[0]);
            Handed::Taken
        }
    }

    #[test]
    fn a_full_kernel_costs_the_newest_pictures_and_nothing_else() {
        let mut overflow = Overflow::default();
        let bytes: Vec<[u8; 25]> = (0..6).map(|number| [number; 25]).collect();
        let runs = || bytes.iter().map(|bytes| run(bytes, bytes[0] % 2 == 0));
        let mut took = Vec::new();
        overflow.send(runs(), kernel(3, &mut took));
        assert_eq!(took, [0, 1, 2]);
        assert_eq!(
            overflow.lost(),
            Lost {
                full: 3,
                refused: 0,
                waited: 6
            }
        );
        assert!(overflow.is_waiting());
        took.clear();
        overflow.send(runs().take(2), kernel(3, &mut took));
        assert_eq!(took, [3, 5, 0], "what waited leaves first");
        took.clear();
        overflow.send(std::iter::empty(), kernel(9, &mut took));
        assert_eq!(took, [1]);
        assert!(!overflow.is_waiting());
    }

    #[test]
    fn what_left_of_a_run_is_not_sent_again() {
        let mut overflow = Overflow::default();
        let bytes = [7; 25];
        overflow.send([run(&bytes, false)].into_iter(), |_| Handed::Full(10));
        assert_eq!(overflow.lost().waited, 2);
        let mut lengths = Vec::new();
        overflow.send(std::iter::empty(), |run| {
            lengths.push(run.bytes.len());
            Handed::Taken
        });
        assert_eq!(lengths, [15]);
        overflow.send([run(&bytes, true)].into_iter(), |_| Handed::Refused(20));
        assert_eq!(overflow.lost().refused, 1);
    }

    #[test]
    fn what_waits_is_bounded() {
        let mut overflow = Overflow::default();
        let bytes = vec![1; 60_000];
        for _ in 0..100 {
            overflow.send([run(&bytes, false)].into_iter(), |_| Handed::Full(0));
        }
        assert!(overflow.bytes <= MAX_WAITING_BYTES && overflow.lost().full > 0);
    }
}
