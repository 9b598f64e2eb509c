//! What a browser tells of the packets that came: transport-wide feedback and NACKs, as libwebrtc times them.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

/// libwebrtc `TransportSequenceNumberFeedbackGenerator`: so often when a twentieth of what the viewer could send, which
/// is 300 kbps until it sends something, has room for it.
const INTERVAL: Duration = Duration::from_millis(50);
/// What came is told again within this time where something older came late (ibid. `kBackWindow`).
const BACK: Duration = Duration::from_millis(500);

/// Extends 16-bit numbers.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Unroll(Option<u64>);

impl Unroll {
    pub(crate) fn extend(&mut self, number: u16) -> u64 {
        let newest = *self.0.get_or_insert(0x10_0000 + u64::from(number));
        let step = number.wrapping_sub(newest as u16) as i16;
        let extended = newest.wrapping_add_signed(step.into());
        self.0 = Some(newest.max(extended));
        extended
    }
}

/// Arrivals of the last moments.
pub(crate) struct Arrivals {
    unroll: Unroll,
    came: BTreeMap<u64, Duration>,
    /// The first number the next feedback speaks of.
    base: Option<u64>,
    sent: u8,
    next: Duration,
    pub(crate) interval: Duration,
}

impl Arrivals {
    pub(crate) fn new() -> Arrivals {
        Arrivals {
            unroll: Unroll::default(),
            came: BTreeMap::new(),
            base: None,
            sent: 0,
            next: Duration::ZERO,
            interval: INTERVAL,
        }
    }

    pub(crate) fn add(&mut self, now: Duration, number: u16) {
        let number = self.unroll.extend(number);
        self.base = Some(self.base.map_or(number, |base| base.min(number)));
        self.came.entry(number).or_insert(now);
    }

    /// A feedback packet when one is due.
    pub(crate) fn feedback(&mut self, now: Duration) -> Option<Vec<u8>> {
        let newest = *self.came.last_key_value()?.0;
        let base = self.base?;
        if now < self.next || base > newest {
            return None;
        }
        self.next = now + self.interval;
        let came = self.came.split_off(&base);
        let feedback = write(base, newest, &came, self.sent.wrapping_add(1));
        self.came.extend(came);
        self.came.retain(|_, at| now - *at <= BACK);
        self.base = Some(newest + 1);
        self.sent = self.sent.wrapping_add(1);
        Some(feedback)
    }
}

/// draft-holmer-rmcat-transport-wide-cc-extensions-01 §3.1, with two-bit symbols only.
fn write(base: u64, newest: u64, came: &BTreeMap<u64, Duration>, count: u8) -> Vec<u8> {
    let micros = |at: &Duration| at.as_micros() as i64 / 250;
    let first = came.first_key_value().map_or(0, |(_, at)| micros(at));
    let reference = first / 256;
    let (mut symbols, mut deltas) = (Vec::new(), Vec::new());
    let mut clock = reference * 256;
    for number in base..=newest {
        let Some(at) = came.get(&number).map(micros) else {
            symbols.push(0u16);
            continue;
        };
        let delta = at - clock;
        clock = at;
        if let Ok(small) = u8::try_from(delta) {
            symbols.push(1);
            deltas.push(small);
        } else {
            symbols.push(2);
            deltas.extend_from_slice(&i16::try_from(delta).unwrap().to_be_bytes());
        }
    }
    let mut bytes = vec![0x8f, 205, 0, 0, 0, 0, 0, 1, 0, 0, 0, 1];
    bytes.extend_from_slice(&(base as u16).to_be_bytes());
    bytes.extend_from_slice(&(symbols.len() as u16).to_be_bytes());
    bytes.extend_from_slice(&(reference as u32).to_be_bytes()[1..]);
    bytes.push(count);
    for seven in symbols.chunks(7) {
        let chunk = (0..7).fold(0b11, |chunk: u16, at| {
            chunk << 2 | seven.get(at).copied().unwrap_or(0)
        });
        bytes.extend_from_slice(&chunk.to_be_bytes());
    }
    bytes.extend_from_slice(&deltas);
    finish(bytes)
}

