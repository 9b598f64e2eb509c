//! Many viewers at once, in virtual time: what their joins ask of the publisher.

#![allow(
    clippy::unwrap_used,
    reason = "a test ends where something is not as it should be"
)]

mod rtp;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rtc_rtcp::payload_feedbacks::picture_loss_indication::PictureLossIndication;
use rtp::{MID_ID, Packet, RID_ID, VIDEO_PT, begin, publisher_media, viewer_media};
use sfu::media::{MediaConfig, Publication};
use sfu::playback::{Playback, PlaybackConfig, RtpSink};
use sfu::relay::Generation;
use sfu::rtcp;
use sfu::transport::RtpParts;

/// Counts what leaves.
#[derive(Default)]
struct Counted(usize);

impl RtpSink for Counted {
    fn send(&mut self, _: RtpParts<'_>) -> bool {
        self.0 += 1;
        true
    }
}

/// A host with two layers on one shard, and a shard elsewhere that gets its packets.
struct Room {
    now: Instant,
    frames: u16,
    here: Publication,
    there: Publication,
    /// When the host was asked for a keyframe, by SSRC.
    asked: HashMap<u32, Vec<Instant>>,
}

impl Room {
    fn new() -> Room {
        let now = begin();
        let media = Arc::new(publisher_media());
        let mut here = Publication::new(media.clone(), MediaConfig::default(), 1, now);
        here.set_relaying(true);
        Room {
            now,
            frames: 0,
            here,
            there: Publication::replica(media, MediaConfig::default(), now),
            asked: HashMap::new(),
        }
    }

    /// Both layers' next frame, and what is due.
    fn frame(&mut self, keyframe: bool) {
        for (rid, ssrc) in [(b"h", 0xaa), (b"l", 0xbb)] {
            let packet = Packet::new(VIDEO_PT, self.frames, u32::from(self.frames) * 3600, ssrc)
                .extension(MID_ID, b"1")
                .extension(RID_ID, rid)
                .vp8(keyframe)
                .marker();
            self.here.handle_rtp(self.now, &packet.bytes());
        }
        self.frames += 1;
        self.carry();
    }

    /// Media to the other shard, its wishes back, everybody's wishes to the host.
    fn carry(&mut self) {
        while let Some(item) = self.here.poll_relayed() {
            self.there.handle_relayed(item);
        }
        while let Some(encoding) = self.there.poll_keyframe_request(self.now) {
            self.here.request_keyframe(self.now, encoding);
        }
        self.here.handle_timeout(self.now);
        let mut compound = Vec::new();
        while self.here.poll_rtcp(self.now, &mut compound) {
            for packet in rtcp::parse(&compound) {
                if let Some(pli) = rtcp::as_type::<PictureLossIndication>(&*packet) {
                    self.asked.entry(pli.media_ssrc).or_default().push(self.now);
                }
            }
            compound.clear();
        }
    }
}

/// A thousand viewers come within a second, half of them at another shard. The host answers no request, as OBS does:
/// every one of them has a reason to ask.
fn join_a_thousand(before: u32, beginning: bool) -> (Room, Vec<Counted>) {
    let mut room = Room::new();
    for frame in 0..before {
        room.frame(beginning && frame == 0);
        room.now += Duration::from_millis(40);
    }
    let asked_before: usize = room.asked.values().map(Vec::len).sum();
    assert_eq!(asked_before, 0, "nobody watches");
    let mut viewers: Vec<Playback> = Vec::new();
    let mut screens: Vec<Counted> = Vec::new();
    for tick in 0..1500u64 {
        if tick < 1000 {
            let config = PlaybackConfig::new((room.now, 0));
            let mut viewer = Playback::new(viewer_media(), config, tick, room.now);
            let publication = if tick % 2 == 0 { &room.here } else { &room.there };
            viewer.attach(room.now, Some((Generation(1), publication)));
            viewer.start(room.now);
            viewers.push(viewer);
            screens.push(Counted::default());
        }
        if tick % 40 == 0 {
            room.frame(false);
        }
        for (number, (viewer, screen)) in viewers.iter_mut().zip(&mut screens).enumerate() {
            // Whoever has nothing to do now is not called, as the shard does it; a frame is for everybody.
            if tick % 40 != 0 && viewer.poll_timeout().is_none_or(|at| at > room.now) {
                continue;
            }
            let mut wishes = Vec::new();
            let publication = if number % 2 == 0 {
                &mut room.here
            } else {
                &mut room.there
            };
            viewer.forward(room.now, publication, screen, &mut wishes);
            for encoding in wishes {
                publication.request_keyframe(room.now, encoding);
            }
        }
        room.carry();
        room.now += Duration::from_millis(1);
    }
    (room, screens)
}

fn assert_merged(room: &Room) {
    assert!(!room.asked.is_empty());
    for (ssrc, asked) in &room.asked {
        assert!(asked.len() <= 4, "{ssrc:x}: {} requests in 1.5 s", asked.len());
        let close = asked
            .windows(2)
            .find(|pair| matches!(pair, [a, b] if *b - *a < Duration::from_millis(500)));
        assert_eq!(close, None, "{ssrc:x}: two requests within half a second");
    }
}

#[test]
fn a_thousand_joins_in_a_second_are_one_request_per_encoding_and_half_second() {
    // Into a group of pictures of four seconds: old enough that each joiner asks for a new one.
    let (room, screens) = join_a_thousand(100, true);
    assert_merged(&room);
    let without = screens.iter().filter(|screen| screen.0 < 100).count();
    assert_eq!(without, 0, "viewers without the cached group");
}

#[test]
fn so_are_those_into_a_show_without_a_keyframe() {
    let (room, screens) = join_a_thousand(10, false);
    assert_merged(&room);
    assert!(
        screens.iter().all(|screen| screen.0 == 0),
        "there is nothing to show"
    );
}
