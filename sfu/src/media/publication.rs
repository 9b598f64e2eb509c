//! A publication: the tracks and encodings of one publisher, fed by its packets or by another shard's relay.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::{BufMut, Bytes, BytesMut};
use rtc_rtcp::sender_report::SenderReport;
use smallvec::SmallVec;

use super::encoding::{Encoding, Taken};
use super::feedback::Feedback;
use super::history::{Allowance, Release};
use super::rtp_packet::RtpPacket;
use super::streams::{Stream, Streams, is_unnamed};
use crate::negotiation::{Extension, MediaKind, ReceivedMedia};
use crate::relay::{EncodingId, RelayedMedia};
use crate::rtcp;
use crate::stats::MediaStats;

/// Bounds and timings of ingest.
#[derive(Clone, Debug)]
pub struct MediaConfig {
    /// Bytes kept per encoding for joins and retransmissions.
    pub history_bytes: usize,
    /// How long packets are kept at most.
    pub history_time: Duration,
    /// At most one keyframe request per encoding in this time.
    pub keyframe_interval: Duration,
    /// An encoding without packets for this long, while others of its track go on, is inactive.
    pub inactive_after: Duration,
}

impl Default for MediaConfig {
    fn default() -> Self {
        MediaConfig {
            history_bytes: 6 << 20,
            history_time: Duration::from_secs(12),
            keyframe_interval: Duration::from_millis(500),
            inactive_after: Duration::from_millis(300),
        }
    }
}

/// Media that waits for the shell to carry it to other shards; it is taken after every batch.
const MAX_RELAYED: usize = 8192;
/// A publisher from whom nothing came for this long is off the air.
const OFF_AIR_AFTER: Duration = Duration::from_secs(3);

/// One m-section of a publication.
#[derive(Debug)]
pub struct Track {
    /// Audio or video.
    pub kind: MediaKind,
    /// Its encodings; the index is `EncodingId::layer`, the rid's place in the offer.
    pub encodings: Vec<Encoding>,
}

impl Track {
    /// Active encodings from the lowest to the highest (by size, then by rate).
    pub fn ladder(&self, now: Instant) -> SmallVec<[&Encoding; 4]> {
        let mut ladder: SmallVec<[&Encoding; 4]> = self
            .encodings
            .iter()
            .filter(|encoding| encoding.is_active(now))
            .collect();
        ladder.sort_by_key(|encoding| {
            let pixels = encoding.size().map_or(0, |(w, h)| u32::from(w) * u32::from(h));
            (pixels, encoding.bitrate())
        });
        ladder
    }
}

/// Everything one publisher sends.
#[derive(Debug)]
pub struct Publication {
    media: Arc<Vec<ReceivedMedia>>,
    config: MediaConfig,
    tracks: Vec<Track>,
    streams: Streams,
    /// What the publisher is to be told; none for a replica.
    feedback: Option<Feedback>,
    relaying: bool,
    relayed: VecDeque<RelayedMedia>,
    stats: MediaStats,
    /// When a packet came last that does not say of which layer it is.
    unnamed: Option<Instant>,
}

impl Publication {
    /// A publication fed by a publisher's own packets.
    pub fn new(media: Arc<Vec<ReceivedMedia>>, config: MediaConfig, seed: u64, now: Instant) -> Publication {
        let feedback = Feedback::new(seed as u32, now);
        Publication {
            feedback: Some(feedback),
            ..Publication::replica(media, config, now)
        }
    }

    /// The same on another shard, fed by [`Publication::handle_relayed`].
    pub fn replica(media: Arc<Vec<ReceivedMedia>>, config: MediaConfig, now: Instant) -> Publication {
        let _ = now;
        let tracks = (0u8..).zip(media.iter()).map(|(section, media)| Track {
            kind: media.kind,
            encodings: (0..media.encodings().min(usize::from(u8::MAX)))
                .map(|layer| {
                    let rid = media.rids.get(layer).copied();
                    let layer = layer as u8;
                    Encoding::new(EncodingId { section, layer }, rid, media.kind, &config)
                })
                .collect(),
        });
        Publication {
            tracks: tracks.collect(),
            streams: Streams::new(&media),
            feedback: None,
            relaying: false,
            relayed: VecDeque::new(),
            stats: MediaStats::default(),
            unnamed: None,
            media,
            config,
        }
    }

