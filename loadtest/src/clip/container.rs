//! What a media file holds, whatever its container.

use bytes::Bytes;

use super::keyframe::Codec;
use super::sound::Sound;
use super::video::{Frame, Video};
use super::{ivf, mp4, ogg, webm};
use crate::Error;

/// The first picture and the first sound of a file.
#[derive(Debug, Clone)]
pub struct Media {
    /// The picture.
    pub video: Option<Video>,
    /// The sound.
    pub sound: Option<Sound>,
}

/// A track as a container tells of it.
pub(super) struct Track {
    pub(super) kind: TrackKind,
    pub(super) size: (u16, u16),
    pub(super) channels: u8,
    pub(super) samples: Vec<Frame>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TrackKind {
    Video(Codec),
    Opus,
}

impl Media {
    /// Reads a file: IVF, Ogg, WebM (Matroska) or MP4, told apart by their first bytes.
    ///
    /// # Errors
    /// [`Error::Clip`] naming what is wrong with it.
    pub fn parse(file: Bytes) -> Result<Media, Error> {
        if file.starts_with(b"DKIF") {
            return Ok(Media {
                video: Some(ivf::parse(file)?),
                sound: None,
            });
        }
        if file.starts_with(b"OggS") {
            return Ok(Media {
                video: None,
                sound: Some(ogg::parse(file)?),
            });
        }
        if file.starts_with(&webm::MAGIC) {
            return webm::parse(file);
        }
        if file.get(4..8) == Some(b"ftyp") {
            return mp4::parse(file);
        }
        Err(Error::Clip("the file is none of IVF, Ogg, WebM and MP4".into()))
    }

    /// The first track of each kind.
    pub(super) fn of(tracks: Vec<Track>, container: &str) -> Result<Media, Error> {
        let (mut video, mut sound) = (None, None);
        for track in tracks {
            match track.kind {
                TrackKind::Video(codec) if video.is_none() => {
                    video = Some(Video::new(codec, track.size, track.samples)?);
                }
                TrackKind::Opus if sound.is_none() => {
                    sound = Some(Sound::new(
                        track.channels,
                        track.samples.into_iter().map(|sample| sample.data),
                    )?);
                }
                _ => {}
            }
        }
        if video.is_none() && sound.is_none() {
            return Err(Error::Clip(format!(
                "{container}: no track is VP8, VP9, AV1, H.264 or Opus"
            )));
        }
        Ok(Media { video, sound })
    }
}
