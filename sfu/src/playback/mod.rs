//! A viewer's side of the media: which layer it gets, its own sequence, timestamp and picture-id space, its
//! retransmissions, reports and bandwidth.

mod burst;
mod climb;
mod clock;
mod clock_map;
mod completion;
mod cut;
mod descriptor;
mod giving_way;
mod header;
mod layers;
mod pace;
mod playout;
mod probe;
mod repair;
mod replays;
mod reports;
mod room;
mod segments;
mod select;
mod sender;
mod tries;

use std::time::{Duration, Instant};

use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};

use crate::bandwidth::Bandwidth;
use crate::media::Publication;
use crate::negotiation::{Codec, Label, SentMedia};
use crate::rate_limiter::{Rate, RateLimiter};
use crate::relay::{EncodingId, Generation};
use crate::stats::PlaybackStats;
use crate::transport::RtpParts;
use burst::Appetite;
use climb::Climb;
pub use clock_map::ClockMap;
use clock_map::ClockMaps;
use cut::Layers;
pub use playout::PlayoutDelay;
use probe::Probe;
use replays::Replays;
use reports::Reports;
pub use select::LayerReason;
use sender::{Line, Progress, Sender};

/// A picture that begins anew is many times the stream: lines that come and go all the time have to ask for it.
const RETURNS: Rate = Rate::every(Duration::from_secs(5), 3);

/// Bounds and timings of playback.
#[derive(Clone, Debug)]
pub struct PlaybackConfig {
    /// From keys to the first packet, for who says nothing under them: a viewer loses what comes before it has them, too.
    pub start_delay: Duration,
    /// The same for Firefox, which lost the begin in every other join without it, in none from 20 ms on.
    pub start_delay_firefox: Duration,
    /// The pace of a burst from the cache, as a multiple of the encoding's rate, never above `burst_bitrate`.
    pub burst_factor: u32,
    /// Bits per second a burst gets at most: a browser's socket loses what comes much faster.
    pub burst_bitrate: u64,
    /// Bits per second assumed before any feedback.
    pub initial_bitrate: u64,
    /// A viewer's keyframe request is served from the cache at most this often, and less often when it keeps asking.
    pub replay_interval: Duration,
    /// What players are told of how long to hold a picture; `None` leaves it to them, or to the publisher's own wish.
    pub playout_delay: Option<PlayoutDelay>,
    /// Wall clock of `Instant` zero for NTP: nanoseconds since 1900 at the instant `epoch`.
    pub epoch: (Instant, u128),
}

impl PlaybackConfig {
    /// What browsers were found to like, with the nanoseconds since 1900 at an instant.
    pub fn new(epoch: (Instant, u128)) -> PlaybackConfig {
        PlaybackConfig {
            start_delay: Duration::from_millis(10),
            start_delay_firefox: Duration::from_millis(50),
            burst_factor: 15,
            burst_bitrate: 30_000_000,
            initial_bitrate: 3_000_000,
            replay_interval: Duration::from_millis(400),
            playout_delay: None,
            epoch,
        }
    }
}

/// Takes finished packets for one viewer.
pub trait RtpSink {
    /// Seals and queues one packet; false when it could not be queued.
    fn send(&mut self, packet: RtpParts<'_>) -> bool;

    /// The same for a packet of a picture: where not everything can leave, these are left behind first.
    fn send_video(&mut self, packet: RtpParts<'_>) -> bool {
        self.send(packet)
    }
}

/// What a viewer asks for by itself (layer extension, its element's size).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LayerLimit {
    /// Pin this rid.
    pub rid: Option<Label>,
    /// Pin the highest spatial layer forwarded of an encoding that has several.
    pub spatial: Option<u8>,
    /// Pin the highest temporal layer.
    pub temporal: Option<u8>,
    /// Nothing above this spatial layer; below it the line decides.
    pub max_spatial: Option<u8>,
    /// Nothing above this temporal layer.
    pub max_temporal: Option<u8>,
    /// No picture larger than this many pixels on the longer side.
    pub max_side: Option<u16>,
}

