//! What a message to everybody is made of, but for the kernel: a shard and its viewers in memory, on a clock that is
//! moved by hand.

use std::time::Duration;

use bytes::Bytes;
use sfu::backlog::Urgency;

use crate::house::own_cpu;
use crate::indoors::{Indoors, ROOM};
use crate::peer::{Part, Party};

/// Ticks, half of which pass before anything is measured.
const TICKS: usize = 20;

/// Processor time for each viewer and tick.
#[derive(Clone, Copy, Debug, Default)]
pub struct Parts {
    /// The messages are put into every viewer's association.
    pub queue: Duration,
    /// SCTP makes a packet of them and DTLS seals it.
    pub write: Duration,
    /// Acknowledgements are opened and heard.
    pub hear: Duration,
    /// What they call for is looked for, and their viewers' deadlines.
    pub settle: Duration,
    /// Timers until the next tick.
    pub timers: Duration,
    /// Datagrams written for each viewer and tick, and of a viewer's that came.
    pub sent: f64,
    /// See `sent`.
    pub heard: f64,
}

/// So many messages in each tick, to so many viewers where nothing else happens.
pub fn parts(viewers: usize, tick: Duration, messages: &[(&'static str, &'static str)]) -> Parts {
    let nanos = || own_cpu().as_nanos() as i64;
    let mut room = Indoors::new(Party::new(), nanos).with_channels();
    (0..viewers).for_each(|_| room.admit(Part::Viewer));
    room.settle();
    room.pass(4 * tick);
    let mut parts = Parts::default();
    for count in 0..TICKS {
        if count == TICKS / 2 {
            parts = Parts::default();
        }
        room.serve(|shard, _| {
            for &(channel, text) in messages {
                shard.broadcast(
                    ROOM,
                    channel,
                    &Bytes::from_static(text.as_bytes()),
                    Urgency::Passing,
                );
            }
        });
        parts.queue += took(&mut room);
        room.turn();
        parts.write += took(&mut room);
        parts.sent += room.shard.outbox().runs().count() as f64;
        let mut answers = room.answers();
        parts.heard += answers.len() as f64;
        room.serve(|shard, now| {
            for (remote, datagram) in &mut answers {
                shard.handle_datagram(now, *remote, datagram);
            }
        });
        parts.hear += took(&mut room);
        room.turn();
        parts.settle += took(&mut room);
        room.pass(tick);
        parts.timers += took(&mut room);
    }
    let times = (TICKS / 2 * viewers) as u32;
    Parts {
        queue: parts.queue / times,
        write: parts.write / times,
        hear: parts.hear / times,
        settle: parts.settle / times,
        timers: parts.timers / times,
        sent: parts.sent / f64::from(times),
        heard: parts.heard / f64::from(times),
    }
}

/// What was metered since this was asked last.
fn took<M>(room: &mut Indoors<M>) -> Duration {
    let metered = std::mem::take(&mut room.metered);
    Duration::from_nanos(metered.try_into().unwrap_or(0))
}
