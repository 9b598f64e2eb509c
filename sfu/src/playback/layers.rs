//! Entering and changing layers: which one, and where in it a viewer begins.

use std::time::{Duration, Instant};

use super::Playback;
use super::burst::Appetite;
use super::cut::Layers;
use super::pace::Pace;
use super::room::DRAINED;
use super::select::{self, Beside, LayerReason, Room, Step, rate_of, usual_rate_of};
use super::sender::{Sender, find};
use crate::media::{Encoding, Publication};
use crate::negotiation::MediaKind;
use crate::relay::EncodingId;

/// Between two thoughts about the layer.
const SELECTION_INTERVAL: Duration = Duration::from_millis(100);
/// What shop and chat take of a line, bits per second: a few small messages a second.
const MESSAGES_BITRATE: u64 = 10_000;
/// A keyframe that came within this time says that others asked.
const RECENT: Duration = Duration::from_secs(2);
/// A group of pictures longer than this is better left behind: a keyframe is asked for, too.
const LONG_GROUP: Duration = Duration::from_secs(3);
/// No encoder with a keyframe interval of its own has a longer one.
const LONGEST_GROUP: Duration = Duration::from_secs(10);
/// A keyframe this fresh may be entered upward: what came since is little.
const FRESH: Duration = Duration::from_millis(300);

/// When it goes up, there is no hurry: keyframes that would stop the picture for longer are passed by for a while, for the
/// one after a new scene's is smaller. Where all are large, it must be one of them.
const UPWARD_PATIENCE: Duration = Duration::from_millis(450);
const LONGEST_CHOICE: Duration = Duration::from_secs(4);

/// With more than this in front of it a viewer of several spatial layers gets no more of them than the line carries.
const SWAMPED: Duration = Duration::from_millis(200);

/// A line that has a little less than a layer needs for no longer than this may keep it.
const SHORTLY: Duration = Duration::from_secs(1);
/// Unless so much waits in front of it: no line that is short for a moment only has such a queue.
const DEEP: Duration = Duration::from_millis(250);
/// When a viewer goes down nothing moves until the smaller layer's keyframe is there, behind what filled the line before:
/// how long that may take, and how long the keyframe itself may however much waits.
const KEYFRAME_PATIENCE: Duration = Duration::from_millis(350);
const LEAST_PATIENCE: Duration = Duration::from_millis(100);

impl Playback {
    /// Sound begins at the live edge.
    pub(super) fn enter_audio(&mut self, now: Instant, publication: &Publication) {
        for sender in self
            .senders
            .iter_mut()
            .filter(|sender| sender.media.kind == MediaKind::Audio)
        {
            if sender.encoding().is_some() {
                continue;
            }
            let track = publication.track(MediaKind::Audio);
            if let Some(encoding) = track.and_then(|track| track.encodings.first())
                && encoding.codec().is_some()
            {
                sender.enter_live(encoding);
                self.reports.restart(now);
            }
        }
    }

