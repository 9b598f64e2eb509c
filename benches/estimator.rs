//! What the estimate of one viewer's line costs: per packet, per feedback message, and per second of a viewer of
//! 2.5 Mbps with sound (320 packets, feedback every 50 ms).

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a bench ends where it cannot go on, and begins at an instant"
)]

use std::hint::black_box;
use std::time::{Duration, Instant};

use criterion::{Criterion, criterion_group, criterion_main};
use sfu::bandwidth::Bandwidth;
use sfu::rtcp;
use vitrine_benches::feedback::Feedback;

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

fn estimator(c: &mut Criterion) {
    println!(
        "one viewer's estimator: {} bytes, and 8 for each packet in flight (64 to 1024)",
        size_of::<Bandwidth>()
    );
    let mut group = c.benchmark_group("estimator");
    group.bench_function("one packet numbered", |b| {
        let mut line = Line::new();
        b.iter(|| {
            line.now += Duration::from_micros(3125);
            black_box(line.bandwidth.number(line.now, 1000))
        });
    });
    group.bench_function("one feedback of 16 packets", |b| {
        b.iter_custom(|rounds| {
            let mut line = Line::new();
            let mut spent = Duration::ZERO;
            for _ in 0..rounds {
                let message = line.send();
                let began = Instant::now();
                line.take(black_box(&message));
                spent += began.elapsed();
            }
            spent
        });
    });
    group.bench_function("one second of a viewer", |b| {
        b.iter_custom(|rounds| {
            let mut line = Line::new();
            let mut spent = Duration::ZERO;
            for _ in 0..rounds {
                for _ in 0..PACKETS_PER_SECOND / PACKETS_PER_FEEDBACK {
                    let message = line.send();
                    let began = Instant::now();
                    line.take(black_box(&message));
                    // The time its packets were numbered counts, too; measured apart, for it is that of making them.
                    spent += began.elapsed();
                }
                let mut numbered = Line::new();
                let began = Instant::now();
                for _ in 0..PACKETS_PER_SECOND {
                    black_box(numbered.bandwidth.number(numbered.now, 1000));
                }
                spent += began.elapsed();
            }
            spent
        });
    });
    group.finish();
}

criterion_group!(benches, estimator);
criterion_main!(benches);
