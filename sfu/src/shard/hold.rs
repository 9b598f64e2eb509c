//! What a shard holds toward the end of a frame, and how much it sends in one turn: both by what they cost others.

use std::time::Duration;

use super::costs::{Costs, Sent};
use crate::media::Allowance;

/// Below this load nothing is held, from the other on packets are held as long as the configuration allows. A frame
/// in one run costs a third of its packets one by one, and on a wide line it is whole no later, so only a thread that
/// has next to nothing to do sends them one by one. Publishers pace a frame in bursts of 5 ms: to hold for less gains
/// nothing, so the way from one to the other is short.
const HOLDS_FROM: f32 = 0.02;
const HOLDS_FULLY_FROM: f32 = 0.1;

/// What is held leaves for a whole room at once, and the last viewer waits for all others: so no more is held than can
/// be sent in this time, a quarter of a frame interval. A room of 400 gets whole frames of a usual size, at half of what
/// their packets cost in threes; a larger one gets them in parts, and its last viewer is not farther behind.
const SENT_WITHIN: Duration = Duration::from_millis(8);
/// A busier thread holds more, because then the queue in front of it is what a frame waits for, and only longer runs make
/// it shorter. From the second load on it holds what takes a whole frame interval to send, which is every frame there is.
const HOLDS_MORE_FROM: f32 = 0.6;
const HOLDS_ALL_FROM: f32 = 0.9;
const FRAME: Duration = Duration::from_millis(33);

/// A turn of the thread: so long a room's packets hold up the sound, the messages and the frames of all others, and what
/// comes meanwhile for those of the room whose turn has not come. To look at the sockets costs a hundredth of it.
const TURN: Duration = Duration::from_micros(500);

/// How busy the thread is and what it pays for what it sends.
#[derive(Clone, Copy, Debug)]
pub(super) struct Hold {
    longest: Duration,
    load: f32,
    pub(super) costs: Costs,
}

impl Hold {
    /// Nothing is held for more than `longest`.
    pub(super) fn new(longest: Duration) -> Hold {
        Hold {
            longest,
            load: 0.0,
            costs: Costs::new(),
        }
    }

    /// A look at the thread: the share of its time that it works, for how long it worked since the last look, and what it
    /// has sent in all.
    pub(super) fn look(&mut self, load: f32, worked: Duration, sent: Sent) {
        self.load = load;
        self.costs.look(worked, sent);
    }

    /// What may be held of one encoding with so many viewers.
    pub(super) fn of(&self, viewers: usize) -> Allowance {
        let longest = self
            .longest
            .mul_f32(share(self.load, HOLDS_FROM, HOLDS_FULLY_FROM));
        let more = (FRAME - SENT_WITHIN).mul_f32(share(self.load, HOLDS_MORE_FROM, HOLDS_ALL_FROM));
        let to_all = self
            .costs
            .packet
            .as_nanos()
            .saturating_mul(viewers.max(1) as u128);
        let packets = (SENT_WITHIN + more).as_nanos() / to_all.max(1);
        Allowance {
            longest,
            packets: usize::try_from(packets).unwrap_or(usize::MAX),
        }
    }

    /// Packets sent before sockets are looked at again.
    pub(super) fn turn(&self) -> u64 {
        let packets = TURN.as_nanos() / self.costs.packet.as_nanos().max(1);
        u64::try_from(packets).unwrap_or(u64::MAX)
    }
}

/// How far the load is on the way from one to the other, 0 to 1.
fn share(load: f32, from: f32, to: f32) -> f32 {
    ((load - from) / (to - from)).clamp(0.0, 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);
    /// What a packet costs where nothing else is known.
    const PACKET: Duration = Duration::from_micros(2);

    /// A thread that needs so long for each packet, as known after a while.
    fn thread(load: f32, packet: Duration) -> Hold {
        let mut hold = Hold::new(12 * MS);
        for look in 1..=40_u32 {
            let sent = Sent {
                packets: u64::from(look) * 10_000,
                messages: 0,
            };
            hold.look(load, packet * 10_000, sent);
        }
        hold
    }

    #[test]
    fn the_time_grows_from_nothing_with_the_load() {
        let longest = |load| thread(load, PACKET).of(1).longest;
        assert_eq!(longest(0.0), Duration::ZERO);
        assert_eq!(longest(0.02), Duration::ZERO);
        assert!((5 * MS..7 * MS).contains(&longest(0.06)), "{:?}", longest(0.06));
        assert_eq!((longest(0.1), longest(1.0)), (12 * MS, 12 * MS));
    }

    #[test]
    fn no_more_is_held_than_is_sent_within_its_time() {
        let (us, hold) = (Duration::from_micros(1), thread(0.4, PACKET));
        for viewers in [1, 25, 100, 300, 3999, 4001, 9000] {
            let packets = hold.of(viewers).packets as u32;
            let sending = |packets| PACKET * packets * viewers as u32;
            assert!(sending(packets) <= SENT_WITHIN + us, "{packets} to {viewers}");
            assert!(sending(packets + 1) > SENT_WITHIN - us, "{packets} to {viewers}");
        }
        // A usual frame has ten packets.
        assert!(hold.of(400).packets >= 10 && hold.of(130).packets >= 30);
        assert_eq!(hold.of(1500).packets, 2);
        assert_eq!(hold.of(0).packets, hold.of(1).packets);
    }

    #[test]
    fn a_packet_that_costs_less_may_wait_with_more_of_its_kind() {
        let cheap = thread(0.4, Duration::from_nanos(700));
        assert_eq!(cheap.of(1000).packets, 11);
        assert!((700..720).contains(&cheap.turn()));
        // What a thread does beside sending is no cost of packets, and no cost is nothing.
        assert_eq!(thread(0.4, MS).of(390).packets, 1);
        assert!(thread(0.4, Duration::ZERO).of(300).packets <= 100);
    }

    #[test]
    fn a_thread_near_its_end_holds_whole_frames_whatever_they_take() {
        let packets = |load| thread(load, PACKET).of(5000).packets;
        assert_eq!((packets(0.4), packets(0.6)), (0, 0));
        assert_eq!(packets(0.75), 2);
        // A room that takes nine tenths of a core at 30 frames a second: its frames fit.
        let hold = thread(0.9, PACKET);
        let frame = |viewers: usize| FRAME.mul_f32(0.9).as_nanos() / (PACKET.as_nanos() * viewers as u128);
        for viewers in [400, 5000, 9000] {
            assert!(hold.of(viewers).packets as u128 >= frame(viewers), "{viewers}");
        }
    }
}
