//! Encoded media read from files: what a publisher sends.
//!
//! A [`Clip`] is one to four renditions of the same picture and an optional sound, from IVF, WebM, MP4 and Ogg.
//! It is looped, so every rendition must last equally long and begin with a keyframe.

mod avc;
mod container;
pub mod ivf;
pub mod keyframe;
pub mod mp4;
pub mod ogg;
pub(crate) mod size;
pub mod sound;
pub mod synthetic;
pub mod video;
pub mod webm;

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use bytes::Bytes;

use crate::Error;
pub use container::Media;
use keyframe::Codec;
use sound::Sound;
use video::Video;

/// RFC 8853 sets no number; encoders in the field send two or three, and each costs an SSRC and a history.
pub const MAX_RENDITIONS: usize = 4;

/// A loop shorter than this would be mostly keyframes.
const MIN_PERIOD: Duration = Duration::from_millis(200);

/// One encoding of the picture.
#[derive(Debug, Clone)]
pub struct Rendition {
    /// The RID it is sent under (RFC 8852: up to 16 letters and digits are safe everywhere). Unused when it is the only one.
    pub rid: String,
    /// The encoded frames.
    pub video: Video,
}

/// What a publisher sends, over and over.
#[derive(Debug, Clone)]
pub struct Clip {
    renditions: Vec<Rendition>,
    audio: Option<Sound>,
    period: Duration,
    codec: Codec,
}

impl Clip {
    /// Puts renditions (smallest first) and a sound together.
    ///
    /// # Errors
    /// [`Error::Clip`] when there is no picture, too many of them, when codecs or durations differ, when one does
    /// not begin with a keyframe, or when RIDs repeat or are not RFC 8852 ids.
    pub fn new(renditions: Vec<Rendition>, audio: Option<Sound>) -> Result<Self, Error> {
        let first = renditions
            .first()
            .ok_or_else(|| Error::Clip("no video rendition given".into()))?;
        if renditions.len() > MAX_RENDITIONS {
            return Err(Error::Clip(format!(
                "{} renditions given, at most {MAX_RENDITIONS}",
                renditions.len()
            )));
        }
        let (codec, period) = (first.video.codec(), first.video.duration());
        if period < MIN_PERIOD {
            return Err(Error::Clip(format!(
                "the clip lasts {period:?}, at least {MIN_PERIOD:?}"
            )));
        }
        for (n, rendition) in renditions.iter().enumerate() {
            let rid = &rendition.rid;
            if renditions.len() > 1 && !is_rid(rid) {
                return Err(Error::Clip(format!(
                    "rid {rid:?}: 1 to 16 letters or digits are accepted"
                )));
            }
            if renditions.iter().take(n).any(|other| other.rid == *rid) {
                return Err(Error::Clip(format!("rid {rid:?} is used twice")));
            }
            if rendition.video.codec() != codec {
                return Err(Error::Clip(format!(
                    "rendition {rid:?} has another codec than the first"
                )));
            }
            if rendition.video.duration() != period {
                let other = rendition.video.duration();
                return Err(Error::Clip(format!(
                    "rendition {rid:?} lasts {other:?}, the first {period:?}"
                )));
            }
            if !rendition.video.begins_with_a_keyframe() {
                return Err(Error::Clip(format!(
                    "rendition {rid:?} does not begin with a keyframe"
                )));
            }
        }
        Ok(Self {
            renditions,
            audio,
            period,
            codec,
        })
    }

    /// Reads renditions (smallest first, named `l`, `m`, `h`; `l`, `h` when there are two) and a sound from file contents.
    /// Without a sound of its own the clip has that of the first file with one.
    ///
    /// # Errors
    /// As [`Media::parse`] and [`Clip::new`].
    pub fn from_files(videos: Vec<Bytes>, audio: Option<Bytes>) -> Result<Self, Error> {
        let rids = Self::rids(videos.len());
        if videos.len() > MAX_RENDITIONS {
            return Err(Error::Clip(format!(
                "{} renditions given, at most {MAX_RENDITIONS}",
                videos.len()
            )));
        }
        let mut sound = audio.map(Media::parse).transpose()?.and_then(|media| media.sound);
        let mut renditions = Vec::new();
        for (file, rid) in videos.into_iter().zip(rids) {
            let media = Media::parse(file)?;
            sound = sound.or(media.sound);
            renditions.push(Rendition {
                rid: (*rid).into(),
                video: media
                    .video
                    .ok_or_else(|| Error::Clip("a video file has no picture".into()))?,
            });
        }
        Self::new(renditions, sound)
    }

