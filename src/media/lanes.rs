//! The lanes into a shard's thread. Commands are refused when their lane is full; relayed media is dropped well
//! before relay control messages would be, and both keep one order: a publication is announced before its packets.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, sync_channel};

use mio::Waker;
use sfu::relay::{Relay, ShardId};

use super::command::Command;

/// Commands waiting for one shard. A shard handles hundreds of thousands a second; this many waiting means it has
/// been stuck for a while, and a refused request is better than a late one.
const COMMANDS: usize = 4096;
/// Relayed packets waiting for one shard, which nobody sends again: four keyframes of a megabyte that come at once, or, at
/// 2.5 Mbit/s and 260 packets a second, what a hundred publishers send in 160 ms.
const RELAYED_MEDIA: usize = 4096;
/// Room above that for control messages, of which a room starting or ending costs a few per shard.
const RELAYED_CONTROL: usize = 4096;

/// The lane is full or its thread is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refused;

/// The sending side: cheap to clone, for any thread.
#[derive(Clone)]
pub struct ShardLane {
    commands: SyncSender<Command>,
    relays: SyncSender<(ShardId, Relay)>,
    relay_depth: Arc<AtomicUsize>,
    waker: Arc<Waker>,
}

/// The receiving side, for the shard's thread.
pub struct ShardInbox {
    commands: Receiver<Command>,
    relays: Receiver<(ShardId, Relay)>,
    relay_depth: Arc<AtomicUsize>,
}

/// A shard's lanes. `waker` ends its poll.
pub fn lanes(waker: Waker) -> (ShardLane, ShardInbox) {
    let (command_sender, commands) = sync_channel(COMMANDS);
    let (relay_sender, relays) = sync_channel(RELAYED_MEDIA + RELAYED_CONTROL);
    let relay_depth = Arc::new(AtomicUsize::new(0));
    let lane = ShardLane {
        commands: command_sender,
        relays: relay_sender,
        relay_depth: relay_depth.clone(),
        waker: Arc::new(waker),
    };
    let inbox = ShardInbox {
        commands,
        relays,
        relay_depth,
    };
    (lane, inbox)
}

impl ShardLane {
    /// Sends a command and wakes the thread.
    ///
    /// # Errors
    /// [`Refused`]
    pub fn command(&self, command: Command) -> Result<(), Refused> {
        self.commands.try_send(command).map_err(|_| Refused)?;
        self.wake();
        Ok(())
    }

    /// Queues a message of another shard. [`ShardLane::wake`] follows once per batch.
    ///
    /// # Errors
    /// [`Refused`]
    pub fn relay(&self, from: ShardId, relay: Relay) -> Result<(), Refused> {
        let depth = self.relay_depth.fetch_add(1, Ordering::Relaxed);
        let full = is_lossy(&relay) && depth >= RELAYED_MEDIA;
        if full || self.relays.try_send((from, relay)).is_err() {
            self.relay_depth.fetch_sub(1, Ordering::Relaxed);
            return Err(Refused);
        }
        Ok(())
    }

    /// Ends the thread's wait.
    pub fn wake(&self) {
        if let Err(error) = self.waker.wake() {
            tracing::error!(%error, "cannot wake a shard");
        }
    }
}

impl ShardInbox {
    /// The next command. A lane nobody can send on any more reads as empty.
    pub fn command(&self) -> Option<Command> {
        self.commands.try_recv().ok()
    }

    /// The next relayed message.
    pub fn relay(&self) -> Option<(ShardId, Relay)> {
        match self.relays.try_recv() {
            Ok(message) => {
                self.relay_depth.fetch_sub(1, Ordering::Relaxed);
                Some(message)
            }
            Err(TryRecvError::Empty | TryRecvError::Disconnected) => None,
        }
    }

    /// Relay messages waiting.
    pub fn relay_depth(&self) -> usize {
        self.relay_depth.load(Ordering::Relaxed)
    }
}

/// Whether a relay message may be dropped: the next of its kind repairs the loss. A group comes once for each shard that
/// begins to watch, and is as large as what the publisher's shard keeps.
pub(super) fn is_lossy(relay: &Relay) -> bool {
    match relay {
        Relay::Media { .. } | Relay::Keyframe { .. } => true,
        Relay::Watch { .. }
        | Relay::Unwatch { .. }
        | Relay::Up { .. }
        | Relay::Down { .. }
        | Relay::Group { .. } => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sfu::relay::{EncodingId, Generation};

    fn lane() -> (mio::Poll, ShardLane, ShardInbox) {
        let poll = mio::Poll::new().unwrap();
        let waker = Waker::new(poll.registry(), mio::Token(0)).unwrap();
        let (lane, inbox) = lanes(waker);
        (poll, lane, inbox)
    }

    fn lossy() -> Relay {
        Relay::Keyframe {
            room: "demo".into(),
            generation: Generation(1),
            encoding: EncodingId { section: 0, layer: 0 },
        }
    }

    fn control() -> Relay {
        Relay::Watch { room: "demo".into() }
    }

    #[test]
    fn media_is_dropped_while_control_still_passes() {
        let (_poll, lane, inbox) = lane();
        let taken = (0..RELAYED_MEDIA + 10)
            .filter(|_| lane.relay(ShardId(1), lossy()).is_ok())
            .count();
        assert_eq!(taken, RELAYED_MEDIA);
        assert!(lane.relay(ShardId(1), control()).is_ok());
        assert_eq!(inbox.relay_depth(), RELAYED_MEDIA + 1);
        assert!(inbox.relay().is_some() && inbox.relay().is_some());
        assert!(lane.relay(ShardId(1), lossy()).is_ok(), "there is room again");
    }

    #[test]
    fn a_group_passes_where_media_is_dropped() {
        let (_poll, lane, inbox) = lane();
        while lane.relay(ShardId(1), lossy()).is_ok() {}
        let group = Relay::Group {
            room: "demo".into(),
            generation: Generation(1),
            items: Vec::new(),
        };
        assert!(lane.relay(ShardId(1), group).is_ok());
        assert_eq!(inbox.relay_depth(), RELAYED_MEDIA + 1);
    }

    #[test]
    fn every_lane_has_an_end() {
        let (_poll, lane, _inbox) = lane();
        let taken = (0..10_000)
            .take_while(|_| lane.relay(ShardId(1), control()).is_ok())
            .count();
        assert_eq!(taken, RELAYED_MEDIA + RELAYED_CONTROL);
        let stats = || Command::Stats {
            reply: tokio::sync::oneshot::channel().0,
        };
        let taken = (0..10_000).take_while(|_| lane.command(stats()).is_ok()).count();
        assert_eq!(taken, COMMANDS);
    }
}
