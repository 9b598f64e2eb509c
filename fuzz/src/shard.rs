//! Datagrams from anywhere to a shard with a peer.

use std::sync::OnceLock;
use std::time::{Duration, Instant};

use sfu::Shard;
use sfu::media::MediaConfig;
use sfu::negotiation::IceCredentials;
use sfu::playback::PlaybackConfig;
use sfu::relay::{Generation, ShardId};
use sfu::sdp::{Direction, Offer};
use sfu::shard::{PeerId, ShardConfig};
use sfu::transport::{Identity, Remote, TransportConfig};

use crate::pieces;

const OFFER: &str = include_str!("../../sfu/tests/offers/ffmpeg.sdp");

/// Datagrams of two addresses. Nothing unauthenticated is answered with more than it sent.
pub(crate) fn datagrams(input: &[u8]) {
    let mut now = Instant::now();
    let mut shard = shard(now);
    for (number, datagram) in pieces(input).enumerate() {
        let from = Remote::Udp {
            peer: ([192, 0, 2, 1], 4000 + (number % 2) as u16).into(),
            local: None,
        };
        let mut datagram = datagram.to_vec();
        shard.handle_datagram(now, from, &mut datagram);
        shard.flush(now);
        let answered: usize = shard.outbox().runs().map(|run| run.bytes.len()).sum();
        assert!(
            answered <= datagram.len() + 96,
            "{answered} bytes answer {}",
            datagram.len()
        );
        shard.outbox().clear();
        now += Duration::from_millis(3);
        shard.handle_timeout(now);
        while shard.poll_event().is_some() {}
        while shard.poll_relay().is_some() {}
    }
}

fn shard(now: Instant) -> Shard {
    static IDENTITY: OnceLock<Identity> = OnceLock::new();
    let identity = IDENTITY.get_or_init(|| match Identity::generate() {
        Ok(identity) => identity,
        Err(error) => unreachable!("{error}"),
    });
    let config = ShardConfig {
        id: ShardId(0),
        identity: identity.clone(),
        max_peers: 4,
        transport: TransportConfig::default(),
        media: MediaConfig::default(),
        playback: PlaybackConfig {
            start_delay: Duration::ZERO,
            ..PlaybackConfig::new((now, 0))
        },
        health_interval: Duration::from_secs(1),
        hold_max: Duration::from_millis(10),
    };
    let mut shard = Shard::new(config, 7, now);
    let ice = IceCredentials {
        ufrag: "ufragufragufrag0".to_owned(),
        pwd: "passwordpasswordpassword".to_owned(),
    };
    if let Ok(offer) = Offer::parse(OFFER, Direction::Publish, 7) {
        let opened = shard.open_publisher(now, PeerId(1), "demo".into(), Generation(1), offer, ice);
        assert!(opened.is_ok());
    }
    // The offer is ffmpeg's, toward which the server begins; that first flight answers nobody.
    shard.flush(now);
    shard.outbox().clear();
    shard
}
