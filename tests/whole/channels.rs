//! A viewer with keys who does all that SCTP and data channels let it, on the whole binary, while others watch and talk.

use std::time::{Duration, Instant};

use reqwest::StatusCode;

use super::chunks::{BEGIN, Chunks, DCEP, END, HEARTBEAT, RECONFIG, SACK, TEXT, WHOLE, chunk, open};
use super::keyed::Keyed;
use super::line::Line;
use super::server::Server;
use super::viewer::Viewer;

/// How long it keeps at it, and packets a millisecond.
const MISCHIEF: Duration = Duration::from_secs(3);
const PER_MS: usize = 4;
/// A picture that pauses longer would be seen to stand still, even on a machine with other work.
const PAUSE: Duration = Duration::from_secs(3);
/// Bytes that the server may have more meanwhile: of one peer it keeps some hundred kilobytes, and there is a new one each
/// time.
const MEMORY: usize = 6 << 20;
/// Of one core's time, for everything: a tenth is measured, half to all of it where nothing is bounded.
const WORK: f64 = 0.4;
/// Bytes of chunks that fit a datagram.
const ROOM: usize = 1100;

struct Vandal {
    keyed: Keyed,
    chunks: Chunks,
    step: u32,
}

impl Vandal {
    /// Sends as many chunks as a packet takes.
    fn fill(&mut self, mut next: impl FnMut(&mut Chunks, u32) -> Vec<u8>) {
        let mut packet = Vec::new();
        loop {
            let chunk = next(&mut self.chunks, self.step);
            self.step += 1;
            packet.extend(&chunk);
            if packet.len() + chunk.len() > ROOM {
                break;
            }
        }
        self.chunks.send(&mut self.keyed, &packet);
    }
}

fn opens_everywhere(vandal: &mut Vandal) {
    vandal
        .fill(|chunks, step| chunks.data(WHOLE, step as u16, (step >> 16) as u16, DCEP, &open(b"shop", b"")));
}

fn opens_with_long_names(vandal: &mut Vandal) {
    let long = open(&vec![b'a'; 65_535], b"unknown");
    let len = long.len();
    vandal.fill(|chunks, step| {
        let place = step as usize * 1000 % len;
        let flags = if place < 1000 {
            BEGIN
        } else if len - place <= 1000 {
            END
        } else {
            0
        };
        chunks.data(
            flags,
            (step % 16) as u16,
            0,
            DCEP,
            &long[place..len.min(place + 1000)],
        )
    });
}

fn opens_and_breaks(vandal: &mut Vandal) {
    vandal.fill(|chunks, step| match step % 2 {
        0 => chunks.data(WHOLE, 8, step as u16, DCEP, &open(b"shop", b"")),
        _ => chunks.data(WHOLE, 8, step as u16, DCEP, b"\x09"),
    });
}

