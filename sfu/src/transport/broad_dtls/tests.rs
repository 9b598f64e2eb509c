use std::collections::VecDeque;

use dimpl::certificate::generate_self_signed_certificate;
use rand::rngs::SmallRng;
use rand::{Rng, RngExt, SeedableRng};

use super::*;

/// A certificate of RSA 2048, as GStreamer makes one, and its key. Made for these tests, of no use elsewhere.
const CERTIFICATE: &[u8] = include_bytes!("rsa-certificate.der");
const KEY: &[u8] = include_bytes!("rsa-key.der");

/// What GStreamer 1.22 says first, up to the end of its cipher suites.
const GSTREAMER: &str = "\
    16feff000000000000000000f20100011500000000000000e6fefdd4402f5e4f223023f331c2b321c57462fea2072cb89dd5\
    f345940f6c88a0f72000000090c02cc03000a3009fcca9cca8ccaac0afc0adc0a3c09fc05dc061c057c053c024c028006b00\
    6ac073c07700c400c3c00ac0140039003800880087009dc0a1c09dc051003d00c000350084c02bc02f00a2009ec0aec0acc0\
    a2c09ec05cc060c056c052c023c02700670040c072c07600be00bdc009c0130033003200450044009cc0a0c09cc050003c00\
    ba002f004100ff";

fn gstreamer() -> Vec<u8> {
    let digit = |byte: u8| (byte as char).to_digit(16).unwrap() as u8;
    let pairs = GSTREAMER.as_bytes().chunks(2);
    pairs.map(|pair| digit(pair[0]) << 4 | digit(pair[1])).collect()
}

/// A client that has nothing but an RSA certificate, and a server, a step of a network apart.
struct Pair {
    now: Instant,
    client: Endpoint,
    server: Box<dyn Dtls>,
    failed: bool,
    to_server: VecDeque<Vec<u8>>,
    to_client: VecDeque<Vec<u8>>,
    certificate: Option<Vec<u8>>,
    keys: Option<Box<SrtpKeys>>,
    data: Vec<Vec<u8>>,
    goodbyes: usize,
}

impl Pair {
    fn new() -> Pair {
        let now = crate::media::begin();
        let provider = default_provider().unwrap();
        let key = provider
            .crypto()
            .import_signing_key(SignatureScheme::RsaPkcs1Sha256, KEY)
            .unwrap();
        let rsa = Certificate {
            certificate: vec![CERTIFICATE.to_vec().into()],
            private_key: CryptoPrivateKey::from_signing_key(key),
        };
        let theirs = ConfigBuilder::default()
            .with_crypto_provider(provider)
            .with_certificates(vec![rsa])
            .with_srtp_protection_profiles(vec![SrtpProtectionProfile::Srtp_Aes128_Cm_Hmac_Sha1_80])
            .with_insecure_skip_verify(true)
            .with_mtu(230)
            .build(true, Some(PEER))
            .unwrap();
        let mut client = Endpoint::new(PEER, Default::default(), None);
        client.connect(now, PEER, Arc::new(theirs), None).unwrap();
        let ours = config(&generate_self_signed_certificate().unwrap()).unwrap();
        Pair {
            now,
            client,
            server: server(&ours, now),
            failed: false,
            to_server: VecDeque::new(),
            to_client: VecDeque::new(),
            certificate: None,
            keys: None,
            data: Vec::new(),
            goodbyes: 0,
        }
    }

    fn poll(&mut self) {
        let Pair {
            certificate,
            keys,
            data,
            goodbyes,
            to_client,
            ..
        } = self;
        let polled = self.server.poll(&mut |output| match output {
            DtlsOutput::Datagram(datagram) => to_client.push_back(datagram.to_vec()),
            DtlsOutput::Certificate(der) => *certificate = Some(der.to_vec()),
            DtlsOutput::Keys(given) => {
                assert!(certificate.is_some(), "keys before the certificate");
                *keys = given;
            }
            DtlsOutput::Data(bytes) => data.push(bytes.to_vec()),
            DtlsOutput::CloseNotify => *goodbyes += 1,
            DtlsOutput::Complete => {}
        });
        self.failed |= polled.is_err();
    }

    /// A tenth of a second: what is on its way arrives, unless `spoil` takes or changes it.
    fn step(&mut self, mut spoil: impl FnMut(&mut Vec<u8>) -> bool) {
        self.now += Duration::from_millis(100);
        let _ = self.client.handle_timeout(PEER, self.now);
        self.failed |= self.server.handle_timeout(self.now).is_err();
        self.poll();
        while let Some(datagram) = self.client.poll_transmit() {
            self.to_server.push_back(datagram.message.to_vec());
        }
        for mut datagram in std::mem::take(&mut self.to_server) {
            if spoil(&mut datagram) {
                self.failed |= self.server.receive(self.now, &datagram).is_err();
                self.poll();
            }
        }
        for mut datagram in std::mem::take(&mut self.to_client) {
            if spoil(&mut datagram) {
                let _ = self.client.read(self.now, PEER, None, datagram.as_slice().into());
            }
        }
    }

