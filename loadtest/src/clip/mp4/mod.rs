//! MP4 (ISO/IEC 14496-12): one video track (H.264, VP9, AV1) and one of Opus, as ffmpeg and phones write it, in one piece
//! or in fragments.

mod fragments;

use std::time::Duration;

use bytes::{Buf, Bytes};

use fragments::{Defaults, Sample};

use super::avc::Avc;
use super::container::{Media, Track, TrackKind};
use super::keyframe::Codec;
use super::video::{Frame, MAX_FRAMES};
use crate::Error;

/// `moov/trak/mdia/minf/stbl/stsd/avc1/avcC` is eight deep; more is made up.
const MAX_DEPTH: usize = 10;
/// A clip has a picture and a sound; a film has some more.
const MAX_TRACKS: usize = 16;

fn bad(why: &str) -> Error {
    Error::Clip(format!("MP4: {why}"))
}

/// What a track's boxes say.
#[derive(Default)]
struct Tables {
    /// What fragments call it.
    id: u32,
    kind: Option<TrackKind>,
    timescale: u32,
    size: (u16, u16),
    channels: u8,
    avc: Option<Avc>,
    /// Runs of samples with one duration.
    durations: Vec<(u32, u32)>,
    has_offsets: bool,
    /// First chunk (from 1) and samples per chunk.
    runs: Vec<(u32, u32)>,
    sizes: Vec<u32>,
    chunks: Vec<u64>,
    /// What a fragment does not say of its samples.
    defaults: Defaults,
    /// The samples of all fragments.
    fragments: Vec<Sample>,
}

/// Reads a whole file.
///
/// # Errors
/// [`Error::Clip`] naming what is wrong or not supported.
pub fn parse(file: Bytes) -> Result<Media, Error> {
    let mut tracks = Vec::new();
    let mut rest = file.clone();
    while rest.len() >= 8 {
        let begin = (file.len() - rest.len()) as u64;
        let (name, body) = take_box(&mut rest)?;
        match &name {
            b"moov" => movie(body, &mut tracks)?,
            b"moof" => fragments::read(body, begin, &mut tracks)?,
            _ => {}
        }
    }
    let tracks = tracks
        .into_iter()
        .filter_map(|tables| tables.track(&file).transpose());
    Media::of(tracks.collect::<Result<Vec<_>, Error>>()?, "MP4")
}

/// The boxes in a row.
fn boxes(mut rest: Bytes) -> Result<Vec<([u8; 4], Bytes)>, Error> {
    let mut found = Vec::new();
    while rest.len() >= 8 {
        found.push(take_box(&mut rest)?);
    }
    Ok(found)
}

/// The next box (§4.2); eight bytes are there.
fn take_box(rest: &mut Bytes) -> Result<([u8; 4], Bytes), Error> {
    let whole = rest.len();
    let cut_off = || bad("a box is cut off");
    let mut length = u64::from(rest.try_get_u32().map_err(|_| cut_off())?);
    let mut name = [0; 4];
    rest.try_copy_to_slice(&mut name).map_err(|_| cut_off())?;
    if length == 1 {
        length = rest.try_get_u64().map_err(|_| cut_off())?;
    } else if length == 0 {
        length = whole as u64;
    }
    let header = whole - rest.len();
    let body = usize::try_from(length)
        .ok()
        .and_then(|length| length.checked_sub(header));
    let body = body.filter(|body| *body <= rest.len());
    Ok((name, rest.split_to(body.ok_or_else(cut_off)?)))
}

fn movie(body: Bytes, tracks: &mut Vec<Tables>) -> Result<(), Error> {
    let inner = boxes(body)?;
    for (_, body) in inner.iter().filter(|(name, _)| name == b"trak") {
        if tracks.len() == MAX_TRACKS {
            return Err(bad("too many tracks"));
        }
        let mut tables = Tables::default();
        tables.read(body.clone(), 0)?;
        tracks.push(tables);
    }
    for (_, extends) in inner.into_iter().filter(|(name, _)| name == b"mvex") {
        fragments::defaults(extends, tracks)?;
    }
    Ok(())
}

impl Tables {
    fn read(&mut self, body: Bytes, depth: usize) -> Result<(), Error> {
        if depth > MAX_DEPTH {
            return Err(bad("boxes within boxes without end"));
        }
        for (name, body) in boxes(body)? {
            match &name {
                b"mdia" | b"minf" | b"stbl" => self.read(body, depth + 1)?,
                _ => self.leaf(&name, body).map_err(|_| bad("a table is cut off"))?,
            }
        }
        Ok(())
    }