    /// Chooses the picture's layer and goes there when it can be entered.
    pub(super) fn select_video(
        &mut self,
        now: Instant,
        publication: &Publication,
        keyframes: &mut Vec<EncodingId>,
    ) {
        let Some(track) = publication.track(MediaKind::Video) else {
            return;
        };
        if self.gives_way(now, publication, track) {
            return;
        }
        let Some(place) = self.video() else { return };
        let Some(sender) = self.senders.get(place) else {
            return;
        };
        let current = sender.encoding().and_then(|id| find(publication, id));
        let must = current.is_none_or(|current| !current.serves(now));
        if !must && now < self.next_selection && self.awaited.is_none() {
            return;
        }
        self.next_selection = now + SELECTION_INTERVAL;
        let is_drained = self.bandwidth.limit(now).is_none() || self.bandwidth.queueing() < DRAINED;
        if let Some(current) = current
            && (is_drained && sender.hopes_for_keyframe(now, &current.history) || sender.cut.wants_keyframe())
        {
            // The publication merges and limits this; a request may have come just behind a keyframe.
            keyframes.push(current.id);
        }
        self.bandwidth.handle_time(now, self.stats.bytes);
        let had = current.map(|current| (current, sender.cut.wanted()));
        let line = self.line(now, publication);
        let is_short = had.is_some_and(|(current, layers)| line.is_short(least_of(current, layers)));
        self.short_since = is_short.then(|| self.short_since.unwrap_or(now));
        let Some(chosen) = select::choose(now, track, &sender.media, self.limit, had, line) else {
            return;
        };
        self.reason = had.map_or(LayerReason::Joining, |had| {
            select::above(now, track, &sender.media, self.limit, had, line).0
        });
        let Some((current, layers)) = had else {
            let ladder = select::playable(now, track, &sender.media);
            return self.enter_first(now, publication, chosen.encoding, ladder.as_slice(), keyframes);
        };
        if chosen.encoding.id == current.id && chosen.layers == layers {
            self.awaited = None;
            return;
        }
        let is_more = chosen.bitrate > rate_of(current, layers);
        if is_more
            && current.is_broken(now)
            && current.is_active(now)
            && !chosen.fits(line.beside, line.estimate)
        {
            // The next keyframe comes sooner than what is too much for the line.
            return;
        }
        let is_up = is_more && current.serves(now);
        let is_pinned = self.limit.rid.is_some() && chosen.encoding.id != current.id;
        let may_rise = line.is_calm && line.is_proven && self.climb.may_rise(now, line.estimate);
        if is_up && !is_pinned && !may_rise {
            self.awaited = None;
            return;
        }
        if chosen.encoding.id == current.id {
            self.awaited = None;
            return self.cut(now, publication, chosen, is_more);
        }
        let chosen = match self.bandwidth.limit(now) {
            Some(_) if !is_up && !is_pinned => {
                let soon = self.comes_soon(now, current, line);
                select::soonest(now, track, &sender.media, self.limit, chosen, soon)
            }
            _ => chosen,
        };
        if !is_up && !is_pinned && current.serves(now) && self.ends_sooner(current, chosen.encoding) {
            self.next_selection = now;
            return;
        }
        self.entering = chosen.layers;
        self.approach(now, publication, chosen.encoding, is_up, keyframes);
    }

    /// More or fewer layers of the same encoding. Fewer go on when what fills the line is nearly through: behind a full queue
    /// they would be lost.
    fn cut(&mut self, now: Instant, publication: &Publication, chosen: Step<'_>, is_more: bool) {
        let Some(place) = self.video() else { return };
        let mut is_smaller = false;
        if let Some(sender) = self.senders.get_mut(place) {
            is_smaller = !is_more && chosen.layers.spatial < sender.cut.wanted().spatial;
            sender.cut.want(chosen.layers);
        }
        let pace = is_smaller.then(|| self.pace(now, publication, chosen.encoding));
        let line = (self.bandwidth.backlog(now), self.bandwidth.estimate());
        if let Some(pace) = pace.filter(|pace| pace.waits)
            && let Some(sender) = self.senders.get_mut(place)
        {
            sender.go_on_below(now, chosen.encoding, pace, line);
        }
        self.stats.layer_switches += 1;
        self.abandon_probe(now);
        self.climb
            .entered(now, chosen.bitrate, Some(self.bandwidth.estimate()));
    }

    /// Bits per second of what the viewer gets of its encoding.
    pub(super) fn rate(&self, publication: &Publication) -> Option<u64> {
        let sender = self.video_sender()?;
        let encoding = find(publication, sender.encoding()?)?;
        Some(rate_of(encoding, sender.cut.wanted()))
    }

    /// What the line has room for.
    pub(super) fn line(&self, now: Instant, publication: &Publication) -> Room {
        // A picture of several layers is large: one more behind a queue, and the estimate is known to have been too much.
        let is_layered = self.video_sender().is_some_and(|sender| sender.cut.is_layered());
        let waiting = self
            .bandwidth
            .limit(now)
            .map_or(Duration::ZERO, |_| self.bandwidth.backlog(now));
        let most = if is_layered && waiting > SWAMPED {
            self.bandwidth.carries()
        } else {
            u64::MAX
        };
        Room {
            estimate: self.bandwidth.estimate().min(most),
            beside: self.beside(publication),
            is_calm: self.bandwidth.is_calm(now),
            is_proven: self.bandwidth.is_proven(now),
            is_short_lately: waiting <= DEEP
                && self
                    .short_since
                    .is_none_or(|since| now.saturating_duration_since(since) < SHORTLY),
        }
    }

