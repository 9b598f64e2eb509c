use super::tries::{MOST_UNANSWERED, NAMED_US};
use super::*;

const SECOND: i64 = 1_000_000;

/// Two seconds of so many bits per second behind what was sent before.
fn send(line: &mut Reported, from: i64, bits: u64) -> i64 {
    let (_, before) = line.newest();
    for look in 1..=20 {
        line.look(from + look * LOOK_US, before + bits / 80 * look.unsigned_abs());
    }
    from + 2 * SECOND
}

fn report(ms: u64) -> Report {
    Report {
        kind: MediaKind::Video,
        highest: 0,
        lost: 0,
        lost_packets: 0,
        round_trip: Some(Duration::from_millis(ms)),
        held: Duration::ZERO,
    }
}

/// What a report says of the way that tells no more.
fn way(line: &mut Reported, now: i64, ms: u64) -> Word {
    let [_, word, _] = line.take_report(now, report(ms));
    word
}

#[test]
fn an_estimate_that_only_follows_what_is_sent_is_none() {
    let mut line = Reported::default();
    assert_eq!(line.take_remb(0, 100_000), Word::Fine, "nothing was sent yet");
    let now = send(&mut line, 0, 400_000);
    assert_eq!(line.sent(), Some(400_000));
    for (remb, word) in [
        (200_000, Word::Fine),
        (216_000, Word::Fine),
        (600_000, Word::Fine),
        (340_000, Word::Busy),
        (370_000, Word::Fine),
        (300_000, Word::Full(300_000)),
    ] {
        assert_eq!(line.take_remb(now, remb), word, "{remb}");
    }
    // It stands: the viewer wants no more.
    for word in [Word::Fine, Word::Fine, Word::Full(340_000)] {
        assert_eq!(line.take_remb(now, 340_000), word);
    }
}

#[test]
fn loss_and_queues_speak_against_a_rate() {
    let mut line = Reported::default();
    let now = send(&mut line, 0, 400_000);
    assert_eq!(line.take_loss(now, 0.05, None), Word::Fine);
    assert_eq!(line.take_loss(now, 0.5, None), Word::Full(200_000));
    assert_eq!(
        line.take_loss(now + SECOND, 0.5, None),
        Word::Fine,
        "it tells of before"
    );
    let later = line.take_loss(now + 2 * SECOND, 0.5, Some(150_000));
    assert_eq!(later, Word::Full(150_000), "what came is known better");
    for (ms, word) in [
        (40, Word::Fine),
        (250, Word::Fine),
        (40, Word::Fine),
        (250, Word::Fine),
        (250, Word::Full(340_000)),
    ] {
        assert_eq!(way(&mut line, now, ms), word);
    }
}

#[test]
fn a_try_is_answered_behind_its_end() {
    let mut line = Reported::default();
    assert!(!line.is_heard(0));
    let now = send(&mut line, 0, 400_000);
    for (loss, late, word) in [
        (0.0, 0, Word::Fine),
        (0.0, SECOND, Word::Shown(900_000)),
        (0.05, SECOND, Word::Shown(900_000)),
        (0.15, SECOND, Word::Enough),
        (0.0, 10 * SECOND, Word::Fine),
    ] {
        line.begin_try(900_000, now);
        assert!(!line.has_answered());
        assert_eq!(line.take_loss(now + late, loss, None), word);
        assert_eq!(
            line.has_answered(),
            late == SECOND,
            "neither too early nor too late"
        );
        line.running = None;
    }
    // It has not raised its own estimate.
    line.take_remb(now, 400_000);
    line.begin_try(900_000, now);
    assert_eq!(line.take_remb(now + SECOND, 400_000), Word::Fine);
    line.begin_try(900_000, now);
    assert_eq!(line.take_remb(now + SECOND, 430_000), Word::Shown(900_000));
    // The way has become longer meanwhile.
    way(&mut line, now, 40);
    line.begin_try(900_000, now);
    way(&mut line, now, 130);
    assert_eq!(line.take_remb(now + SECOND, 460_000), Word::Fine);
    assert!(line.is_heard(now + SECOND) && !line.is_heard(now + SECOND + SILENT_US));
}