    fn leaf(&mut self, name: &[u8; 4], mut body: Bytes) -> Result<(), bytes::TryGetError> {
        match name {
            b"tkhd" => {
                let version = body.try_get_u32()? >> 24;
                skip(&mut body, if version == 1 { 16 } else { 8 })?;
                self.id = body.try_get_u32()?;
            }
            b"mdhd" => {
                let version = body.try_get_u32()? >> 24;
                skip(&mut body, if version == 1 { 16 } else { 8 })?;
                self.timescale = body.try_get_u32()?;
            }
            b"stsd" => {
                body.try_get_u64()?;
                self.entry(body)?;
            }
            b"stts" => self.durations = pairs(&mut body)?,
            b"ctts" => self.has_offsets = pairs(&mut body)?.iter().any(|(_, offset)| *offset != 0),
            b"stsc" => {
                body.try_get_u32()?;
                let count = body.try_get_u32()?;
                self.runs = (0..count)
                    .map(|_| {
                        let run = (body.try_get_u32()?, body.try_get_u32()?);
                        body.try_get_u32().map(|_| run)
                    })
                    .collect::<Result<_, _>>()?;
            }
            b"stsz" => {
                body.try_get_u32()?;
                let (all, count) = (body.try_get_u32()?, body.try_get_u32()?);
                let count = count.min(MAX_FRAMES as u32 + 1);
                self.sizes = if all > 0 {
                    vec![all; count as usize]
                } else {
                    (0..count).map(|_| body.try_get_u32()).collect::<Result<_, _>>()?
                };
            }
            b"stco" => {
                body.try_get_u32()?;
                let count = body.try_get_u32()?;
                self.chunks = (0..count)
                    .map(|_| body.try_get_u32().map(u64::from))
                    .collect::<Result<_, _>>()?;
            }
            b"co64" => {
                body.try_get_u32()?;
                let count = body.try_get_u32()?;
                self.chunks = (0..count).map(|_| body.try_get_u64()).collect::<Result<_, _>>()?;
            }
            _ => {}
        }
        Ok(())
    }

    /// The first sample entry (§8.5.2): what the track is.
    fn entry(&mut self, mut body: Bytes) -> Result<(), bytes::TryGetError> {
        body.try_get_u32()?;
        let name = body.try_get_u32()?.to_be_bytes();
        // Six reserved bytes and a data reference.
        skip(&mut body, 8)?;
        let codec = match &name {
            b"avc1" | b"avc3" => Some(Codec::H264),
            b"vp08" => Some(Codec::Vp8),
            b"vp09" => Some(Codec::Vp9),
            b"av01" => Some(Codec::Av1),
            _ => None,
        };
        if let Some(codec) = codec {
            skip(&mut body, 16)?;
            self.size = (body.try_get_u16()?, body.try_get_u16()?);
            skip(&mut body, 50)?;
            self.kind = Some(TrackKind::Video(codec));
            let inner = boxes(body).unwrap_or_default();
            let config = inner.into_iter().find(|(name, _)| name == b"avcC");
            self.avc = config.and_then(|(_, config)| Avc::read(&config));
        } else if &name == b"Opus" {
            skip(&mut body, 8)?;
            self.channels = body.try_get_u16()? as u8;
            self.kind = Some(TrackKind::Opus);
        }
        Ok(())
    }

    /// The samples in the file; none for a track of another kind.
    fn track(self, file: &Bytes) -> Result<Option<Track>, Error> {
        let Some(kind) = self.kind else { return Ok(None) };
        if self.timescale == 0 {
            return Err(bad("a track has no timescale"));
        }
        if self.has_offsets {
            return Err(bad(
                "it has B-frames, which no browser plays in WebRTC; encode without (-bf 0)",
            ));
        }
        if self.sizes.len() > MAX_FRAMES {
            return Err(bad("too many frames"));
        }
        if kind == TrackKind::Video(Codec::H264) && self.avc.is_none() {
            return Err(bad("H.264 without avcC"));
        }
        let places = if self.fragments.is_empty() {
            self.chunked()
        } else {
            self.fragments.clone()
        };
        let samples = places.into_iter().map(|place| self.frame(file, place));
        Ok(Some(Track {
            kind,
            size: self.size,
            channels: self.channels,
            samples: samples.collect::<Result<_, Error>>()?,
        }))
    }

    /// The samples of a file in one piece.
    fn chunked(&self) -> Vec<Sample> {
        let mut at_ticks = 0u64;
        let mut durations = self
            .durations
            .iter()
            .flat_map(|(count, ticks)| std::iter::repeat_n(*ticks, *count as usize));
        let mut sizes = self.sizes.iter();
        let mut samples = Vec::new();
        for (n, chunk) in self.chunks.iter().enumerate() {
            let mut place = *chunk;
            for size in sizes.by_ref().take(self.in_chunk(n as u32 + 1) as usize) {
                samples.push(Sample {
                    at_ticks,
                    place,
                    size: *size,
                });
                at_ticks = at_ticks.saturating_add(durations.next().unwrap_or(0).into());
                place = place.saturating_add(u64::from(*size));
            }
        }
        samples
    }

