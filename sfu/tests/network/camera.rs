//! A publisher's packets as another shard would relay them: layers whose frames vary in size, each packet stamped.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};
use sfu::negotiation::{Codec, Extension, ExtensionMap, Feedback, Label, MediaKind, Payload, ReceivedMedia};
use sfu::relay::{EncodingId, RelayedMedia};

use super::payloads::{frame_marking, h264, vp8, vp9};

const AUDIO: u8 = 111;
const VIDEO: u8 = 96;
const VP9: u8 = 98;
const H264: u8 = 108;
/// What the publisher calls the frame marking.
const MARKING: u8 = 2;
const FRAMES_PER_SECOND: u32 = 30;
/// Payload bytes of a packet.
const PART: usize = 1100;

/// At the end of each packet's payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stamp {
    pub(crate) layer: u8,
    pub(crate) temporal: u8,
    pub(crate) part: u8,
    pub(crate) parts: u8,
    pub(crate) frame: u32,
    /// The frame it needs; itself for a keyframe.
    pub(crate) needs: u32,
}

impl Stamp {
    const LEN: usize = 12;

    fn to_bytes(self) -> [u8; Self::LEN] {
        let mut bytes = [0; Self::LEN];
        bytes[..4].copy_from_slice(&[self.layer, self.temporal, self.part, self.parts]);
        bytes[4..8].copy_from_slice(&self.frame.to_be_bytes());
        bytes[8..].copy_from_slice(&self.needs.to_be_bytes());
        bytes
    }

    pub(crate) fn read(payload: &[u8]) -> Option<Stamp> {
        let bytes: &[u8; Self::LEN] = payload.last_chunk()?;
        let word = |at: usize| u32::from_be_bytes(bytes[at..at + 4].try_into().unwrap());
        Some(Stamp {
            layer: bytes[0],
            temporal: bytes[1],
            part: bytes[2],
            parts: bytes[3],
            frame: word(4),
            needs: word(8),
        })
    }

