//! A show in memory: a publisher whose frames come one after the other, and its viewers' feedback.

use std::time::Duration;

use crate::indoors::Indoors;
use crate::pattern::{FRAME_RATE, Pattern};
use crate::peer::{Part, Party};
use crate::publisher::Stream;

/// A publisher on the air and its viewers.
pub struct Show<M> {
    /// They, and what the shard's work for them was metered as.
    pub room: Indoors<M>,
    /// Datagrams other than media that came to viewers: reports and the like.
    pub others: u64,
    stream: Stream,
    frame: u32,
}

impl<M: FnMut() -> i64> Show<M> {
    /// Everybody connected; for `meter` see [`Indoors::new`].
    pub fn new(viewers: u64, pattern: Pattern, bitrate: u32, meter: M) -> Show<M> {
        let stream = Stream::new(pattern, bitrate);
        let mut room = Indoors::new(Party::new(), meter);
        room.admit(stream.part());
        (0..viewers).for_each(|_| room.admit(Part::Viewer));
        room.settle();
        Show {
            room,
            others: 0,
            stream,
            frame: 0,
        }
    }

    /// The next frame, whole, to everybody; then time passes to the one after it. Returns its packets.
    pub fn frame(&mut self) -> usize {
        let frame = self.stream.frame(self.frame);
        self.frame += 1;
        let publisher = &mut self.room.guests[0];
        let (remote, keys) = (publisher.remote, publisher.peer.keys.as_mut().unwrap());
        let places = 0..frame.parts.len();
        let mut packets: Vec<Vec<u8>> = places
            .map(|place| self.stream.seal(&frame, place, keys))
            .collect();
        self.room.serve(|shard, now| {
            for packet in &mut packets {
                shard.handle_datagram(now, remote, packet);
            }
        });
        self.turn();
        self.room.now += Duration::from_secs(1) / FRAME_RATE;
        packets.len()
    }

    /// Every viewer sends feedback for what came. What receiver reports cost, which ride with some of it, is not metered.
    pub fn feedback(&mut self) {
        for place in 1..self.room.len() {
            let viewer = &mut self.room.guests[place];
            let (remote, is_plain) = (viewer.remote, viewer.feedback.is_plain());
            let Some(compound) = viewer.feedback.take() else {
                continue;
            };
            let mut sealed = Vec::new();
            let keys = viewer.peer.keys.as_mut().unwrap();
            keys.seal_rtcp(&compound, &mut sealed);
            let metered = self.room.metered;
            self.room
                .serve(|shard, now| shard.handle_datagram(now, remote, &mut sealed));
            if !is_plain {
                self.room.metered = metered;
            }
        }
        self.turn();
    }

    fn turn(&mut self) {
        self.room.turn();
        self.others += self.room.listen();
    }
}
