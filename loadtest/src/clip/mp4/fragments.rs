//! Fragmented MP4 (ISO/IEC 14496-12 §8.8): what cameras, browsers and live encoders write, a piece at a time.

use bytes::{Buf, Bytes};

use super::{Tables, bad, boxes};
use crate::Error;
use crate::clip::video::MAX_FRAMES;

/// Flags of `tfhd` (§8.8.7).
const HAS_BASE: u32 = 0x1;
const HAS_DESCRIPTION: u32 = 0x2;
const HAS_DURATION: u32 = 0x8;
const HAS_SIZE: u32 = 0x10;
const BASE_IS_MOOF: u32 = 0x2_0000;
/// Flags of `trun` (§8.8.8).
const HAS_OFFSET: u32 = 0x1;
const HAS_FIRST_FLAGS: u32 = 0x4;
const HAS_DURATIONS: u32 = 0x100;
const HAS_SIZES: u32 = 0x200;
const HAS_FLAGS: u32 = 0x400;
const HAS_TIME_OFFSETS: u32 = 0x800;

/// Where a sample lies, and when it is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Sample {
    pub(super) at_ticks: u64,
    /// From the file's beginning.
    pub(super) place: u64,
    pub(super) size: u32,
}

/// What holds for samples of which nothing else is said.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Defaults {
    duration: u32,
    size: u32,
}

/// Reads `mvex`: the defaults of each track (§8.8.3).
pub(super) fn defaults(extends: Bytes, tracks: &mut [Tables]) -> Result<(), Error> {
    for (_, mut body) in boxes(extends)?.into_iter().filter(|(name, _)| name == b"trex") {
        let [_, id, _, duration, size] = words(&mut body)?;
        if let Some(track) = tracks.iter_mut().find(|track| track.id == id) {
            track.defaults = Defaults { duration, size };
        }
    }
    Ok(())
}

/// Reads a fragment, `moof`, which begins at this place of the file.
pub(super) fn read(fragment: Bytes, begin: u64, tracks: &mut [Tables]) -> Result<(), Error> {
    // Without a word about it, a track's data lie behind those of the track before (§8.8.7).
    let mut end = begin;
    for (_, body) in boxes(fragment)?.into_iter().filter(|(name, _)| name == b"traf") {
        let mut part = Part {
            begin,
            base: end,
            place: end,
            ..Part::default()
        };
        for (name, body) in boxes(body)? {
            match &name {
                b"tfhd" => part.header(body, tracks)?,
                b"tfdt" => part.time(body)?,
                b"trun" => {
                    if let Some(track) = tracks.iter_mut().find(|track| track.id == part.id) {
                        part.samples(body, track)?;
                    }
                }
                _ => {}
            }
        }
        end = part.place;
    }
    Ok(())
}

/// One track's part of a fragment, and how far it is read.
#[derive(Default)]
struct Part {
    id: u32,
    /// Where the fragment begins, and where offsets count from.
    begin: u64,
    base: u64,
    /// Of the next sample.
    place: u64,
    at_ticks: u64,
    defaults: Defaults,
}

impl Part {
    fn header(&mut self, mut body: Bytes, tracks: &[Tables]) -> Result<(), Error> {
        let [flags, id] = words(&mut body)?;
        self.id = id;
        let known = tracks.iter().find(|track| track.id == id);
        self.defaults = known.map_or(Defaults::default(), |track| track.defaults);
        if flags & HAS_BASE != 0 {
            self.base = long(&mut body)?;
        } else if flags & BASE_IS_MOOF != 0 {
            self.base = self.begin;
        }
        self.place = self.base;
        word_if(flags & HAS_DESCRIPTION, &mut body, 0)?;
        self.defaults.duration = word_if(flags & HAS_DURATION, &mut body, self.defaults.duration)?;
        self.defaults.size = word_if(flags & HAS_SIZE, &mut body, self.defaults.size)?;
        Ok(())
    }

    /// `tfdt` (§8.8.12).
    fn time(&mut self, mut body: Bytes) -> Result<(), Error> {
        let [version] = words(&mut body)?;
        self.at_ticks = match version >> 24 {
            0 => word_if(1, &mut body, 0)?.into(),
            _ => long(&mut body)?,
        };
        Ok(())
    }

