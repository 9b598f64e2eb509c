//! Packets that left together, and how much later than the ones before they came (draft-ietf-rmcat-gcc-02 §5.2).

/// Packets that leave within this time are one group: a pacer's or a batch's burst. Microseconds (ibid. §5.2).
const BURST_US: i64 = 5_000;
/// What comes this close behind its group and faster than it left belongs to it: it was held up with it.
const LONGEST_BURST_US: i64 = 100_000;

/// How two groups follow each other. Microseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Step {
    /// Between their departures.
    pub(super) sent: i64,
    /// Between their arrivals.
    pub(super) arrived: i64,
    /// When the later one was complete, in the viewer's clock.
    pub(super) at: i64,
}

#[derive(Clone, Copy, Debug)]
struct Group {
    first_sent: i64,
    last_sent: i64,
    first_arrival: i64,
    last_arrival: i64,
}

/// Groups packets in the order they left.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Groups {
    current: Option<Group>,
    before: Option<Group>,
}

impl Groups {
    /// Adds a packet; the step to the group that it shows to be complete, if it does.
    pub(super) fn add(&mut self, sent: i64, arrival: i64) -> Option<Step> {
        let Some(current) = &mut self.current else {
            self.current = Some(Group::of(sent, arrival));
            return None;
        };
        if sent < current.first_sent {
            return None;
        }
        if current.takes(sent, arrival) {
            current.last_sent = current.last_sent.max(sent);
            current.last_arrival = current.last_arrival.max(arrival);
            return None;
        }
        let complete = *current;
        self.current = Some(Group::of(sent, arrival));
        let before = self.before.replace(complete)?;
        // Less than nothing where packets overtook each other. Steps sum up to the delay, so it counts, too.
        Some(Step {
            sent: complete.last_sent - before.last_sent,
            arrived: complete.last_arrival - before.last_arrival,
            at: complete.last_arrival,
        })
    }
}

impl Group {
    fn of(sent: i64, arrival: i64) -> Group {
        Group {
            first_sent: sent,
            last_sent: sent,
            first_arrival: arrival,
            last_arrival: arrival,
        }
    }

    fn takes(&self, sent: i64, arrival: i64) -> bool {
        let (sent_after, arrived_after) = (sent - self.last_sent, arrival - self.last_arrival);
        let held_up = arrived_after < sent_after
            && arrived_after <= BURST_US
            && arrival - self.first_arrival < LONGEST_BURST_US;
        sent - self.first_sent <= BURST_US || held_up
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_is_one_group_and_what_was_held_up_joins_it() {
        let mut groups = Groups::default();
        let mut steps = Vec::new();
        for (sent, arrival) in [
            (0, 100_000),
            (4_000, 101_000),
            (20_000, 130_000),
            // Left later, came with the one before.
            (33_000, 131_000),
            (60_000, 160_000),
            (90_000, 190_000),
        ] {
            steps.extend(groups.add(sent, arrival));
        }
        let expected = [(29_000, 30_000, 131_000), (27_000, 29_000, 160_000)];
        assert_eq!(
            steps,
            expected.map(|(sent, arrived, at)| Step { sent, arrived, at })
        );
    }
}
