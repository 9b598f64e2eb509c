//! One RTP stream as a viewer receives it.

use std::time::{Duration, Instant};

use super::answer::Format;
use super::arrivals::{Arrival, Arrivals, Counts};
use super::picture::Pictures;
use super::repair::Holes;
use super::rtcp::ReportBlock;
use super::rtp::Head;

/// A stream and what was counted of it.
pub(super) struct Stream {
    pub(super) ssrc: u32,
    pub(super) payload_type: u8,
    pub(super) format: Format,
    pub(super) arrivals: Arrivals,
    /// The highest number that was opened, with its rollovers (RFC 3711 §3.3.1). They count from zero: the key is new.
    pub(super) opened: Option<u64>,
    /// What of the counts has been told.
    pub(super) told: Counts,
    /// Interarrival jitter, 1/16 of the stream's clock (RFC 3550 §A.8).
    jitter: u32,
    /// The last packet's time of transit, in the stream's clock.
    transit: Option<u32>,
    last_report: Option<(u32, Instant)>,
    /// Expected and received at the last receiver report.
    reported: (u64, u64),
    pub(super) watched: Option<Box<Watched>>,
}

/// What is kept of a picture.
pub(super) struct Watched {
    pub(super) pictures: Pictures,
    pub(super) holes: Holes,
    /// Height of the last keyframe whose size could be read.
    pub(super) height: u16,
    /// When a keyframe was last asked for.
    pub(super) asked: Option<Instant>,
}

impl Stream {
    pub(super) fn new(head: &Head, format: Format) -> Stream {
        let watched = matches!(format, Format::Picture(_)).then(|| {
            Box::new(Watched {
                pictures: Pictures::new(),
                holes: Holes::default(),
                height: 0,
                asked: None,
            })
        });
        Stream {
            ssrc: head.ssrc,
            payload_type: head.payload_type,
            format,
            arrivals: Arrivals::new(),
            opened: None,
            told: Counts::default(),
            jitter: 0,
            transit: None,
            last_report: None,
            reported: (0, 0),
            watched,
        }
    }

    /// Reads what the next packet needs ([`super::viewer::Viewer::glance`]).
    pub(super) fn glance(&self) -> u64 {
        let watched = self.watched.as_deref();
        let watched = watched.map_or(0, |watched| watched.pictures.glance() ^ u64::from(watched.height));
        self.arrivals.glance() ^ u64::from(self.jitter) ^ watched
    }

    pub(super) fn clock_rate(&self) -> u32 {
        match self.format {
            Format::Sound(rate) => rate.max(1),
            Format::Picture(_) | Format::Repair => 90_000,
        }
    }

    /// Takes a packet's header.
    pub(super) fn receive(&mut self, head: &Head, since_begin: Duration) -> Arrival {
        let arrival = self.arrivals.receive(head.sequence);
        if matches!(arrival, Arrival::Begin(_) | Arrival::Ahead { .. }) {
            let rate = self.clock_rate();
            let clock = (since_begin.as_micros() as u64 * u64::from(rate) / 1_000_000) as u32;
            let transit = clock.wrapping_sub(head.timestamp);
            if let Some(before) = self.transit {
                let step = (transit.wrapping_sub(before) as i32).unsigned_abs();
                // A jump of seconds is another beginning, not jitter.
                if step < rate.saturating_mul(5) {
                    self.jitter = self
                        .jitter
                        .saturating_add(step)
                        .saturating_sub((self.jitter + 8) >> 4);
                }
            }
            self.transit = Some(transit);
        }
        arrival
    }

    /// Interarrival jitter.
    pub(super) fn jitter(&self) -> Duration {
        Duration::from_micros(u64::from(self.jitter >> 4) * 1_000_000 / u64::from(self.clock_rate()))
    }

    /// A sender report came.
    pub(super) fn on_report(&mut self, time: u32, now: Instant) {
        self.last_report = Some((time, now));
    }

    /// What the next receiver report says of this stream.
    pub(super) fn block(&mut self, now: Instant) -> ReportBlock {
        let received = self.arrivals.counts.unique;
        let expected = self.arrivals.expected();
        let (expected_before, received_before) = self.reported;
        self.reported = (expected, received);
        let due = expected.saturating_sub(expected_before);
        let lost = due.saturating_sub(received.saturating_sub(received_before));
        let (last_report, delay) = match self.last_report {
            Some((time, at)) => {
                let delay = now.saturating_duration_since(at).as_micros() * 65_536 / 1_000_000;
                (time, delay as u32)
            }
            None => (0, 0),
        };
        ReportBlock {
            ssrc: self.ssrc,
            fraction_lost: (lost * 256).checked_div(due).unwrap_or(0).min(255) as u8,
            total_lost: expected.saturating_sub(received) as u32,
            // The first number was put one turn up.
            highest: self.arrivals.highest().unwrap_or(0).saturating_sub(1 << 16) as u32,
            jitter: self.jitter >> 4,
            last_report,
            delay,
        }
    }
}
