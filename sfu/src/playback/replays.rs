//! How often a viewer that asks for keyframes gets the cached group of pictures again.

use std::time::Duration;

/// A replay is many times the stream: whoever wants one right after the other gets them ever more seldom, at last
/// every eight intervals.
const MOST_DOUBLINGS: u32 = 3;
/// Where the publisher has sent nothing since, a replay shows nothing new, and some players begin anew with each: it is
/// repeated this often, in case it was lost.
const MOST_VAIN: u32 = 2;

/// A viewer's replays.
#[derive(Debug, Default)]
pub(super) struct Replays {
    /// How often the time between two has doubled.
    doublings: u32,
    /// How many showed nothing new, one after the other.
    vain: u32,
}

impl Replays {
    /// Whether one may be sent now: `since` the picture was last entered, with at least `interval` between two; `is_news`
    /// when the publisher has sent something of it meanwhile.
    pub(super) fn is_due(&mut self, since: Option<Duration>, interval: Duration, is_news: bool) -> bool {
        let interval = interval * (1 << self.doublings);
        if since.is_some_and(|since| since < interval) {
            return false;
        }
        let again = since.is_some_and(|since| since < 2 * interval);
        self.doublings = if again {
            (self.doublings + 1).min(MOST_DOUBLINGS)
        } else {
            0
        };
        self.vain = if is_news {
            0
        } else {
            (self.vain + 1).min(MOST_VAIN + 1)
        };
        self.vain <= MOST_VAIN
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const INTERVAL: Duration = Duration::from_millis(400);

    #[test]
    fn whoever_keeps_asking_gets_them_ever_more_seldom() {
        let mut replays = Replays::default();
        assert!(replays.is_due(None, INTERVAL, true));
        let mut due = |intervals| replays.is_due(Some(INTERVAL * intervals), INTERVAL, true);
        assert!(due(1) && !due(1) && due(2) && !due(3) && due(4) && !due(7) && due(8));
        assert!(!due(7) && due(8), "not more seldom than that");
        assert!(due(16) && due(1), "after a pause as at first");
    }

    #[test]
    fn a_picture_that_stands_still_is_not_shown_again_for_ever() {
        let mut replays = Replays::default();
        let mut due = |is_news| replays.is_due(Some(INTERVAL * 40), INTERVAL, is_news);
        assert!(due(false) && due(false) && !due(false) && !due(false));
        assert!(due(true) && due(false));
    }
}
