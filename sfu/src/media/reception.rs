//! What a receiver report says of one stream (RFC 3550 §6.4.1, A.3, A.8).

use std::time::{Duration, Instant};

use rtc_rtcp::reception_report::ReceptionReport;

use super::sequence::Sequence;

#[derive(Debug, Default)]
pub(super) struct Reception {
    /// Arrival and timestamp of the packet before.
    before: Option<(Instant, u32)>,
    /// In sixteenths of a clock tick.
    jitter: u64,
    /// Numbers expected and missing as of the last report.
    reported: (u64, u64),
    /// Numbers expected and lost on the way as of the last look.
    looked_at: (u64, u64),
    /// Middle 32 bits of the last sender report's NTP time, and when it came.
    last_report: Option<(u32, Instant)>,
}

impl Reception {
    pub(super) fn arrive(&mut self, now: Instant, timestamp: u32, clock_rate: u32) {
        if let Some((then, before)) = self.before.replace((now, timestamp)) {
            let passed = now.saturating_duration_since(then).as_micros() * u128::from(clock_rate) / 1_000_000;
            let sent = i64::from(timestamp.wrapping_sub(before) as i32);
            // A source that jumps, or a minute of silence, says nothing about the network.
            let difference = (passed as i64 - sent).unsigned_abs();
            if difference < u64::from(clock_rate) * 60 {
                self.jitter = self.jitter + difference - (self.jitter + 8) / 16;
            }
        }
    }

    /// How unevenly packets come, in ticks of the stream's clock (RFC 3550 A.8).
    pub(super) fn jitter(&self) -> u64 {
        self.jitter / 16
    }

    /// Of a thousand packets since the last look, those that did not come by themselves.
    pub(super) fn look_at_losses(&mut self, sequence: &Sequence) -> u16 {
        let now = (sequence.expected(), sequence.asked());
        let (expected, asked) = std::mem::replace(&mut self.looked_at, now);
        // A restarted stream counts anew.
        let expected = now.0.checked_sub(expected).unwrap_or(now.0);
        let lost = now.1.saturating_sub(asked) * 1000;
        lost.checked_div(expected).unwrap_or(0).min(1000) as u16
    }

    pub(super) fn sender_report(&mut self, now: Instant, ntp: u64) {
        self.last_report = Some(((ntp >> 16) as u32, now));
    }

    pub(super) fn report(&mut self, now: Instant, ssrc: u32, sequence: &Sequence) -> Option<ReceptionReport> {
        let highest = sequence.highest()?;
        let (expected, lost) = (sequence.expected(), sequence.lost() + sequence.missing());
        let (expected_before, lost_before) = std::mem::replace(&mut self.reported, (expected, lost));
        let new = expected.saturating_sub(expected_before);
        let fraction = (lost.saturating_sub(lost_before) * 256)
            .checked_div(new)
            .unwrap_or(0);
        let (last_sender_report, delay) = self.last_report.map_or((0, Duration::ZERO), |(ntp, at)| {
            (ntp, now.saturating_duration_since(at))
        });
        Some(ReceptionReport {
            ssrc,
            fraction_lost: fraction.min(255) as u8,
            total_lost: lost.min(0x7f_ffff) as u32,
            last_sequence_number: highest as u32,
            jitter: self.jitter().min(u64::from(u32::MAX)) as u32,
            last_sender_report,
            // Units of 1/65536 s.
            delay: (delay.as_micros() * 65_536 / 1_000_000).min(u128::from(u32::MAX)) as u32,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::begin;
    use super::*;

    #[test]
    fn a_report_counts_losses_since_the_last_and_the_age_of_the_senders() {
        let (begin, mut sequence, mut reception) = (begin(), Sequence::default(), Reception::default());
        for number in (0..100u16).filter(|number| number % 10 != 5) {
            let at = begin + Duration::from_millis(20) * u32::from(number);
            sequence.arrive(at, number);
            reception.arrive(at, u32::from(number) * 960, 48_000);
        }
        let now = begin + Duration::from_secs(2);
        reception.sender_report(now, 0x0123_4567_89ab_cdef);
        let report = reception
            .report(now + Duration::from_millis(500), 7, &sequence)
            .unwrap();
        assert_eq!((report.fraction_lost, report.total_lost), (25, 10));
        assert_eq!((report.last_sender_report, report.delay), (0x4567_89ab, 32_768));
        assert_eq!(report.jitter, 0);
        let report = reception.report(now, 7, &sequence).unwrap();
        assert_eq!((report.fraction_lost, report.total_lost), (0, 10));
    }
}
