//! Datagrams in, and what the transports make of them.

use std::sync::Arc;
use std::time::Instant;

use super::Shard;
use super::config::{ChannelMessage, Event, PeerEnd};
use super::door::Hello;
use super::peer::{Due, Peer, Role};
use crate::rate_limiter::Rate;
use crate::transport::{ChannelId, Received, Remote, TransportEvent, stun_local_ufrag};

/// Datagrams of one viewer. Feedback, acknowledgements and checks of a browser on a bad line come to less than a
/// hundred a second; what comes from a publisher is media and has no bound here.
const VIEWER: Rate = Rate::new(1000, 500);
/// Checks in one peer's name from addresses that it has not proved: before anything is proved each costs an HMAC. A
/// browser sends one every 50 ms for each pair of addresses.
const UNPROVED: Rate = Rate::new(100, 100);
/// Hellos of one peer that wait at the door: one, in the two datagrams that those with long keys need.
const HELLOS: u8 = 2;

impl Shard {
    pub(super) fn take_datagram(&mut self, now: Instant, from: Remote, datagram: &mut [u8]) {
        self.counts.datagrams_in += 1;
        self.counts.bytes_in += datagram.len() as u64;
        // A check names its session, which may be a new one on a port that another had before.
        let owner = self.routes.by_remote(from);
        let key = stun_local_ufrag(datagram)
            .and_then(|ufrag| self.routes.by_ufrag(ufrag))
            .or(owner);
        let Some(key) = key else {
            self.counts.datagrams_rejected += 1;
            return;
        };
        let Some(peer) = self.peers.get_mut(key) else {
            return;
        };
        let is_taken = match peer.role {
            _ if owner != Some(key) => peer.unknown.take(now, UNPROVED),
            Role::Viewer(_) => peer.known.take(now, VIEWER),
            Role::Publisher { .. } => true,
        };
        if !is_taken {
            self.counts.datagrams_refused += 1;
            return;
        }
        if peer.association.would_begin(from, datagram) && !self.door.passes() {
            self.put_off(key, from, datagram);
            return;
        }
        self.hear(now, key, from, datagram);
    }

    /// A handshake waits until those before it have begun.
    fn put_off(&mut self, key: usize, from: Remote, datagram: &[u8]) {
        let Some(peer) = self.peers.get_mut(key).filter(|peer| peer.hellos < HELLOS) else {
            return;
        };
        let hello = Hello {
            key,
            peer: peer.id,
            from,
            datagram: datagram.into(),
        };
        if self.door.wait(hello) {
            peer.hellos += 1;
            self.counts.handshakes_delayed += 1;
        } else {
            self.counts.handshakes_refused += 1;
        }
    }

    /// Begins the handshakes whose turn it is.
    pub(super) fn open_door(&mut self, now: Instant) {
        self.door.turn(now);
        while let Some(mut hello) = self.door.call() {
            if let Some(peer) = self.peers.get_mut(hello.key)
                && peer.id == hello.peer
            {
                peer.hellos -= 1;
                self.hear(now, hello.key, hello.from, &mut hello.datagram);
            }
        }
    }

    /// A peer's datagram that is to be looked at.
    fn hear(&mut self, now: Instant, key: usize, from: Remote, datagram: &mut [u8]) {
        let Some(peer) = self.peers.get_mut(key) else {
            return;
        };
        let room_key = peer.room;
        match peer.association.receive(now, from, datagram, &mut self.outbox) {
            Received::Rtp(packet) => {
                // Media needs no events and no flush of its own peer.
                if let Some(room) = self.rooms.get_mut(room_key)
                    && let Some(stage) = room.stage_of(key)
                {
                    stage.publication.handle_rtp(now, packet);
                    self.touch_media(room_key);
                }
                return;
            }
            Received::Rtcp(compound) => match &mut peer.role {
                Role::Viewer(playback) => {
                    if !playback.handle_rtcp(now, compound) {
                        return;
                    }
                }
                Role::Publisher { .. } => {
                    if let Some(room) = self.rooms.get_mut(room_key)
                        && let Some(stage) = room.stage_of(key)
                    {
                        stage.publication.handle_rtcp(now, compound);
                        self.touch_room(room_key);
                    }
                }
            },
            Received::Verified => {
                self.routes.add_remote(key, &mut peer.addresses, from);
                self.tell_source(key);
            }
            // An acknowledgement, most often.
            Received::Nothing if peer.association.is_connected() && !peer.association.has_events() => {
                return self.touch_peer_for(key, Due::Channels);
            }
            Received::Nothing => {}
        }
        self.touch_peer(key);
        self.take_transport_events(now, key);
    }

    /// Carries out what a peer's transport tells.
    pub(super) fn take_transport_events(&mut self, now: Instant, key: usize) {
        while let Some(peer) = self.peers.get_mut(key)
            && let Some(event) = peer.association.poll_event()
        {
            let id = peer.id;
            match event {
                TransportEvent::Connected => {
                    let took = now.saturating_duration_since(peer.opened_at);
                    self.events.push_back(Event::Connected { peer: id, took });
                    match &mut peer.role {
                        Role::Viewer(playback) => playback.start(now),
                        Role::Publisher { .. } => {
                            self.tell_source(key);
                            self.enter_stage(now, key);
                        }
                    }
                }
                TransportEvent::HasKeys => {
                    if let Role::Viewer(playback) = &mut peer.role {
                        playback.begin(now);
                    }
                }
                TransportEvent::ChannelOpen { channel, label } => {
                    self.catch_up(key);
                    let label = intern(&self.labels, &label);
                    let Some(peer) = self.peers.get_mut(key) else {
                        return;
                    };
                    peer.channels.retain(|&mut (open, _)| open != channel);
                    peer.channels.push((channel, label.clone()));
                    self.events.push_back(Event::ChannelOpen {
                        peer: id,
                        channel: label,
                    });
                }
                TransportEvent::Message { channel, data } => {
                    self.counts.messages_in += 1;
                    if let Some(channel) = label(peer, channel) {
                        let message = ChannelMessage { channel, data };
                        self.events.push_back(Event::Message { peer: id, message });
                    }
                }
                TransportEvent::ChannelClosed { channel } => {
                    peer.channels.retain(|&mut (open, _)| open != channel);
                }
                TransportEvent::Closed(reason) => {
                    self.remove_peer(now, key, Some(PeerEnd::Transport(reason)));
                }
            }
        }
    }
}

fn label(peer: &Peer, channel: ChannelId) -> Option<Arc<str>> {
    let open = peer.channels.iter().find(|&&(open, _)| open == channel)?;
    Some(open.1.clone())
}

/// Thousands of peers share the labels that the server itself knows.
pub(super) fn intern(known: &[Arc<str>], label: &str) -> Arc<str> {
    let shared = known.iter().find(|known| ***known == *label);
    shared.map_or_else(|| Arc::from(label), Arc::clone)
}
