//! What a viewer reports, and what it is told of our clock (RFC 3550 §6.4).

use std::time::{Duration, Instant};

use bytes::Bytes;
use rtc_rtcp::packet::Packet;
use rtc_rtcp::payload_feedbacks::full_intra_request::FullIntraRequest;
use rtc_rtcp::payload_feedbacks::picture_loss_indication::PictureLossIndication;
use rtc_rtcp::payload_feedbacks::receiver_estimated_maximum_bitrate::ReceiverEstimatedMaximumBitrate;
use rtc_rtcp::receiver_report::ReceiverReport;
use rtc_rtcp::reception_report::ReceptionReport;
use rtc_rtcp::sender_report::SenderReport;
use rtc_rtcp::source_description::{
    SdesType, SourceDescription, SourceDescriptionChunk, SourceDescriptionItem,
};
use rtc_rtcp::transport_feedbacks::transport_layer_nack::TransportLayerNack;

use super::Playback;
use super::clock::{SourceClock, ntp};
use super::clock_map::ClockMap;
use crate::bandwidth::{self, is_transport_feedback};
use crate::media::Publication;
use crate::negotiation::MediaKind;
use crate::rtcp;

/// Between sender reports.
const INTERVAL: Duration = Duration::from_secs(2);
/// The first ones come faster: a player keeps sound and picture together only after one of each.
const FIRST_INTERVAL: Duration = Duration::from_millis(200);
const FIRST_REPORTS: u32 = 5;
/// Ticks a second of every video payload (RFC 6184 §8.2.1, RFC 7741 §6.1).
const VIDEO_RATE: u32 = 90_000;
/// A round trip longer than this is a mistake.
const LONGEST_ROUND_TRIP: Duration = Duration::from_secs(3);
/// Sequence numbers taken from one NACK.
const MAX_NACKED: usize = 256;

/// When reports are due.
#[derive(Debug)]
pub(super) struct Reports {
    pub(super) next: Option<Instant>,
    sent: u32,
    pub(super) round_trip: Duration,
    /// Of the picture, in 256ths, as last reported.
    pub(super) lost_fraction: u8,
    /// Cumulative loss as last reported, per stream.
    lost: Vec<(u32, u32)>,
}

impl Reports {
    pub(super) fn new() -> Reports {
        Reports {
            next: None,
            sent: 0,
            round_trip: Duration::from_millis(50),
            lost_fraction: 0,
            lost: Vec::new(),
        }
    }

    /// The part of the picture's packets that the viewer last reported lost, of 1.
    pub(super) fn lost_part(&self) -> f32 {
        f32::from(self.lost_fraction) / 256.0
    }

    /// The mapping of times has changed: tell it at once, and often at first.
    pub(super) fn restart(&mut self, now: Instant) {
        self.next = Some(now);
        self.sent = 0;
    }

    /// New losses of a stream since its last report.
    fn new_losses(&mut self, report: &ReceptionReport) -> u64 {
        // 24 bits, signed: duplicates make it negative.
        let total = report.total_lost & 0xff_ffff;
        let total = if total < 0x80_0000 { total } else { 0 };
        let known = self.lost.iter_mut().find(|(ssrc, _)| *ssrc == report.ssrc);
        let before = known.map(|(_, before)| std::mem::replace(before, total));
        if before.is_none() {
            self.lost.push((report.ssrc, total));
        }
        u64::from(total.saturating_sub(before.unwrap_or(0)))
    }
}

impl Playback {
    pub(super) fn take_rtcp(&mut self, now: Instant, compound: &[u8]) -> bool {
        let mut is_pressing = false;
        for one in rtcp::split(compound) {
            // It comes up to twenty times a second and is read where it lies.
            if is_transport_feedback(one) {
                let before = self.bandwidth.estimate();
                self.bandwidth.handle_transport_feedback(now, one);
                if self.bandwidth.estimate() < before {
                    // A layer too large is left at once.
                    self.next_selection = now;
                    is_pressing = true;
                }
                if self.bandwidth.take_return() {
                    self.has_returned = true;
                    is_pressing = true;
                }
                continue;
            }
            is_pressing = true;
            for packet in rtcp::read(one) {
                self.take_packet(now, &*packet);
            }
        }
        is_pressing
    }

    fn take_packet(&mut self, now: Instant, packet: &dyn Packet) {
        if let Some(nack) = rtcp::as_type::<TransportLayerNack>(packet) {
            self.take_nack(now, nack);
        } else if let Some(report) = rtcp::as_type::<ReceiverReport>(packet) {
            report
                .reports
                .iter()
                .for_each(|report| self.take_report(now, report));
        } else if let Some(report) = rtcp::as_type::<SenderReport>(packet) {
            report
                .reports
                .iter()
                .for_each(|report| self.take_report(now, report));
        } else if let Some(remb) = rtcp::as_type::<ReceiverEstimatedMaximumBitrate>(packet) {
            self.bandwidth.handle_remb(now, remb.bitrate.max(0.0) as u64);
        } else if rtcp::as_type::<PictureLossIndication>(packet).is_some()
            || rtcp::as_type::<FullIntraRequest>(packet).is_some()
        {
            self.stats.keyframe_requests_received += 1;
            self.wants_keyframe = true;
        }
    }

