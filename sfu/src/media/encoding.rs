//! One simulcast stream as it comes in: numbers in order, pictures recognised, rate and size known.

use std::time::{Duration, Instant};

use bytes::Bytes;

use super::checkup::Checkup;
use super::history::{Allowance, Epoch, History, Release, StoredPacket};
use super::keyframes::KeyframeRequest;
use super::layering::Layering;
use super::meter::Meter;
use super::parts::Parts;
use super::payload::{Keyframe, LayerSizes, PayloadFacts};
use super::picture_ids::PictureIds;
use super::publication::MediaConfig;
use super::reception::Reception;
use super::rtp_packet::RtpPacket;
use super::sequence::{Arrival, Sequence};
use crate::negotiation::{Codec, Extension, Label, MediaKind, ReceivedMedia};
use crate::relay::EncodingId;

/// Pictures of the track's other encodings that a silent one lets pass: a screen that hardly changes is slow in all of
/// them, and what is late on the way comes sooner than this.
const MISSED_PICTURES: u8 = 4;

/// A timestamp that goes back by more seconds is a clock that was set.
const LONGEST_REORDERING_S: u32 = 2;

/// A clock that goes on by so much more than time does, or goes back by so much, is another one. No player shows what is
/// so far ahead (libwebrtc begins anew at ten seconds), and what was held up on its way is not: there time has passed, too.
const LONGEST_LEAP: Duration = Duration::from_secs(5);

/// So long nothing comes of a source before one that was there earlier is believed to have its place again.
const SOURCE_SILENT: Duration = Duration::from_millis(500);

/// So long after its last packet a stream is still said to arrive.
const ARRIVING: Duration = Duration::from_secs(2);

/// Sound is small and only its live edge is wanted: this is more than ten seconds of it.
const AUDIO_HISTORY_BYTES: usize = 512 << 10;

/// One simulcast stream of a track.
#[derive(Debug)]
pub struct Encoding {
    /// Its number in relay messages.
    pub id: EncodingId,
    /// Its rid, when simulcast.
    pub rid: Option<Label>,
    /// Its packets.
    pub history: History,
    /// Who sends it now.
    ssrc: Option<u32>,
    epoch: Epoch,
    /// A packet with a number that is far off; when the next one follows it, the stream begins anew with it.
    stray: Option<Bytes>,
    /// When the newest packet came, and its timestamp.
    clock: Option<(Instant, u32)>,
    pub(super) sequence: Sequence,
    pub(super) reception: Reception,
    pub(super) keyframe: KeyframeRequest,
    pub(super) checkup: Checkup,
    codec: Option<Codec>,
    size: Option<(u16, u16)>,
    /// Of its spatial layers, where told; 0 of both for none.
    layer_sizes: LayerSizes,
    meter: Meter,
    parts: Parts,
    last_packet: Option<Instant>,
    inactive_after: Duration,
    /// Pictures the track's other encodings began since.
    missed: u8,
    report: Option<(Instant, u64, u32)>,
    /// NTP and RTP time of the last sender report, whether or not it can be believed.
    told: Option<(u64, u32)>,
    layering: Layering,
    /// Timestamp of the newest packet and of the newest keyframe.
    picture: Option<u32>,
    keyframe_picture: Option<u32>,
    picture_ids: PictureIds,
}

/// What became of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Taken {
    New,
    /// The first packet of a picture newer than all before.
    NewPicture,
    Recovered,
    /// With a number that is far off: kept until the next one tells whether the stream begins anew with it.
    Held,
    /// Double or malformed.
    Dropped,
}