    /// What was agreed with the publisher.
    pub fn media(&self) -> &Arc<Vec<ReceivedMedia>> {
        &self.media
    }

    /// Takes one decrypted RTP packet: finds its encoding (SSRC, or MID with RID or repaired RID), unwraps RTX,
    /// stores it. Unknown or malformed packets are dropped and counted.
    pub fn handle_rtp(&mut self, now: Instant, packet: &[u8]) {
        if self.take_rtp(now, packet).is_none() {
            self.stats.dropped += 1;
        }
    }

    fn take_rtp(&mut self, now: Instant, bytes: &[u8]) -> Option<()> {
        let packet = RtpPacket::parse(bytes)?;
        let media = Arc::clone(&self.media);
        let is_new = self.streams.by_ssrc(packet.ssrc()).is_none();
        let Some(Stream { encoding: id, is_rtx }) = self.streams.find(&media, &packet) else {
            if is_unnamed(&media, &packet) {
                self.unnamed = Some(now);
            }
            return None;
        };
        let section = media.get(usize::from(id.section))?;
        if let Some(feedback) = &mut self.feedback
            && let Some(extension) = section.extensions.id(Extension::TransportSequence)
            && let Some(&number) = packet.extension(extension).and_then(<[u8]>::first_chunk)
        {
            feedback.arrivals.arrive(now, u16::from_be_bytes(number));
        }
        if !is_rtx {
            if !self.encoding_mut(id)?.takes_source(now, packet.ssrc(), is_new) {
                return None;
            }
            return self.store(now, id, section, &packet, Bytes::copy_from_slice(bytes));
        }
        if packet.payload().len() <= OSN_LEN {
            // Padding to probe the line.
            return Some(());
        }
        let ssrc = self.encoding_mut(id)?.ssrc()?;
        let original = unwrap_rtx(section, &packet, ssrc)?;
        let packet = RtpPacket::parse(&original)?;
        // It may be of who sent here before; nothing begins with what comes again.
        if !self.encoding_mut(id)?.sequence.is_near(packet.sequence()) {
            return None;
        }
        self.store(now, id, section, &packet, original.clone())
    }

    fn store(
        &mut self,
        now: Instant,
        id: EncodingId,
        section: &ReceivedMedia,
        packet: &RtpPacket<'_>,
        bytes: Bytes,
    ) -> Option<()> {
        let encoding = self.encoding_mut(id)?;
        encoding.set_source(packet.ssrc());
        if let Some(first) = encoding.confirmed_by(packet.sequence()) {
            let view = RtpPacket::parse(&first)?;
            self.keep(now, id, section, &view, first.clone());
        }
        self.keep(now, id, section, packet, bytes)
    }

    fn keep(
        &mut self,
        now: Instant,
        id: EncodingId,
        section: &ReceivedMedia,
        packet: &RtpPacket<'_>,
        bytes: Bytes,
    ) -> Option<()> {
        let len = packet.bytes().len();
        match self.encoding_mut(id)?.take(now, section, packet, &bytes) {
            Taken::Dropped => return None,
            Taken::Held => return Some(()),
            Taken::Recovered => self.stats.recovered += 1,
            Taken::NewPicture => self.others_miss(id),
            Taken::New => {}
        }
        self.stats.packets += 1;
        self.stats.bytes += len as u64;
        self.relay(RelayedMedia::Packet {
            encoding: id,
            at: now,
            packet: bytes,
        });
        Some(())
    }

    /// An encoding began a picture, which its neighbours did not yet.
    fn others_miss(&mut self, id: EncodingId) {
        let track = self.tracks.get_mut(usize::from(id.section));
        let encodings = track.into_iter().flat_map(|track| &mut track.encodings);
        encodings
            .filter(|encoding| encoding.id != id)
            .for_each(Encoding::miss);
    }