    /// Reads video files, smallest first, and a sound file.
    ///
    /// # Errors
    /// As [`Clip::from_files`], or that a file cannot be read.
    pub fn from_paths<'a>(
        videos: impl IntoIterator<Item = &'a Path>,
        audio: Option<&Path>,
    ) -> Result<Self, Error> {
        let read = |path: &Path| {
            let file = std::fs::read(path);
            file.map(Bytes::from)
                .map_err(|error| Error::Clip(format!("{}: {error}", path.display())))
        };
        let videos = videos.into_iter().map(read).collect::<Result<_, Error>>()?;
        Self::from_files(videos, audio.map(read).transpose()?)
    }

    /// The names of so many renditions, smallest first.
    fn rids(count: usize) -> &'static [&'static str] {
        match count {
            2 => &["l", "h"],
            _ => &["l", "m", "h", "x"],
        }
    }

    /// The renditions, smallest first.
    pub fn renditions(&self) -> &[Rendition] {
        &self.renditions
    }

    /// The sound, if there is one.
    pub fn audio(&self) -> Option<&Sound> {
        self.audio.as_ref()
    }

    /// How long one pass lasts: the picture decides, sound past it is not sent.
    pub fn period(&self) -> Duration {
        self.period
    }

    /// Where all renditions have a keyframe: times from the start of the clip, sorted, the first 0.
    pub fn keyframes(&self) -> Vec<Duration> {
        let is_key = |frame: &&video::Frame| keyframe::in_frame(self.codec, &frame.data);
        let keys = |video: &Video| -> BTreeSet<Duration> {
            video
                .frames()
                .iter()
                .filter(is_key)
                .map(|frame| frame.at)
                .collect()
        };
        let all = self.renditions.iter().map(|rendition| keys(&rendition.video));
        let common = all.reduce(|common, keys| &common & &keys);
        common.unwrap_or_default().into_iter().collect()
    }

    /// The codec of the picture.
    pub fn codec(&self) -> Codec {
        self.codec
    }
}

/// RFC 8851 §10 allows letters and digits (and, contested, `-` and `_`); 16 bytes fit a one-byte header extension.
fn is_rid(rid: &str) -> bool {
    (1..=16).contains(&rid.len()) && rid.bytes().all(|b| b.is_ascii_alphanumeric())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rendition(rid: &str, frames: u64, key: bool) -> Rendition {
        let first: &[u8] = if key {
            &[0x10, 0, 0, 0x9d, 1, 0x2a]
        } else {
            &[0x11, 0, 0]
        };
        let frames: Vec<(u64, &[u8])> = (0..frames)
            .map(|n| (n, if n == 0 { first } else { &[0x11][..] }))
            .collect();
        Rendition {
            rid: rid.into(),
            video: ivf::parse(ivf::write(b"VP80", 16, 16, 25, &frames)).unwrap(),
        }
    }

    #[test]
    fn renditions_must_agree() {
        assert!(Clip::new(vec![rendition("l", 10, true), rendition("h", 10, true)], None).is_ok());
        let refused = |renditions, word: &str| {
            let error = Clip::new(renditions, None).unwrap_err().to_string();
            assert!(error.contains(word), "{error}");
        };
        refused(vec![], "no video");
        refused(vec![rendition("l", 10, true), rendition("h", 11, true)], "lasts");
        refused(vec![rendition("l", 10, true), rendition("l", 10, true)], "twice");
        refused(vec![rendition("l", 10, true), rendition("a-b", 10, true)], "rid");
        refused(vec![rendition("l", 10, false)], "keyframe");
        refused(vec![rendition("l", 2, true)], "at least");
    }
}