/// A viewer's subscriptions to a publication. Survives the publication: another one may follow, with other codecs
/// and encodings, in the same outgoing spaces.
pub struct Playback {
    config: PlaybackConfig,
    senders: Vec<Sender>,
    bandwidth: Bandwidth,
    reports: Reports,
    clock_maps: ClockMaps,
    probe: Probe,
    limit: LayerLimit,
    /// When the transport had keys, and from then to the first packet of a picture.
    connected_at: Option<Instant>,
    pictured: Option<Duration>,
    /// When the first packet may leave, and whether that time has come.
    begins_at: Option<Instant>,
    has_begun: bool,
    source: Option<Generation>,
    /// The layer to enter at its next keyframe.
    awaited: Option<EncodingId>,
    /// Since when keyframes were too large for a step upward.
    passing_since: Option<Instant>,
    next_selection: Instant,
    /// Since when the line has less than the layer needs.
    short_since: Option<Instant>,
    climb: Climb,
    /// The layers to get of the encoding that is entered next.
    entering: Layers,
    reason: LayerReason,
    /// When the picture was last entered at a keyframe.
    entered_at: Option<Instant>,
    wants_keyframe: bool,
    /// The line was away and is there again: what was sent meanwhile has not come.
    has_returned: bool,
    returns: RateLimiter,
    replays: Replays,
    stats: PlaybackStats,
    /// The codec of the picture on the air, as of the last count, where this viewer plays none of it.
    unplayable: Option<&'static str>,
}

impl Playback {
    /// A viewer that watches nothing yet.
    pub fn new(media: Vec<SentMedia>, config: PlaybackConfig, seed: u64, now: Instant) -> Playback {
        let mut rng = SmallRng::seed_from_u64(seed);
        let senders = media
            .into_iter()
            .map(|media| Sender::new(media, rng.next_u64(), now));
        Playback {
            senders: senders.collect(),
            bandwidth: Bandwidth::new(now, config.initial_bitrate),
            reports: Reports::new(),
            clock_maps: ClockMaps::default(),
            probe: Probe::new(now),
            limit: LayerLimit::default(),
            connected_at: None,
            pictured: None,
            begins_at: None,
            has_begun: false,
            source: None,
            awaited: None,
            passing_since: None,
            next_selection: now,
            short_since: None,
            climb: Climb::new(),
            entering: Layers::ALL,
            reason: LayerReason::default(),
            entered_at: None,
            wants_keyframe: false,
            has_returned: false,
            returns: RateLimiter::new(now),
            replays: Replays::default(),
            stats: PlaybackStats::default(),
            unplayable: None,
            config,
        }
    }

    /// The transport has keys: media may flow after the start delay.
    pub fn start(&mut self, now: Instant) {
        self.connected_at = Some(now);
        self.begins_at = Some(now + self.config.start_delay);
    }

    /// The viewer has the keys, too: nothing is waited for any more.
    pub fn begin(&mut self, now: Instant) {
        self.begins_at = self.begins_at.map(|at| at.min(now));
    }

    /// Media continues from the cached group of pictures of this publication, or pauses with `None`.
    pub fn attach(&mut self, now: Instant, publication: Option<(Generation, &Publication)>) {
        let source = publication.map(|(generation, _)| generation);
        if source == self.source {
            return;
        }
        self.source = source;
        self.awaited = None;
        self.next_selection = now;
        self.senders.iter_mut().for_each(Sender::detach);
        self.climb.begin_anew(now);
    }

