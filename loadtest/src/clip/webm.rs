//! WebM and Matroska (RFC 9559): VP8, VP9, AV1 or H.264 and Opus, as ffmpeg, OBS and browsers write them.

use std::time::Duration;

use bytes::{Buf, Bytes};

use super::avc::Avc;
use super::container::{Media, Track, TrackKind};
use super::keyframe::Codec;
use super::video::{Frame, MAX_FRAMES};
use crate::Error;

/// The id of the EBML header (RFC 8794 §11.2.1).
pub(super) const MAGIC: [u8; 4] = [0x1a, 0x45, 0xdf, 0xa3];
/// A clip has a picture and a sound; a film has some more.
const MAX_TRACKS: usize = 16;
/// Nanoseconds of a tick when the file does not say (RFC 9559 §5.1.2.9).
const TICK_NS: u64 = 1_000_000;

// Ids of RFC 9559 §5.1.
const SEGMENT: u32 = 0x1853_8067;
const INFO: u32 = 0x1549_a966;
const TIMESTAMP_SCALE: u32 = 0x2a_d7b1;
const TRACKS: u32 = 0x1654_ae6b;
const TRACK_ENTRY: u32 = 0xae;
const TRACK_NUMBER: u32 = 0xd7;
const CODEC_ID: u32 = 0x86;
const CODEC_PRIVATE: u32 = 0x63a2;
const VIDEO: u32 = 0xe0;
const PIXEL_WIDTH: u32 = 0xb0;
const PIXEL_HEIGHT: u32 = 0xba;
const AUDIO: u32 = 0xe1;
const CHANNELS: u32 = 0x9f;
const CLUSTER: u32 = 0x1f43_b675;
const CLUSTER_TIMESTAMP: u32 = 0xe7;
const SIMPLE_BLOCK: u32 = 0xa3;
const BLOCK_GROUP: u32 = 0xa0;
const BLOCK: u32 = 0xa1;
const CUES: u32 = 0x1c53_bb6b;
const TAGS: u32 = 0x1254_c367;

fn bad(why: &str) -> Error {
    Error::Clip(format!("WebM: {why}"))
}

/// What the file says of a track.
#[derive(Default)]
struct Entry {
    number: u64,
    codec: Bytes,
    private: Bytes,
    size: (u16, u16),
    channels: u8,
    samples: Vec<Frame>,
}

/// Reads a whole file.
///
/// # Errors
/// [`Error::Clip`] naming what is wrong or not supported.
pub fn parse(file: Bytes) -> Result<Media, Error> {
    let mut reader = Reader::default();
    for (id, body) in elements(file)? {
        if id == SEGMENT {
            reader.segment(body)?;
        }
    }
    let tracks = reader
        .entries
        .into_iter()
        .filter_map(|entry| entry.track().transpose());
    Media::of(tracks.collect::<Result<Vec<_>, Error>>()?, "WebM")
}

#[derive(Default)]
struct Reader {
    tick_ns: Option<u64>,
    entries: Vec<Entry>,
}

impl Reader {
    fn segment(&mut self, body: Bytes) -> Result<(), Error> {
        for (id, body) in elements(body)? {
            match id {
                INFO => {
                    let scale = elements(body)?.into_iter().find(|(id, _)| *id == TIMESTAMP_SCALE);
                    self.tick_ns = scale.map(|(_, body)| number(&body)).filter(|ns| *ns > 0);
                }
                TRACKS => self.tracks(body)?,
                CLUSTER => self.cluster(body)?,
                _ => {}
            }
        }
        Ok(())
    }

    fn tracks(&mut self, body: Bytes) -> Result<(), Error> {
        for (_, body) in elements(body)?.into_iter().filter(|(id, _)| *id == TRACK_ENTRY) {
            if self.entries.len() == MAX_TRACKS {
                return Err(bad("too many tracks"));
            }
            let mut entry = Entry::default();
            for (id, body) in elements(body)? {
                match id {
                    TRACK_NUMBER => entry.number = number(&body),
                    CODEC_ID => entry.codec = body,
                    CODEC_PRIVATE => entry.private = body,
                    VIDEO | AUDIO => {
                        for (id, body) in elements(body)? {
                            match id {
                                PIXEL_WIDTH => entry.size.0 = number(&body) as u16,
                                PIXEL_HEIGHT => entry.size.1 = number(&body) as u16,
                                CHANNELS => entry.channels = number(&body) as u8,
                                _ => {}
                            }
                        }
                    }
                    _ => {}
                }
            }
            self.entries.push(entry);
        }
        Ok(())
    }

