//! A viewer or publisher of a bench: ICE, DTLS and SRTP over a real network, and nothing that costs memory. It answers
//! what a browser would while connecting; afterwards its owner reads and writes media with its keys.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use aws_lc_rs::hmac;
use dimpl::{Config, Dtls, DtlsCertificate, Output};
use sfu::negotiation::IceCredentials;
use sfu::transport::{SrtpKeys, SrtpProfile};

const CHROMIUM_PLAY: &str = include_str!("../../sfu/tests/offers/chromium-play.sdp");
const CHROMIUM_PUBLISH: &str = include_str!("../../sfu/tests/offers/chromium-publish.sdp");
const FFMPEG: &str = include_str!("../../sfu/tests/offers/ffmpeg.sdp");

/// The id of transport-wide sequence numbers in Chromium's offers.
pub const TRANSPORT_SEQUENCE: u8 = 3;
/// Between checks until one is answered.
const CHECK_INTERVAL: Duration = Duration::from_millis(100);
const MAGIC_COOKIE: [u8; 4] = 0x2112_a442_u32.to_be_bytes();
const LARGEST_FLIGHT: usize = 1 << 15;

/// What a peer comes for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// Plays, as Chromium does.
    Viewer,
    /// Publishes VP8, as Chromium does.
    Chromium,
    /// Publishes H.264, as ffmpeg and OBS do.
    Encoder,
}

/// What all peers of a process share: a certificate is costly to make, and they need not be told apart by it.
#[derive(Clone)]
pub struct Party {
    config: Arc<Config>,
    certificate: DtlsCertificate,
    fingerprint: String,
}

impl Party {
    /// Makes the certificate.
    pub fn new() -> Party {
        let certificate = dimpl::certificate::generate_self_signed_certificate().unwrap();
        let config = Config::builder()
            .mtu(1200)
            .use_server_cookie(false)
            .build()
            .unwrap();
        let hash = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &certificate.certificate);
        let hash: Vec<String> = hash.as_ref().iter().map(|byte| format!("{byte:02X}")).collect();
        Party {
            config: Arc::new(config),
            certificate,
            fingerprint: hash.join(":"),
        }
    }
}

impl Default for Party {
    fn default() -> Self {
        Party::new()
    }
}

/// One peer connection, without a socket: datagrams go in, datagrams come out.
pub struct Peer {
    /// Its number in the process, also its server-side peer id.
    pub number: u64,
    /// Where it sends from.
    pub address: Ipv4Addr,
    /// Its keys, once connected.
    pub keys: Option<SrtpKeys>,
    /// Whether the server has said goodbye.
    pub is_over: bool,
    /// Decrypted DTLS application data (SCTP packets), in order of arrival.
    pub data: Vec<Vec<u8>>,
    local: IceCredentials,
    remote: Option<IceCredentials>,
    dtls: Dtls,
    fingerprint: String,
    checked: bool,
    began: Instant,
    next_check: Instant,
    next_timeout: Instant,
}

impl Peer {
    /// A peer at an address of its own in 127.0.0.0/8; numbers begin at 1.
    pub fn new(party: &Party, number: u64, now: Instant) -> Peer {
        let mut dtls = Dtls::new_12(Arc::clone(&party.config), party.certificate.clone(), now);
        dtls.set_active(true);
        let [.., high, middle, low] = number.to_be_bytes();
        Peer {
            number,
            address: Ipv4Addr::new(127, high + 1, middle, low),
            keys: None,
            is_over: false,
            data: Vec::new(),
            local: credentials("client", number),
            remote: None,
            dtls,
            fingerprint: party.fingerprint.clone(),
            checked: false,
            began: now,
            next_check: now,
            next_timeout: now,
        }
    }

    /// The offer a browser or an encoder would make.
    pub fn offer(&self, part: Part) -> String {
        let template = match part {
            Part::Viewer => CHROMIUM_PLAY,
            Part::Chromium => CHROMIUM_PUBLISH,
            Part::Encoder => FFMPEG,
        };
        let mut text = String::with_capacity(template.len());
        for line in template.lines() {
            match line.split_once(':').map_or(line, |(name, _)| name) {
                "a=ice-ufrag" => text += &format!("a=ice-ufrag:{}", self.local.ufrag),
                "a=ice-pwd" => text += &format!("a=ice-pwd:{}", self.local.pwd),
                "a=fingerprint" => text += &format!("a=fingerprint:sha-256 {}", self.fingerprint),
                // ffmpeg lets the server begin the handshake; here the peer does.
                "a=setup" => text += "a=setup:actpass",
                _ => text += line,
            }
            text += "\r\n";
        }
        text
    }

    /// The server's answer, of which only the credentials matter. Checks begin.
    pub fn answered(&mut self, remote: IceCredentials) {
        self.remote = Some(remote);
    }

