//! What the load test reads: media files, scenarios, and results that came from elsewhere.

use bytes::Bytes;
use loadtest::clip::Media;
use loadtest::report::Run;
use loadtest::scenario::Scenario;

/// A media file of any container. What is taken has frames in order.
pub(crate) fn media(input: &[u8]) {
    let Ok(media) = Media::parse(Bytes::copy_from_slice(input)) else {
        return;
    };
    assert!(media.video.is_some() || media.sound.is_some());
    if let Some(video) = media.video {
        assert!(video.frames().is_sorted_by(|a, b| a.at < b.at));
        assert!(video.frames().iter().all(|frame| !frame.data.is_empty()));
    }
}

/// A scenario. What is taken is taken again as it is written.
pub(crate) fn scenario(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else {
        return;
    };
    if let Ok(scenario) = Scenario::parse(text, &[]) {
        let again = Scenario::parse(&scenario.to_toml(), &[]);
        assert_eq!(again.ok(), Some(scenario));
    }
}

/// A result file. What is taken can be shown.
pub(crate) fn result(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else {
        return;
    };
    if let Ok(run) = Run::parse(text) {
        assert!(run.to_html().ends_with("</html>\n"));
    }
}