    /// Decides what of the media that came may leave. A frame of a picture is held until it is whole, as far as is
    /// `allowed` for its encoding. Without a call nothing is held.
    pub fn release(&mut self, now: Instant, allowed: impl Fn(EncodingId) -> Allowance) -> Release {
        let encodings = self.tracks.iter_mut().flat_map(|track| &mut track.encodings);
        encodings.fold(Release::default(), |all, encoding| {
            let one = encoding.release(now, allowed(encoding.id));
            Release {
                has_more: all.has_more || one.has_more,
                next: all.next.into_iter().chain(one.next).min(),
            }
        })
    }

    /// Takes one decrypted compound RTCP packet.
    pub fn handle_rtcp(&mut self, now: Instant, compound: &[u8]) {
        for packet in rtcp::parse(compound) {
            if let Some(report) = rtcp::as_type::<SenderReport>(&*packet)
                && let Some(stream) = self.streams.by_ssrc(report.ssrc)
                && !stream.is_rtx
                && let Some(encoding) = self.encoding_mut(stream.encoding)
                && encoding.ssrc().is_none_or(|ssrc| ssrc == report.ssrc)
            {
                encoding.set_report(now, report.ntp_time, report.rtp_time);
                encoding.reception.sender_report(now, report.ntp_time);
                self.relay(RelayedMedia::Report {
                    encoding: stream.encoding,
                    at: now,
                    ntp: report.ntp_time,
                    rtp: report.rtp_time,
                });
            }
        }
    }

    /// Takes what the publisher's shard took in.
    pub fn handle_relayed(&mut self, item: RelayedMedia) {
        match item {
            RelayedMedia::Packet { encoding, at, packet } => {
                let media = Arc::clone(&self.media);
                let stored = media.get(usize::from(encoding.section)).and_then(|section| {
                    let view = RtpPacket::parse(&packet)?;
                    self.store(at, encoding, section, &view, packet.clone())
                });
                if stored.is_none() {
                    self.stats.dropped += 1;
                }
            }
            RelayedMedia::Report {
                encoding,
                at,
                ntp,
                rtp,
            } => {
                if let Some(encoding) = self.encoding_mut(encoding) {
                    encoding.set_report(at, ntp, rtp);
                }
            }
        }
    }

    /// From now on [`Publication::poll_relayed`] returns what comes in; off drops what waits.
    pub fn set_relaying(&mut self, on: bool) {
        self.relaying = on;
        if !on {
            self.relayed.clear();
        }
    }

    /// The next thing for the other shards.
    pub fn poll_relayed(&mut self) -> Option<RelayedMedia> {
        self.relayed.pop_front()
    }

    fn relay(&mut self, item: RelayedMedia) {
        if self.relaying && self.relayed.len() < MAX_RELAYED {
            self.relayed.push_back(item);
        }
    }

    /// What a shard that begins to watch must get first: reports and each encoding's current group of pictures.
    pub fn cached(&self) -> Vec<RelayedMedia> {
        let mut items = Vec::new();
        for encoding in self.tracks.iter().flat_map(|track| &track.encodings) {
            let id = encoding.id;
            if let Some((at, ntp, rtp)) = encoding.report() {
                items.push(RelayedMedia::Report {
                    encoding: id,
                    at,
                    ntp,
                    rtp,
                });
            }
            let history = &encoding.history;
            let group = history.keyframe().unwrap_or(history.end());
            let packets = (group..history.end()).filter_map(|position| history.get(position));
            items.extend(packets.map(|stored| RelayedMedia::Packet {
                encoding: id,
                at: stored.arrival,
                packet: stored.bytes.clone(),
            }));
        }
        items
    }

    /// Asks for a keyframe; merged and limited per encoding, forgotten when one comes.
    pub fn request_keyframe(&mut self, now: Instant, encoding: EncodingId) {
        let _ = now;
        if let Some(encoding) = self.encoding_mut(encoding) {
            encoding.keyframe.want();
        }
    }

    /// A replica's next request for its publisher's shard.
    pub fn poll_keyframe_request(&mut self, now: Instant) -> Option<EncodingId> {
        let interval = self.config.keyframe_interval;
        let mut encodings = self.tracks.iter_mut().flat_map(|track| &mut track.encodings);
        let due = encodings.find(|encoding| {
            encoding
                .keyframe
                .deadline(interval)
                .is_some_and(|at| at.is_none_or(|at| at <= now))
        })?;
        due.keyframe.take_due(now, interval);
        Some(due.id)
    }