    /// Looks whether this viewer plays any of the codecs that the picture comes in, as far as it takes one at all. Returns the name of
    /// one that it does not, and whether that is news.
    pub(crate) fn note_codecs(&mut self, on_air: &[Codec]) -> (Option<&'static str>, bool) {
        let video = self.video_sender();
        let is_played = |codec: &Codec| video.is_none_or(|sender| sender.media.payload_for(*codec).is_some());
        let unplayable = if on_air.iter().any(is_played) {
            None
        } else {
            on_air.first().map(|codec| codec.name())
        };
        let is_news = std::mem::replace(&mut self.unplayable, unplayable) != unplayable;
        (unplayable, is_news)
    }

    /// Sends all that is due: retransmissions, audio, new and cached video, probing. Cheap when nothing is.
    /// `keyframes` gets encodings that need a keyframe from the publisher.
    pub fn forward(
        &mut self,
        now: Instant,
        publication: &Publication,
        sink: &mut impl RtpSink,
        keyframes: &mut Vec<EncodingId>,
    ) {
        if self.source.is_none() || self.begins_at.is_none_or(|at| now < at) {
            return;
        }
        self.has_begun = true;
        self.enter_audio(now, publication);
        if std::mem::take(&mut self.has_returned) && self.returns.take(now, RETURNS) {
            self.join_again();
        }
        self.select_video(now, publication, keyframes);
        if std::mem::take(&mut self.wants_keyframe) {
            self.refresh(now, publication, keyframes);
        }
        // What was sent again waits behind everything else.
        let backlog = self.bandwidth.backlog(now);
        let round_trip = self.reports.round_trip + backlog;
        // Only a stream that comes to the live edge asks for it.
        let is_behind = self.senders.iter().any(Sender::is_behind);
        let room = if is_behind { self.room(now, publication) } else { 0 };
        let mut line = Line {
            now,
            sink,
            limit: self.limit_for_picture(now, publication, backlog),
            room,
            backlog,
            stop: self.stop(now, publication),
            holds: self.bandwidth.is_held_up(now),
            awaits_answer: self.bandwidth.awaits_answer(now),
            playout_delay: self.config.playout_delay,
            bandwidth: &mut self.bandwidth,
            stats: &mut self.stats,
        };
        let loss = line.bandwidth.loss().max(self.reports.lost_part());
        // Sound first: it is small and it is what is missed first.
        for sender in &mut self.senders {
            sender.note_loss(loss);
            let is_broken = sender.repair(publication, round_trip, &mut line);
            keyframes.extend(sender.encoding().filter(|_| is_broken));
            match sender.forward(publication, &mut line) {
                Progress::Good => {}
                Progress::NeedsKeyframe(encoding) => keyframes.push(encoding),
                Progress::Lost => sender.detach(),
            }
        }
        if self.pictured.is_none() && self.has_picture() {
            self.pictured = self.connected_at.map(|at| now.saturating_duration_since(at));
        }
        self.probe(now, publication, sink);
    }

    fn has_picture(&self) -> bool {
        self.video_sender().is_some_and(|video| video.packets > 0)
    }

    /// Whether the viewer's line has shown that it carries no more. Then a frame's first packets are on the way while
    /// the others still come, and holding them would delay the frame.
    pub fn is_on_a_full_line(&self, now: Instant) -> bool {
        self.bandwidth.limit(now).is_some()
    }

    /// The picture begins anew, as for somebody who comes: the smallest first, from its cached keyframe.
    fn join_again(&mut self) {
        let video = self.video().and_then(|place| self.senders.get_mut(place));
        video.into_iter().for_each(Sender::detach);
        self.climb = Climb::new();
        self.awaited = None;
        self.wants_keyframe = false;
    }

