//! One 1200-byte SRTP packet sealed, by profile.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a bench ends where it cannot begin"
)]

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use sfu::transport::{RtpParts, SrtpKeys, SrtpProfile};
use vitrine_benches::PAYLOAD;

fn seal(c: &mut Criterion) {
    let mut group = c.benchmark_group("seal");
    group.throughput(Throughput::Elements(1));
    for (name, profile, exported) in [
        ("AEAD_AES_128_GCM", SrtpProfile::AeadAes128Gcm, 56),
        ("AEAD_AES_256_GCM", SrtpProfile::AeadAes256Gcm, 88),
        ("AES128_CM_HMAC_SHA1_80", SrtpProfile::Aes128CmSha1, 60),
    ] {
        let mut keys = SrtpKeys::from_exported(profile, &vec![7; exported], false).expect("keys");
        let body = vec![0x5a; PAYLOAD];
        let mut arena = Vec::with_capacity(1 << 16);
        let mut sequence = 0u16;
        group.bench_function(name, |b| {
            b.iter(|| {
                sequence = sequence.wrapping_add(1);
                let [high, low] = sequence.to_be_bytes();
                let header = [0x80, 96, high, low, 0, 0, 0, 1, 0, 0, 0, 9];
                arena.clear();
                keys.seal_rtp(
                    RtpParts {
                        header: &header,
                        lead: &[],
                        body: &body,
                        padding: 0,
                    },
                    &mut arena,
                )
            });
        });
    }
    group.finish();
}

criterion_group!(benches, seal);
criterion_main!(benches);