    /// Bytes of a keyframe that would be there soon, behind what waits in the line.
    fn comes_soon(&self, now: Instant, current: &Encoding, line: Room) -> u64 {
        let sender = self.video_sender();
        // The picture stands since then already.
        let began = sender.and_then(|sender| sender.began_keyframe(&current.history));
        let stood = began.map_or(Duration::ZERO, |at| now.saturating_duration_since(at));
        let wait = KEYFRAME_PATIENCE.saturating_sub(self.bandwidth.backlog(now) + stood);
        let room = line.estimate.saturating_sub(line.beside.bitrate);
        room / 8 * wait.max(LEAST_PATIENCE).as_millis() as u64 / 1000
    }

    /// Whether of a keyframe that has begun to leave less is missing than of the smaller layer's: that one would be there
    /// later, behind what has left for nothing.
    fn ends_sooner(&self, current: &Encoding, smaller: &Encoding) -> bool {
        let left = self
            .video_sender()
            .and_then(|sender| sender.left_of_keyframe(&current.history));
        left.is_some_and(|left| left <= smaller.history.keyframe_bytes(u8::MAX))
    }

    /// Whether a keyframe is on its way: who left it for a step upward would have sent it for nothing.
    fn is_amid_keyframe(&self, publication: &Publication) -> bool {
        self.video_sender().is_some_and(|sender| {
            let current = sender.encoding().and_then(|id| find(publication, id));
            current.is_some_and(|current| sender.is_amid_keyframe(&current.history))
        })
    }

    /// Whether a keyframe that an upward step could begin with is too large for the line, and another may be awaited.
    fn passes_by(&mut self, now: Instant, publication: &Publication, target: &Encoding) -> bool {
        let carries = self
            .bandwidth
            .estimate()
            .max(self.bandwidth.brings().unwrap_or_default());
        let room = carries.saturating_sub(self.beside(publication).bitrate);
        let soon = room / 8 * UPWARD_PATIENCE.as_millis() as u64 / 1000;
        if target.history.keyframe_bytes(self.entering.spatial) <= soon {
            return false;
        }
        let since = *self.passing_since.get_or_insert(now);
        now.saturating_duration_since(since) < LONGEST_CHOICE
    }

    /// What of the line is not the picture's.
    pub(super) fn beside(&self, publication: &Publication) -> Beside {
        let sound = publication.track(MediaKind::Audio);
        let sound = sound.and_then(|track| track.encodings.first());
        let sender = self
            .senders
            .iter()
            .find(|sender| sender.media.kind == MediaKind::Audio);
        let bitrate = sound.map_or(0, |sound| {
            sender.map_or(sound.bitrate(), |sender| {
                sender.sound_bitrate(sound.codec(), sound.bitrate())
            })
        });
        Beside {
            bitrate: bitrate + MESSAGES_BITRATE,
            loss: self.bandwidth.loss(),
        }
    }

    /// A viewer without a picture takes the lowest layer that has a beginning to show, some tens of kilobytes, and
    /// goes up from there; where nothing has one, the wanted layer is asked for it.
    fn enter_first(
        &mut self,
        now: Instant,
        publication: &Publication,
        chosen: &Encoding,
        ladder: &[&Encoding],
        keyframes: &mut Vec<EncodingId>,
    ) {
        let can_start = |encoding: &&Encoding| encoding.history.keyframe().is_some();
        let pinned = self.limit.rid.is_some().then_some(chosen).filter(can_start);
        let lowest = ladder
            .iter()
            .copied()
            .find(|encoding| can_start(encoding) && encoding.bitrate() <= chosen.bitrate());
        match pinned.or(lowest) {
            Some(encoding) => {
                self.entering = select::lowest_of(encoding, self.limit);
                self.enter_cached(now, publication, encoding, Appetite::Soon, keyframes);
            }
            None => keyframes.push(chosen.id),
        }
    }

