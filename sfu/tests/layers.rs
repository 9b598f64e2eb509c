//! Layers inside one encoding: a viewer that wants fewer gets a stream without holes, and more again where a decoder
//! can begin with them.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test ends where something is not as it should be"
)]

mod rtp;

use std::sync::Arc;
use std::time::{Duration, Instant};

use rtp::{Packet, VIDEO_PT, begin, publisher_media, viewer_media};
use sfu::media::{MediaConfig, Publication, RtpPacket};
use sfu::negotiation::{Codec, Extension};
use sfu::playback::{LayerLimit, Playback, PlaybackConfig, RtpSink};
use sfu::relay::Generation;
use sfu::transport::RtpParts;

#[derive(Default)]
struct Sent(Vec<Vec<u8>>);

impl RtpSink for Sent {
    fn send(&mut self, packet: RtpParts<'_>) -> bool {
        self.0.push([packet.header, packet.lead, packet.body].concat());
        true
    }
}

/// The dependency descriptor's ids.
const PUBLISHED: u8 = 12;
const VIEWED: u8 = 7;

/// One encoding and one viewer.
struct Stream {
    now: Instant,
    publication: Publication,
    playback: Playback,
    sent: Sent,
    sequence: u16,
    picture: u16,
    keyframes: usize,
    frame: u16,
}

impl Stream {
    fn new(codec: Codec) -> Stream {
        Stream::with(codec, true)
    }

    /// A viewer that takes the dependency descriptor, or does not.
    fn with(codec: Codec, has_descriptor: bool) -> Stream {
        let now = begin();
        let (mut published, mut viewed) = (publisher_media(), viewer_media());
        published[1]
            .extensions
            .insert(PUBLISHED, Extension::DependencyDescriptor);
        if has_descriptor {
            viewed[1]
                .extensions
                .insert(VIEWED, Extension::DependencyDescriptor);
        }
        published[1].rids.clear();
        published[1].ssrcs = vec![(0xaa, None)];
        published[1].payloads[0].codec = codec;
        viewed[1].payloads[0].codec = codec;
        let publication = Publication::new(Arc::new(published), MediaConfig::default(), 1, now);
        let config = PlaybackConfig {
            start_delay: Duration::ZERO,
            ..PlaybackConfig::new((now, 0))
        };
        let mut playback = Playback::new(viewed, config, 5, now);
        playback.attach(now, Some((Generation(1), &publication)));
        playback.start(now);
        Stream {
            now,
            publication,
            playback,
            sent: Sent::default(),
            sequence: 65_500,
            picture: 0x7ff0,
            keyframes: 0,
            frame: 0xfff0,
        }
    }

    fn push(&mut self, payload: &[u8], marker: bool) {
        let timestamp = u32::from(self.picture) * 3000;
        let mut packet = Packet::new(VIDEO_PT, self.sequence, timestamp, 0xaa).payload(payload);
        if marker {
            packet = packet.marker();
        }
        self.sequence = self.sequence.wrapping_add(1);
        self.publication.handle_rtp(self.now, &packet.bytes());
    }

    fn forward(&mut self) {
        self.now += Duration::from_millis(33);
        let mut keyframes = Vec::new();
        self.playback
            .forward(self.now, &self.publication, &mut self.sent, &mut keyframes);
        self.keyframes += keyframes.len();
        self.picture = (self.picture + 1) & 0x7fff;
    }

    /// Pictures of three temporal layers, 0 2 1 2, two packets each; every first one after a 0 may be begun with.
    fn vp8(&mut self, pictures: u16, keyframe: bool) {
        for picture in 0..pictures {
            let temporal = [0, 2, 1, 2][usize::from(picture % 4)];
            let sync = matches!(picture % 4, 1 | 2);
            let is_key = keyframe && picture == 0;
            for part in 0..2 {
                let [high, low] = self.picture.to_be_bytes();
                let first = if part == 0 { 0x90 } else { 0x80 };
                let tid = temporal << 6 | u8::from(sync) << 5;
                let mut payload = vec![first, 0xe0, 0x80 | high, low, 7, tid];
                payload.extend_from_slice(&[u8::from(!is_key), 0, 0, 0x9d, 0x01, 0x2a, 64, 1, 180, 0]);
                payload.extend_from_slice(&[temporal; 40]);
                self.push(&payload, part == 1);
            }
            self.forward();
        }
    }

