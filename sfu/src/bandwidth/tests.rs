//! Lines in virtual time: a queue in front of a bottleneck, feedback every 50 ms.

use rate::LEAST;
use rtc::shared::marshal::Marshal;
use rtc_rtcp::transport_feedbacks::transport_layer_cc::{
    PacketStatusChunk, RecvDelta, StatusChunkTypeTcc, StatusVectorChunk, SymbolSizeTypeTcc, SymbolTypeTcc,
    TransportLayerCc,
};

use super::*;
use crate::media::begin;
use crate::negotiation::MediaKind;

const PACKET: usize = 1200;
const MS: Duration = Duration::from_millis(1);

/// A bottleneck with a way of 30 ms behind it and a clock of its own at the viewer.
struct Line {
    bits_per_second: u64,
    /// Every so many packets one is lost; 0 for none.
    loses_every: u16,
    /// What may wait.
    queue: Duration,
    free_at: Duration,
    /// Numbers with arrivals in microseconds, not reported yet.
    arrived: Vec<(u16, Option<i64>)>,
}

impl Line {
    fn new(bits_per_second: u64, loses_every: u16) -> Line {
        Line {
            bits_per_second,
            loses_every,
            queue: Duration::MAX,
            free_at: Duration::ZERO,
            arrived: Vec::new(),
        }
    }

    fn send(&mut self, at: Duration, number: u16) {
        if self.loses_every > 0 && number.is_multiple_of(self.loses_every) {
            return self.arrived.push((number, None));
        }
        if self.free_at.saturating_sub(at) > self.queue {
            return self.arrived.push((number, None));
        }
        let takes = Duration::from_micros(PACKET as u64 * 8 * 1_000_000 / self.bits_per_second);
        self.free_at = self.free_at.max(at) + takes;
        let arrival = self.free_at + 30 * MS + Duration::from_secs(1000);
        self.arrived.push((number, Some(arrival.as_micros() as i64)));
    }

    /// Packets that leave together.
    fn send_picture(&mut self, bandwidth: &mut Bandwidth, begin: Instant, at: Duration, packets: usize) {
        for _ in 0..packets {
            self.send(at, bandwidth.number(begin + at, PACKET));
        }
    }

    fn feedback(&mut self) -> Option<Vec<u8>> {
        let &(base, _) = self.arrived.first()?;
        let mut clock = None;
        let (mut symbols, mut recv_deltas) = (Vec::new(), Vec::new());
        for (_, arrival) in &self.arrived {
            let Some(arrival) = arrival else {
                symbols.push(SymbolTypeTcc::PacketNotReceived);
                continue;
            };
            let before = *clock.get_or_insert(arrival / 64_000 * 64_000);
            let delta = (arrival - before) / 250 * 250;
            clock = Some(before + delta);
            symbols.push(SymbolTypeTcc::PacketReceivedLargeDelta);
            recv_deltas.push(RecvDelta {
                type_tcc_packet: SymbolTypeTcc::PacketReceivedLargeDelta,
                delta,
            });
        }
        let first = self.arrived.iter().find_map(|(_, arrival)| *arrival).unwrap_or(0);
        let count = symbols.len() as u16;
        let chunks = symbols.chunks(7).map(|symbols| {
            PacketStatusChunk::StatusVectorChunk(StatusVectorChunk {
                type_tcc: StatusChunkTypeTcc::StatusVectorChunk,
                symbol_size: SymbolSizeTypeTcc::TwoBit,
                symbol_list: symbols.to_vec(),
            })
        });
        let feedback = TransportLayerCc {
            base_sequence_number: base,
            packet_status_count: count,
            reference_time: (first / 64_000) as u32,
            packet_chunks: chunks.collect(),
            recv_deltas,
            ..TransportLayerCc::default()
        };
        self.arrived.clear();
        Some(feedback.marshal().unwrap().to_vec())
    }

    /// What came by then.
    fn feedback_at(&mut self, at: Duration) -> Option<Vec<u8>> {
        let by = (at + Duration::from_secs(1000)).as_micros() as i64;
        let later = self
            .arrived
            .iter()
            .position(|(_, arrival)| arrival.is_some_and(|arrival| arrival > by));
        let later = self.arrived.split_off(later.unwrap_or(self.arrived.len()));
        let feedback = self.feedback();
        self.arrived = later;
        feedback
    }
}

