//! How fast the line brings packets that left together: what a keyframe, which is many of them, will take.

use super::cluster::Shown;

/// Packets that leave this close to each other are one train, microseconds: a pacer's steps are shorter.
const APART_US: i64 = 5_000;
/// Fewer packets say more of the line's jitter than of its rate.
const LEAST_PACKETS: u32 = 8;
/// Smaller packets show mostly what is not counted, headers and the grain of the times told: bytes.
const LARGE: u32 = 500;
/// A train that takes longer to arrive than to leave, by so many percent, was held up: the line brings no more.
const HELD_UP: i64 = 110;
/// The fastest train of this time and of the one before counts, microseconds: jitter and other traffic only slow them.
const WINDOW_US: i64 = 15_000_000;

#[derive(Clone, Copy, Debug)]
struct Run {
    first_sent: i64,
    last_sent: i64,
    first_arrival: i64,
    last_arrival: i64,
    /// Behind the first packet, which only starts the clock.
    bytes: u64,
    packets: u32,
    /// Bits per second at which the last two large packets followed those before them.
    latest: [u64; 2],
}

impl Run {
    fn rate(&self) -> Option<u64> {
        let time = u64::try_from(self.last_arrival - self.first_arrival).ok()?;
        (self.packets >= LEAST_PACKETS).then(|| self.bytes * 8_000_000 / time.max(1))
    }

    fn was_held_up(&self) -> bool {
        let (sent, came) = (
            self.last_sent - self.first_sent,
            self.last_arrival - self.first_arrival,
        );
        came * 100 > sent * HELD_UP
    }
}

/// Trains as they arrive.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Trains {
    run: Option<Run>,
    /// The fastest of this window and of the one before, bits per second, and when this window began.
    fastest: [Option<u64>; 2],
    since: i64,
}

impl Trains {
    /// A packet that left and arrived at these times, in the order they left.
    pub(super) fn add(&mut self, sent: i64, arrival: i64, bytes: u32) {
        match &mut self.run {
            Some(run) if (0..=APART_US).contains(&(sent - run.last_sent)) => {
                let gap = (arrival - run.last_arrival).max(1).unsigned_abs();
                if bytes >= LARGE {
                    run.latest = [u64::from(bytes) * 8_000_000 / gap, run.latest[0]];
                }
                run.last_sent = sent;
                run.last_arrival = run.last_arrival.max(arrival);
                run.bytes += u64::from(bytes);
                run.packets += 1;
            }
            run => {
                let before = run.replace(Run {
                    first_sent: sent,
                    last_sent: sent,
                    first_arrival: arrival,
                    last_arrival: arrival,
                    bytes: 0,
                    packets: 1,
                    latest: [0; 2],
                });
                // One that came as it left shows that the line brings at least that.
                if let Some(before) = before
                    && let Some(rate) = before.rate()
                    && (before.was_held_up() || self.rate().is_some_and(|known| rate > known))
                {
                    self.note(sent, rate);
                }
            }
        }
    }

    fn note(&mut self, now: i64, rate: u64) {
        let [this, before] = self.fastest;
        if now - self.since > WINDOW_US {
            self.since = now;
            self.fastest = [Some(rate), this];
        } else {
            self.fastest = [this.max(Some(rate)), before];
        }
    }

    /// A probe has shown what the line brings.
    pub(super) fn probed(&mut self, now: i64, shown: Shown) {
        if let Shown::AtLeast(rate) = shown
            && self.rate().is_some_and(|known| rate > known)
        {
            self.note(now, rate);
        }
    }

    /// The line is full and carries so many bits per second now, whatever it brought before.
    pub(super) fn limit(&mut self, now: i64, rate: u64) {
        self.since = now;
        self.fastest = [Some(rate), None];
        self.run = None;
    }

    /// Bits per second at which the line brings what it brings just now, where that is part of a train: by the closer of
    /// the two latest steps, for a line that stands still for a moment shows one long step.
    pub(super) fn latest(&self) -> Option<u64> {
        let run = self.run.filter(|run| run.packets > 2 && run.was_held_up())?;
        run.latest.into_iter().max().filter(|rate| *rate > 0)
    }

    /// Bits per second that the line has brought at its best lately; `None` while nothing has shown it.
    pub(super) fn rate(&self) -> Option<u64> {
        let [this, before] = self.fastest;
        this.max(before)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A picture of so many packets of 1000 bytes on a line of 8 Mbit/s, each later by up to `jitter` ms.
    fn picture(trains: &mut Trains, at: i64, packets: i64, jitter: i64) {
        let mut last = 0;
        for packet in 0..packets {
            last = last.max(at + 40_000 + (packet + 1) * 1_000 + packet % 3 * jitter);
            trains.add(at, last, 1000);
        }
    }

    #[test]
    fn the_fastest_train_shows_the_line_and_is_forgotten() {
        let mut trains = Trains::default();
        for frame in 0..100 {
            picture(&mut trains, frame * 33_000, 6, 0);
        }
        assert_eq!(trains.rate(), None, "small pictures show nothing");
        for frame in 100..200 {
            picture(
                &mut trains,
                frame * 33_000,
                10,
                if frame == 150 { 0 } else { 2_000 },
            );
        }
        assert_eq!(trains.rate(), Some(8_000_000));
        for frame in 1200..2200 {
            picture(&mut trains, frame * 33_000, 10, 2_000);
        }
        assert!(
            trains.rate().is_some_and(|rate| rate < 8_000_000),
            "{:?}",
            trains.rate()
        );
        trains.limit(2200 * 33_000, 500_000);
        assert_eq!(trains.rate(), Some(500_000));
        // Paced at a megabit, it comes as it left.
        for packet in 0..20 {
            let at = 2201 * 33_000 + packet * 4_000;
            trains.add(at, at + 40_000, 500);
        }
        picture(&mut trains, 2202 * 33_000 + 500_000, 1, 0);
        assert_eq!(trains.rate(), Some(1_000_000), "at least");
    }

    #[test]
    fn a_train_shows_the_line_while_it_still_comes_and_a_standstill_does_not() {
        let mut trains = Trains::default();
        for packet in 0..3 {
            trains.add(0, 40_000 + packet * 20_000, 1000);
        }
        assert_eq!(trains.latest(), Some(400_000));
        // It stood for 60 ms and brought the rest at once.
        for (place, arrival) in [40_000, 40_500, 100_000, 100_500].into_iter().enumerate() {
            trains.add(100_000, 100_000 + arrival, 1000);
            assert!(
                place < 2 || trains.latest().is_some_and(|rate| rate >= 16_000_000),
                "{place}"
            );
        }
        // Sound behind a picture says nothing.
        let before = trains.latest();
        trains.add(100_000, 210_000, 100);
        assert_eq!(trains.latest(), before);
        trains.add(200_000, 240_000, 1000);
        assert_eq!(trains.latest(), None, "the next one has begun");
    }
}