    /// Pictures of two spatial layers, two packets the lower and one the upper; the upper begins at keyframes only.
    fn vp9(&mut self, pictures: u16, keyframe: bool) {
        for picture in 0..pictures {
            let is_key = keyframe && picture == 0;
            for (spatial, starts, ends) in [(0u8, true, false), (0, false, true), (1, true, true)] {
                let [high, low] = self.picture.to_be_bytes();
                // I P L F B E V Z; non-flexible.
                let has_sizes = is_key && spatial == 0 && starts;
                let first = 0xa0
                    | u8::from(!is_key) << 6
                    | u8::from(starts) << 3
                    | u8::from(ends) << 2
                    | u8::from(has_sizes) << 1;
                let mut payload = vec![first, 0x80 | high, low, spatial << 1 | u8::from(spatial > 0), 9];
                if has_sizes {
                    // 640x360 and 1280x720.
                    payload.extend_from_slice(&[0x30, 2, 128, 1, 104, 5, 0, 2, 208]);
                }
                payload.extend_from_slice(&[spatial, 1, 2, 3]);
                self.push(&payload, spatial == 1);
            }
            self.forward();
        }
    }

    /// Pictures of two spatial layers of AV1, a packet each, the upper one predicted from the lower in every picture.
    fn av1(&mut self, pictures: u16, keyframe: bool) {
        for picture in 0..pictures {
            let is_key = keyframe && picture == 0;
            for spatial in 0..2 {
                let [high, low] = self.frame.to_be_bytes();
                self.frame = self.frame.wrapping_add(1);
                // First and last packet of its frame; templates: a keyframe, the lower layer, the upper.
                let template = if spatial == 1 { 2 } else { u8::from(!is_key) };
                let mut descriptor = vec![0xc0 | template, high, low];
                if is_key && spatial == 0 {
                    // Structure; offset 0, two targets; layers 0 0 1; SS, SR, -S; differences -, 2, 1; no chains, no sizes.
                    descriptor.extend_from_slice(&[
                        0b1000_0000,
                        0b0000_0001,
                        0b0010_1110,
                        0b1010_1100,
                        0b1001_0001,
                        0b0100_0000,
                        0,
                    ]);
                }
                let aggregation = if is_key && spatial == 0 { 0x18 } else { 0x10 };
                let timestamp = u32::from(self.picture) * 3000;
                let mut packet = Packet::new(VIDEO_PT, self.sequence, timestamp, 0xaa)
                    .extension(PUBLISHED, &descriptor)
                    .payload(&[aggregation, 0x30, 1, spatial]);
                if spatial == 1 {
                    packet = packet.marker();
                }
                self.sequence = self.sequence.wrapping_add(1);
                self.publication.handle_rtp(self.now, &packet.bytes());
            }
            self.forward();
        }
    }