/// Sends at a rate that `choose` makes of the estimate, for ten seconds; the estimate at the end.
fn drive(line: &mut Line, initial: u64, choose: impl Fn(u64) -> u64) -> u64 {
    let begin = begin();
    let mut bandwidth = Bandwidth::new(begin, initial);
    let mut credit = 0;
    for ms in 0..10_000u32 {
        let at = MS * ms;
        credit += choose(bandwidth.estimate()) / 1000;
        while credit >= PACKET as u64 * 8 {
            credit -= PACKET as u64 * 8;
            let number = bandwidth.number(begin + at, PACKET);
            line.send(at, number);
        }
        if ms % 50 == 0
            && let Some(feedback) = line.feedback()
        {
            bandwidth.handle_transport_feedback(begin + at, &feedback);
        }
        bandwidth.handle_time(begin + at, 0);
    }
    bandwidth.estimate()
}

#[test]
fn a_line_that_is_too_thin_is_found_out() {
    let mut line = Line::new(1_000_000, 0);
    // Two layers of 2.5 Mbps and 300 kbps: the larger one only as long as it seems to fit.
    let estimate = drive(&mut line, 3_000_000, |estimate| {
        if estimate > 2_500_000 { 2_500_000 } else { 300_000 }
    });
    assert!((250_000..1_200_000).contains(&estimate), "{estimate}");
}

#[test]
fn a_line_that_is_wide_enough_is_not_doubted() {
    let mut line = Line::new(20_000_000, 0);
    let estimate = drive(&mut line, 3_000_000, |_| 2_500_000);
    assert!(estimate >= 2_700_000, "{estimate}");
}

#[test]
fn a_probe_finds_at_once_what_growth_would_take_minutes_for() {
    let begin = begin();
    let mut bandwidth = Bandwidth::new(begin, 300_000);
    let mut line = Line::new(3_000_000, 0);
    for ms in 0..3_000u32 {
        let now = begin + MS * ms;
        if ms == 2_000 {
            bandwidth.begin_probe();
        }
        if ms % 40 == 0 || (2_000..2_100).contains(&ms) && ms % 2 == 0 {
            line.send(MS * ms, bandwidth.number(now, PACKET));
        }
        if ms == 2_100 {
            bandwidth.end_probe();
        }
        if ms % 50 == 0
            && let Some(feedback) = line.feedback()
        {
            bandwidth.handle_transport_feedback(now, &feedback);
        }
    }
    let estimate = bandwidth.estimate();
    assert!((2_700_000..3_000_000).contains(&estimate), "{estimate}");
}

#[test]
fn a_little_loss_is_borne_and_much_is_not() {
    let little = drive(&mut Line::new(20_000_000, 20), 3_000_000, |_| 2_000_000);
    assert!(little >= 2_000_000, "{little}");
    let much = drive(&mut Line::new(20_000_000, 4), 3_000_000, |_| 2_000_000);
    assert!(much <= 1_600_000, "{much}");
}

#[test]
fn a_line_that_drops_without_a_queue_is_found_out() {
    let mut line = Line {
        queue: 10 * MS,
        ..Line::new(1_000_000, 0)
    };
    let estimate = drive(&mut line, 3_000_000, |estimate| estimate.min(2_500_000));
    assert!((700_000..1_200_000).contains(&estimate), "{estimate}");
}

#[test]
fn a_line_that_falls_silent_carries_nothing() {
    let begin = begin();
    let mut bandwidth = Bandwidth::new(begin, 3_000_000);
    let mut line = Line::new(20_000_000, 0);
    for ms in 0..20_000u32 {
        let now = begin + MS * ms;
        if ms % 5 == 0 {
            let number = bandwidth.number(now, PACKET);
            line.send(MS * ms, number);
        }
        if ms % 50 == 0 && ms < 2000 {
            bandwidth.handle_transport_feedback(now, &line.feedback().unwrap());
        }
        bandwidth.handle_time(now, 0);
    }
    assert_eq!(bandwidth.estimate(), LEAST);
}

