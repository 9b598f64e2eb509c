//! In the steady state a packet to one more viewer allocates nothing, nor does the feedback that comes back.

use std::alloc::System;

use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};
use vitrine_benches::pattern::Pattern;
use vitrine_benches::show::Show;

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const VIEWERS: u64 = 20;
/// Frames until everything has its size: buffers, rings of packets in flight, the reports that come often at first.
const WARM_UP: usize = 600;
/// Frames in which viewers are sent media alone: a report, of which there is one in two seconds, does allocate.
const FRAMES: usize = 60;
/// A packet that comes is kept, and shared by all who get it.
const KEPT: i64 = 2;
/// The history's rings grow while they fill.
const GROWTH: i64 = 4;

/// Packets that came, and the shard's allocations for them and for the viewers' feedback.
fn allocations(pattern: Pattern) -> (i64, i64, i64) {
    let count = || {
        let stats = ALLOCATOR.stats();
        (stats.allocations + stats.reallocations) as i64
    };
    let mut show = Show::new(VIEWERS, pattern, 2_500_000, count);
    let (mut packets, mut media, mut feedback, mut frames) = (0, 0, 0, 0);
    for number in 0.. {
        let (before, others) = (show.room.metered, show.others);
        let came = show.frame();
        let spent = show.room.metered - before;
        if number % 3 == 0 {
            show.feedback();
        }
        let answered = show.room.metered - before - spent;
        if number < WARM_UP || show.others != others {
            continue;
        }
        packets += came as i64;
        media += spent;
        feedback += answered;
        frames += 1;
        if frames == FRAMES {
            break;
        }
    }
    (packets, media, feedback)
}

#[test]
fn a_packet_to_one_more_viewer_allocates_nothing() {
    for pattern in Pattern::ALL {
        let (packets, media, feedback) = allocations(pattern);
        println!("{pattern:?}: {media} allocations for {packets} packets, {feedback} for feedback");
        assert!(
            media >= packets,
            "the counter counts: a packet that comes is kept"
        );
        assert!(
            media <= KEPT * packets + GROWTH,
            "{pattern:?}: {media} for {packets}"
        );
        assert_eq!(feedback, 0, "{pattern:?}");
    }
}