    fn take_nack(&mut self, now: Instant, nack: &TransportLayerNack) {
        let Some(sender) = self
            .senders
            .iter_mut()
            .find(|sender| sender.media.ssrc == nack.media_ssrc)
        else {
            return;
        };
        let numbers = nack.nacks.iter().flat_map(|pair| pair.into_iter());
        let (mut missing, mut newest) = (0, None);
        for number in numbers.take(MAX_NACKED) {
            self.stats.nacks_received += 1;
            if sender.repairs.request(number) {
                (missing, newest) = (missing + 1, Some(number));
            }
        }
        if let Some(newest) = newest.filter(|_| sender.media.kind == MediaKind::Video) {
            self.bandwidth.handle_missing(now, newest, missing);
        }
    }

    fn take_report(&mut self, now: Instant, report: &ReceptionReport) {
        let senders = self.senders.iter_mut();
        let mut named = senders.filter_map(|sender| sender.confirm(report.ssrc).then_some(sender));
        let Some(sender) = named.next() else {
            return;
        };
        // Of repairs only their arrival is of interest, and what becomes of a try: what is lost is asked for again.
        if report.ssrc != sender.media.ssrc {
            return self.bandwidth.handle_padding_report(now, report.fraction_lost);
        }
        let kind = sender.media.kind;
        if kind == MediaKind::Video {
            self.reports.lost_fraction = report.fraction_lost;
        }
        let lost_packets = self.reports.new_losses(report);
        self.stats.lost += lost_packets;
        let round_trip = self.round_trip_of(now, report);
        let report = bandwidth::Report {
            kind,
            highest: report.last_sequence_number as u16,
            lost: report.fraction_lost,
            lost_packets,
            round_trip,
            held: Duration::from_micros(u64::from(report.delay) * 1_000_000 / 65_536),
        };
        self.bandwidth.handle_report(now, report);
        self.reports.round_trip = round_trip.unwrap_or(self.reports.round_trip);
    }

    /// From the latest sender report that the viewer had heard and how long ago that was (RFC 3550 §6.4.1).
    fn round_trip_of(&self, now: Instant, report: &ReceptionReport) -> Option<Duration> {
        if report.last_sender_report == 0 {
            return None;
        }
        let middle = (ntp(self.config.epoch, now) >> 16) as u32;
        let units = middle
            .wrapping_sub(report.last_sender_report)
            .wrapping_sub(report.delay);
        let round_trip = Duration::from_micros(u64::from(units) * 1_000_000 / 65_536);
        (round_trip < LONGEST_ROUND_TRIP).then_some(round_trip)
    }

    pub(super) fn write_reports(
        &mut self,
        now: Instant,
        publication: Option<&Publication>,
        out: &mut Vec<u8>,
    ) -> bool {
        let Some(publication) = publication else {
            return false;
        };
        if self.reports.next.is_none_or(|at| at > now) {
            return false;
        }
        // They are what the way is measured with.
        let interval = if self.reports.sent < FIRST_REPORTS || self.probe.is_long() {
            FIRST_INTERVAL
        } else {
            INTERVAL
        };
        self.reports.next = Some(now + interval);
        // All streams by the publisher's clock, or all by arrival: one by each would not fit together.
        let clock = SourceClock::of(publication).filter(|&clock| {
            let mut senders = self.senders.iter();
            senders.all(|sender| sender.has_clock(publication, clock, now))
        });
        let mut packets: Vec<Box<dyn Packet>> = Vec::new();
        let mut chunks = Vec::new();
        for sender in self.senders.iter().filter(|sender| sender.packets > 0) {
            let Some(rtp_time) = sender.timestamp_now(publication, clock, now) else {
                continue;
            };
            if sender.media.kind == MediaKind::Video {
                self.clock_maps.note(ClockMap {
                    rtp: rtp_time,
                    rate: VIDEO_RATE,
                    at: now,
                });
            }
            packets.push(Box::new(SenderReport {
                ssrc: sender.media.ssrc,
                ntp_time: ntp(self.config.epoch, now),
                rtp_time,
                packet_count: sender.packets,
                octet_count: sender.octets,
                ..SenderReport::default()
            }));
            chunks.push(SourceDescriptionChunk {
                source: sender.media.ssrc,
                items: vec![SourceDescriptionItem {
                    sdes_type: SdesType::SdesCname,
                    text: Bytes::from_static(b"vitrine"),
                }],
            });
        }
        if packets.is_empty() {
            return false;
        }
        self.reports.sent = self.reports.sent.saturating_add(1);
        packets.push(Box::new(SourceDescription { chunks }));
        rtcp::append(out, &packets)
    }
}