    pub(crate) fn is_keyframe(&self) -> bool {
        self.needs == self.frame
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Camera {
    /// Width, height and kilobits per second of each layer.
    pub(crate) layers: Vec<(u16, u16, u32)>,
    /// Frames between keyframes nobody asked for.
    pub(crate) group: u32,
    /// Whether it makes a keyframe when asked.
    pub(crate) obeys: bool,
    /// Temporal layers, 1 to 3.
    pub(crate) temporal: u8,
    /// Its layers are spatial layers of one encoding (VP9 in mode `L3T3_KEY`), and each one's rate is with those below.
    pub(crate) scalable: bool,
    /// H.264, where only the slices tell that nothing is predicted from the pictures of the upper temporal layer.
    pub(crate) is_h264: bool,
    /// Its temporal layers are told by frame markings only.
    pub(crate) is_marked: bool,
    /// Every so many pictures the encoder leaves out the highest layer's frame, and does not mark the one below.
    pub(crate) skips: u32,
    /// Every so many pictures it leaves out the lowest layer's frame, as browsers do that want to send less: the one above needs nothing of it.
    pub(crate) hollows: u32,
    /// A keyframe is so many times as large as another frame.
    pub(crate) keyframe: f64,
    /// Every so many groups one begins with a new scene, and its keyframe is three times as large as the others.
    pub(crate) scene: u32,
    /// So many seconds after it begins the lowest layer's sequence numbers, timestamps and picture ids begin anew from
    /// zero, and those of each layer above one second later: none has the numbers of another.
    pub(crate) wraps: Option<u32>,
    /// It sends sender reports.
    pub(crate) reports: bool,
    /// It sends no sound.
    pub(crate) is_silent: bool,
}

impl Camera {
    /// A browser's three layers up to 2 Mbps, keyframes when asked.
    pub(crate) fn simulcast() -> Camera {
        Camera {
            layers: vec![(320, 180, 150), (640, 360, 600), (1280, 720, 2000)],
            group: 100_000,
            obeys: true,
            temporal: 1,
            scalable: false,
            is_h264: false,
            is_marked: false,
            skips: u32::MAX,
            hollows: u32::MAX,
            keyframe: 5.0,
            scene: u32::MAX,
            wraps: None,
            reports: false,
            is_silent: false,
        }
    }

    /// A browser's spatial layers.
    pub(crate) fn scalable() -> Camera {
        Camera {
            layers: vec![(320, 180, 150), (640, 360, 600), (1280, 720, 2000)],
            temporal: 3,
            scalable: true,
            ..Camera::simulcast()
        }
    }

    /// OBS: two layers and a keyframe every two seconds, whatever is asked.
    pub(crate) fn encoder() -> Camera {
        Camera {
            layers: vec![(640, 360, 600), (1280, 720, 2000)],
            group: 60,
            obeys: false,
            ..Camera::simulcast()
        }
    }

    /// A clip of still scenes, as the demo's: small pictures and large keyframes.
    pub(crate) fn still_life() -> Camera {
        Camera {
            layers: vec![(180, 320, 95), (360, 640, 290), (720, 1280, 770)],
            keyframe: 15.0,
            ..Camera::encoder()
        }
    }

    /// The demo's clip as it is: a new scene each twelve seconds, and groups of a length of their own.
    pub(crate) fn scenes() -> Camera {
        Camera {
            group: 46,
            keyframe: 6.0,
            scene: 8,
            ..Camera::still_life()
        }
    }

    /// When it takes a picture.
    pub(crate) fn time_of(frame: u32) -> Duration {
        Duration::from_secs(1) * frame / FRAMES_PER_SECOND
    }

    pub(crate) fn single(kbps: u32) -> Camera {
        Camera {
            layers: vec![(1280, 720, kbps)],
            ..Camera::encoder()
        }
    }

    /// Bytes of a frame of so many kilobits per second that is none of the keyframes, on average.
    fn usual(&self, kbps: u32) -> f64 {
        let group = f64::from(self.group);
        f64::from(kbps * 125 / FRAMES_PER_SECOND) * group / (group + self.keyframe - 1.0)
    }

    pub(crate) fn media(&self) -> Arc<Vec<ReceivedMedia>> {
        let mut extensions = ExtensionMap::default();
        extensions.insert(1, Extension::Mid);
        extensions.insert(MARKING, Extension::FrameMarking);
        let media = |kind, mid: &str, payload_type, codec, rids: Vec<Label>| ReceivedMedia {
            kind,
            mid: Label::new(mid.as_bytes()).unwrap(),
            payloads: vec![Payload {
                payload_type,
                codec,
                rtx: None,
                feedback: Feedback::default(),
            }],
            extensions: extensions.clone(),
            ssrcs: Vec::new(),
            rids,
        };
        let rids = if self.scalable { 0 } else { self.layers.len() };
        let rids = (0..rids).map(|layer| Label::new(format!("r{layer}").as_bytes()).unwrap());
        Arc::new(vec![
            media(MediaKind::Audio, "0", AUDIO, Codec::Opus, Vec::new()),
            if self.is_h264 {
                let codec = Codec::H264 {
                    profile_level_id: [0x42, 0xe0, 0x1f],
                    packetization_mode: 1,
                };
                media(MediaKind::Video, "1", H264, codec, rids.collect())
            } else if self.scalable {
                media(MediaKind::Video, "1", VP9, Codec::Vp9 { profile: 0 }, Vec::new())
            } else {
                media(MediaKind::Video, "1", VIDEO, Codec::Vp8, rids.collect())
            },
        ])
    }
}

#[derive(Clone, Copy, Debug, Default)]
struct Layer {
    sequence: u16,
    /// The timestamp and the picture id of frame zero.
    timestamp: u32,
    picture: u32,
    frame: u32,
    since_keyframe: u32,
    keyframe: u32,
    /// The newest frame of each temporal layer.
    newest: [u32; 3],
    asked: bool,
    keyframes: u32,
}

impl Layer {
    /// Before its first frame.
    fn new(camera: &Camera, index: usize) -> Layer {
        let Some(wraps) = camera.wraps else {
            return Layer::default();
        };
        let seconds = wraps + index as u32;
        let kbps = match camera.scalable {
            true => camera.layers.last().unwrap().2,
            false => camera.layers[index].2,
        };
        let packets = (kbps * 125 / FRAMES_PER_SECOND).div_ceil(PART as u32) * FRAMES_PER_SECOND;
        Layer {
            sequence: 0_u16.wrapping_sub((seconds * packets) as u16),
            timestamp: 0_u32.wrapping_sub(seconds * 90_000),
            picture: 0_u32.wrapping_sub(seconds * FRAMES_PER_SECOND),
            ..Layer::default()
        }
    }

    /// A frame goes on from the newest of its or a lower temporal layer: which, and whether that is of the base layer.
    fn follow(&mut self, frame: u32, is_keyframe: bool, temporal: usize) -> (u32, bool) {
        if is_keyframe {
            self.newest = [frame; 3];
        }
        let needs = self.newest[..=temporal].iter().copied().max().unwrap();
        let sync = needs == self.newest[0];
        self.newest[temporal] = frame;
        (needs, sync)
    }
}

/// A camera running.
pub(crate) struct Shooting {
    camera: Camera,
    random: SmallRng,
    layers: Vec<Layer>,
    frames: u32,
    sounds: u16,
    pub(crate) next: Duration,
    /// When it was asked for which keyframe.
    pub(crate) asked: Vec<(Duration, EncodingId)>,
    /// Layers switched off by the publisher.
    pub(crate) off: Vec<bool>,
    /// Bytes of each layer's pictures.
    sizes: Vec<Vec<usize>>,
    /// Of which layer the next packet is lost for good.
    pub(crate) loses: Option<usize>,
}

impl Shooting {
    pub(crate) fn new(camera: Camera, seed: u64) -> Shooting {
        Shooting {
            layers: (0..camera.layers.len())
                .map(|index| Layer::new(&camera, index))
                .collect(),
            off: vec![false; camera.layers.len()],
            sizes: vec![Vec::new(); camera.layers.len()],
            camera,
            random: SmallRng::seed_from_u64(seed),
            frames: 0,
            sounds: 0,
            next: Duration::ZERO,
            asked: Vec::new(),
            loses: None,
        }
    }

    pub(crate) fn layers(&self) -> &[(u16, u16, u32)] {
        &self.camera.layers
    }

    /// Of a layer's picture.
    pub(crate) fn bytes(&self, frame: u32, layer: u8) -> usize {
        let sizes = &self.sizes[usize::from(layer)];
        sizes.get(frame as usize).copied().unwrap_or_default()
    }

    pub(crate) fn ask(&mut self, now: Duration, encoding: EncodingId) {
        self.asked.push((now, encoding));
        self.layers[usize::from(encoding.layer)].asked = self.camera.obeys;
    }

    /// Another connection's encoders: they know nothing of what was sent before.
    pub(crate) fn begin_anew(&mut self, at: Duration) {
        for (index, layer) in self.layers.iter_mut().enumerate() {
            *layer = Layer::new(&self.camera, index);
        }
        self.frames = (at.as_secs_f64() * f64::from(FRAMES_PER_SECOND)).ceil() as u32;
        self.next = Duration::from_secs(1) * self.frames / FRAMES_PER_SECOND;
    }

    /// What comes at `next`.
    pub(crate) fn shoot(&mut self, now: Instant) -> Vec<RelayedMedia> {
        let mut items = Vec::new();
        let mut item = |section, layer, packet: Vec<u8>| {
            items.push(RelayedMedia::Packet {
                encoding: EncodingId { section, layer },
                at: now,
                packet: Bytes::from(packet),
            });
        };
        // Sound every 20 ms, pictures every 33.
        let sounds = if self.frames % 3 == 2 { 1 } else { 2 };
        for _ in 0..if self.camera.is_silent { 0 } else { sounds } {
            let mut packet = header(AUDIO, false, self.sounds, u32::from(self.sounds) * 960, 7);
            packet.resize(92, 1);
            item(0, 0, packet);
            self.sounds = self.sounds.wrapping_add(1);
        }
        if self.camera.scalable {
            for packet in self.picture() {
                item(1, 0, packet);
            }
        }
        for layer in 0..self.layers.len() {
            if !self.camera.scalable && !self.off[layer] {
                let is_lost = self.loses == Some(layer);
                self.loses = self.loses.filter(|_| !is_lost);
                for packet in self.frame(layer).into_iter().skip(is_lost.into()) {
                    item(1, layer as u8, packet);
                }
            }
        }
        if self.camera.reports && self.frames % FRAMES_PER_SECOND == 1 {
            items.extend(self.reports(now));
        }
        self.frames += 1;
        self.next = Duration::from_secs(1) * self.frames / FRAMES_PER_SECOND;
        items
    }

    /// What its encodings' timestamps are by its wall clock.
    fn reports(&self, at: Instant) -> Vec<RelayedMedia> {
        let ntp = (u64::from(self.frames) << 32) / u64::from(FRAMES_PER_SECOND) + (3_900_000_000 << 32);
        let encodings = if self.camera.scalable {
            1
        } else {
            self.layers.len()
        };
        let report = |(layer, begun): (usize, &Layer)| RelayedMedia::Report {
            encoding: EncodingId {
                section: 1,
                layer: layer as u8,
            },
            at,
            ntp,
            rtp: begun.timestamp.wrapping_add(self.frames * 3000),
        };
        self.layers
            .iter()
            .take(encodings)
            .enumerate()
            .map(report)
            .collect()
    }

    /// What kind of frame an encoding has next: a keyframe, its temporal layer, the frame it needs, whether that is one of
    /// the base layer.
    fn step(&mut self, index: usize) -> (bool, usize, u32, bool) {
        let layer = &mut self.layers[index];
        let is_keyframe = layer.frame == 0 || layer.asked || layer.since_keyframe >= self.camera.group;
        if is_keyframe {
            (layer.asked, layer.since_keyframe, layer.keyframe) = (false, 0, layer.frame);
            layer.keyframes += 1;
        }
        let temporal = match (self.camera.temporal, layer.since_keyframe % 4) {
            (2, 1 | 3) => 1,
            (3, 2) => 1,
            (3, 1 | 3) => 2,
            _ => 0,
        };
        let (needs, sync) = layer.follow(layer.frame, is_keyframe, temporal);
        (is_keyframe, temporal, needs, sync)
    }

    /// Bytes of a frame of so many kilobits per second.
    fn size(&mut self, kbps: u32, is_keyframe: bool, keyframes: u32) -> usize {
        let usual = self.camera.usual(kbps);
        let varied = usual * self.random.random_range(0.7..1.3);
        let size = if is_keyframe {
            let is_scene = (keyframes - 1).is_multiple_of(self.camera.scene);
            usual * self.camera.keyframe * if is_scene { 3.0 } else { 1.0 }
        } else {
            varied
        };
        size as usize
    }

    /// A picture of all spatial layers. Between keyframes none is predicted from the one below.
    fn picture(&mut self) -> Vec<Vec<u8>> {
        let before = self.layers[0].newest;
        let (is_keyframe, temporal, needs, _) = self.step(0);
        let Layer {
            frame,
            sequence,
            timestamp,
            picture,
            keyframes,
            ..
        } = self.layers[0];
        let is_skipped = !is_keyframe && frame % self.camera.skips == 3;
        let is_hollow = !is_keyframe && frame % self.camera.hollows == self.camera.hollows / 2;
        if is_hollow {
            self.layers[0].newest = before;
        }
        let highest = self.layers.len() - 1;
        let mut packets: Vec<Vec<u8>> = Vec::new();
        for spatial in usize::from(is_hollow)..=highest - usize::from(is_skipped) {
            let needs = match spatial {
                0 => needs,
                _ => self.layers[spatial].follow(frame, is_keyframe, temporal).0,
            };
            let below = spatial
                .checked_sub(1)
                .map_or(0, |below| self.camera.layers[below].2);
            let own = self.camera.layers[spatial].2 - below;
            let size = self.size(own, is_keyframe, keyframes);
            let parts = size.div_ceil(PART).max(1);
            for part in 0..parts {
                let is_last = part + 1 == parts;
                let sequence = sequence.wrapping_add(packets.len() as u16);
                let mut packet = header(
                    VP9,
                    is_last && spatial == highest,
                    sequence,
                    timestamp.wrapping_add(self.frames * 3000),
                    100,
                );
                let place = (spatial as u8, temporal as u8);
                let ends = (part == 0, is_last);
                let sizes =
                    (is_keyframe && spatial == 0 && part == 0).then_some(self.camera.layers.as_slice());
                let picture = picture.wrapping_add(frame);
                vp9(&mut packet, picture, frame - needs, place, ends, sizes);
                let stamp = Stamp {
                    layer: spatial as u8,
                    temporal: temporal as u8,
                    part: part as u8,
                    parts: parts as u8,
                    frame,
                    needs,
                };
                packet.resize(
                    (12 + size / parts).saturating_sub(Stamp::LEN).max(packet.len()),
                    5,
                );
                packet.extend_from_slice(&stamp.to_bytes());
                packets.push(packet);
            }
        }
        let layer = &mut self.layers[0];
        layer.sequence = layer.sequence.wrapping_add(packets.len() as u16);
        layer.frame += 1;
        layer.since_keyframe += 1;
        packets
    }

    fn frame(&mut self, index: usize) -> Vec<Vec<u8>> {
        let (width, height, kbps) = self.camera.layers[index];
        // Whether it needs nothing but the base layer (RFC 7741 §4.2, Y).
        let (is_keyframe, temporal, needs, sync) = self.step(index);
        let size = self.size(kbps, is_keyframe, self.layers[index].keyframes);
        self.sizes[index].push(size);
        let Camera {
            is_h264, is_marked, ..
        } = self.camera;
        let layer = &mut self.layers[index];
        let parts = size.div_ceil(PART).max(1);
        let picture = (layer.picture.wrapping_add(layer.frame) & 0x7fff) as u16;
        let timestamp = layer.timestamp.wrapping_add(self.frames * 3000);
        let packets = (0..parts).map(|part| {
            let stamp = Stamp {
                layer: index as u8,
                temporal: temporal as u8,
                part: part as u8,
                parts: parts as u8,
                frame: layer.frame,
                needs,
            };
            let ssrc = 100 + index as u32;
            let sequence = layer.sequence.wrapping_add(part as u16);
            let kind = if is_h264 { H264 } else { VIDEO };
            let mut packet = header(kind, part + 1 == parts, sequence, timestamp, ssrc);
            if is_marked {
                packet[0] |= 0x10;
                let ends = (part == 0, part + 1 == parts);
                packet.extend_from_slice(&frame_marking(MARKING, ends, is_keyframe, (temporal as u8, sync)));
            }
            if is_h264 {
                let told = if is_marked { 0 } else { temporal };
                packet.extend_from_slice(h264(is_keyframe, part, told));
            } else {
                let layer = (temporal as u8, sync);
                vp8(
                    &mut packet,
                    is_keyframe,
                    part == 0,
                    picture,
                    layer,
                    (width, height),
                );
            }
            packet.resize(
                (12 + size / parts).saturating_sub(Stamp::LEN).max(packet.len()),
                5,
            );
            packet.extend_from_slice(&stamp.to_bytes());
            packet
        });
        let packets: Vec<_> = packets.collect();
        layer.sequence = layer.sequence.wrapping_add(parts as u16);
        layer.frame += 1;
        layer.since_keyframe += 1;
        packets
    }
}

fn header(payload_type: u8, marker: bool, sequence: u16, timestamp: u32, ssrc: u32) -> Vec<u8> {
    let mut packet = vec![0x80, u8::from(marker) << 7 | payload_type];
    packet.extend_from_slice(&sequence.to_be_bytes());
    packet.extend_from_slice(&timestamp.to_be_bytes());
    packet.extend_from_slice(&ssrc.to_be_bytes());
    packet
}
