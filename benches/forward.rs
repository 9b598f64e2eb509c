//! One packet from a publisher to a hundred viewers: taken in, rewritten and sealed for each. Without sockets.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::disallowed_methods,
    reason = "a bench ends where it cannot begin, and reads the clock"
)]

use std::sync::Arc;
use std::time::{Duration, Instant};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use sfu::media::{MediaConfig, Publication};
use sfu::playback::{Playback, PlaybackConfig, RtpSink};
use sfu::relay::Generation;
use sfu::transport::{RtpParts, SrtpKeys, SrtpProfile};
use vitrine_benches::{packet, publisher, viewer};

const VIEWERS: u32 = 100;

/// Seals into an arena, or only counts.
struct Sink {
    keys: Option<SrtpKeys>,
    arena: Vec<u8>,
    packets: u64,
}

impl RtpSink for Sink {
    fn send(&mut self, packet: RtpParts<'_>) -> bool {
        self.packets += 1;
        let Some(keys) = &mut self.keys else { return true };
        self.arena.clear();
        keys.seal_rtp(packet, &mut self.arena)
    }
}

fn forward(c: &mut Criterion) {
    let mut group = c.benchmark_group("forward");
    group.throughput(Throughput::Elements(VIEWERS.into()));
    for (name, sealed) in [("rewrite", false), ("rewrite and seal", true)] {
        let mut now = Instant::now();
        let media = Arc::new(vec![publisher().expect("media")]);
        let mut publication = Publication::new(media, MediaConfig::default(), 1, now);
        let config = PlaybackConfig {
            start_delay: Duration::ZERO,
            initial_bitrate: 30_000_000,
            ..PlaybackConfig::new((now, 0))
        };
        let mut viewers: Vec<(Playback, Sink)> = (1..=VIEWERS)
            .map(|number| {
                let media = vec![viewer(number).expect("media")];
                let mut playback = Playback::new(media, config.clone(), number.into(), now);
                playback.attach(now, Some((Generation(1), &publication)));
                playback.start(now);
                let exported = [number as u8; 56];
                let keys =
                    SrtpKeys::from_exported(SrtpProfile::AeadAes128Gcm, &exported, false).expect("keys");
                let sink = Sink {
                    keys: sealed.then_some(keys),
                    arena: Vec::with_capacity(1 << 12),
                    packets: 0,
                };
                (playback, sink)
            })
            .collect();
        let mut number = 0;
        let mut keyframes = Vec::new();
        group.bench_function(name, |b| {
            b.iter(|| {
                // 2.3 Mbps.
                now += Duration::from_millis(4);
                publication.handle_rtp(now, &packet(number));
                number += 1;
                for (playback, sink) in &mut viewers {
                    playback.forward(now, &publication, sink, &mut keyframes);
                }
                keyframes.clear();
            });
        });
        let sent: u64 = viewers.iter().map(|(_, sink)| sink.packets).sum();
        assert!(
            sent >= u64::from(number) * u64::from(VIEWERS) * 9 / 10,
            "{sent} of {number}"
        );
    }
    group.finish();
}

criterion_group!(benches, forward);
criterion_main!(benches);
