//! What the estimate of one viewer's line costs, in processor time of the thread: per packet that leaves, per feedback message
//! and packet in it, and per second of a viewer of 2.5 Mbps with sound (320 packets, feedback every 50 ms).

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a bench ends where it cannot go on, and begins at an instant"
)]

use std::hint::black_box;
use std::time::{Duration, Instant};

use sfu::bandwidth::Bandwidth;
use sfu::rtcp;
use vitrine_benches::feedback::Feedback;
use vitrine_benches::house::own_cpu;

const PACKETS_PER_SECOND: u32 = 320;
const PACKETS_PER_FEEDBACK: u32 = 16;
const WAY: Duration = Duration::from_millis(30);

/// One viewer's line, a packet at a time.
struct Line {
    begin: Instant,
    now: Instant,
    bandwidth: Bandwidth,
    feedback: Feedback,
    sent: u64,
}

impl Line {
    fn new() -> Line {
        let begin = Instant::now();
        Line {
            begin,
            now: begin,
            bandwidth: Bandwidth::new(begin, 3_000_000),
            feedback: Feedback::default(),
            sent: 0,
        }
    }

    /// The packets of one feedback message leave; gives that message.
    fn send(&mut self) -> Vec<u8> {
        for _ in 0..PACKETS_PER_FEEDBACK {
            self.sent += 1;
            self.now += Duration::from_secs(1) / PACKETS_PER_SECOND;
            let number = self.bandwidth.number(self.now, 1000);
            // A little jitter, so that arrivals are not all alike.
            let jitter = Duration::from_micros(self.sent * 7919 % 3000);
            let arrival = self.now + WAY + jitter - self.begin;
            self.feedback
                .arrived(number, arrival.as_micros() as u64, 1, number);
        }
        self.feedback.take().unwrap()
    }

    fn take(&mut self, compound: &[u8]) {
        for packet in rtcp::split(compound) {
            self.bandwidth.handle_transport_feedback(self.now, packet);
        }
    }
}

/// Messages that are made before their time is taken: the thread's clock costs as much as a few packets.
const BATCH: usize = 8;
const ROUNDS: usize = 20_000;

fn main() {
    println!(
        "one viewer's estimator: {} bytes, and 8 for each packet in flight (64 to 1024)",
        size_of::<Bandwidth>()
    );
    let mut line = Line::new();
    let packets = ROUNDS * BATCH * usize::from(PACKETS_PER_FEEDBACK as u16);
    let began = own_cpu();
    for _ in 0..packets {
        line.now += Duration::from_micros(3125);
        black_box(line.bandwidth.number(line.now, 1000));
    }
    let numbered = own_cpu() - began;
    let mut line = Line::new();
    let mut taken = Duration::ZERO;
    for _ in 0..ROUNDS {
        let messages: [Vec<u8>; BATCH] = std::array::from_fn(|_| line.send());
        let began = own_cpu();
        for message in &messages {
            line.take(black_box(message));
        }
        taken += own_cpu() - began;
    }
    let each = |time: Duration, count: usize| time.as_nanos() as f64 / count as f64;
    let (packet, message) = (each(numbered, packets), each(taken, ROUNDS * BATCH));
    println!("a packet that leaves       {packet:8.1} ns");
    println!(
        "a feedback message of {PACKETS_PER_FEEDBACK}   {message:8.1} ns, {:.1} ns a packet",
        message / f64::from(PACKETS_PER_FEEDBACK)
    );
    let messages = PACKETS_PER_SECOND / PACKETS_PER_FEEDBACK;
    let second = packet * f64::from(PACKETS_PER_SECOND) + message * f64::from(messages);
    println!("a second of a viewer       {:8.2} us", second / 1000.0);
}
