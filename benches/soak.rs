//! Viewers who come and go, twenty a second, for half an hour: the server's memory, sockets and tables stay as they
//! are, and nobody is lost who did not leave. `cargo build --release && cargo bench --bench soak -- [MINUTES]`

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a bench ends where it cannot begin, and reads the clock"
)]

use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use vitrine_benches::argument;
use vitrine_benches::crowd::{Crowd, Received};
use vitrine_benches::peer::{Part, Party};
use vitrine_benches::server::{Http, Server};

/// Viewers who come together each second.
const COHORT: usize = 20;
/// How long they stay.
const STAY: Duration = Duration::from_secs(10);
/// The server's patience with who vanishes; they are a third.
const CONSENT: Duration = Duration::from_secs(30);
/// Rooms are made and forgotten too: each second has its own out of so many.
const ROOMS: u64 = 60;
/// Between two looks at the sockets.
const LOOK: Duration = Duration::from_millis(5);
/// Memory may end so much above what it was at half time, KiB: what an allocator scatters. Before that it grows to what
/// the most viewers at once need.
const SLACK_KIB: u64 = 4096;

struct Cohort {
    crowd: Crowd,
    sessions: Vec<String>,
    leaves_at: Instant,
}

/// Whose session ended by which way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Ends {
    deleted: u64,
    by_peer: u64,
    vanished: u64,
}

fn arrive(http: &mut Http, party: &Party, second: u64, now: Instant) -> Cohort {
    let mut crowd = Crowd::new(party, 1 + second * COHORT as u64, false).with_channels();
    let mut sessions = Vec::new();
    let room = format!("room{}", second % ROOMS);
    crowd.join_by(COHORT, |peer| {
        let opened = http.watch(&room, &peer.offer(Part::Viewer));
        peer.answered(opened.ice);
        sessions.push(opened.location);
        SocketAddr::new(IpAddr::from([127, 0, 0, 1]), opened.media.port())
    });
    Cohort {
        crowd,
        sessions,
        leaves_at: now + STAY,
    }
}

/// A third each by DELETE, by closing the connection, and without a word.
fn leave(http: &mut Http, mut cohort: Cohort, ends: &mut Ends) {
    for (place, session) in cohort.sessions.iter().enumerate() {
        match place % 3 {
            0 => {
                assert_eq!(http.delete(session), 200, "a session was lost");
                ends.deleted += 1;
            }
            1 => {
                cohort.crowd.goodbye(place);
                ends.by_peer += 1;
            }
            _ => ends.vanished += 1,
        }
    }
}

/// The sum of a metric over its labels, or of one with these labels.
fn metric(metrics: &str, name: &str) -> u64 {
    let lines = metrics.lines().filter_map(|line| line.strip_prefix(name));
    let values = lines.filter_map(|rest| rest.rsplit_once(' '));
    values.map(|(_, value)| value.parse::<u64>().unwrap()).sum()
}

fn main() {
    let minutes = argument().unwrap_or(30);
    let consent = CONSENT.as_secs().to_string();
    let server = Server::start(&["--media-shards", "2", "--media-consent-timeout-seconds", &consent]);
    let (mut http, party) = (server.connect(), Party::new());
    let begin = Instant::now();
    let end = begin + Duration::from_secs(60) * minutes as u32;
    let mut cohorts: VecDeque<Cohort> = VecDeque::new();
    let (mut ends, mut second, mut next_line) = (Ends::default(), 0, begin);
    let mut warm: Option<(u64, usize)> = None;
    println!("  time  viewers came   sessions  resident KiB  files  CPU s");
    let line = |http: &mut Http, at: Duration, came: u64| {
        let metrics = http.get("/metrics");
        let sessions = metric(&metrics, "vitrine_viewers");
        let (resident, files) = (server.resident(), server.files());
        println!(
            "{:>6} {came:>13} {sessions:>10} {resident:>13} {files:>6} {:>6.1}",
            format!("{}:{:02}", at.as_secs() / 60, at.as_secs() % 60),
            server.cpu().as_secs_f64()
        );
        (metrics, resident, files)
    };
    while Instant::now() < end {
        let now = Instant::now();
        if now >= begin + Duration::from_secs(second) {
            cohorts.push_back(arrive(&mut http, &party, second, now));
            second += 1;
        }
        while cohorts.front().is_some_and(|cohort| cohort.leaves_at <= now) {
            leave(&mut http, cohorts.pop_front().unwrap(), &mut ends);
        }
        for cohort in &mut cohorts {
            cohort
                .crowd
                .tend(now, Duration::from_secs(3600), &mut Received::default());
        }
        if now >= next_line {
            next_line += Duration::from_secs(60);
            let (_, resident, files) = line(&mut http, now - begin, second * COHORT as u64);
            if now - begin >= (end - begin) / 2 {
                warm.get_or_insert((resident, files));
            }
        }
        std::thread::sleep(LOOK);
    }
    let (_, resident, _) = line(&mut http, begin.elapsed(), second * COHORT as u64);
    while let Some(cohort) = cohorts.pop_front() {
        leave(&mut http, cohort, &mut ends);
    }
    // Whoever vanished is missed after the consent's time, and the tables are swept.
    std::thread::sleep(CONSENT + Duration::from_secs(8));
    // A connection on which nothing comes is closed meanwhile.
    let mut http = server.connect();
    let (metrics, _, files) = line(&mut http, begin.elapsed(), second * COHORT as u64);
    let ended = |reason: &str| {
        metric(
            &metrics,
            &format!("vitrine_sessions_ended_total{{reason=\"{reason}\"}}"),
        )
    };
    let counted = Ends {
        deleted: ends.deleted,
        by_peer: ended("by_peer"),
        vanished: ended("consent_lost"),
    };
    assert_eq!(counted, ends, "every session ended the way its viewer left");
    assert_eq!(ended("connect_timeout") + ended("dtls_failed"), 0);
    assert_eq!(metric(&metrics, "vitrine_viewers"), 0);
    if let Some((warm_resident, warm_files)) = warm {
        assert!(
            resident <= warm_resident + SLACK_KIB,
            "{warm_resident} KiB became {resident}"
        );
        assert!(files <= warm_files, "{warm_files} files became {files}");
    }
    println!("flat: {} viewers came and went, {ends:?}", second * COHORT as u64);
}