#[test]
fn without_transport_feedback_the_viewers_word_counts() {
    let begin = begin();
    let mut bandwidth = Bandwidth::new(begin, 3_000_000);
    let reported = |bandwidth: &mut Bandwidth, from: u32| {
        // A megabit per second.
        let looks = (0..20).map(|look| from + look);
        looks.for_each(|look| bandwidth.handle_time(begin + MS * 100 * look, u64::from(look) * 12_500));
        begin + MS * 100 * (from + 20)
    };
    assert_eq!(bandwidth.trial(begin), Trial::None);
    // More reports than there is time for.
    let report = |lost, round_trip| Report {
        kind: MediaKind::Video,
        highest: 0,
        lost,
        lost_packets: 0,
        round_trip,
        held: MS * 10,
    };
    for far in [0].into_iter().chain([2000; 300]).chain([0]) {
        bandwidth.handle_report(begin, report(0, Some(MS * far)));
    }
    bandwidth.handle_remb(begin, 3_000_000);
    let now = reported(&mut bandwidth, 0);
    assert_eq!(bandwidth.trial(now), Trial::Long(1_000_000));
    bandwidth.handle_remb(now, u64::MAX);
    bandwidth.handle_remb(now, 700_000);
    assert_eq!(bandwidth.estimate(), 700_000);
    assert_eq!(bandwidth.limit(now), Some(700_000));
    let now = reported(&mut bandwidth, 40);
    bandwidth.handle_report(now, report(102, None));
    assert_eq!(bandwidth.estimate(), 601_562);
    bandwidth.expect_burst(now);
    bandwidth.handle_remb(now, 100_000);
    assert_eq!(bandwidth.estimate(), 601_562, "a burst was on its way");
    assert!(!bandwidth.is_calm(now) && bandwidth.is_calm(now + MS * 2_000));
    bandwidth.begin_long_probe(900_000, now);
    bandwidth.handle_remb(now + MS * 1_000, 108_000);
    assert_eq!(
        bandwidth.estimate(),
        900_000,
        "tried, and nothing spoke against it"
    );
    bandwidth.begin_long_probe(2_000_000, now);
    bandwidth.abandon_probe();
    bandwidth.handle_report(now + MS * 1_000, report(0, Some(MS * 40)));
    assert_eq!(bandwidth.estimate(), 900_000);
}

/// A picture of one packet every 10 ms and a keyframe of `keyframe` packets after two seconds on a line that narrows to
/// `bits_per_second` then; what is known so many milliseconds later.
fn keyframe_on_a_narrowed_line(
    begin: Instant,
    bits_per_second: u64,
    keyframe: usize,
    later: u32,
) -> Bandwidth {
    let mut bandwidth = Bandwidth::new(begin, 3_000_000);
    let mut line = Line::new(20_000_000, 0);
    for ms in 0..=2_000 + later {
        let at = MS * ms;
        if ms == 2_000 {
            line.bits_per_second = bits_per_second;
        }
        if ms % 10 == 0 {
            let packets = if ms == 2_000 { keyframe } else { 1 };
            line.send_picture(&mut bandwidth, begin, at, packets);
        }
        if ms % 50 == 0
            && let Some(feedback) = line.feedback_at(at)
        {
            bandwidth.handle_transport_feedback(begin + at, &feedback);
        }
    }
    bandwidth
}

#[test]
fn a_keyframe_finds_out_a_line_that_has_narrowed_before_its_queue_does() {
    let keyframe_on_a_narrowed_line = |bits_per_second, keyframe, later| {
        keyframe_on_a_narrowed_line(begin(), bits_per_second, keyframe, later).estimate()
    };
    let estimate = keyframe_on_a_narrowed_line(500_000, 40, 100);
    assert!((300_000..500_000).contains(&estimate), "{estimate}");
    let estimate = keyframe_on_a_narrowed_line(20_000_000, 40, 100);
    assert!(estimate >= 3_000_000, "{estimate}");
    let estimate = keyframe_on_a_narrowed_line(8_000_000, 40, 100);
    assert!(estimate >= 3_000_000, "a line that brings it soon: {estimate}");
}

#[test]
fn how_late_a_keyframe_is_shows_in_its_first_packets() {
    let begin = begin();
    let late = |bits_per_second, since: u32| {
        let bandwidth = keyframe_on_a_narrowed_line(begin, bits_per_second, 40, 100);
        let late = bandwidth.late_since(begin + MS * since);
        late.map(|late| late.as_millis())
    };
    // The newest of which feedback tells left with the keyframe, and it tells so 60 ms later than a round trip takes.
    assert_eq!(late(500_000, 2_000), Some(59));
    assert_eq!(late(500_000, 1_980), Some(79), "and what left before it");
    assert_eq!(late(500_000, 2_001), None, "nothing that left since was told of");
    assert_eq!(late(20_000_000, 2_000), None, "it is not late");
}

