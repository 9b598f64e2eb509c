//! A ring of packets: its bounds, what it holds back, what it finds again.

use super::*;
use crate::media::begin;

const SECOND: Duration = Duration::from_secs(1);

fn packet(at: Instant, sequence: u64, keyframe_start: bool) -> StoredPacket {
    StoredPacket {
        arrival: at,
        sequence,
        timestamp: 0,
        epoch: Epoch::default(),
        marker: false,
        codec: Codec::Vp8,
        keyframe_start,
        frame_start: true,
        spatial: 0,
        has_below: false,
        layer_end: true,
        temporal: 0,
        temporal_sync: false,
        opens: LayerSet::NONE,
        dependency: (0, 0),
        info: PayloadInfo::Opaque,
        bytes: Bytes::from(vec![0; 1000]),
        payload_offset: 12,
        passes_extensions: false,
        padding: 0,
    }
}

/// One packet of a frame with that many payload bytes.
fn part(at: Instant, sequence: u64, timestamp: u32, len: usize, marker: bool) -> StoredPacket {
    StoredPacket {
        timestamp,
        epoch: Epoch::default(),
        marker,
        bytes: Bytes::from(vec![0; 12 + len]),
        ..packet(at, sequence, false)
    }
}

fn all_for(longest: Duration) -> Allowance {
    Allowance {
        longest,
        packets: usize::MAX,
    }
}

fn ready(history: &History) -> u64 {
    (history.start()..)
        .find(|&position| history.ready(position).is_none())
        .unwrap()
}

#[test]
fn a_frame_is_held_until_it_is_whole_or_its_time_is_over() {
    let (now, hold) = (begin(), Duration::from_millis(10));
    let allowed = all_for(hold);
    let mut history = History::new(1 << 20, SECOND);
    history.push(part(now, 1, 0, 100, false));
    assert_eq!(ready(&history), 1, "nobody asked to hold anything");
    let held = history.release(now, allowed);
    assert_eq!((held.next, ready(&history)), (Some(now + hold), 0));

    history.push(part(now + hold / 2, 2, 0, 100, true));
    let whole = history.release(now + hold / 2, allowed);
    assert_eq!((whole.has_more, whole.next, ready(&history)), (true, None, 2));

    // Of the next frame the end is lost: the one behind it says that it is over.
    let next = now + Duration::from_millis(33);
    history.push(part(next, 3, 3000, 100, false));
    assert!(!history.release(next, allowed).has_more);
    history.push(part(next + hold / 2, 5, 6000, 100, false));
    let late = history.release(next + hold / 2, allowed);
    assert_eq!((late.next, ready(&history)), (Some(next + hold / 2 + hold), 3));
    // What was missing is wanted at once, and what waits goes with it.
    history.push(part(next + hold, 4, 3000, 100, true));
    assert_eq!(history.release(next + hold, allowed).next, None);
    assert_eq!(ready(&history), 5);

    history.push(part(next + 3 * hold, 6, 9000, 100, false));
    history.release(next + 3 * hold, allowed);
    assert_eq!(ready(&history), 5);
    assert!(
        history.release(next + 4 * hold, allowed).has_more,
        "its time is over"
    );
    history.push(part(next + 5 * hold, 7, 9000, 100, false));
    assert!(
        history.release(next + 5 * hold, Allowance::default()).has_more,
        "an idle server holds nothing"
    );
}

#[test]
fn of_a_long_frame_no_more_is_held_than_is_allowed() {
    let now = begin();
    let mut history = History::new(1 << 20, SECOND);
    let allowed = Allowance {
        packets: 3,
        ..all_for(SECOND)
    };
    let mut released = Vec::new();
    for sequence in 0..8 {
        let now = now + sequence as u32 * 2 * GAP;
        history.push(part(now, sequence, 0, 100, sequence == 7));
        history.release(now, allowed);
        let release = history.release(now + GAP, allowed);
        assert_eq!(release.next.is_none(), ready(&history) == history.end());
        released.push(ready(&history));
    }
    assert_eq!(released, [0, 0, 3, 3, 3, 6, 6, 8]);
}

#[test]
fn what_comes_without_a_pause_is_waited_for_a_moment_longer() {
    let begin = begin();
    let allowed = Allowance {
        packets: 3,
        ..all_for(SECOND)
    };
    // Microseconds between the packets of a frame, and with how many of them it begins to leave and when.
    for (between, leaves, with) in [(50, 500, 11), (400, 2000, 6), (600, 1700, 3)] {
        let mut history = History::new(1 << 20, SECOND);
        let mut left = None;
        for us in (0..5000).step_by(50) {
            let now = begin + Duration::from_micros(us);
            let place = us / between;
            if us.is_multiple_of(between) && place < 11 {
                history.push(part(now, place, 0, 100, place == 10));
            }
            let release = history.release(now, allowed);
            assert!(release.next.is_none_or(|next| next > now));
            if ready(&history) > 0 {
                left.get_or_insert((us, ready(&history)));
            }
        }
        assert_eq!(left, Some((leaves, with)), "{between} µs");
    }
}