impl Encoding {
    pub(super) fn new(id: EncodingId, rid: Option<Label>, kind: MediaKind, config: &MediaConfig) -> Encoding {
        let bytes = match kind {
            MediaKind::Audio => config.history_bytes.min(AUDIO_HISTORY_BYTES),
            MediaKind::Video => config.history_bytes,
        };
        Encoding {
            id,
            rid,
            history: History::new(bytes, config.history_time),
            ssrc: None,
            epoch: Epoch::default(),
            stray: None,
            clock: None,
            sequence: Sequence::default(),
            reception: Reception::default(),
            keyframe: KeyframeRequest::default(),
            checkup: Checkup::default(),
            codec: None,
            size: None,
            layer_sizes: LayerSizes::default(),
            meter: Meter::default(),
            parts: Parts::default(),
            last_packet: None,
            inactive_after: config.inactive_after,
            missed: 0,
            report: None,
            told: None,
            layering: Layering::default(),
            picture: None,
            keyframe_picture: None,
            picture_ids: PictureIds::default(),
        }
    }

    /// Whether its publisher sends it: it came, and has not ceased while the track's other encodings went on.
    pub fn is_active(&self, now: Instant) -> bool {
        self.last_packet.is_some()
            && (self.missed < MISSED_PICTURES || self.has_come_within(now, self.inactive_after))
    }

    /// Whether who is in its current group of pictures stands still until the next: something is missing that does not come.
    pub fn is_broken(&self, now: Instant) -> bool {
        let first = self.history.keyframe_sequence();
        first.is_some_and(|first| self.sequence.is_broken_behind(now, first))
    }

    /// Whether a viewer may stay in it: it is sent, and nothing stops it.
    pub fn serves(&self, now: Instant) -> bool {
        self.is_active(now) && !self.is_broken(now)
    }

    /// Another encoding of the track began a picture.
    pub(super) fn miss(&mut self) {
        self.missed = self.missed.saturating_add(1);
    }

    /// Whether packets come, for people to read: a screen that hardly changes does not blink.
    pub fn is_arriving(&self, now: Instant) -> bool {
        self.is_active(now) && self.has_come_within(now, ARRIVING)
    }

    pub(super) fn has_come_within(&self, now: Instant, time: Duration) -> bool {
        self.last_packet
            .is_some_and(|last| now.saturating_duration_since(last) < time)
    }

    /// Codec of the latest packet.
    pub fn codec(&self) -> Option<Codec> {
        self.codec
    }

    /// Bits per second metered over seconds (not bursts), headers included; 0 while unknown.
    pub fn bitrate(&self) -> u64 {
        self.meter.bitrate()
    }

    /// The same over several groups of pictures: a new scene tells little in it, and a livelier one later.
    pub fn usual_bitrate(&self) -> u64 {
        self.meter.usual()
    }

    /// The highest spatial and temporal layer it has; 0 of both for one without layers.
    pub fn highest_layers(&self) -> (u8, u8) {
        self.parts.highest()
    }

    /// Bits per second of its layers up to these, metered like [`Encoding::bitrate`].
    pub fn bitrate_up_to(&self, spatial: u8, temporal: u8) -> u64 {
        self.parts.bitrate(spatial, temporal, Meter::bitrate)
    }

    /// Bits per second of its layers up to these, metered like [`Encoding::usual_bitrate`].
    pub fn usual_bitrate_up_to(&self, spatial: u8, temporal: u8) -> u64 {
        self.parts.bitrate(spatial, temporal, Meter::usual)
    }

    /// Coded size in pixels (width, height) where the keyframe told.
    pub fn size(&self) -> Option<(u16, u16)> {
        self.size
    }

    /// The same of its picture up to a spatial layer. Where the publisher does not tell it, each layer is half as wide and
    /// high as the next, as browsers make them (W3C WebRTC-SVC §6).
    pub fn size_up_to(&self, spatial: u8) -> Option<(u16, u16)> {
        let highest = self.highest_layers().0;
        if spatial >= highest {
            return self.size;
        }
        match self.layer_sizes.get(usize::from(spatial)) {
            Some(&told) if told != (0, 0) => Some(told),
            _ => self.size.map(|(width, height)| {
                let halvings = u32::from(highest - spatial);
                let half = |side: u16| side.checked_shr(halvings).unwrap_or(0).max(1);
                (half(width), half(height))
            }),
        }
    }

    /// Who sends it.
    pub(super) fn ssrc(&self) -> Option<u32> {
        self.ssrc
    }