    /// When it was made.
    pub fn began(&self) -> Instant {
        self.began
    }

    /// Whether it has keys.
    pub fn is_connected(&self) -> bool {
        self.keys.is_some()
    }

    /// Takes one datagram that is no media: STUN and DTLS.
    pub fn handle_datagram(&mut self, now: Instant, datagram: &[u8], send: &mut impl FnMut(&[u8])) {
        match datagram {
            [1, 1, ..] if !self.checked => {
                self.checked = true;
                self.dtls.handle_timeout(now).unwrap();
            }
            // Before its own hello it is for whoever had this address.
            [20..=63, ..] if self.checked => self.dtls.handle_packet(datagram).unwrap(),
            _ => return,
        }
        self.poll(send);
    }

    /// Sends checks and repeats flights.
    pub fn handle_timeout(&mut self, now: Instant, send: &mut impl FnMut(&[u8])) {
        if self.checked {
            if now >= self.next_timeout {
                self.dtls.handle_timeout(now).unwrap();
                self.poll(send);
            }
        } else if now >= self.next_check {
            self.next_check = now + CHECK_INTERVAL;
            self.check(send);
        }
    }

    /// Sends a connectivity check, which also renews consent (RFC 7675).
    pub fn check(&self, send: &mut impl FnMut(&[u8])) {
        if let Some(remote) = &self.remote {
            send(&binding_request(self.number, remote, &self.local));
        }
    }

    /// Sends application data (an SCTP packet).
    pub fn send_data(&mut self, data: &[u8], send: &mut impl FnMut(&[u8])) {
        self.dtls.send_application_data(data).unwrap();
        self.poll(send);
    }

    /// Says goodbye: DTLS close_notify.
    pub fn goodbye(&mut self, send: &mut impl FnMut(&[u8])) {
        self.dtls.close().unwrap();
        self.poll(send);
    }

    fn poll(&mut self, send: &mut impl FnMut(&[u8])) {
        let mut scratch = [0; LARGEST_FLIGHT];
        loop {
            match self.dtls.poll_output(&mut scratch) {
                Output::Packet(datagram) => send(datagram),
                Output::KeyingMaterial(exported, profile) => {
                    self.keys = Some(media_keys(profile, &exported, true));
                }
                Output::ApplicationData(data) => self.data.push(data.to_vec()),
                Output::CloseNotify => self.is_over = true,
                Output::Timeout(at) => {
                    self.next_timeout = at;
                    return;
                }
                _ => {}
            }
        }
    }
}

/// The keys of media that a handshake gave.
pub(crate) fn media_keys(profile: dimpl::SrtpProfile, exported: &[u8], is_client: bool) -> SrtpKeys {
    let profile = match profile {
        dimpl::SrtpProfile::AEAD_AES_128_GCM => SrtpProfile::AeadAes128Gcm,
        dimpl::SrtpProfile::AEAD_AES_256_GCM => SrtpProfile::AeadAes256Gcm,
        _ => SrtpProfile::Aes128CmSha1,
    };
    SrtpKeys::from_exported(profile, exported, is_client).unwrap()
}

/// Credentials that a test need not remember.
pub fn credentials(side: &str, number: u64) -> IceCredentials {
    IceCredentials {
        ufrag: format!("{side}{number:08}"),
        pwd: format!("{side}{number:024}"),
    }
}

/// A nominating check (RFC 8445 §7.2.2), FINGERPRINT left out.
fn binding_request(number: u64, remote: &IceCredentials, local: &IceCredentials) -> Vec<u8> {
    let mut message = vec![0, 1, 0, 0];
    message.extend(MAGIC_COOKIE);
    message.extend([0; 4]);
    message.extend(number.to_be_bytes());
    let attribute = |message: &mut Vec<u8>, kind: u16, value: &[u8]| {
        message.extend(kind.to_be_bytes());
        message.extend((value.len() as u16).to_be_bytes());
        message.extend(value);
        message.resize(message.len().next_multiple_of(4), 0);
    };
    let username = format!("{}:{}", remote.ufrag, local.ufrag);
    attribute(&mut message, 0x0006, username.as_bytes());
    attribute(&mut message, 0x0024, &0x6e7f_1eff_u32.to_be_bytes());
    attribute(&mut message, 0x802a, &number.to_be_bytes());
    attribute(&mut message, 0x0025, &[]);
    // The length counts MESSAGE-INTEGRITY already (RFC 8489 §14.5).
    let len = (message.len() - 20 + 24) as u16;
    message[2..4].copy_from_slice(&len.to_be_bytes());
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, remote.pwd.as_bytes());
    let tag = hmac::sign(&key, &message);
    attribute(&mut message, 0x0008, tag.as_ref());
    message
}