    /// Appends the next compound RTCP packet for the publisher (reports, NACK, PLI or FIR, transport feedback) to
    /// `out`, at most 1200 bytes; false when there is none now.
    pub fn poll_rtcp(&mut self, now: Instant, out: &mut Vec<u8>) -> bool {
        let Some(feedback) = &mut self.feedback else {
            return false;
        };
        feedback.write(
            now,
            &self.media,
            &mut self.tracks,
            &self.config,
            &mut self.stats,
            out,
        )
    }

    /// When [`Publication::handle_timeout`] wants to be called next.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let requests = self
            .encodings()
            .filter_map(|encoding| encoding.keyframe.deadline(self.config.keyframe_interval)?);
        let feedback = self
            .feedback
            .as_ref()
            .map(|feedback| feedback.deadline(&self.tracks));
        requests.chain(feedback).min()
    }

    /// Drives NACKs, reports, feedback, meters and inactivity. What is due leaves with [`Publication::poll_rtcp`].
    pub fn handle_timeout(&mut self, now: Instant) {
        for encoding in self.tracks.iter_mut().flat_map(|track| &mut track.encodings) {
            encoding.advance(now);
        }
    }

    /// Whether media comes now: pictures, or sound where there are no pictures.
    pub fn is_flowing(&self, now: Instant) -> bool {
        let has_video = self.tracks.iter().any(|track| track.kind == MediaKind::Video);
        let counts = |track: &&Track| !has_video || track.kind == MediaKind::Video;
        let mut encodings = self
            .tracks
            .iter()
            .filter(counts)
            .flat_map(|track| &track.encodings);
        encodings.any(|encoding| encoding.has_come_within(now, OFF_AIR_AFTER))
    }

    /// Whether packets come that do not say of which layer they are.
    pub(super) fn has_unnamed(&self, now: Instant) -> bool {
        self.unnamed
            .is_some_and(|at| now.saturating_duration_since(at) < OFF_AIR_AFTER)
    }

    /// The tracks, in the order of the m-sections.
    pub fn tracks(&self) -> &[Track] {
        &self.tracks
    }

    pub(super) fn tracks_mut(&mut self) -> &mut [Track] {
        &mut self.tracks
    }

    /// The first track of a kind.
    pub fn track(&self, kind: MediaKind) -> Option<&Track> {
        self.tracks.iter().find(|track| track.kind == kind)
    }

    /// One encoding.
    pub fn encoding(&self, id: EncodingId) -> Option<&Encoding> {
        let track = self.tracks.get(usize::from(id.section))?;
        track.encodings.get(usize::from(id.layer))
    }

    /// What was counted so far.
    pub fn stats(&self) -> &MediaStats {
        &self.stats
    }

    fn encodings(&self) -> impl Iterator<Item = &Encoding> {
        self.tracks.iter().flat_map(|track| &track.encodings)
    }

    fn encoding_mut(&mut self, id: EncodingId) -> Option<&mut Encoding> {
        let track = self.tracks.get_mut(usize::from(id.section))?;
        track.encodings.get_mut(usize::from(id.layer))
    }
}

/// Length of the original sequence number before an RTX payload.
const OSN_LEN: usize = 2;

/// The packet that a retransmission carries (RFC 4588 §4), as its encoding would have sent it.
fn unwrap_rtx(section: &ReceivedMedia, packet: &RtpPacket<'_>, ssrc: u32) -> Option<Bytes> {
    let rtx = packet.payload_type();
    let payload = section.payloads.iter().find(|payload| payload.rtx == Some(rtx))?;
    let (number, rest) = packet.payload().split_first_chunk::<OSN_LEN>()?;
    let header = packet.header();
    let mut original = BytesMut::with_capacity(header.len() + rest.len());
    // Padding was cut off with the payload's end.
    original.put_u8(header.first()? & !0x20);
    original.put_u8(header.get(1)? & 0x80 | payload.payload_type);
    original.put_slice(number);
    original.put_slice(header.get(4..8)?);
    original.put_u32(ssrc);
    original.put_slice(header.get(12..)?);
    original.put_slice(rest);
    Some(original.freeze())
}