#[test]
fn what_a_line_was_seen_to_bring_is_all_that_it_is_believed_to() {
    let begin = begin();
    let now = begin + 2_050 * MS;
    let mut bandwidth = keyframe_on_a_narrowed_line(begin, 20_000_000, 40, 50);
    assert!(bandwidth.is_calm(now) && bandwidth.limit(now).is_none());
    bandwidth.has_narrowed(now, 400_000);
    assert!(!bandwidth.is_calm(now) && bandwidth.limit(now).is_some());
    assert_eq!(bandwidth.brings(), Some(400_000));
    assert_eq!(
        bandwidth.estimate(),
        380_000,
        "a little less, for there may be a queue"
    );
    bandwidth.has_narrowed(now, 800_000);
    assert_eq!(bandwidth.estimate(), 380_000, "it does not widen by it");
}

/// A keyframe of so many packets after two seconds on a line that narrows then: what is thought of it behind each feedback
/// that comes, a way back of 30 ms later than it leaves, until it has shown a limit.
fn held_up(bits_per_second: u64, keyframe: usize) -> Vec<bool> {
    let begin = begin();
    let mut bandwidth = Bandwidth::new(begin, 3_000_000);
    let mut line = Line::new(20_000_000, 0);
    let mut told = Vec::new();
    let mut feedback = None;
    for ms in 0..2_200 {
        let at = MS * ms;
        if ms == 2_000 {
            line.bits_per_second = bits_per_second;
        }
        if ms % 5 == 0 {
            let packets = if ms == 2_000 { keyframe } else { 1 };
            line.send_picture(&mut bandwidth, begin, at, packets);
        }
        if ms % 50 == 47 {
            feedback = line.feedback_at(at);
        }
        if ms % 50 == 27
            && let Some(feedback) = feedback.take()
        {
            bandwidth.handle_transport_feedback(begin + at, &feedback);
            if bandwidth.limit(begin + at).is_none() {
                told.push(bandwidth.is_held_up(begin + at));
                assert!(
                    !bandwidth.is_held_up(begin + at + 100 * MS),
                    "no longer than that"
                );
            }
        }
    }
    told
}

#[test]
fn a_large_picture_is_seen_to_be_held_up_before_it_has_come() {
    let narrowed = held_up(400_000, 40);
    let at = narrowed.len() - 1;
    assert_eq!(narrowed.iter().position(|held| *held), Some(at), "{narrowed:?}");
    assert!(!held_up(20_000_000, 40).contains(&true), "it came");
    assert!(!held_up(400_000, 12).contains(&true), "it is not large");
}

#[test]
fn what_waits_is_reckoned_by_what_the_line_was_found_to_bring() {
    let begin = begin();
    let mut bandwidth = Bandwidth::new(begin, 3_000_000);
    let mut line = Line::new(20_000_000, 0);
    for ms in 0..=2_100 {
        let at = MS * ms;
        // Most of a large picture came before the line narrowed.
        line.bits_per_second = if ms > 2_010 { 400_000 } else { 20_000_000 };
        let packets = if (2_000..2_020).contains(&ms) {
            2
        } else {
            usize::from(ms % 10 == 0)
        };
        line.send_picture(&mut bandwidth, begin, at, packets);
        if ms % 50 == 0
            && let Some(feedback) = line.feedback_at(at)
        {
            bandwidth.handle_transport_feedback(begin + at, &feedback);
        }
    }
    let now = begin + MS * 2_100;
    let waits = line.free_at - MS * 2_100;
    let backlog = bandwidth.backlog(now);
    assert!(
        bandwidth.limit(now).is_some() && backlog.abs_diff(waits) < 100 * MS,
        "{backlog:?} {waits:?}"
    );
}

#[test]
fn a_line_that_is_used_little_has_to_show_anew_what_it_carries() {
    let begin = begin();
    let mut bandwidth = Bandwidth::new(begin, 3_000_000);
    let mut line = Line::new(20_000_000, 0);
    for ms in 0..10_000u32 {
        let now = begin + MS * ms;
        if ms == 9_000 {
            assert!(
                !bandwidth.is_proven(now),
                "for nine seconds only a tenth was sent"
            );
            bandwidth.begin_probe();
        }
        if ms == 9_100 {
            bandwidth.end_probe();
        }
        if ms % 40 == 0 || (9_000..9_100).contains(&ms) && ms % 3 == 0 {
            line.send(MS * ms, bandwidth.number(now, PACKET));
        }
        if ms % 50 == 0
            && let Some(feedback) = line.feedback()
        {
            bandwidth.handle_transport_feedback(now, &feedback);
        }
        if ms == 1_000 {
            assert!(
                bandwidth.is_proven(now),
                "a joiner is believed to have the usual line"
            );
        }
    }
    assert!(bandwidth.is_proven(begin + MS * 10_000));
}