    fn cluster(&mut self, body: Bytes) -> Result<(), Error> {
        let mut begin = 0;
        for (id, body) in elements(body)? {
            match id {
                CLUSTER_TIMESTAMP => begin = number(&body),
                SIMPLE_BLOCK => self.block(body, begin)?,
                BLOCK_GROUP => {
                    for (_, body) in elements(body)?.into_iter().filter(|(id, _)| *id == BLOCK) {
                        self.block(body, begin)?;
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// A frame: its track, its time against the cluster's, flags (RFC 9559 §10.1).
    fn block(&mut self, mut body: Bytes, begin: u64) -> Result<(), Error> {
        let cut = || bad("a block is cut off");
        let track = variable(&mut body, true).ok_or_else(cut)?.0;
        let offset = body.try_get_i16().map_err(|_| cut())?;
        let flags = body.try_get_u8().map_err(|_| cut())?;
        if flags & 0x06 != 0 {
            return Err(bad("several frames in a block are not supported"));
        }
        let tick_ns = self.tick_ns.unwrap_or(TICK_NS);
        let Some(entry) = self.entries.iter_mut().find(|entry| entry.number == track) else {
            return Ok(());
        };
        if entry.samples.len() == MAX_FRAMES {
            return Err(bad("too many frames"));
        }
        let ticks = begin
            .checked_add_signed(offset.into())
            .ok_or_else(|| bad("a time before the start"))?;
        entry.samples.push(Frame {
            at: Duration::from_nanos(ticks.saturating_mul(tick_ns)),
            data: body,
        });
        Ok(())
    }
}

impl Entry {
    fn track(mut self) -> Result<Option<Track>, Error> {
        let kind = match &self.codec[..] {
            b"V_VP8" => TrackKind::Video(Codec::Vp8),
            b"V_VP9" => TrackKind::Video(Codec::Vp9),
            b"V_AV1" => TrackKind::Video(Codec::Av1),
            b"V_MPEG4/ISO/AVC" => TrackKind::Video(Codec::H264),
            b"A_OPUS" => TrackKind::Opus,
            _ => return Ok(None),
        };
        if kind == TrackKind::Video(Codec::H264) {
            let avc = Avc::read(&self.private).ok_or_else(|| bad("H.264 without its configuration"))?;
            for sample in &mut self.samples {
                sample.data = avc.annex_b(&sample.data)?;
            }
        }
        Ok(Some(Track {
            kind,
            size: self.size,
            channels: self.channels.max(1),
            samples: self.samples,
        }))
    }
}

/// The elements in a row (RFC 8794 §6). One of unknown size ends with its parent; clusters of a live recording end where
/// the next begins.
fn elements(mut rest: Bytes) -> Result<Vec<(u32, Bytes)>, Error> {
    let cut = || bad("an element is cut off");
    let mut found = Vec::new();
    while !rest.is_empty() {
        let id = variable(&mut rest, false).ok_or_else(cut)?.0;
        let id = u32::try_from(id).map_err(|_| bad("an element's id is too long"))?;
        let (size, is_unknown) = variable(&mut rest, true).ok_or_else(cut)?;
        let size = match is_unknown {
            true if id == CLUSTER => unknown_cluster(&rest)?,
            true => rest.len(),
            false => usize::try_from(size)
                .ok()
                .filter(|size| *size <= rest.len())
                .ok_or_else(cut)?,
        };
        found.push((id, rest.split_to(size)));
    }
    Ok(found)
}

/// How long a cluster of unknown size is: up to the next element that cannot be inside one.
fn unknown_cluster(body: &Bytes) -> Result<usize, Error> {
    let mut rest = body.clone();
    loop {
        let before = body.len() - rest.len();
        let Some((id, _)) = variable(&mut rest, false) else {
            return Ok(before);
        };
        if matches!(u32::try_from(id), Ok(CLUSTER | CUES | TAGS | INFO | TRACKS)) {
            return Ok(before);
        }
        let size = variable(&mut rest, true).map(|(size, _)| size);
        let size = size
            .and_then(|size| usize::try_from(size).ok())
            .filter(|size| *size <= rest.len());
        rest.advance(size.ok_or_else(|| bad("an element is cut off"))?);
    }
}

/// A number of variable length (RFC 8794 §4): ids keep their marker, sizes lose it. The second is whether all bits are
/// set: an unknown size.
fn variable(rest: &mut Bytes, is_size: bool) -> Option<(u64, bool)> {
    let first = *rest.first()?;
    let length = first.leading_zeros() as usize + 1;
    if length > 8 || rest.len() < length {
        return None;
    }
    let bytes = rest.split_to(length);
    let whole = bytes.iter().fold(0u64, |sum, byte| sum << 8 | u64::from(*byte));
    let mask = (1u64 << (7 * length)) - 1;
    Some((if is_size { whole & mask } else { whole }, whole & mask == mask))
}

/// An unsigned integer (RFC 8794 §7.2), of the last eight bytes.
fn number(body: &[u8]) -> u64 {
    body.iter().fold(0u64, |sum, byte| sum << 8 | u64::from(*byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An element with its size in eight bytes, or unknown.
    fn element(id: u32, body: &[u8], is_unknown: bool) -> Vec<u8> {
        let id = id.to_be_bytes();
        let id = &id[id.iter().position(|byte| *byte != 0).unwrap()..];
        let size = if is_unknown {
            u64::MAX
        } else {
            1 << 56 | body.len() as u64
        };
        let size = size.to_be_bytes();
        [id, &size[if is_unknown { 7 } else { 0 }..], body].concat()
    }

    fn known(id: u32, body: &[u8]) -> Vec<u8> {
        element(id, body, false)
    }

    fn track(number: u8, codec: &str, rest: &[u8]) -> Vec<u8> {
        let number = known(TRACK_NUMBER, &[number]);
        known(
            TRACK_ENTRY,
            &[&number[..], &known(CODEC_ID, codec.as_bytes()), rest].concat(),
        )
    }

    fn block(track: u8, offset: i16, data: &[u8]) -> Vec<u8> {
        known(
            SIMPLE_BLOCK,
            &[&[0x80 | track], &offset.to_be_bytes()[..], &[0x80], data].concat(),
        )
    }

    /// Three pictures and two packets of sound in two clusters.
    fn file(codec: &str, private: &[u8], frames: [&[u8]; 3], is_live: bool) -> Bytes {
        let size = [
            known(PIXEL_WIDTH, &[0x05, 0x00]),
            known(PIXEL_HEIGHT, &[0x02, 0xd0]),
        ]
        .concat();
        let video = [known(VIDEO, &size), known(CODEC_PRIVATE, private)].concat();
        let sound = known(AUDIO, &known(CHANNELS, &[2]));
        let tracks = known(
            TRACKS,
            &[track(1, codec, &video), track(2, "A_OPUS", &sound)].concat(),
        );
        let info = known(INFO, &known(TIMESTAMP_SCALE, &[0x0f, 0x42, 0x40]));
        let opus = [0xfcu8, 1, 2, 3];
        let first = [
            known(CLUSTER_TIMESTAMP, &[0]),
            block(1, 0, frames[0]),
            block(2, 0, &opus),
            block(1, 40, frames[1]),
        ];
        let group = known(BLOCK_GROUP, &known(BLOCK, &block(1, -20, frames[2])[9..]));
        let second = [known(CLUSTER_TIMESTAMP, &[100]), group, block(2, -80, &opus)];
        let clusters = [
            element(CLUSTER, &first.concat(), is_live),
            element(CLUSTER, &second.concat(), is_live),
        ];
        let segment = element(SEGMENT, &[info, tracks, clusters.concat()].concat(), is_live);
        [known(u32::from_be_bytes(MAGIC), &[]), segment].concat().into()
    }

    #[test]
    fn tracks_come_back_with_their_times_also_from_a_live_recording() {
        for is_live in [false, true] {
            let media = Media::parse(file("V_VP8", &[], [b"key", b"b", b"c"], is_live)).unwrap();
            let video = media.video.unwrap();
            assert_eq!((video.codec(), video.size()), (Codec::Vp8, (1280, 720)));
            let times: Vec<_> = video.frames().iter().map(|frame| frame.at.as_millis()).collect();
            assert_eq!(times, [0, 40, 80]);
            assert_eq!(video.frames()[2].data[..], b"c"[..]);
            assert_eq!(media.sound.unwrap().packets().len(), 2);
        }
    }

    #[test]
    fn h264_gets_start_codes_and_its_parameter_sets() {
        let avcc = [1, 0x42, 0xe0, 0x1f, 0xff, 0xe1, 0, 2, 0x67, 9, 1, 0, 2, 0x68, 8];
        let frames: [&[u8]; 3] = [
            &[0, 0, 0, 2, 0x65, 1],
            &[0, 0, 0, 2, 0x41, 2],
            &[0, 0, 0, 1, 0x41],
        ];
        let media = Media::parse(file("V_MPEG4/ISO/AVC", &avcc, frames, false)).unwrap();
        let video = media.video.unwrap();
        let key = [0, 0, 0, 1, 0x67, 9, 0, 0, 0, 1, 0x68, 8, 0, 0, 0, 1, 0x65, 1];
        assert_eq!(video.frames()[0].data[..], key);
        assert_eq!(video.frames()[1].data[..], [0, 0, 0, 1, 0x41, 2]);
        assert!(video.begins_with_a_keyframe());
    }

    #[test]
    fn damage_is_refused_and_never_more() {
        let good = file("V_VP8", &[], [b"key", b"b", b"c"], false);
        for cut in 4..good.len() {
            // Whatever it says, it says it: nothing panics, and the whole is the only file that is whole.
            assert!(Media::parse(good.slice(..cut)).is_err(), "cut at {cut}");
        }
        let why = |codec, frames| {
            Media::parse(file(codec, &[], frames, false))
                .unwrap_err()
                .to_string()
        };
        let theora = Media::parse(file("V_THEORA", &[], [b"a", b"b", b"c"], false)).unwrap();
        assert!(
            theora.video.is_none() && theora.sound.is_some(),
            "of what is not known the rest is taken"
        );
        assert!(why("V_VP8", [b"a", b"b", b""]).contains("empty"));
        assert!(why("V_MPEG4/ISO/AVC", [b"a", b"b", b"c"]).contains("configuration"));
    }
}