#[test]
fn packets_that_leave_together_are_equally_long_where_little_is_missing() {
    let now = begin();
    let mut history = History::new(1 << 20, SECOND);
    let sizes = [1000, 1000, 1001, 1001, 700];
    for (sequence, len) in (0..).zip(sizes) {
        history.push(part(now, sequence, 0, len, false));
    }
    history.push(part(now, 5, 3000, 1004, true));
    history.push(part(now, 6, 6000, 0, true));
    history.release(now, all_for(SECOND));
    let padding: Vec<u8> = (0..7)
        .map(|position| history.get(position).unwrap().padding)
        .collect();
    assert_eq!(
        padding,
        [1, 1, 0, 0, 0, 0, 0],
        "other frames and far shorter packets stay as they are"
    );
}

#[test]
fn positions_follow_arrival_and_sequences_are_found() {
    let now = begin();
    let mut history = History::new(1 << 20, SECOND);
    for sequence in [100, 102, 101, 103] {
        history.push(packet(now, sequence, false));
    }
    assert_eq!((history.start(), history.end()), (0, 4));
    assert_eq!(history.find(101), Some(2));
    assert_eq!(history.get(2).unwrap().sequence, 101);
    assert_eq!(history.find(99), None);
    assert_eq!(history.find(100 + INITIAL_SLOTS as u64), None);
    assert_eq!(history.get(4).map(|p| p.sequence), None);
}

#[test]
fn the_bytes_are_bounded_and_positions_go_on() {
    let now = begin();
    let mut history = History::new(1 << 20, SECOND);
    for sequence in 0..5000 {
        history.push(packet(now, sequence, sequence == 0));
        assert!(history.bytes() <= 1 << 20);
    }
    assert_eq!(history.end(), 5000);
    assert!(history.start() > 4000);
    assert_eq!(history.get(history.start() - 1).map(|p| p.sequence), None);
    assert_eq!(history.keyframe(), None, "its start is gone");
    for position in history.start()..history.end() {
        assert_eq!(history.find(position), Some(position));
    }
}

#[test]
fn the_current_group_of_pictures_outlives_the_time_bound() {
    let begin = begin();
    let mut history = History::new(1 << 20, SECOND);
    for i in 0..100u32 {
        let at = begin + SECOND / 10 * i;
        history.push(packet(at, u64::from(i), i == 0 || i == 50));
        match i {
            0..50 => assert_eq!((history.start(), history.keyframe()), (0, Some(0))),
            50..60 => assert_eq!(history.keyframe(), Some(50)),
            _ => assert_eq!((history.start(), history.keyframe()), (50, Some(50))),
        }
    }
}

#[test]
fn an_old_keyframe_that_comes_late_is_not_the_newest() {
    let now = begin();
    let mut history = History::new(1 << 20, SECOND);
    for (sequence, key) in [(10, true), (21, false), (30, true), (20, true)] {
        history.push(packet(now, sequence, key));
    }
    assert_eq!(
        (history.keyframe(), history.group_bytes(u8::MAX)),
        (Some(2), 2000)
    );
}

#[test]
fn a_jump_of_the_numbers_never_returns_a_wrong_packet() {
    let now = begin();
    let mut history = History::new(1 << 20, SECOND);
    for sequence in (0..200).chain(1 << 40..(1 << 40) + 200) {
        history.push(packet(now, sequence, false));
    }
    for sequence in (0..200).chain(1 << 40..(1 << 40) + 200) {
        if let Some(position) = history.find(sequence) {
            assert_eq!(history.get(position).unwrap().sequence, sequence);
        }
    }
    assert!(history.find((1 << 40) + 199).is_some());
}

#[test]
fn a_packet_over_the_bound_leaves_an_empty_ring() {
    let mut history = History::new(100, SECOND);
    history.push(packet(begin(), 7, true));
    assert_eq!((history.start(), history.end(), history.bytes()), (1, 1, 0));
    assert_eq!((history.keyframe(), history.find(7)), (None, None));
}

#[test]
fn an_upper_layer_has_one_below_unless_its_encoder_left_it_out() {
    let mut history = History::new(1 << 20, SECOND);
    let of = |sequence, timestamp, spatial| StoredPacket {
        timestamp,
        spatial,
        ..packet(begin(), sequence, false)
    };
    let pictures = [
        of(1, 10, 0),
        of(2, 10, 1),
        of(3, 10, 1),
        of(4, 10, 2),
        of(5, 20, 1),
        of(6, 20, 1),
        of(7, 30, 0),
        of(8, 30, 2),
        // What was lost of the next picture has yet to come.
        of(10, 40, 1),
    ];
    for packet in pictures {
        history.push(packet);
    }
    let found: Vec<bool> = (history.start()..history.end())
        .filter_map(|position| history.get(position))
        .map(|packet| packet.has_below)
        .collect();
    assert_eq!(found, [false, true, true, true, false, false, false, false, true]);
}
