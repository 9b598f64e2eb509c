//! The clip that ships with the server; `demo/make.py` made it.

use bytes::Bytes;

use crate::Error;
use crate::clip::Clip;

/// The clip: three renditions (`l` 180x320, `m` 360x640, `h` 720x1280; VP8, 25 frames a second) and Opus; 12 s, seamless.
///
/// # Errors
/// None in practice: the files are part of the binary and a test reads them.
pub fn clip() -> Result<Clip, Error> {
    let videos = [
        &include_bytes!("../demo/low.ivf")[..],
        &include_bytes!("../demo/mid.ivf")[..],
        &include_bytes!("../demo/high.ivf")[..],
    ];
    let audio = Bytes::from_static(include_bytes!("../demo/chime.ogg"));
    Clip::from_files(videos.map(Bytes::from_static).into(), Some(audio))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::clip::keyframe;

    #[test]
    fn the_clip_is_what_it_says() {
        let clip = clip().unwrap();
        assert_eq!(clip.period(), Duration::from_secs(12));
        let sizes: Vec<_> = clip
            .renditions()
            .iter()
            .map(|r| (r.rid.as_str(), r.video.size()))
            .collect();
        assert_eq!(sizes, [("l", (180, 320)), ("m", (360, 640)), ("h", (720, 1280))]);
        for rendition in clip.renditions() {
            let frames = rendition.video.frames();
            assert_eq!(frames.len(), 300);
            let keys: Vec<_> = (0..300)
                .filter(|n| keyframe::in_frame(clip.codec(), &frames[*n].data))
                .collect();
            assert!(
                keys.windows(2).all(|k| k[1] - k[0] <= 50) && keys[0] == 0,
                "a joiner waits 2 s at most: {keys:?}"
            );
        }
        assert!(clip.audio().is_some_and(|a| a.duration() >= clip.period()));
    }
}