    fn connect(&mut self, mut spoil: impl FnMut(&mut Vec<u8>) -> bool) -> bool {
        for _ in 0..80 {
            self.step(&mut spoil);
            if self.keys.is_some()
                && self
                    .client
                    .get_connection_state(PEER)
                    .is_some_and(|state| keys(state).is_some())
            {
                return true;
            }
        }
        false
    }
}

#[test]
fn gstreamers_hello_is_told_from_others() {
    let hello = gstreamer();
    assert!(is_for(&hello));
    // Of the same length, with all suites another's.
    let mut other = hello.clone();
    let suites = other.len() - 144..other.len();
    for suite in other[suites].chunks_mut(2) {
        suite.copy_from_slice(&[0xc0, 0x2b]);
    }
    assert_eq!(client_hello_suites(&other).unwrap(), [[0xc0, 0x2b]; 72]);
    assert!(!is_for(&other));
    for len in 0..hello.len() {
        let _ = is_for(&hello[..len]);
    }
    assert!(!is_for(&hello[..61]));
}

#[test]
fn a_peer_with_an_rsa_certificate_comes_in() {
    let mut pair = Pair::new();
    assert!(pair.connect(|_| true));
    assert_eq!(pair.certificate.as_deref(), Some(CERTIFICATE));
    let state = pair.client.get_connection_state(PEER).unwrap();
    let exported = state
        .export_keying_material(SRTP_LABEL, &[], SrtpProfile::Aes128CmSha1.exported_len())
        .unwrap();
    let mut theirs = SrtpKeys::from_exported(SrtpProfile::Aes128CmSha1, exported.as_ref(), true).unwrap();
    let mut packet = Vec::new();
    let report = [0x80, 201, 0, 1, 0, 0, 0, 7];
    assert!(theirs.seal_rtcp(&report, &mut packet));
    let keys = pair.keys.as_mut().unwrap();
    assert_eq!(
        keys.receiver.open_rtcp(&mut packet),
        Ok(report.len()),
        "both have the same keys"
    );

    pair.client.write(pair.now, PEER, b"to the server").unwrap();
    pair.server.send(b"to the client").unwrap();
    pair.poll();
    let answer = pair.to_client.pop_front().unwrap();
    let events = pair
        .client
        .read(pair.now, PEER, None, answer.as_slice().into())
        .unwrap();
    assert!(matches!(&events[..], [EndpointEvent::ApplicationData(data)] if data[..] == *b"to the client"));
    pair.step(|_| true);
    assert_eq!(pair.data, [b"to the server"]);
    pair.client.close(pair.now).unwrap();
    pair.step(|_| true);
    assert_eq!(pair.goodbyes, 1);
}

#[test]
fn a_handshake_outlives_the_loss_of_any_of_its_datagrams() {
    for lost in 0.. {
        let (mut pair, mut sent) = (Pair::new(), 0);
        assert!(
            pair.connect(|_| {
                sent += 1;
                sent - 1 != lost
            }),
            "without datagram {lost}"
        );
        if sent <= lost {
            assert!(lost > 8, "a handshake of {lost} datagrams");
            break;
        }
    }
}

#[test]
fn spoilt_datagrams_end_at_most_their_own_handshake() {
    let mut rng = SmallRng::seed_from_u64(7);
    let mut whole = 0;
    for _ in 0..400 {
        let mut pair = Pair::new();
        let connected = pair.connect(|datagram| {
            match rng.random_range(0..12) {
                0 => datagram.truncate(rng.random_range(0..datagram.len())),
                1 => {
                    let at = rng.random_range(0..datagram.len());
                    datagram[at] ^= 1 << rng.random_range(0..8);
                }
                2 => datagram.extend_from_within(..rng.random_range(0..datagram.len())),
                3 => rng.fill_bytes(datagram),
                _ => {}
            }
            !datagram.is_empty()
        });
        whole += usize::from(connected);
        if connected {
            assert_eq!(pair.certificate.as_deref(), Some(CERTIFICATE));
        }
    }
    assert!((20..400).contains(&whole), "{whole} of 400");
}

#[test]
fn a_peer_that_only_shakes_hands_is_given_up() {
    let mut pair = Pair::new();
    pair.step(|_| true);
    let hello = gstreamer();
    let mut taken = 0;
    while pair.server.receive(pair.now, &hello[..25]).is_ok() {
        taken += 1;
        assert!(taken <= MAX_HANDSHAKE_DATAGRAMS);
    }
}