    /// Spatial layer, marker and the descriptor's frame number of what the viewer got since.
    fn av1_frames(&self, since: usize) -> Vec<(u8, bool, u16)> {
        let packets = self.sent.0[since..]
            .iter()
            .map(|bytes| RtpPacket::parse(bytes).unwrap());
        let read = |packet: RtpPacket<'_>| {
            let number = packet.extension(VIEWED).unwrap()[1..].first_chunk().unwrap();
            (
                *packet.payload().last().unwrap(),
                packet.marker(),
                u16::from_be_bytes(*number),
            )
        };
        packets.map(read).collect()
    }

    /// Whether packets, by their places among all that were sent, come again with the marker they had.
    fn comes_again_as_it_was(&mut self, places: &[usize]) -> bool {
        let parse = |bytes: &Vec<u8>| {
            let packet = RtpPacket::parse(bytes).unwrap();
            (packet.ssrc(), packet.sequence(), packet.marker())
        };
        let sent: Vec<_> = self.sent.0.iter().map(parse).collect();
        let media: Vec<_> = sent.iter().filter(|(ssrc, ..)| *ssrc == 0x2000).collect();
        places.iter().all(|&place| {
            let &&(_, number, marker) = &media[place];
            let before = self.sent.0.len();
            self.playback.handle_rtcp(self.now, &rtp::nack(0x2000, number));
            self.forward();
            let again = self.sent.0[before..]
                .iter()
                .map(parse)
                .find(|(ssrc, ..)| *ssrc == 0x2001);
            again.map(|(.., marker)| marker) == Some(marker)
        })
    }

    /// What the viewer got since, as sequence, marker, picture id and last payload byte; numbers without a hole.
    #[track_caller]
    fn got(&self, since: usize) -> Vec<(bool, u16, u8)> {
        let packets: Vec<RtpPacket<'_>> = self
            .sent
            .0
            .iter()
            .map(|bytes| RtpPacket::parse(bytes).unwrap())
            .collect();
        for pair in packets.windows(2) {
            assert_eq!(pair[1].sequence(), pair[0].sequence().wrapping_add(1), "no hole");
        }
        let read = |packet: &RtpPacket<'_>| {
            let payload = packet.payload();
            let at = if payload.len() > 20 { 2 } else { 1 };
            let picture = u16::from_be_bytes([payload[at] & 0x7f, payload[at + 1]]);
            (packet.marker(), picture, *payload.last().unwrap())
        };
        packets[since..].iter().map(read).collect()
    }
}

fn at_most(temporal: u8) -> LayerLimit {
    LayerLimit {
        max_temporal: Some(temporal),
        ..LayerLimit::default()
    }
}

#[test]
fn temporal_layers_are_left_out_and_come_back_where_they_may() {
    let mut stream = Stream::new(Codec::Vp8);
    stream.vp8(8, true);
    assert_eq!(stream.got(0).len(), 16, "all of it");
    for (limit, share, keeps) in [
        (at_most(0), 4, 0),
        (at_most(1), 8, 1),
        (LayerLimit::default(), 16, 2),
    ] {
        stream.playback.set_limit(limit);
        let before = stream.sent.0.len();
        stream.vp8(8, false);
        let got = stream.got(before);
        assert_eq!(got.len(), share, "{limit:?}");
        assert!(got.iter().all(|(_, _, temporal)| *temporal <= keeps));
        assert!(got.iter().any(|(_, _, temporal)| *temporal == keeps));
    }
    let pictures: Vec<u16> = stream.got(0).iter().map(|(_, picture, _)| *picture).collect();
    assert!(
        pictures
            .chunks(2)
            .zip(pictures.chunks(2).skip(1))
            .all(|(a, b)| a[0] == a[1] && b[0] == (a[0] + 1) & 0x7fff),
        "VP8's picture ids go on: {pictures:?}"
    );
    assert_eq!(stream.keyframes, 0, "nothing needed a keyframe");
}

#[test]
fn spatial_layers_end_with_a_marker_and_come_back_at_a_keyframe() {
    let mut stream = Stream::new(Codec::Vp9 { profile: 0 });
    stream.vp9(4, true);
    assert_eq!(stream.got(0).len(), 12);
    stream.playback.set_limit(LayerLimit {
        spatial: Some(0),
        ..LayerLimit::default()
    });
    let before = stream.sent.0.len();
    stream.vp9(10, false);
    let low = stream.got(before);
    assert_eq!(low.len(), 20);
    assert!(
        low.chunks(2)
            .all(|picture| !picture[0].0 && picture[1].0 && picture[1].2 == 3),
        "the marker is at the end of what is sent"
    );
    let ids: Vec<u16> = low.chunks(2).map(|picture| picture[0].1).collect();
    assert!(ids.windows(2).all(|pair| pair[1] == (pair[0] + 1) & 0x7fff));
    assert_eq!(stream.keyframes, 0);
    stream.playback.set_limit(LayerLimit::default());
    stream.vp9(10, false);
    assert_eq!(stream.got(0).len(), 12 + 40, "the upper layer waits");
    assert!(stream.keyframes > 0, "for a keyframe that is asked for");
    let before = stream.sent.0.len();
    stream.vp9(4, true);
    let high = stream.got(before);
    assert_eq!(high.len(), 12);
    assert!(high.chunks(3).all(|picture| !picture[1].0 && picture[2].0));
}