    /// Goes to another layer at a keyframe: downward at the cached one, upward at a fresh one that is asked for.
    fn approach(
        &mut self,
        now: Instant,
        publication: &Publication,
        target: &Encoding,
        is_up: bool,
        keyframes: &mut Vec<EncodingId>,
    ) {
        let keyframe = target.history.keyframe();
        let age = keyframe
            .and_then(|position| target.history.get(position))
            .map(|packet| now.saturating_duration_since(packet.arrival));
        let is_fresh = age.is_some_and(|age| age <= FRESH);
        if keyframe.is_some() && !is_up {
            // An encoder that makes keyframes when asked makes one now; another has one soon.
            let on_demand = age.is_some_and(|age| age > LONGEST_GROUP);
            let appetite = if on_demand {
                Appetite::Soon
            } else {
                Appetite::Whole
            };
            return self.enter_cached(now, publication, target, appetite, keyframes);
        }
        self.awaited = Some(target.id);
        if is_fresh {
            // Nothing moves until all of it is there: how much that is is known when it has come.
            let is_whole = target.history.has_whole_keyframe();
            let is_free = !self.is_amid_keyframe(publication);
            if is_whole && is_free && !self.passes_by(now, publication, target) {
                self.enter_video(now, publication, target, Appetite::Whole);
            }
            return;
        }
        // One that came lately says that others asked; the next request waits for its turn.
        if age.is_none_or(|age| age > RECENT) {
            keyframes.push(target.id);
        }
    }

    /// Begins with the cached group of pictures; asks for a new one when it is long.
    pub(super) fn enter_cached(
        &mut self,
        now: Instant,
        publication: &Publication,
        encoding: &Encoding,
        appetite: Appetite,
        keyframes: &mut Vec<EncodingId>,
    ) {
        let Some(position) = encoding.history.keyframe() else {
            keyframes.push(encoding.id);
            return;
        };
        let arrival = encoding.history.get(position).map(|packet| packet.arrival);
        self.enter_video(now, publication, encoding, appetite);
        let is_old = arrival.is_some_and(|at| now.saturating_duration_since(at) > LONG_GROUP);
        let is_still = self.video_sender().is_some_and(Sender::awaits_keyframe);
        self.stats.stills += u64::from(is_still);
        if is_old || is_still {
            keyframes.push(encoding.id);
        }
    }

    fn enter_video(
        &mut self,
        now: Instant,
        publication: &Publication,
        encoding: &Encoding,
        appetite: Appetite,
    ) {
        let pace = self.pace(now, publication, encoding);
        self.enter_at(now, publication, encoding, appetite, pace);
    }

    pub(super) fn enter_at(
        &mut self,
        now: Instant,
        publication: &Publication,
        encoding: &Encoding,
        appetite: Appetite,
        pace: Pace,
    ) {
        let Some(place) = self.video() else { return };
        let Some(sender) = self.senders.get_mut(place) else {
            return;
        };
        let before = sender.encoding();
        if before != Some(encoding.id) {
            sender.cut.want(self.entering);
        }
        sender.enter_cached(now, encoding, pace, appetite);
        if pace.limit.is_none() {
            self.bandwidth.expect_burst(now);
        }
        if before.is_some_and(|before| before != encoding.id) {
            self.stats.layer_switches += 1;
            self.abandon_probe(now);
        }
        if before != Some(encoding.id) {
            // A pin, or a publisher that switched the layer off or lost something of it, says nothing of the line.
            let was_sent = before.and_then(|id| find(publication, id));
            let by_line = self.limit.rid.is_none() && was_sent.is_none_or(|before| before.serves(now));
            let bitrate = rate_of(encoding, self.entering);
            self.climb
                .entered(now, bitrate, by_line.then(|| self.bandwidth.estimate()));
        }
        self.awaited = None;
        self.passing_since = None;
        self.entered_at = Some(now);
        self.reports.restart(now);
    }

    /// The place of the stream that carries the picture.
    pub(super) fn video(&self) -> Option<usize> {
        self.senders
            .iter()
            .position(|sender| sender.media.kind == MediaKind::Video)
    }

    pub(super) fn video_sender(&self) -> Option<&Sender> {
        self.senders
            .iter()
            .find(|sender| sender.media.kind == MediaKind::Video)
    }
}

/// What an encoding takes at least, bits per second.
fn least_of(encoding: &Encoding, layers: Layers) -> u64 {
    rate_of(encoding, layers).min(usual_rate_of(encoding, layers))
}
