//! Times of a publication: what an encoding's RTP clock shows now.

use std::time::{Duration, Instant};

use crate::media::history::Epoch;
use crate::media::{Encoding, Publication, StoredPacket};

/// A publisher's wall clock that is further from when its packets come is none: one of its streams says another time (the
/// beginning of 1900, an encoder's uptime), or it was set.
const LONGEST_WAY: Duration = Duration::from_secs(4);

/// Pictures of a slow camera are so far apart.
const LONGEST_STEP: Duration = Duration::from_millis(100);

/// Ticks of a clock in a time, wrapping as RTP timestamps do.
pub(super) fn ticks(time: Duration, rate: u32) -> u32 {
    (time.as_micros() * u128::from(rate) / 1_000_000) as u32
}

/// An instant as NTP time, 32.32 fixed point, given the nanoseconds since 1900 at another instant.
pub(super) fn ntp(epoch: (Instant, u128), now: Instant) -> u64 {
    let nanos = epoch.1 + now.saturating_duration_since(epoch.0).as_nanos();
    let seconds = (nanos / 1_000_000_000) as u64;
    let fraction = ((nanos % 1_000_000_000) << 32) / 1_000_000_000;
    seconds << 32 | fraction as u64
}

/// The timestamp of what arrives now: the newest packet's, grown by the time since. `None` when that one is of another clock
/// than `epoch`'s.
pub(super) fn live_edge(encoding: &Encoding, epoch: Epoch, now: Instant) -> Option<u32> {
    let newest = newest(encoding, epoch)?;
    let since = now.saturating_duration_since(newest.arrival);
    Some(
        newest
            .timestamp
            .wrapping_add(ticks(since, newest.codec.clock_rate())),
    )
}

fn newest(encoding: &Encoding, epoch: Epoch) -> Option<&StoredPacket> {
    let newest = encoding.history.get(encoding.history.end().checked_sub(1)?)?;
    (newest.epoch == epoch).then_some(newest)
}

/// The same for what is shown now, at most so much beyond the newest packet: a publisher that pauses goes on where it was, and
/// a player whose clock has been told a time that was not there yet would hold all that follows.
pub(super) fn shown_edge(encoding: &Encoding, epoch: Epoch, now: Instant) -> Option<u32> {
    let newest = newest(encoding, epoch)?;
    live_edge(encoding, epoch, now.min(newest.arrival + LONGEST_STEP))
}

/// The publisher's wall clock, from any of its sender reports: one line for all its streams, so that the way of one
/// report does not shift one stream against another.
#[derive(Clone, Copy, Debug)]
pub(super) struct SourceClock {
    at: Instant,
    ntp: u64,
}

impl SourceClock {
    pub(super) fn of(publication: &Publication) -> Option<SourceClock> {
        let encodings = publication.tracks().iter().flat_map(|track| &track.encodings);
        encodings
            .filter_map(Encoding::report)
            .max_by_key(|&(at, ..)| at)
            .map(|(at, ntp, _)| SourceClock { at, ntp })
    }

    /// What an encoding's RTP clock shows at `now`; `None` without a sender report of it, or with one that cannot be right.
    pub(super) fn rtp(&self, encoding: &Encoding, now: Instant) -> Option<u32> {
        let (_, ntp, rtp) = encoding.report()?;
        let hertz = encoding.codec()?.clock_rate();
        let rate = i128::from(hertz);
        let since = now.saturating_duration_since(self.at).as_nanos() as i128;
        let ntp_units = i128::from(self.ntp) - i128::from(ntp) + (since << 32) / 1_000_000_000;
        let told = rtp.wrapping_add(((ntp_units * rate) >> 32) as u32);
        let edge = live_edge(encoding, encoding.epoch(), now)?;
        let apart = told.wrapping_sub(edge) as i32;
        (apart.unsigned_abs() <= ticks(LONGEST_WAY, hertz)).then_some(told)
    }
}
