//! How fast a picture may come to the live edge of a line.

/// Bytes that may leave at once: about a keyframe of a phone's picture, far below a browser's socket buffer.
pub(super) const ALLOWANCE: u64 = 48 << 10;
/// The same where the line has shown its limit: two packets.
pub(super) const LIMITED_ALLOWANCE: u64 = 3000;
/// A group of pictures that a line carries in this time is sent whole. With a longer one sound and picture would be
/// apart for too long, and sound would wait in the line behind the picture: its keyframe alone is shown until the next.
const PATIENCE_MS: u64 = 500;
/// A line that brings less than so many times the picture's rate is thin for its keyframes: of half a second's bytes they
/// would take more than a picture's time.
const THIN: u64 = 8;
/// In percent of the picture's usual rate, what a keyframe leaves with at least where such a line brings less: it must come to
/// the live edge again long before the next one.
const KEYFRAME_LEAST: u64 = 130;

/// Rates of a catching up, bits per second.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    /// What is sent while nothing is known of the line.
    pub(super) fast: u64,
    /// What the line carries, where it has shown its limit.
    pub(super) limit: Option<u64>,
    /// Nothing leaves before what waits in the line is nearly through: the first packet would come no sooner behind it, and
    /// a full queue would drop it.
    pub(super) waits: bool,
}

impl Pace {
    /// How fast a live keyframe of a picture of usually `bitrate` may leave, where a line that `brings` so many bits per
    /// second is thin for it: faster it would only wait there, and sound behind it, or be lost. That a line has widened is for
    /// probes to find.
    pub(super) fn of_keyframe(brings: u64, bitrate: u64) -> Option<Pace> {
        let rate = brings.max(bitrate * KEYFRAME_LEAST / 100);
        (brings < bitrate * THIN).then_some(Pace {
            fast: rate,
            limit: Some(rate),
            waits: false,
        })
    }

    /// Behind all that is in a line that has shown that it carries no more than this.
    pub(super) fn of_full_line(limit: u64) -> Pace {
        Pace {
            fast: limit,
            limit: Some(limit),
            waits: true,
        }
    }

    pub(super) fn rate(self) -> u64 {
        self.limit.map_or(self.fast, |limit| limit.min(self.fast)).max(1)
    }

    /// Bytes that may leave at once.
    pub(super) fn allowance(self) -> u64 {
        self.limit.map_or(ALLOWANCE, |_| LIMITED_ALLOWANCE)
    }

    /// Whether so many bytes come soon.
    pub(super) fn is_soon(self, bytes: u64) -> bool {
        bytes * 8 * 1000 <= self.rate() * PATIENCE_MS
    }
}