    /// `trun`.
    fn samples(&mut self, mut body: Bytes, track: &mut Tables) -> Result<(), Error> {
        let [flags, count] = words(&mut body)?;
        if flags & HAS_OFFSET != 0 {
            let [offset] = words(&mut body)?;
            self.place = self.base.saturating_add_signed((offset as i32).into());
        }
        word_if(flags & HAS_FIRST_FLAGS, &mut body, 0)?;
        for _ in 0..count {
            if track.fragments.len() == MAX_FRAMES {
                return Err(bad("too many frames"));
            }
            let duration = word_if(flags & HAS_DURATIONS, &mut body, self.defaults.duration)?;
            let size = word_if(flags & HAS_SIZES, &mut body, self.defaults.size)?;
            word_if(flags & HAS_FLAGS, &mut body, 0)?;
            track.has_offsets |= word_if(flags & HAS_TIME_OFFSETS, &mut body, 0)? != 0;
            track.fragments.push(Sample {
                at_ticks: self.at_ticks,
                place: self.place,
                size,
            });
            self.at_ticks = self.at_ticks.saturating_add(duration.into());
            self.place = self.place.saturating_add(size.into());
        }
        Ok(())
    }
}

fn words<const N: usize>(body: &mut Bytes) -> Result<[u32; N], Error> {
    let mut words = [0; N];
    for word in &mut words {
        *word = word_if(1, body, 0)?;
    }
    Ok(words)
}

/// The next word where a flag is set.
fn word_if(flag: u32, body: &mut Bytes, otherwise: u32) -> Result<u32, Error> {
    if flag == 0 {
        return Ok(otherwise);
    }
    body.try_get_u32().map_err(|_| bad("a table is cut off"))
}

fn long(body: &mut Bytes) -> Result<u64, Error> {
    body.try_get_u64().map_err(|_| bad("a table is cut off"))
}

#[cfg(test)]
mod tests {
    use super::super::tests::{boxed, words};
    use super::*;

    fn sample(at_ticks: u64, place: u64, size: u32) -> Sample {
        Sample {
            at_ticks,
            place,
            size,
        }
    }

    fn tracks() -> Vec<Tables> {
        let track = |id| Tables {
            id,
            ..Tables::default()
        };
        let mut tracks = vec![track(1), track(2)];
        let extends = boxed(b"trex", &words(&[0, 2, 1, 20, 7, 0]));
        defaults(extends.into(), &mut tracks).unwrap();
        tracks
    }

    #[test]
    fn samples_lie_where_a_fragment_says_or_behind_those_before() {
        let mut tracks = tracks();
        let picture = [
            boxed(b"tfhd", &words(&[BASE_IS_MOOF | HAS_DURATION, 1, 40])),
            boxed(b"tfdt", &words(&[1 << 24, 0, 800])),
            boxed(b"trun", &words(&[HAS_OFFSET | HAS_SIZES, 2, 100, 11, 12])),
            boxed(
                b"trun",
                &words(&[HAS_SIZES | HAS_DURATIONS | HAS_FIRST_FLAGS, 1, 0, 80, 13]),
            ),
        ];
        let sound = [boxed(b"tfhd", &words(&[0, 2])), boxed(b"trun", &words(&[0, 2]))];
        let stranger = [boxed(b"tfhd", &words(&[0, 9])), boxed(b"trun", &words(&[0, 1]))];
        let fragment =
            [picture.concat(), sound.concat(), stranger.concat()].map(|part| boxed(b"traf", &part));
        read(fragment.concat().into(), 5_000, &mut tracks).unwrap();
        assert_eq!(
            tracks[0].fragments,
            [
                sample(800, 5_100, 11),
                sample(840, 5_111, 12),
                sample(880, 5_123, 13)
            ]
        );
        assert_eq!(tracks[1].fragments, [sample(0, 5_136, 7), sample(20, 5_143, 7)]);
    }

    #[test]
    fn what_is_cut_off_or_without_end_is_refused() {
        let run = |trun: &[u32]| {
            let part = [boxed(b"tfhd", &words(&[0, 1])), boxed(b"trun", &words(trun))].concat();
            read(boxed(b"traf", &part).into(), 0, &mut tracks())
        };
        assert!(run(&[0, 3]).is_ok());
        let why = |trun: &[u32]| run(trun).unwrap_err().to_string();
        assert!(why(&[HAS_SIZES, 2, 5]).contains("cut off"));
        assert!(why(&[0]).contains("cut off"));
        assert!(why(&[0, u32::MAX]).contains("too many"));
    }
}
