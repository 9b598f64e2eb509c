//! In the steady state a packet to one more viewer allocates nothing, nor does the feedback that comes back.

use std::alloc::System;

use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};
use vitrine_benches::inside::Inside;
use vitrine_benches::pattern::Pattern;

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const VIEWERS: u64 = 20;
/// Frames until everything has its size: buffers, rings of packets in flight, the reports that come often at first.
const WARM_UP: usize = 600;
/// Frames in which viewers are sent media alone: a report, of which there is one in two seconds, does allocate.
const FRAMES: usize = 60;
/// A packet that comes is kept, and shared by all who get it.
const KEPT: usize = 2;
/// The history's rings grow while they fill.
const GROWTH: usize = 4;

/// Packets that came, and the shard's allocations for them and for the viewers' feedback.
fn allocations(pattern: Pattern) -> (usize, usize, usize) {
    let count = || {
        let stats = ALLOCATOR.stats();
        stats.allocations + stats.reallocations
    };
    let mut inside = Inside::new(VIEWERS, pattern, 2_500_000);
    let (mut packets, mut media, mut feedback, mut frames) = (0, 0, 0, 0);
    for number in 0.. {
        let (mut spent, mut at, others) = (0, 0, inside.others);
        let came = inside.frame(&mut |begins| {
            if begins {
                at = count()
            } else {
                spent += count() - at
            }
        });
        let mut answered = 0;
        if number % 3 == 0 {
            inside.feedback(&mut |begins| {
                if begins {
                    at = count()
                } else {
                    answered += count() - at
                }
            });
        }
        if number < WARM_UP || inside.others != others {
            continue;
        }
        packets += came;
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
