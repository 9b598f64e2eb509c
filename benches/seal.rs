//! One 1200-byte SRTP packet sealed, by profile; and what it would gain to seal a payload on its way into the send arena,
//! where it is now copied there and sealed in place.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a bench ends where it cannot begin"
)]

use aws_lc_rs::aead::{AES_128_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
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

/// Both ways fill an arena from one end to the other, as large as what is handed to the kernel at once.
fn copy(c: &mut Criterion) {
    const ARENA: usize = 256 << 10;
    const TAG_LEN: usize = 16;
    let key = LessSafeKey::new(UnboundKey::new(&AES_128_GCM, &[7; 16]).expect("a key"));
    let nonce = || Nonce::assume_unique_for_key([3; 12]);
    let (header, payload) = ([0x80; 24], vec![0x5a; PAYLOAD]);
    let mut group = c.benchmark_group("payload");
    let mut grown = Vec::with_capacity(ARENA);
    group.bench_function("copied and sealed in place", |b| {
        b.iter(|| {
            if grown.len() + header.len() + PAYLOAD + TAG_LEN > ARENA {
                grown.clear();
            }
            grown.extend_from_slice(&header);
            let start = grown.len();
            grown.extend_from_slice(&payload);
            let tag = key
                .seal_in_place_separate_tag(nonce(), Aad::from(header), &mut grown[start..])
                .unwrap();
            grown.extend_from_slice(tag.as_ref());
        });
    });
    let (mut arena, mut end) = (vec![0; ARENA], 0);
    group.bench_function("sealed on the way", |b| {
        b.iter(|| {
            if end + header.len() + PAYLOAD + TAG_LEN > ARENA {
                end = 0;
            }
            let (start, sealed) = arena[end..].split_at_mut(header.len());
            start.copy_from_slice(&header);
            let sealed = &mut sealed[..PAYLOAD + TAG_LEN];
            key.seal_in_place_scatter(nonce(), Aad::from(header), &mut [], &payload, sealed)
                .unwrap();
            end += header.len() + sealed.len();
        });
    });
    group.finish();
}

criterion_group!(benches, seal, copy);
criterion_main!(benches);
