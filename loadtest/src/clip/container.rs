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

#[cfg(test)]
mod tests {
    use super::*;

    /// What ffmpeg wrote; the same files are the corpus of the fuzz target.
    fn parse(name: &str) -> Result<Media, Error> {
        let path = format!("{}/../fuzz/corpus/media_file/{name}", env!("CARGO_MANIFEST_DIR"));
        Media::parse(std::fs::read(path).unwrap().into())
    }

    #[test]
    fn files_as_ffmpeg_writes_them_are_read() {
        for (name, codec, has_sound) in [
            ("vp8.webm", Codec::Vp8, true),
            ("live.webm", Codec::Vp8, false),
            ("vp9.ivf", Codec::Vp9, false),
            ("av1.mp4", Codec::Av1, true),
            ("h264.mp4", Codec::H264, false),
            ("fragmented.mp4", Codec::H264, false),
            ("h264-opus.mkv", Codec::H264, true),
        ] {
            let media = parse(name).unwrap_or_else(|error| panic!("{name}: {error}"));
            let video = media.video.unwrap();
            assert_eq!((video.codec(), video.size()), (codec, (16, 16)), "{name}");
            assert_eq!(video.frames().len(), 4, "{name}");
            assert!(video.begins_with_a_keyframe(), "{name}");
            let millis = video.duration().as_millis();
            assert!((395..=405).contains(&millis), "{name}: {millis}");
            assert_eq!(media.sound.is_some(), has_sound, "{name}");
        }
        assert!(parse("sound.ogg").unwrap().sound.is_some());
        let refused = parse("b-frames.mp4").unwrap_err().to_string();
        assert!(refused.contains("B-frames"), "{refused}");
    }
}