/// The picture at a megabit per second between two times: a packet each 10 ms, and a number for each.
fn stream(line: &mut Reported, ms: std::ops::Range<i64>) {
    for number in ms.start / 10..ms.end / 10 {
        let bytes = number.unsigned_abs() * 1250;
        line.look(number * 10_000, bytes);
        line.note(number * 10_000, MediaKind::Video, number as u16, bytes);
    }
}

fn come_until(line: &mut Reported, ms: i64, highest: u16) -> [Word; 3] {
    let report = Report {
        highest,
        ..report(40)
    };
    line.take_report(ms * 1000, report)
}

fn rate_of(word: Word) -> u64 {
    match word {
        Word::Full(rate) => rate,
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_has_not_come_by_a_report_waits() {
    let mut line = Reported::default();
    stream(&mut line, 0..1010);
    assert_eq!(come_until(&mut line, 1040, 100), [Word::Fine; 3]);
    // Half of it.
    stream(&mut line, 1010..2010);
    let [_, word, _] = come_until(&mut line, 2040, 150);
    assert!(rate_of(word).abs_diff(500_000) < 15_000, "{word:?}");
    let queue = line.queue(2_040_000);
    assert!(
        queue.abs_diff(960_000) < 30_000,
        "fifty packets, less those on their way: {queue}"
    );
    assert_eq!(line.queue(3_040_000), 0, "it drains");
    // Half of what left has come, and half of that is missing: more than half a second waits.
    let mut line = Reported::default();
    stream(&mut line, 0..1010);
    come_until(&mut line, 1040, 100);
    assert!(line.is_fine_since(1_000_000) && !line.is_fine_since(1_010_000));
    stream(&mut line, 1010..2010);
    let halved = Report {
        highest: 150,
        lost: 128,
        lost_packets: 25,
        ..report(40)
    };
    let [_, word, _] = line.take_report(2_040_000, halved);
    assert!(rate_of(word).abs_diff(250_000) < 15_000, "{word:?}");
    assert!(!line.is_fine_since(1_010_000), "that speaks against the rate");
    // A keyframe of 40 packets on a line that brings it within 100 ms.
    let mut line = Reported::default();
    stream(&mut line, 0..2000);
    line.note(2_000_000, MediaKind::Video, 239, 299_000);
    assert_eq!(come_until(&mut line, 2130, 232), [Word::Fine; 3]);
}

#[test]
fn what_is_missing_behind_a_queue_tells_at_once() {
    let mut line = Reported::default();
    stream(&mut line, 0..1010);
    assert_eq!(come_until(&mut line, 1040, 100), [Word::Fine; 3]);
    stream(&mut line, 1010..1710);
    assert_eq!(line.take_missing(1_500_000, 120, 5), Word::Fine);
    let word = line.take_missing(1_700_000, 140, 10);
    assert_eq!(
        word,
        Word::Full(500_000),
        "half of twenty packets in a fifth of a second"
    );
    assert_eq!(line.queue(1_700_000), 260_000, "no more than it holds");
}

#[test]
fn a_short_try_is_answered_by_the_report_behind_it() {
    let mut line = Reported::default();
    stream(&mut line, 0..1010);
    come_until(&mut line, 1040, 100);
    let named = 1_000_000;
    assert!(line.answers_briefly(named + NAMED_US - 1) && !line.answers_briefly(named + NAMED_US));
    for (waits, carries) in [(10, 2_000_000), (50, 1_500_000)] {
        line.begin_brief(1_100_000, 2_000_000, 0);
        assert!(line.end_brief(1_250_000, 37_500) && !line.end_brief(1_260_000, 37_500));
        let report = Report {
            highest: 100,
            held: Duration::from_millis(500),
            ..report(40 + waits)
        };
        let now = (1250 + 500 + 40 + waits.cast_signed()) * 1000;
        let [_, _, word] = line.take_report(now, report);
        let (Word::Shown(rate) | Word::Reached(rate)) = word else {
            panic!("{word:?}");
        };
        assert!(rate.abs_diff(carries) < 10_000, "{word:?}");
        assert_eq!(word == Word::Reached(rate), waits > 10);
    }
    let (begun, named) = (3_000_000, line.named.unwrap());
    (0..=MOST_UNANSWERED).for_each(|_| line.begin_brief(begun, 2_000_000, 0));
    assert!(!line.answers_briefly(named), "nobody has told of three of them");
}