    /// Whether packets of this source are to be taken: what an encoder that began anew sent before comes too late. `is_new`:
    /// nothing was heard of it before.
    pub(super) fn takes_source(&self, now: Instant, ssrc: u32, is_new: bool) -> bool {
        let is_other = self.ssrc.is_some_and(|current| current != ssrc);
        !is_other || is_new || !self.has_come_within(now, SOURCE_SILENT)
    }

    /// The next packet is of this source. Another one than before has numbers and times of its own.
    pub(super) fn set_source(&mut self, ssrc: u32) {
        if self.ssrc.replace(ssrc).is_some_and(|before| before != ssrc) {
            self.sequence.begin_anew();
            self.stray = None;
        }
    }

    /// The packet that was not believed to be the first of a new beginning, when this number confirms that it was.
    pub(super) fn confirmed_by(&mut self, number: u16) -> Option<Bytes> {
        let first = self
            .stray
            .take()
            .filter(|_| self.sequence.confirms_jump(number))?;
        self.sequence.begin_anew();
        Some(first)
    }

    /// How often it began anew: what was learned of one clock says nothing of the next.
    pub fn epoch(&self) -> Epoch {
        self.epoch
    }

    fn begin_clock(&mut self) {
        self.epoch.clock = self.epoch.clock.wrapping_add(1);
        self.report = None;
        (self.picture, self.keyframe_picture) = (None, None);
    }

    /// Whether a newest packet's timestamp is of another clock than those before.
    fn is_other_clock(&self, now: Instant, timestamp: u32, rate: u32) -> bool {
        self.clock.is_some_and(|(at, newest)| {
            let ticks = |time: Duration| (time.as_micros() * u128::from(rate) / 1_000_000) as i64;
            let passed = ticks(now.saturating_duration_since(at));
            let ahead = i64::from(timestamp.wrapping_sub(newest) as i32);
            !(-ticks(LONGEST_LEAP)..=passed + ticks(LONGEST_LEAP)).contains(&ahead)
        })
    }

    /// The last sender report: when it came, NTP (32.32), RTP timestamp.
    pub fn report(&self) -> Option<(Instant, u64, u32)> {
        self.report
    }

    /// Takes a sender report. A clock that does not go on tells nothing, nor does one that is 0 (RFC 3550 §6.4.1).
    pub(super) fn set_report(&mut self, at: Instant, ntp: u64, rtp: u32) {
        let before = self.told.replace((ntp, rtp));
        let stands = before.is_some_and(|(then, shown)| then == ntp && shown != rtp);
        let tells = ntp != 0 && !stands;
        self.report = tells.then_some((at, ntp, rtp));
    }

    /// Decides which packets may leave ([`History::release`]); sound is never held.
    pub(super) fn release(&mut self, now: Instant, allowed: Allowance) -> Release {
        let is_video = self.codec.is_some_and(|codec| codec.kind() == MediaKind::Video);
        let allowed = if is_video { allowed } else { Allowance::default() };
        self.history.release(now, allowed)
    }

    /// Lets time pass for the meter.
    pub(super) fn advance(&mut self, now: Instant) {
        self.meter.advance(now);
        self.parts.advance(now);
    }

