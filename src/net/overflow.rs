//! What happens when the kernel takes no more: of a picture the newest packets are dropped, and what must not be lost
//! waits for room.

use std::collections::VecDeque;

use sfu::transport::{Remote, Run};

use super::batch::Batch;

/// Bytes that wait while the kernel is full: sound, reports and messages of a thousand viewers for a tenth of a second,
/// after which they are worth nothing either.
const MAX_WAITING_BYTES: usize = 2 << 20;

/// What the kernel did with runs it was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Handed {
    /// It took them.
    Taken,
    /// It is full.
    Full(Left),
    /// It refuses what is left of one of them.
    Refused(Left),
}

/// How far runs left.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Left {
    /// So many of them as a whole.
    pub(super) runs: usize,
    /// And so many bytes of the next one.
    pub(super) bytes: usize,
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

    /// Sends what waits, then these runs. `hand_over` gives the kernel those of one batch.
    pub(super) fn send<'r>(
        &mut self,
        batches: impl Iterator<Item = Batch<'r>>,
        mut hand_over: impl FnMut(&[Run<'_>]) -> Handed,
    ) {
        let mut is_full = self.send_waiting(&mut hand_over);
        for batch in batches {
            let mut runs = batch.runs();
            while !runs.is_empty() {
                // Once it is full nobody asks again in this turn: what could not leave is the newest there is.
                let handed = if is_full {
                    Handed::Full(Left::default())
                } else {
                    hand_over(runs)
                };
                is_full = matches!(handed, Handed::Full(_));
                let (Handed::Full(left) | Handed::Refused(left)) = handed else {
                    break;
                };
                let Some((run, rest)) = runs.get(left.runs..).and_then(<[_]>::split_first) else {
                    break;
                };
                if is_full {
                    self.keep_or_drop(run, left.bytes);
                } else {
                    self.lost.refused += unsent(run, left.bytes);
                }
                runs = rest;
            }
        }
    }

    /// True when the kernel is still full.
    fn send_waiting(&mut self, hand_over: &mut impl FnMut(&[Run<'_>]) -> Handed) -> bool {
        while let Some(first) = self.waiting.front_mut() {
            let run = Run {
                to: first.to,
                bytes: &first.bytes,
                segment: first.segment,
                is_video: false,
            };
            match hand_over(&[run]) {
                Handed::Taken => {}
                Handed::Full(left) => {
                    let sent = left.bytes.min(first.bytes.len());
                    first.bytes.drain(..sent);
                    self.bytes -= sent;
                    return true;
                }
                Handed::Refused(left) => self.lost.refused += unsent(&run, left.bytes),
            }
            self.bytes -= first.bytes.len();
            self.waiting.pop_front();
        }
        false
    }

    fn keep_or_drop(&mut self, run: &Run<'_>, sent: usize) {
        let left = run.bytes.get(sent..).unwrap_or_default();
        let count = unsent(run, sent);
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

/// Datagrams of a run that did not leave with its first bytes.
fn unsent(run: &Run<'_>, sent: usize) -> u64 {
    let bytes = run.bytes.len().saturating_sub(sent);
    bytes.div_ceil(run.segment.max(1)) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    use super::super::batch::Batches;

    fn run(bytes: &[u8], is_video: bool) -> Run<'_> {
        Run {
            to: Remote::Tcp(u64::from(bytes[0])),
            bytes,
            segment: 10,
            is_video,
        }
    }

    /// A kernel with room for that many runs; notes what it took.
    fn kernel(mut room: usize, took: &mut Vec<u8>) -> impl FnMut(&[Run<'_>]) -> Handed {
        move |runs| {
            let fitting = runs.len().min(room);
            room -= fitting;
            took.extend(runs[..fitting].iter().map(|run| run.bytes[0]));
            if fitting < runs.len() {
                Handed::Full(left(fitting, 0))
            } else {
                Handed::Taken
            }
        }
    }

    fn one(run: Run<'_>) -> impl Iterator<Item = Batch<'_>> {
        Batches::of(std::iter::once(run))
    }

    fn left(runs: usize, bytes: usize) -> Left {
        Left { runs, bytes }
    }

    #[test]
    fn a_full_kernel_costs_the_newest_pictures_and_nothing_else() {
        let mut overflow = Overflow::default();
        let bytes: Vec<[u8; 25]> = (0..6).map(|number| [number; 25]).collect();
        let runs = || Batches::of(bytes.iter().map(|bytes| run(bytes, bytes[0] % 2 == 0)));
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
        let two = bytes[..2].iter().map(|bytes| run(bytes, bytes[0] % 2 == 0));
        overflow.send(Batches::of(two), kernel(3, &mut took));
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
        overflow.send(one(run(&bytes, false)), |_| Handed::Full(left(0, 10)));
        assert_eq!(overflow.lost().waited, 2);
        let mut lengths = Vec::new();
        overflow.send(std::iter::empty(), |runs| {
            lengths.push(runs[0].bytes.len());
            Handed::Taken
        });
        assert_eq!(lengths, [15]);
        overflow.send(one(run(&bytes, true)), |_| Handed::Refused(left(0, 20)));
        assert_eq!(overflow.lost().refused, 1);
    }

    #[test]
    fn what_is_behind_a_refused_run_still_leaves() {
        let mut overflow = Overflow::default();
        let bytes: Vec<[u8; 25]> = (0..4).map(|number| [number; 25]).collect();
        let mut took = Vec::new();
        let runs = bytes.iter().map(|bytes| run(bytes, true));
        overflow.send(Batches::of(runs), |runs| {
            let fine = runs.iter().take_while(|run| run.bytes[0] != 1);
            took.extend(fine.map(|run| run.bytes[0]));
            match runs.iter().position(|run| run.bytes[0] == 1) {
                Some(place) => Handed::Refused(left(place, 10)),
                None => Handed::Taken,
            }
        });
        assert_eq!((took, overflow.lost().refused), (vec![0, 2, 3], 2));
    }

    #[test]
    fn what_waits_is_bounded() {
        let mut overflow = Overflow::default();
        let bytes = vec![1; 60_000];
        for _ in 0..100 {
            overflow.send(one(run(&bytes, false)), |_| Handed::Full(left(0, 0)));
        }
        assert!(overflow.bytes <= MAX_WAITING_BYTES && overflow.lost().full > 0);
    }
}