fn messages(vandal: &mut Vandal) {
    if vandal.step == 0 {
        vandal.fill(|chunks, _| {
            chunks.data(
                WHOLE,
                0,
                0,
                DCEP,
                &[open(b"shop", b""), vec![0; ROOM / 2]].concat(),
            )
        });
    }
    vandal.fill(|chunks, step| chunks.data(WHOLE, 0, step as u16, TEXT, br#"{"v":1,"t":"chat"}"#));
}

fn large_messages(vandal: &mut Vandal) {
    vandal.fill(|chunks, step| {
        let flags = [BEGIN, 0, 0, 0, 0, 0, 0, END][step as usize % 8];
        chunks.data(flags, 0, (step / 8) as u16, TEXT, &[b'a'; 1000])
    });
}

fn fragments_never_finished(vandal: &mut Vandal) {
    vandal.fill(|chunks, step| {
        let flags = if step < 300 { BEGIN } else { 0 };
        chunks.data(flags, (step % 250) as u16, 0, TEXT, b"a")
    });
}

fn crumbs_of_large_packets(vandal: &mut Vandal) {
    let flags = if vandal.step == 0 { BEGIN } else { 0 };
    vandal.step += 1;
    let mut packet = vandal.chunks.data(flags, 0, 0, TEXT, b"a");
    // An acknowledgement of nothing that came twice: a piece of a message keeps all that it came with.
    let twice = 200_u16;
    let mut value = vec![0; 10];
    value.extend(twice.to_be_bytes());
    value.resize(12 + usize::from(twice) * 4, 0);
    packet.extend(chunk(SACK, 0, &value));
    vandal.chunks.send(&mut vandal.keyed, &packet);
}

fn nothing_at_all(vandal: &mut Vandal) {
    vandal.fill(|chunks, step| chunks.data(if step == 0 { BEGIN } else { 0 }, 0, 0, TEXT, b""));
}

fn numbers_with_gaps(vandal: &mut Vandal) {
    vandal.fill(|chunks, step| {
        chunks.tsn += 1;
        chunks.data(WHOLE | 4, (step % 250) as u16, 0, TEXT, b"a")
    });
}

fn heartbeats(vandal: &mut Vandal) {
    vandal.fill(|_, _| chunk(HEARTBEAT, 0, &[0, 1, 0, 8, 1, 2, 3, 4]));
}

fn resets(vandal: &mut Vandal) {
    vandal.fill(|chunks, step| {
        let mut pair = chunks.data(WHOLE, (step % 250) as u16, 0, TEXT, b"a");
        // Outgoing SSN Reset Request (RFC 6525 §4.1) of all streams.
        let mut request = vec![0, 13, 0, 16];
        request.extend(step.to_be_bytes());
        request.extend([0; 4]);
        request.extend(chunks.tsn.wrapping_sub(1).to_be_bytes());
        pair.extend(chunk(RECONFIG, 0, &request));
        pair
    });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_viewer_who_misuses_its_channels_disturbs_nobody() {
    let server = Server::start(&[]);
    server.on_air().await;
    let viewer = Viewer::watch(&server).await;
    let token = server.buyer(&server.token_for("operator"), "anna").await;
    let mut talker = Line::of_a_customer(&server, &token).await;
    for (what, mischief) in [
        ("opens", opens_everywhere as fn(&mut Vandal)),
        ("long names", opens_with_long_names),
        ("opens and breaks", opens_and_breaks),
        ("messages", messages),
        ("large messages", large_messages),
        ("fragments", fragments_never_finished),
        ("crumbs", crumbs_of_large_packets),
        ("nothing", nothing_at_all),
        ("gaps", numbers_with_gaps),
        ("heartbeats", heartbeats),
        ("resets", resets),
    ] {
        let mut keyed = Keyed::come(&server).await;
        let chunks = Chunks::meet(&mut keyed).await;
        let mut vandal = Vandal {
            keyed,
            chunks,
            step: 0,
        };
        let (memory, worked, began) = (server.memory(), server.worked(), Instant::now());
        let mut most = memory;
        while began.elapsed() < MISCHIEF {
            for _ in 0..PER_MS {
                mischief(&mut vandal);
            }
            vandal.keyed.read();
            vandal.keyed.peer.data.clear();
            most = most.max(server.memory());
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        let pause = viewer.longest_pause(began);
        let share = (server.worked() - worked).as_secs_f64() / began.elapsed().as_secs_f64();
        let told = format!(
            "{what}: {pause:?}, {} KiB more, {share:.2} of a core",
            (most - memory) >> 10
        );
        println!("{told}");
        assert!(pause < PAUSE && most - memory < MEMORY && share < WORK, "{told}");
        talker.chat(&what.replace(' ', "-")).await;
    }
    assert_eq!(server.counter("vitrine_lane_messages_dropped_total").await, 0.0);
    assert_eq!(server.get("/readyz").await.status(), StatusCode::OK);
}
