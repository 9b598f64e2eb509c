//! The benches' peers are peers: they connect, are sent media they can open, and what they answer is understood.

#![allow(clippy::unwrap_used, reason = "a test")]

use std::time::{Duration, Instant};

use vitrine_benches::crowd::Crowd;
use vitrine_benches::house::House;
use vitrine_benches::pattern::Pattern;
use vitrine_benches::peer::{Part, Party};
use vitrine_benches::publisher::Publisher;

const VIEWERS: usize = 5;

#[test]
fn every_pattern_reaches_every_viewer_and_feedback_comes_back() {
    let party = Party::new();
    let mut house = House::open(1, |_| {});
    let mut viewers = Crowd::new(&party, 1, false);
    viewers.join(&mut house, 0, "room", Part::Viewer, VIEWERS);
    for (number, pattern) in (100..).zip(Pattern::ALL) {
        let mut publisher = Publisher::join(&mut house, &party, number, 0, "room", pattern, 1_000_000);
        let watching = viewers.watch(Duration::from_millis(20));
        let before = house.report(0);
        let deadline = Instant::now() + Duration::from_secs(20);
        // Counted by the server: packets sent, and datagrams that came, which are feedback but for some checks.
        loop {
            publisher.run(Duration::from_millis(100));
            let now = house.report(0);
            let sent = now.shard.playback.packets - before.shard.playback.packets;
            if sent > 500 && now.shard.datagrams_rejected == 0 && now.udp.send_failed == 0 {
                break;
            }
            assert!(Instant::now() < deadline, "{pattern:?}: {now:?}");
        }
        let (crowd, received) = watching.stop();
        assert!(received.packets > 300, "{pattern:?}: {received:?}");
        viewers = crowd;
    }
    house.close();
}
