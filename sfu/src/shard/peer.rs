//! One peer of a shard and how what is due for it is written out.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use smallvec::SmallVec;

use super::config::{Event, PeerId};
use super::deadlines::Armed;
use super::messages::Waiting;
use super::routes::Addresses;
use crate::media::Publication;
use crate::negotiation::ReceivedMedia;
use crate::playback::{Playback, RtpSink};
use crate::rate_limiter::RateLimiter;
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
    pub known: RateLimiter,
    pub unknown: RateLimiter,
    /// Whether it gets what is broadcast.
    pub listens: bool,
    /// What its room's viewers were told before this number it has been given, or was not there for.
    pub heard: u64,
    /// Messages that its line has not taken; nothing while it keeps up.
    pub waiting: Option<Box<Waiting>>,
    /// Lost messages: to be told.
    pub has_fallen_behind: bool,
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

    /// Whether what waits in its data channels waits for the next picture with the messages to everybody: what it sent,
    /// feedback or an acknowledgement, is no reason to send it packets of its own.
    pub(super) fn awaits_picture(&self) -> bool {
        match &self.role {
            Role::Viewer(playback) => playback.pictured().is_some() && !self.has_own,
            Role::Publisher { .. } => false,
        }
    }

    /// Whether it wants a picture's packets as they come ([`Playback::is_on_a_full_line`]).
    pub(super) fn is_eager(&self, now: Instant) -> bool {
        match &self.role {
            Role::Viewer(playback) => playback.is_on_a_full_line(now),
            Role::Publisher { .. } => false,
        }
    }

    /// Writes what is due of a viewer's media and reports; whether that was part of a picture, behind which its data
    /// channels can ride. `keyframes` gets what the publisher is to be asked for.
    pub(super) fn write_media(
        &mut self,
        now: Instant,
        publication: Option<&Publication>,
        outbox: &mut Outbox,
        compound: &mut Vec<u8>,
        keyframes: &mut Vec<EncodingId>,
    ) -> bool {
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
        after - before >= PICTURE
    }

    /// Writes what the transport has to say: data channels and handshakes.
    pub(super) fn write_channels(&mut self, now: Instant, outbox: &mut Outbox) {
        self.has_own = false;
        self.drain();
        self.association.flush(now, outbox);
    }

    /// What became of it while it was served, with its media or without; then when it wants to be served next: for its
    /// media no sooner than it is armed for where that was not looked at.
    pub(super) fn conclude(&mut self, has_media: bool, events: &mut VecDeque<Event>) -> Option<Instant> {
        if has_media {
            self.take_news(events);
            return self.deadline();
        }
        self.tell_of_backlog(events);
        self.association.poll_timeout()
    }

    /// What became of it while it was served.
    pub(super) fn take_news(&mut self, events: &mut VecDeque<Event>) {
        self.tell_of_backlog(events);
        if let Role::Viewer(playback) = &mut self.role
            && let Some(map) = playback.take_clock_map()
        {
            events.push_back(Event::ClockMap { peer: self.id, map });
        }
    }

    fn tell_of_backlog(&mut self, events: &mut VecDeque<Event>) {
        if std::mem::take(&mut self.has_fallen_behind) {
            events.push_back(Event::Behind { peer: self.id });
        }
        if std::mem::take(&mut self.has_caught_up) {
            events.push_back(Event::CaughtUp { peer: self.id });
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