#[test]
fn what_comes_again_ends_a_picture_where_it_ended_at_first() {
    let lowest = LayerLimit {
        spatial: Some(0),
        ..LayerLimit::default()
    };
    let mut stream = Stream::new(Codec::Vp9 { profile: 0 });
    stream.vp9(4, true);
    // Whole pictures, and then only their lower layers.
    stream.playback.set_limit(lowest);
    stream.vp9(4, false);
    assert!(stream.comes_again_as_it_was(&[7, 8, 9, 10, 11, 12, 13]));
    stream.playback.set_limit(LayerLimit::default());
    stream.vp9(4, true);
    assert!(stream.comes_again_as_it_was(&[15, 16, 17, 18, 19, 20, 21, 22]));
}

#[test]
fn a_page_of_the_lower_layers_size_gets_that_layer() {
    let mut stream = Stream::new(Codec::Vp9 { profile: 0 });
    stream.vp9(30, true);
    let encoding = &stream.publication.tracks()[1].encodings[0];
    assert_eq!(
        [0, 1].map(|spatial| encoding.size_up_to(spatial)),
        [Some((640, 360)), Some((1280, 720))]
    );
    for (side, packets) in [(639, 2), (1279, 2), (1280, 3)] {
        stream.playback.set_limit(LayerLimit {
            max_side: Some(side),
            ..LayerLimit::default()
        });
        stream.vp9(1, true);
        let before = stream.sent.0.len();
        stream.vp9(10, true);
        assert_eq!(stream.got(before).len(), 10 * packets, "{side}");
    }
}

#[test]
fn av1_is_cut_by_its_descriptor_and_its_frame_numbers_go_on() {
    let mut stream = Stream::new(Codec::Av1 { profile: 0 });
    stream.av1(10, true);
    let all = stream.av1_frames(0);
    let expected = (0..20).map(|frame| ((frame % 2) as u8, frame % 2 == 1, 0xfff0_u16.wrapping_add(frame)));
    assert!(all.iter().copied().eq(expected), "{all:?}");
    stream.playback.set_limit(LayerLimit {
        spatial: Some(0),
        ..LayerLimit::default()
    });
    let before = stream.sent.0.len();
    stream.av1(10, false);
    let low = stream.av1_frames(before);
    let expected = (20..40)
        .step_by(2)
        .map(|frame| (0, true, 0xfff0_u16.wrapping_add(frame)));
    assert!(low.iter().copied().eq(expected), "{low:?}");
    stream.playback.set_limit(LayerLimit::default());
    let before = stream.sent.0.len();
    stream.av1(6, false);
    stream.av1(2, true);
    let high = stream.av1_frames(before);
    let layers: Vec<u8> = high.iter().map(|(spatial, ..)| *spatial).collect();
    assert_eq!(layers, [0, 0, 0, 0, 0, 0, 0, 1, 0, 1], "from the keyframe on");
    assert!(stream.keyframes > 0, "which is asked for");
    // The same again from the cache, for who begins with the lowest layer: to the viewer they are new frames.
    let last = high.last().unwrap().2;
    stream.playback.attach(stream.now, None);
    let again = Some((Generation(2), &stream.publication));
    stream.playback.attach(stream.now, again);
    let before = stream.sent.0.len();
    stream.forward();
    let replayed = stream.av1_frames(before);
    let expected = [1, 3].map(|frame| (0, true, last.wrapping_add(frame)));
    assert_eq!(replayed, expected);
}

#[test]
fn a_viewer_of_av1_that_takes_no_descriptor_gets_the_lowest_spatial_layer() {
    let mut stream = Stream::with(Codec::Av1 { profile: 0 }, false);
    stream.av1(30, true);
    let before = stream.sent.0.len();
    stream.av1(10, true);
    let packets = stream.sent.0[before..]
        .iter()
        .map(|bytes| RtpPacket::parse(bytes).unwrap());
    let got: Vec<(u8, bool)> = packets
        .map(|packet| (*packet.payload().last().unwrap(), packet.marker()))
        .collect();
    assert_eq!(got, [(0, true); 10]);
}