/// Pads to words and writes the length.
fn finish(mut bytes: Vec<u8>) -> Vec<u8> {
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    let words = (bytes.len() / 4 - 1) as u16;
    bytes[2..4].copy_from_slice(&words.to_be_bytes());
    bytes
}

/// Numbers that were passed over.
#[derive(Default)]
pub(crate) struct Missing {
    unroll: Unroll,
    newest: Option<u64>,
    /// When each was asked for last, and how often.
    missing: BTreeMap<u64, (Option<Duration>, u32)>,
    /// By how many numbers the latest ones that came late were overtaken.
    overtaken: VecDeque<u64>,
}

/// libwebrtc `NackRequester`: not before half of those that came late were there (its histogram), at most ten times each, again after its default round trip: a browser that only
/// receives is told no other.
const ASKS: u32 = 10;
const AGAIN: Duration = Duration::from_millis(100);
const REMEMBERED: usize = 500;

impl Missing {
    /// A packet came; gives its extended number.
    pub(crate) fn came(&mut self, number: u16) -> u64 {
        let number = self.unroll.extend(number);
        let newest = *self.newest.get_or_insert(number);
        (newest + 1..number).for_each(|passed| {
            self.missing.insert(passed, (None, 0));
        });
        if number < newest {
            self.overtaken.truncate(REMEMBERED);
            self.overtaken.push_front(newest - number);
        }
        self.newest = Some(newest.max(number));
        self.repaired(number);
        number
    }

    pub(crate) fn repaired(&mut self, number: u64) {
        self.missing.remove(&number);
    }

    pub(crate) fn extend(&mut self, number: u16) -> u64 {
        self.unroll.extend(number)
    }

    /// Nothing before this one is of use.
    pub(crate) fn forget_before(&mut self, number: u64) {
        self.missing = self.missing.split_off(&number);
    }

    /// The same for what has never been asked for, before it is forgotten up to a number.
    pub(crate) fn last_nack(&mut self, now: Duration, ssrc: u32, number: u64) -> Option<Vec<u8>> {
        let mut new = self.missing.range(..number).filter(|(_, (at, _))| at.is_none());
        new.next()?;
        self.nack(now, ssrc)
    }

    /// A NACK (RFC 4585 §6.2.1) for what is due.
    pub(crate) fn nack(&mut self, now: Duration, ssrc: u32) -> Option<Vec<u8>> {
        self.missing.retain(|_, (_, asked)| *asked < ASKS);
        let mut overtaken: Vec<u64> = self.overtaken.iter().copied().collect();
        overtaken.sort_unstable();
        let wait = overtaken.get(overtaken.len() / 2).copied().unwrap_or_default();
        let newest = self.newest.unwrap_or_default();
        let due = (self.missing.iter_mut())
            .filter(|(number, (at, _))| **number + wait <= newest && at.is_none_or(|at| now - at >= AGAIN));
        let mut bytes = vec![0x81, 205, 0, 0, 0, 0, 0, 1];
        bytes.extend_from_slice(&ssrc.to_be_bytes());
        for (number, (at, asked)) in due.take(200) {
            (*at, *asked) = (Some(now), *asked + 1);
            bytes.extend_from_slice(&(*number as u16).to_be_bytes());
            bytes.extend_from_slice(&[0, 0]);
        }
        (bytes.len() > 12).then(|| finish(bytes))
    }
}

/// A PLI (RFC 4585 §6.3.1).
pub(crate) fn pli(ssrc: u32) -> Vec<u8> {
    let mut bytes = vec![0x81, 206, 0, 2, 0, 0, 0, 1];
    bytes.extend_from_slice(&ssrc.to_be_bytes());
    bytes
}
