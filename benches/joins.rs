//! What a join costs: processor time from a viewer's offer to its three open data channels, at the real socket.
//! `cargo bench --bench joins -- [VIEWERS]`, after `cargo build --release` for the whole server's figure.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a bench ends where it cannot begin, and reads the clock"
)]

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use sfu::negotiation::Fingerprint;
use sfu::sdp::{AnswerParams, Direction, Offer};
use vitrine_benches::argument;
use vitrine_benches::crowd::Crowd;
use vitrine_benches::house::{House, own_cpu};
use vitrine_benches::peer::{Part, Party, Peer, credentials};
use vitrine_benches::server::Server;

fn per_join(name: &str, total: Duration, viewers: usize) {
    let each = total / viewers as u32;
    println!("  {name:<44} {:7.1} µs", each.as_nanos() as f64 / 1000.0);
}

/// Offer to answer, on the caller's thread.
fn negotiation(party: &Party, viewers: usize) -> Duration {
    let offers: Vec<String> = (1..=viewers as u64)
        .map(|number| Peer::new(party, number, Instant::now()).offer(Part::Viewer))
        .collect();
    let addresses: Vec<SocketAddr> = ["203.0.113.5:7000", "[2001:db8::5]:7000"]
        .map(|address| address.parse().unwrap())
        .to_vec();
    let before = own_cpu();
    for (offer, number) in offers.iter().zip(1..) {
        let ice = credentials("server", number);
        let offer = Offer::parse(offer, Direction::Play, number).unwrap();
        let answer = offer.answer(&AnswerParams {
            ice: &ice,
            fingerprint: Fingerprint([7; 32]),
            udp: &addresses,
            tcp: &addresses,
            stream: "vitrine",
            max_message: 16 << 10,
        });
        assert!(answer.len() > 1000);
    }
    own_cpu() - before
}

/// The shard's thread: the session opened, ICE, DTLS, SCTP and the channels.
fn shard(party: &Party, viewers: usize) -> Duration {
    let mut house = House::open(1, |_| {});
    let mut crowd = Crowd::new(party, 1, false).with_channels();
    crowd.join(&mut house, 0, "room", Part::Viewer, 1);
    let before = house.cpu(0);
    crowd.join(&mut house, 0, "room", Part::Viewer, viewers);
    let used = house.cpu(0) - before;
    house.close();
    used
}

/// The whole process: HTTP, directory, shop and shard.
fn server(party: &Party, viewers: usize) -> Duration {
    let server = Server::start(&["--media-shards", "1"]);
    let mut http = server.connect();
    let mut crowd = Crowd::new(party, 1, false).with_channels();
    let mut admit = |peer: &mut Peer| {
        let opened = http.watch("room", &peer.offer(Part::Viewer));
        peer.answered(opened.ice);
        SocketAddr::new(IpAddr::from([127, 0, 0, 1]), opened.media.port())
    };
    crowd.join_by(10, &mut admit);
    let before = server.cpu();
    crowd.join_by(viewers, &mut admit);
    server.cpu() - before
}

fn main() {
    let viewers = argument().unwrap_or(1000);
    let party = Party::new();
    println!("processor time of a join, mean of {viewers}:");
    let negotiation = negotiation(&party, viewers);
    per_join("offer read, answer written", negotiation, viewers);
    let shard = shard(&party, viewers);
    per_join("shard: ICE, DTLS, SCTP, three channels", shard, viewers);
    per_join("both (goal: at most 500)", negotiation + shard, viewers);
    per_join(
        "the whole server, HTTP and shop included",
        server(&party, viewers),
        viewers,
    );
}
