//! One peer of a shard and how what is due for it is written out.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use smallvec::SmallVec;

use super::config::{Event, PeerId};
use super::deadlines::Armed;
use super::messages::Waiting;
use super::pace::Pace;
use super::routes::Addresses;
use crate::media::Publication;
use crate::negotiation::ReceivedMedia;
use crate::playback::{Playback, RtpSink};
use crate::relay::{EncodingId, Generation};
use crate::transport::{Association, ChannelId, Outbox, Remote, RtpParts};

/// What a peer does in its room.
pub(super) enum Role {
    /// Sends; on stage from its first keys until a higher generation comes.
    Publisher {
        generation: Generation,
        media: Arc<Vec<ReceivedMedia>>,
    },
    /// Watches.
    Viewer(Box<Playback>),
}

/// When what waits in the data channels leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Channels {
    Now,
    /// As the tail of the run that a part of a picture makes, or another time.
    BehindPicture,
}

/// What the next flush does for a peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Due {
    /// It is not in the list of peers that are served.
    Nothing,
    /// What the transport has to say: an acknowledgement came, which is no reason to look at the media.
    Channels,
    All,
}

/// Bytes that are more than sound: a run that a message can end, being shorter than its packets.
const PICTURE: u64 = 600;

pub(super) struct Peer {
    pub id: PeerId,
    /// Its room's place in the slab.
    pub room: usize,
    pub association: Association,
    pub role: Role,
    /// Open data channels. The transport bounds their number.
    pub channels: SmallVec<[(ChannelId, Arc<str>); 3]>,
    pub addresses: Addresses,
    pub opened_at: Instant,
    /// Its hellos that wait at the door.
    pub hellos: u8,
    pub armed: Armed,
    /// Of datagrams from addresses it proved, and of checks from others in its name.
    pub known: Pace,
    pub unknown: Pace,
    /// Whether it gets what is broadcast.
    pub listens: bool,
    /// Messages that its line has not taken; nothing while it keeps up.
    pub waiting: Option<Box<Waiting>>,
    /// Lost messages, and has taken all that came since: to be told.
    pub has_caught_up: bool,
    /// Something in its data channels is its alone, a receipt, and waits for nothing.
    pub has_own: bool,
    pub due: Due,
}

impl Peer {
    pub(super) fn channel(&self, label: &str) -> Option<ChannelId> {
        let open = self.channels.iter().find(|(_, open)| **open == *label)?;
        Some(open.0)
    }

    /// When the peer wants to be served next, even if nothing arrives.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let transport = self.association.poll_timeout();
        let Role::Viewer(playback) = &self.role else {
            return transport;
        };
        let media = playback
            .poll_timeout()
            .filter(|_| self.association.is_connected());
        transport.into_iter().chain(media).min()
    }

    /// What waits in its data channels while messages to everybody wait for the next picture: what it sent, feedback or an
    /// acknowledgement, is no reason to send it packets of its own.
    pub(super) fn channels_beside_riders(&self) -> Channels {
        match &self.role {
            Role::Viewer(playback) if playback.pictured().is_some() && !self.has_own => {
                Channels::BehindPicture
            }
            _ => Channels::Now,
        }
    }

    /// Whether it wants a picture's packets as they come ([`Playback::is_on_a_full_line`]).
    pub(super) fn is_eager(&self, now: Instant) -> bool {
        match &self.role {
            Role::Viewer(playback) => playback.is_on_a_full_line(now),
            Role::Publisher { .. } => false,
        }
    }

    /// Writes all that is due: media and reports of a viewer, then what rides behind them, data channels and
    /// handshakes. `keyframes` gets what the publisher is to be asked for.
    pub(super) fn serve(
        &mut self,
        now: Instant,
        publication: Option<&Publication>,
        channels: Channels,
        outbox: &mut Outbox,
        compound: &mut Vec<u8>,
        keyframes: &mut Vec<EncodingId>,
    ) {
        self.due = Due::Nothing;
        let (_, before) = outbox.queued();
        if let (Role::Viewer(playback), Some(path)) = (&mut self.role, self.association.path())
            && self.association.is_connected()
        {
            let mut sink = PeerSink {
                association: &mut self.association,
                path,
                outbox,
            };
            if let Some(publication) = publication {
                playback.forward(now, publication, &mut sink, keyframes);
            }
            compound.clear();
            while playback.poll_rtcp(now, publication, compound) {
                sink.send_compound(compound);
                compound.clear();
            }
        }
        let (_, after) = outbox.queued();
        if channels == Channels::Now || after - before >= PICTURE {
            self.write_channels(now, outbox);
        }
    }

    /// Writes what the transport has to say, if it need not wait for a picture.
    pub(super) fn serve_channels(&mut self, now: Instant, channels: Channels, outbox: &mut Outbox) {
        self.due = Due::Nothing;
        if channels == Channels::Now {
            self.write_channels(now, outbox);
        }
    }

    fn write_channels(&mut self, now: Instant, outbox: &mut Outbox) {
        self.has_own = false;
        self.drain();
        self.association.flush(now, outbox);
    }

    /// What became of it while it was served.
    pub(super) fn take_news(&mut self, events: &mut VecDeque<Event>) {
        if std::mem::take(&mut self.has_caught_up) {
            events.push_back(Event::CaughtUp { peer: self.id });
        }
        if let Role::Viewer(playback) = &mut self.role
            && let Some(map) = playback.take_clock_map()
        {
            events.push_back(Event::ClockMap { peer: self.id, map });
        }
    }

    /// Writes the publisher's reports and requests.
    pub(super) fn send_feedback(
        &mut self,
        now: Instant,
        publication: &mut Publication,
        outbox: &mut Outbox,
        compound: &mut Vec<u8>,
    ) {
        let Some(path) = self.association.path() else {
            return;
        };
        let mut sink = PeerSink {
            association: &mut self.association,
            path,
            outbox,
        };
        compound.clear();
        while publication.poll_rtcp(now, compound) {
            sink.send_compound(compound);
            compound.clear();
        }
    }
}

/// Seals a peer's packets straight into the arena.
struct PeerSink<'a> {
    association: &'a mut Association,
    path: Remote,
    outbox: &'a mut Outbox,
}

impl PeerSink<'_> {
    fn send_compound(&mut self, compound: &[u8]) {
        let association = &mut *self.association;
        self.outbox
            .push(self.path, |out| association.seal_rtcp(compound, out));
    }
}

impl RtpSink for PeerSink<'_> {
    fn send(&mut self, packet: RtpParts<'_>) -> bool {
        let association = &mut *self.association;
        self.outbox
            .push(self.path, |out| association.seal_rtp(packet, out))
    }

    fn send_video(&mut self, packet: RtpParts<'_>) -> bool {
        let association = &mut *self.association;
        self.outbox
            .push_video(self.path, |out| association.seal_rtp(packet, out))
    }
}