    /// Stores one packet of this encoding (never RTX). `bytes` is what `packet` views.
    pub(super) fn take(
        &mut self,
        now: Instant,
        media: &ReceivedMedia,
        packet: &RtpPacket<'_>,
        bytes: &Bytes,
    ) -> Taken {
        let payload_type = packet.payload_type();
        let payload = media
            .payloads
            .iter()
            .find(|known| known.payload_type == payload_type);
        let Some(codec) = payload.map(|payload| payload.codec) else {
            return Taken::Dropped;
        };
        let before = self.sequence.highest();
        let (sequence, mut taken) = match self.sequence.arrive(now, packet.sequence()) {
            Arrival::New(sequence) => (sequence, Taken::New),
            Arrival::Recovered(sequence) => (sequence, Taken::Recovered),
            Arrival::Restarted(sequence) => {
                self.epoch.numbers = self.epoch.numbers.wrapping_add(1);
                self.begin_clock();
                // Nobody knows whether what follows is built upon what was before.
                self.keyframe.want();
                self.clock = None;
                (sequence, Taken::New)
            }
            Arrival::Refused if self.sequence.is_jumping() => {
                self.stray = Some(bytes.clone());
                return Taken::Held;
            }
            Arrival::Refused => return Taken::Dropped,
        };
        let Some(mut facts) = PayloadFacts::read(codec, packet.payload()) else {
            return Taken::Dropped;
        };
        self.codec = Some(codec);
        self.last_packet = Some(now);
        self.missed = 0;
        self.meter.count(now, packet.bytes().len());
        if facts.size.is_some() {
            self.size = facts.size;
        }
        let timestamp = packet.timestamp();
        let is_newest = before.is_none_or(|highest| sequence > highest);
        self.picture_ids.widen(&mut facts.info, is_newest);
        if is_newest {
            if self.is_other_clock(now, timestamp, codec.clock_rate()) {
                self.begin_clock();
            }
            self.clock = Some((now, timestamp));
        }
        if taken == Taken::New && !packet.payload().is_empty() {
            self.reception.arrive(now, timestamp, codec.clock_rate());
        }
        let keyframe_start = self.is_keyframe_start(codec, facts.keyframe, timestamp);
        if keyframe_start {
            self.keyframe.satisfied();
            self.checkup.keyframe(now);
        }
        if facts.bidirectional || (is_newest && self.is_out_of_order(timestamp)) {
            self.checkup.reordered(now);
        }
        if let Some(profile) = facts.h264_profile {
            self.checkup.profile(profile);
        }
        let is_new_picture = self.picture.is_none_or(|newest| newest != timestamp);
        if self
            .picture
            .is_none_or(|newest| timestamp.wrapping_sub(newest) < 1 << 31)
        {
            self.picture = Some(timestamp);
            if is_new_picture && taken == Taken::New {
                taken = Taken::NewPicture;
                self.checkup.picture(now);
            }
        }
        let place = self.layering.place(media, packet, &facts, is_new_picture);
        if let Some(sizes) = place.sizes.or(facts.layer_sizes) {
            self.layer_sizes = sizes;
        }
        if codec.kind() == MediaKind::Video {
            self.parts
                .count(now, (place.spatial, place.temporal), packet.bytes().len());
        }
        let offset = packet.payload_offset();
        self.history.push(StoredPacket {
            arrival: now,
            sequence,
            timestamp,
            epoch: self.epoch,
            marker: packet.marker(),
            codec,
            keyframe_start,
            frame_start: place.frame_start,
            spatial: place.spatial,
            has_below: false,
            layer_end: place.layer_end,
            temporal: place.temporal,
            temporal_sync: place.temporal_sync,
            opens: place.opens,
            dependency: place.dependency,
            info: facts.info,
            bytes: bytes.slice(..offset + packet.payload().len()),
            payload_offset: offset as u16,
            passes_extensions: packet.extensions().any(|(id, _)| {
                media
                    .extensions
                    .extension(id)
                    .is_some_and(Extension::is_end_to_end)
            }),
            padding: 0,
        });
        taken
    }

    /// One keyframe has one start, however many packets look like it.
    fn is_keyframe_start(&mut self, codec: Codec, keyframe: Keyframe, timestamp: u32) -> bool {
        if codec.kind() == MediaKind::Audio {
            return false;
        }
        let starts = match keyframe {
            Keyframe::No => false,
            Keyframe::Start | Keyframe::StartWithoutParameters => self.keyframe_picture != Some(timestamp),
        };
        if starts {
            self.keyframe_picture = Some(timestamp);
        }
        starts
    }

    /// Whether a picture is shown before one that was sent before it.
    fn is_out_of_order(&self, timestamp: u32) -> bool {
        let codec = self.codec.filter(|codec| codec.kind() == MediaKind::Video);
        let back = self.picture.map(|newest| newest.wrapping_sub(timestamp));
        codec
            .zip(back)
            .is_some_and(|(codec, back)| (1..codec.clock_rate() * LONGEST_REORDERING_S).contains(&back))
    }
}