    /// A sample's bytes.
    fn frame(&self, file: &Bytes, sample: Sample) -> Result<Frame, Error> {
        let end = sample
            .place
            .checked_add(sample.size.into())
            .filter(|end| *end <= file.len() as u64);
        let end = end.ok_or_else(|| bad("a sample lies outside the file"))?;
        let data = file.slice(sample.place as usize..end as usize);
        let nanos = u128::from(sample.at_ticks) * 1_000_000_000 / u128::from(self.timescale);
        Ok(Frame {
            at: Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX)),
            data: match &self.avc {
                Some(avc) => avc.annex_b(&data)?,
                None => data,
            },
        })
    }

    /// Samples in a chunk (§8.7.4): the run with the largest first chunk that is not past it.
    fn in_chunk(&self, chunk: u32) -> u32 {
        let at = self.runs.partition_point(|(first, _)| *first <= chunk);
        at.checked_sub(1)
            .and_then(|at| self.runs.get(at))
            .map_or(0, |(_, samples)| *samples)
    }
}

fn pairs(body: &mut Bytes) -> Result<Vec<(u32, u32)>, bytes::TryGetError> {
    body.try_get_u32()?;
    let count = body.try_get_u32()?;
    (0..count)
        .map(|_| Ok((body.try_get_u32()?, body.try_get_u32()?)))
        .collect()
}

fn skip(body: &mut Bytes, count: usize) -> Result<(), bytes::TryGetError> {
    if body.len() < count {
        return Err(bytes::TryGetError {
            requested: count,
            available: body.len(),
        });
    }
    body.advance(count);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(super) fn boxed(name: &[u8; 4], body: &[u8]) -> Vec<u8> {
        [&(body.len() as u32 + 8).to_be_bytes()[..], name, body].concat()
    }

    pub(super) fn words(words: &[u32]) -> Vec<u8> {
        words.iter().flat_map(|word| word.to_be_bytes()).collect()
    }

    const AVCC: [u8; 15] = [1, 0x42, 0xe0, 0x1f, 0xff, 0xe1, 0, 2, 0x67, 9, 1, 0, 2, 0x68, 8];
    const SAMPLES: [&[u8]; 3] = [
        &[0, 0, 0, 2, 0x65, 1],
        &[0, 0, 0, 2, 0x41, 2],
        &[0, 0, 0, 1, 0x41],
    ];

    /// Three pictures of 40 ms in two chunks, then what a test wants to change.
    fn file(tables: &[(&[u8; 4], Vec<u8>)]) -> Bytes {
        let ftyp = boxed(b"ftyp", b"isomiso2");
        let mdat = boxed(b"mdat", &SAMPLES.concat());
        let begin = (ftyp.len() + 8) as u32;
        let visual = [
            vec![0; 24],
            vec![0x05, 0x00, 0x02, 0xd0],
            vec![0; 50],
            boxed(b"avcC", &AVCC),
        ]
        .concat();
        let mut stbl: Vec<(&[u8; 4], Vec<u8>)> = vec![
            (b"stsd", [words(&[0, 1]), boxed(b"avc1", &visual)].concat()),
            (b"stts", words(&[0, 1, 3, 40])),
            (b"stsc", words(&[0, 2, 1, 2, 1, 2, 1, 1])),
            (b"stsz", words(&[0, 0, 3, 6, 6, 5])),
            (b"stco", words(&[0, 2, begin, begin + 12])),
        ];
        for (name, body) in tables {
            stbl.retain(|(known, _)| known != name);
            stbl.push((name, body.clone()));
        }
        let stbl: Vec<u8> = stbl.iter().flat_map(|(name, body)| boxed(name, body)).collect();
        let mdhd = boxed(b"mdhd", &words(&[0, 0, 0, 1_000, 120, 0]));
        let mdia = boxed(b"mdia", &[mdhd, boxed(b"minf", &boxed(b"stbl", &stbl))].concat());
        [ftyp, mdat, boxed(b"moov", &boxed(b"trak", &mdia))]
            .concat()
            .into()
    }

    #[test]
    fn samples_are_found_over_chunks_and_get_start_codes() {
        let video = Media::parse(file(&[])).unwrap().video.unwrap();
        assert_eq!((video.codec(), video.size()), (Codec::H264, (1280, 720)));
        let times: Vec<_> = video.frames().iter().map(|frame| frame.at.as_millis()).collect();
        assert_eq!(times, [0, 40, 80]);
        assert_eq!(video.frames()[2].data[..], [0, 0, 0, 1, 0x41]);
        assert!(video.begins_with_a_keyframe());
    }

    #[test]
    fn what_cannot_be_played_is_named() {
        let why = |tables: &[(&[u8; 4], Vec<u8>)]| parse(file(tables)).unwrap_err().to_string();
        assert!(why(&[(b"ctts", words(&[0, 1, 3, 40]))]).contains("B-frames"));
        assert!(why(&[(b"stsd", words(&[0, 0]))]).contains("cut off"));
        assert!(why(&[(b"stco", words(&[0, 2, 0xffff_ffff, 30]))]).contains("outside"));
        assert!(why(&[(b"stsz", words(&[0, 7, 0xffff_ffff]))]).contains("too many"));
        assert!(why(&[(b"stts", words(&[0, 0xffff_ffff, 3, 40]))]).contains("cut off"));
        assert!(why(&[(b"stsc", words(&[0, 0]))]).contains("no frames"));
        let good = file(&[]);
        assert!((8..good.len()).all(|cut| parse(good.slice(..cut)).is_err()));
    }
}
