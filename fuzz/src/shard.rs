//! Datagrams from anywhere to a shard with a peer, and of a peer that begins to shake hands.

use std::sync::OnceLock;
use std::time::{Duration, Instant};

use sfu::Shard;
use sfu::media::MediaConfig;
use sfu::negotiation::IceCredentials;
use sfu::playback::PlaybackConfig;
use sfu::relay::{Generation, ShardId};
use sfu::sdp::{Direction, Offer};
use sfu::shard::{PeerId, ShardConfig};
use sfu::transport::{Identity, Remote, TransportConfig, is_client_hello};

use crate::pieces;

const FFMPEG: &str = include_str!("../../sfu/tests/offers/ffmpeg.sdp");
const GSTREAMER: &str = include_str!("../../sfu/tests/offers/gstreamer.sdp");
/// A check of that GStreamer, signed with the password that [`shard`] gives it.
const CHECK: &[u8] = include_bytes!("check-of-gstreamer.stun");
/// More than the server's longest flight, twice.
const LARGEST_FLIGHT: usize = 8 << 10;

/// Datagrams of two addresses. Nothing unauthenticated is answered with more than it sent.
pub(crate) fn datagrams(input: &[u8]) {
    let mut now = Instant::now();
    let mut shard = shard(FFMPEG, now);
    // ffmpeg waits for the server to begin; that first flight answers nobody.
    shard.outbox().clear();
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

/// What a peer with an address of its own says first, each behind its length: a hello of a library with every cipher
/// suite left on, and what may follow. The server's cookie is put into hellos with room for it, or nothing would. It is
/// answered with a flight and not with more.
pub(crate) fn handshake(input: &[u8]) {
    let mut now = Instant::now();
    let mut shard = shard(GSTREAMER, now);
    let from = Remote::Udp {
        peer: ([192, 0, 2, 1], 4000).into(),
        local: None,
    };
    shard.handle_datagram(now, from, &mut CHECK.to_vec());
    shard.flush(now);
    assert!(!shard.outbox().is_empty(), "the check is answered");
    shard.outbox().clear();
    let (mut rest, mut cookie) = (input, Vec::new());
    while let Some((len, behind)) = rest.split_first_chunk() {
        let len = usize::from(u16::from_be_bytes(*len)).min(behind.len());
        let (datagram, behind) = behind.split_at(len);
        rest = behind;
        let mut datagram = datagram.to_vec();
        take_along(&cookie, &mut datagram);
        shard.handle_datagram(now, from, &mut datagram);
        cookie = turn(&mut shard, now).unwrap_or(cookie);
        now += Duration::from_millis(3);
    }
    for _ in 0..3 {
        now += Duration::from_secs(1);
        turn(&mut shard, now);
    }
}

/// Where the cookie of a ClientHello is, in one record (RFC 6347 §4.2.1): behind the headers, version and random, and the
/// session's id.
fn take_along(cookie: &[u8], hello: &mut [u8]) {
    const SESSION: usize = 13 + 12 + 2 + 32;
    if is_client_hello(hello)
        && let Some(session) = hello.get(SESSION)
        && let Some(rest) = hello.get_mut(SESSION + 1 + usize::from(*session)..)
        && let Some((len, rest)) = rest.split_first_mut()
        && usize::from(*len) == cookie.len()
        && let Some(place) = rest.get_mut(..cookie.len())
    {
        place.copy_from_slice(cookie);
    }
}

/// The cookie of a HelloVerifyRequest, behind headers, version and length.
fn cookie(datagram: &[u8]) -> Option<Vec<u8>> {
    const HELLO_VERIFY_REQUEST: u8 = 3;
    let is_one = datagram.first() == Some(&22) && datagram.get(13) == Some(&HELLO_VERIFY_REQUEST);
    datagram.get(28..).filter(|_| is_one).map(<[u8]>::to_vec)
}

/// One turn of the shard; a cookie it gave.
fn turn(shard: &mut Shard, now: Instant) -> Option<Vec<u8>> {
    shard.handle_timeout(now);
    shard.flush(now);
    let answered: usize = shard.outbox().runs().map(|run| run.bytes.len()).sum();
    assert!(answered <= LARGEST_FLIGHT, "{answered} bytes");
    let given = shard.outbox().runs().find_map(|run| cookie(run.bytes));
    shard.outbox().clear();
    while shard.poll_event().is_some() {}
    given
}

fn shard(offer: &str, now: Instant) -> Shard {
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
    if let Ok(offer) = Offer::parse(offer, Direction::Publish, 7) {
        let opened = shard.open_publisher(now, PeerId(1), "demo".into(), Generation(1), offer, ice);
        assert!(opened.is_ok());
    }
    shard.flush(now);
    shard
}