    /// Answers a viewer's keyframe request from the cache.
    fn refresh(&mut self, now: Instant, publication: &Publication, keyframes: &mut Vec<EncodingId>) {
        let Some(sender) = self.video_sender() else {
            return;
        };
        let encoding = sender.encoding().and_then(|id| sender::find(publication, id));
        let Some(encoding) = encoding else { return };
        let (is_thin, is_amid) = (sender.is_thin(), sender.is_amid_keyframe(&encoding.history));
        let since = self.entered_at.map(|at| now.saturating_duration_since(at));
        let newest = encoding.history.get(encoding.history.end().saturating_sub(1));
        let is_news = newest.is_none_or(|packet| self.entered_at.is_none_or(|at| packet.arrival > at));
        if !self.replays.is_due(since, self.config.replay_interval, is_news) {
            return;
        }
        if is_thin && is_amid {
            // It takes longer than the viewer is patient, and from its beginning it would take longer still.
            return;
        }
        let appetite = if is_thin || self.is_too_thin(now, publication) {
            Appetite::Thin
        } else {
            Appetite::Soon
        };
        self.enter_cached(now, publication, encoding, appetite, keyframes);
    }

    /// Takes one compound RTCP packet of the viewer. What it asks for leaves with the next [`Playback::forward`]; false
    /// when that can wait for the next packet of the publisher, as most feedback can.
    pub fn handle_rtcp(&mut self, now: Instant, compound: &[u8]) -> bool {
        self.take_rtcp(now, compound)
    }

    /// Appends the next compound RTCP packet for the viewer (sender reports with SDES) to `out`, at most 1200
    /// bytes; false when there is none now.
    pub fn poll_rtcp(&mut self, now: Instant, publication: Option<&Publication>, out: &mut Vec<u8>) -> bool {
        self.write_reports(now, publication, out)
    }

    /// What the picture's clock means, when there is something to tell of it.
    pub fn take_clock_map(&mut self) -> Option<ClockMap> {
        self.clock_maps.take()
    }

    /// When [`Playback::forward`] and [`Playback::poll_rtcp`] want to be called next even if nothing arrives.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.source?;
        let begins_at = self.begins_at?;
        let pace = self.senders.iter().filter_map(Sender::deadline).min();
        let begins = (!self.has_begun).then_some(begins_at);
        [begins, pace, self.reports.next, self.probe.deadline()]
            .into_iter()
            .flatten()
            .min()
            .map(|at| at.max(begins_at))
    }

    /// Sets or clears the viewer's own limit.
    pub fn set_limit(&mut self, limit: LayerLimit) {
        self.limit = limit;
        // The viewer's word counts at once, downward and upward.
        let most = Layers::within(limit);
        self.senders
            .iter_mut()
            .for_each(|sender| sender.cut.want(sender.cut.wanted().and(most)));
        self.climb = Climb::new();
        self.awaited = None;
        self.next_selection = self.config.epoch.0;
    }

    /// The video layer the viewer gets now.
    pub fn layer(&self) -> Option<EncodingId> {
        self.video_sender()?.encoding()
    }

    /// The highest spatial and temporal layer of it that the viewer gets.
    pub fn highest_layers(&self) -> (u8, u8) {
        self.video_sender().map_or((0, 0), |video| video.cut.highest())
    }

    /// Why it is that one and not the one above, as of the latest choice.
    pub fn reason(&self) -> LayerReason {
        self.reason
    }

    /// The estimate of the line, bits per second.
    pub fn estimate(&self) -> u64 {
        self.bandwidth.estimate()
    }

    /// When its transport had keys.
    pub fn connected_at(&self) -> Option<Instant> {
        self.connected_at
    }

    /// From keys to the first packet of a picture.
    pub fn pictured(&self) -> Option<Duration> {
        self.pictured
    }

    /// To the viewer and back, as it last reported.
    pub fn round_trip(&self) -> Duration {
        self.reports.round_trip
    }

    /// Fraction of the picture's packets that the viewer last reported lost, in 256ths.
    pub fn lost_fraction(&self) -> u8 {
        self.reports.lost_fraction
    }

    /// What was counted so far.
    pub fn stats(&self) -> &PlaybackStats {
        &self.stats
    }
}
