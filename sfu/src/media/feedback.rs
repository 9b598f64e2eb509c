//! What a publisher is told: reports, what is missing, keyframes that are needed, when its packets came.

use std::time::{Duration, Instant};

use rtc_rtcp::packet::Packet;
use rtc_rtcp::payload_feedbacks::full_intra_request::{FirEntry, FullIntraRequest};
use rtc_rtcp::payload_feedbacks::picture_loss_indication::PictureLossIndication;
use rtc_rtcp::receiver_report::ReceiverReport;
use rtc_rtcp::transport_feedbacks::transport_layer_nack::{
    TransportLayerNack, nack_pairs_from_sequence_numbers,
};

use super::arrivals::Arrivals;
use super::encoding::Encoding;
use super::publication::{MediaConfig, Track};
use crate::negotiation::{self, MediaKind, ReceivedMedia};
use crate::rtcp;
use crate::stats::MediaStats;

/// Between receiver reports.
const REPORT_INTERVAL: Duration = Duration::from_secs(1);
/// Sequence numbers one NACK names, so that with everything else a compound stays below 1200 bytes.
const MAX_NACKED: usize = 120;

/// State of the feedback to one publisher.
#[derive(Debug)]
pub(super) struct Feedback {
    pub(super) arrivals: Arrivals,
    sender_ssrc: u32,
    next_report: Instant,
    fir_count: u8,
}

impl Feedback {
    pub(super) fn new(sender_ssrc: u32, now: Instant) -> Feedback {
        Feedback {
            arrivals: Arrivals::new(now),
            sender_ssrc,
            next_report: now + REPORT_INTERVAL,
            fir_count: 0,
        }
    }

    pub(super) fn deadline(&self, tracks: &[Track]) -> Instant {
        let holes = tracks.iter().flat_map(|track| &track.encodings);
        let holes = holes.filter_map(|encoding| encoding.sequence.deadline());
        holes
            .chain(self.arrivals.deadline())
            .chain([self.next_report])
            .min()
            .unwrap_or(self.next_report)
    }

    /// Writes one compound of all that is due; false when nothing is.
    pub(super) fn write(
        &mut self,
        now: Instant,
        media: &[ReceivedMedia],
        tracks: &mut [Track],
        config: &MediaConfig,
        stats: &mut MediaStats,
        out: &mut Vec<u8>,
    ) -> bool {
        let mut report = ReceiverReport {
            ssrc: self.sender_ssrc,
            ..ReceiverReport::default()
        };
        let is_report_due = self.next_report <= now;
        if is_report_due {
            self.next_report = now + REPORT_INTERVAL;
        }
        let mut requests: Vec<Box<dyn Packet>> = Vec::new();
        let mut media_ssrc = 0;
        for (track, media) in tracks.iter_mut().zip(media) {
            for encoding in &mut track.encodings {
                let Some(ssrc) = encoding.ssrc() else { continue };
                media_ssrc = ssrc;
                if is_report_due {
                    report
                        .reports
                        .extend(encoding.reception.report(now, ssrc, &encoding.sequence));
                }
                self.request(now, media, encoding, ssrc, config, stats, &mut requests);
            }
        }
        if let Some(feedback) = self.arrivals.feedback(now, self.sender_ssrc, media_ssrc) {
            requests.push(Box::new(feedback));
        }
        if !is_report_due && requests.is_empty() {
            return false;
        }
        // A compound begins with a report (RFC 3550 §6.1), even an empty one.
        requests.insert(0, Box::new(report));
        rtcp::append(out, &requests)
    }

    /// Missing packets and keyframes of one encoding.
    #[expect(
        clippy::too_many_arguments,
        reason = "one step of a loop, cut out to be read alone"
    )]
    fn request(
        &mut self,
        now: Instant,
        media: &ReceivedMedia,
        encoding: &mut Encoding,
        ssrc: u32,
        config: &MediaConfig,
        stats: &mut MediaStats,
        requests: &mut Vec<Box<dyn Packet>>,
    ) {
        let agreed = agreed(media);
        let mut missing = Vec::new();
        let lost_before = encoding.sequence.lost();
        let given_up = encoding.sequence.request(now, &mut missing);
        stats.lost += encoding.sequence.lost() - lost_before;
        if agreed.nack && !missing.is_empty() {
            missing.truncate(MAX_NACKED);
            stats.nacks_sent += missing.len() as u64;
            requests.push(Box::new(TransportLayerNack {
                sender_ssrc: self.sender_ssrc,
                media_ssrc: ssrc,
                nacks: nack_pairs_from_sequence_numbers(&missing),
            }));
        }
        if media.kind == MediaKind::Audio {
            return;
        }
        if given_up {
            encoding.keyframe.want();
        }
        if takes_requests(media) && encoding.keyframe.take_due(now, config.keyframe_interval) {
            stats.keyframe_requests_sent += 1;
            encoding.checkup.requested();
            requests.push(if agreed.pli {
                Box::new(PictureLossIndication {
                    sender_ssrc: self.sender_ssrc,
                    media_ssrc: ssrc,
                })
            } else {
                self.fir_count = self.fir_count.wrapping_add(1);
                Box::new(FullIntraRequest {
                    sender_ssrc: self.sender_ssrc,
                    // RFC 5104 §4.3.1.2: not used, the entry names the source.
                    media_ssrc: 0,
                    fir: vec![FirEntry {
                        ssrc,
                        sequence_number: self.fir_count,
                    }],
                })
            });
        }
    }
}

/// Whether the publisher said that it makes keyframes when asked.
pub(super) fn takes_requests(media: &ReceivedMedia) -> bool {
    let agreed = agreed(media);
    agreed.pli || agreed.fir
}

/// Feedback is agreed per payload type; an m-section's first says what its publisher does.
fn agreed(media: &ReceivedMedia) -> negotiation::Feedback {
    media
        .payloads
        .first()
        .map(|payload| payload.feedback)
        .unwrap_or_default()
}
