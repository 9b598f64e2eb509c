//! What a datagram costs the shard's thread, learned from how long it worked and what it sent meanwhile.

use std::time::Duration;

/// What a packet of media costs before it is known: the dearest measured, alone in its run.
const PACKET: Duration = Duration::from_micros(2);
/// The least that sealing and sending take anywhere, and the most that is believed: a thread that seems to need more is
/// busy with something else, handshakes for one.
const PACKET_BOUNDS: [Duration; 2] = [Duration::from_nanos(300), Duration::from_micros(20)];
/// The same of a datagram with messages to everybody: it leaves alone, and its acknowledgement comes back.
const MESSAGES: Duration = Duration::from_micros(15);
const MESSAGES_BOUNDS: [Duration; 2] = [Duration::from_micros(3), Duration::from_micros(40)];
/// Datagrams that must have left between two looks for their cost to be told from everything else.
const ENOUGH: u64 = 500;
/// What the newest look counts against those before.
const NEWEST: f32 = 0.3;

/// Datagrams sent since the beginning.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Sent {
    /// With messages to everybody.
    pub(super) messages: u64,
    /// All others: media, but for a few.
    pub(super) packets: u64,
}

/// What each kind of datagram costs.
#[derive(Clone, Copy, Debug)]
pub(super) struct Costs {
    /// A packet of media to one viewer.
    pub(super) packet: Duration,
    /// A datagram with messages to one viewer, and what comes of it.
    pub(super) messages: Duration,
    /// As of the last look.
    sent: Sent,
}

impl Costs {
    pub(super) fn new() -> Costs {
        Costs {
            packet: PACKET,
            messages: MESSAGES,
            sent: Sent::default(),
        }
    }

    /// For how long the thread worked since the last look, and what it has sent in all. Both costs move toward what was
    /// seen, each as far as what was expected was its own.
    pub(super) fn look(&mut self, worked: Duration, sent: Sent) {
        let packets = sent.packets.saturating_sub(self.sent.packets);
        let messages = sent.messages.saturating_sub(self.sent.messages);
        self.sent = sent;
        if packets + messages < ENOUGH {
            return;
        }
        let for_packets = self.packet.as_secs_f32() * packets as f32;
        let for_messages = self.messages.as_secs_f32() * messages as f32;
        let expected = for_packets + for_messages;
        let off = NEWEST * (worked.as_secs_f32() / expected - 1.0);
        let moved = |cost: Duration, share: f32, [least, most]: [Duration; 2]| {
            cost.mul_f32(1.0 + (off * share).clamp(-1.0, 1e3))
                .clamp(least, most)
        };
        self.packet = moved(self.packet, for_packets / expected, PACKET_BOUNDS);
        self.messages = moved(self.messages, for_messages / expected, MESSAGES_BOUNDS);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const US: Duration = Duration::from_micros(1);

    /// What is believed after looks of these many packets and messages in turn, at these costs.
    fn believed(packet: Duration, messages: Duration, looks: &[(u64, u64)]) -> Costs {
        let mut costs = Costs::new();
        let mut sent = Sent::default();
        for &(packets, told) in looks.iter().cycle().take(1000) {
            sent.packets += packets;
            sent.messages += told;
            costs.look(packet * packets as u32 + messages * told as u32, sent);
        }
        costs
    }

    fn is_near(cost: Duration, true_cost: Duration) -> bool {
        cost > true_cost.mul_f32(0.97) && cost < true_cost.mul_f32(1.03)
    }

    #[test]
    fn what_is_sent_alone_is_known_soon() {
        let costs = believed(US, 9 * US, &[(3000, 0)]);
        assert!(
            is_near(costs.packet, US) && costs.messages == MESSAGES,
            "{costs:?}"
        );
        let costs = believed(US, 9 * US, &[(0, 500)]);
        assert!(
            is_near(costs.messages, 9 * US) && costs.packet == PACKET,
            "{costs:?}"
        );
    }

    #[test]
    fn what_is_sent_together_is_told_apart() {
        for (packet, messages) in [(US, 22 * US), (3 * US, 8 * US)] {
            let costs = believed(packet, messages, &[(6000, 0), (6000, 500), (6000, 400)]);
            assert!(is_near(costs.packet, packet), "{costs:?}");
            assert!(is_near(costs.messages, messages), "{costs:?}");
        }
    }

    #[test]
    fn what_else_a_thread_does_is_no_cost_of_what_it_sends() {
        let costs = believed(1000 * US, 1000 * US, &[(1000, 500)]);
        assert_eq!(
            [costs.packet, costs.messages],
            [PACKET_BOUNDS[1], MESSAGES_BOUNDS[1]]
        );
        let costs = believed(Duration::ZERO, Duration::ZERO, &[(1000, 500)]);
        assert_eq!(
            [costs.packet, costs.messages],
            [PACKET_BOUNDS[0], MESSAGES_BOUNDS[0]]
        );
        let mut joins = Costs::new();
        let few = Sent {
            messages: 250,
            packets: ENOUGH - 251,
        };
        joins.look(400_000 * US, few);
        assert_eq!([joins.packet, joins.messages], [PACKET, MESSAGES]);
    }
}
