//! Authenticated peers that send nonsense: a publisher's packets and a viewer's reports.

use std::sync::Arc;
use std::time::{Duration, Instant};

use sfu::media::{MediaConfig, Publication};
use sfu::negotiation::{AgreedMedia, ReceivedMedia, SentMedia};
use sfu::playback::{Playback, PlaybackConfig, RtpSink};
use sfu::relay::Generation;
use sfu::sdp::{Direction, Offer};
use sfu::transport::RtpParts;

use crate::pieces;

const PUBLISH: &str = include_str!("../../sfu/tests/offers/chromium-simulcast.sdp");
const PLAY: &str = include_str!("../../sfu/tests/offers/chromium-play.sdp");
/// Time passes between two packets, so that deadlines come.
const STEP: Duration = Duration::from_millis(7);

/// A publisher's RTP and RTCP, watched.
pub(crate) fn publication(input: &[u8]) {
    let mut now = Instant::now();
    let mut publication = Publication::new(received(), MediaConfig::default(), 7, now);
    let mut playback = watching(now, &publication);
    for (number, packet) in pieces(input).enumerate() {
        // RFC 5761 §4 tells them apart by their second byte.
        if packet.get(1).is_some_and(|kind| (192..=223).contains(kind)) {
            publication.handle_rtcp(now, packet);
        } else {
            publication.handle_rtp(now, packet);
        }
        if number % 3 == 0 {
            turn(now, &mut publication, &mut playback);
        }
        now += STEP;
    }
    turn(now + Duration::from_secs(5), &mut publication, &mut playback);
}

/// A viewer's RTCP.
pub(crate) fn feedback(input: &[u8]) {
    let mut now = Instant::now();
    let mut publication = Publication::new(received(), MediaConfig::default(), 7, now);
    let mut playback = watching(now, &publication);
    for compound in pieces(input) {
        playback.handle_rtcp(now, compound);
        turn(now, &mut publication, &mut playback);
        now += STEP;
    }
}

fn turn(now: Instant, publication: &mut Publication, playback: &mut Playback) {
    let mut keyframes = Vec::new();
    playback.forward(now, publication, &mut Nowhere, &mut keyframes);
    for encoding in keyframes {
        publication.request_keyframe(now, encoding);
    }
    let mut compound = Vec::new();
    playback.poll_rtcp(now, Some(publication), &mut compound);
    publication.handle_timeout(now);
    compound.clear();
    publication.poll_rtcp(now, &mut compound);
}

fn watching(now: Instant, publication: &Publication) -> Playback {
    let config = PlaybackConfig {
        start_delay: Duration::ZERO,
        ..PlaybackConfig::new((now, 0))
    };
    let mut playback = Playback::new(sent(), config, 7, now);
    playback.start(now);
    playback.attach(now, Some((Generation(1), publication)));
    playback
}

fn received() -> Arc<Vec<ReceivedMedia>> {
    match Offer::parse(PUBLISH, Direction::Publish, 7).map(|offer| offer.media) {
        Ok(AgreedMedia::Publisher(media)) => Arc::new(media),
        other => unreachable!("the offer is a publisher's: {other:?}"),
    }
}

fn sent() -> Vec<SentMedia> {
    match Offer::parse(PLAY, Direction::Play, 7).map(|offer| offer.media) {
        Ok(AgreedMedia::Viewer(media)) => media,
        other => unreachable!("the offer is a viewer's: {other:?}"),
    }
}

struct Nowhere;

impl RtpSink for Nowhere {
    fn send(&mut self, _: RtpParts<'_>) -> bool {
        true
    }
}
