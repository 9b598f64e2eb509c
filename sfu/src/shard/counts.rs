//! Counters of a shard that outlive the peers and publications that made them.

use super::Shard;
use super::audience::Audience;
use super::config::ShardStats;
use super::peer::{Peer, Role};

impl ShardStats {
    /// Adds what a peer counted.
    pub(super) fn add_peer(&mut self, peer: &Peer) {
        let transport = peer.association.stats();
        self.datagrams_rejected += transport.stun_rejected + transport.srtp_rejected + transport.dropped;
        self.replayed += transport.srtp_replayed;
        if let Role::Viewer(playback) = &peer.role {
            self.playback.add(playback.stats());
        }
    }
}

impl ShardStats {
    fn add_audience(&mut self, audience: &Audience) {
        self.viewers_best += audience.best;
        self.viewers_lower += audience.lower;
        self.viewers_without += audience.without;
        self.estimates += audience.estimates;
        self.round_trips_us += audience.round_trips.as_micros() as u64;
    }
}

impl Shard {
    pub(super) fn sum(&self) -> ShardStats {
        let (datagrams_out, bytes_out) = self.outbox.queued();
        let mut sum = ShardStats {
            datagrams_out,
            bytes_out,
            outbox_refused: self.outbox.refused(),
            replayed: self.gone.replayed,
            datagrams_rejected: self.counts.datagrams_rejected + self.gone.datagrams_rejected,
            media: self.gone.media,
            playback: self.gone.playback,
            ..self.counts
        };
        for (_, peer) in &self.peers {
            sum.add_peer(peer);
            match peer.role {
                Role::Publisher { .. } => sum.publishers += 1,
                Role::Viewer(_) => sum.viewers += 1,
            }
        }
        for (_, room) in &self.rooms {
            if let Some(stage) = &room.stage {
                sum.media.add(stage.publication.stats());
            }
            sum.add_audience(&room.audience);
        }
        sum
    }
}
