//! A light viewer: a client's DTLS and SRTP, a browser's feedback, and a screen.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use aws_lc_rs::hmac;
use sfu::media::RtpPacket;
use sfu::negotiation::{DtlsRole, Fingerprint, IceCredentials};
use sfu::sdp::{Direction, Offer};
use sfu::shard::PeerId;
use sfu::transport::{Association, Identity, Outbox, Received, Remote, Setup, TransportConfig};

use super::bindings::Bindings;
use super::feedback::{Arrivals, Missing, Unroll, pli};
use super::screen::Screen;
use super::told::{Losses, Remb, Tells};

const OFFER: &str = include_str!("../offers/chromium-play.sdp");
const AUDIO: u8 = 111;
/// VP8, VP9 and H.264 in the offer.
const VIDEO: [u8; 3] = [96, 98, 108];
const VIDEO_RTX: [u8; 3] = [97, 99, 109];
const TRANSPORT_SEQUENCE: u8 = 3;
const SEND_TIME: u8 = 2;
/// A browser checks its consent this often.
const CHECKS: Duration = Duration::from_secs(4);
/// It asks for a keyframe when nothing could be shown for this long (libwebrtc `kMaxWaitForFrame`).
const PATIENCE: Duration = Duration::from_secs(3);
/// Between two looks at timers.
const STEP: Duration = Duration::from_millis(10);

pub(crate) struct Viewer {
    pub(crate) peer: PeerId,
    pub(crate) address: SocketAddr,
    /// The bottleneck it sits behind.
    pub(crate) line: usize,
    pub(crate) joined: Duration,
    begin: Instant,
    fingerprint: Fingerprint,
    association: Association,
    outbox: Outbox,
    server: (SocketAddr, IceCredentials),
    own: IceCredentials,
    bindings: Bindings,
    pub(crate) arrivals: Arrivals,
    missing: Missing,
    pub(crate) screen: Screen,
    tells: Tells,
    remb: Remb,
    losses: Losses,
    sound: Option<u32>,
    sound_unroll: Unroll,
    sound_losses: Losses,
    repair_losses: Losses,
    video: Option<u32>,
    repairs: Option<u32>,
    last_report: Option<(u32, Duration)>,
    next: Duration,
    next_check: Duration,
    next_report: Duration,
    asked: Duration,
    pub(crate) sounds: Vec<Duration>,
    /// Bytes of pictures as they came the first time.
    pub(crate) media: u64,
    pub(crate) keyframe_requests: usize,
}

pub(crate) fn credentials(number: u64, whose: &str) -> IceCredentials {
    IceCredentials {
        ufrag: format!("{whose}{number:08}"),
        pwd: format!("password{whose}{number:020}"),
    }
}

impl Viewer {
    pub(crate) fn new(
        begin: Instant,
        now: Duration,
        number: u64,
        line: usize,
        tells: Tells,
        server: (SocketAddr, Fingerprint),
    ) -> Viewer {
        let identity = Identity::generate().unwrap();
        let own = credentials(number, "viewer");
        let remote = credentials(number, "server");
        let setup = Setup {
            local_ice: own.clone(),
            remote_ice: remote.clone(),
            remote_fingerprints: vec![server.1],
            role: DtlsRole::Client,
            data_channels: None,
        };
        let [high, low] = (number as u16).to_be_bytes();
        Viewer {
            peer: PeerId(number),
            address: SocketAddr::from(([10, 9, high, low], 5000)),
            line,
            joined: now,
            begin,
            fingerprint: identity.fingerprint(),
            association: Association::new(&identity, setup, &TransportConfig::default(), number, begin + now),
            outbox: Outbox::new(),
            server: (server.0, remote),
            own,
            bindings: Bindings::default(),
            arrivals: Arrivals::new(),
            missing: Missing::default(),
            screen: Screen::default(),
            tells,
            remb: Remb::new(),
            losses: Losses::default(),
            sound: None,
            sound_unroll: Unroll::default(),
            sound_losses: Losses::default(),
            repair_losses: Losses::default(),
            video: None,
            repairs: None,
            last_report: None,
            next: now,
            next_check: now,
            next_report: now,
            asked: now,
            sounds: Vec::new(),
            media: 0,
            keyframe_requests: 0,
        }
    }

    /// What a browser would offer, with this viewer's credentials and certificate.
    pub(crate) fn offer(&self) -> Offer {
        let digits: Vec<String> = self
            .fingerprint
            .0
            .iter()
            .map(|byte| format!("{byte:02X}"))
            .collect();
        let lines =
            OFFER
                .lines()
                .filter(|line| self.tells.keeps(line))
                .map(|line| match line.split_once(':') {
                    Some(("a=ice-ufrag", _)) => format!("a=ice-ufrag:{}\r\n", self.own.ufrag),
                    Some(("a=ice-pwd", _)) => format!("a=ice-pwd:{}\r\n", self.own.pwd),
                    Some(("a=fingerprint", _)) => format!("a=fingerprint:sha-256 {}\r\n", digits.join(":")),
                    _ => format!("{line}\r\n"),
                });
        let text: String = lines.collect();
        Offer::parse(&text, Direction::Play, self.peer.0).unwrap()
    }

    fn remote(&self) -> Remote {
        Remote::Udp {
            peer: self.server.0,
            local: None,
        }
    }

    /// The transport's timers wait for the next step.
    pub(crate) fn poll_timeout(&self) -> Duration {
        self.next
    }

    /// Datagrams for the server.
    pub(crate) fn take_datagrams(&mut self) -> Vec<Vec<u8>> {
        let runs = self.outbox.runs().flat_map(|run| run.bytes.chunks(run.segment));
        let datagrams = runs.map(<[u8]>::to_vec).collect();
        self.outbox.clear();
        datagrams
    }

    pub(crate) fn handle_timeout(&mut self, now: Duration) {
        if now < self.poll_timeout() {
            return;
        }
        let at = self.begin + now;
        self.next = now + STEP;
        if self.association.poll_timeout().is_some_and(|due| due <= at) {
            self.association.handle_timeout(at, &mut self.outbox);
        }
        if now >= self.next_check && (self.tells.consent || self.video.is_none()) {
            self.next_check = now + CHECKS;
            let remote = self.remote();
            let ours = check(&self.server.1, &self.own);
            self.outbox.push(remote, |out| {
                out.extend_from_slice(&ours);
                true
            });
            // A full agent would have made its path by itself.
            let mut theirs = check(&self.own, &self.server.1);
            let mut answers = Outbox::new();
            self.association.receive(at, remote, &mut theirs, &mut answers);
            for run in answers.runs().filter(|run| matches!(run.bytes, [20..=63, ..])) {
                for datagram in run.bytes.chunks(run.segment) {
                    self.outbox.push(remote, |out| {
                        out.extend_from_slice(datagram);
                        true
                    });
                }
            }
        }
        let Some(ssrc) = self.video else { return };
        let feedback = self.arrivals.feedback(now);
        let nack = self.missing.nack(now, ssrc).filter(|_| self.tells.asks);
        let shown = self.screen.shown.last().map_or(self.joined, |shown| shown.at);
        let is_stuck = now - shown.max(self.asked) > PATIENCE;
        let pli = is_stuck.then(|| {
            self.asked = now;
            self.keyframe_requests += 1;
            pli(ssrc)
        });
        let report = self.report(now, ssrc);
        let remb = self
            .remb
            .packet(now, ssrc)
            .filter(|_| self.tells.remb && !self.tells.transport);
        for packet in [feedback, nack, pli, report, remb].into_iter().flatten() {
            self.send(&packet);
        }
    }

    fn send(&mut self, compound: &[u8]) {
        let remote = self.remote();
        let association = &mut self.association;
        self.outbox
            .push(remote, |out| association.seal_rtcp(compound, out));
    }

    /// A receiver report for the round trip and of the streams that came (RFC 3550 §6.4.2).
    fn report(&mut self, now: Duration, ssrc: u32) -> Option<Vec<u8>> {
        if now < self.next_report {
            return None;
        }
        self.next_report = now + self.tells.interval;
        let (middle, at) = self.last_report?;
        let since = (now - at).as_micros() * 65_536 / 1_000_000;
        // Browsers that tell of each packet are believed in that.
        let is_told = self.tells.transport;
        let blocks = [
            Some((ssrc, &mut self.losses, middle, since as u32)),
            (self.sound.filter(|_| !is_told))
                .map(|ssrc| (ssrc, &mut self.sound_losses, middle, since as u32)),
            self.repairs.map(|ssrc| (ssrc, &mut self.repair_losses, 0, 0)),
        ];
        let mut bytes = vec![0x80, 201, 0, 1, 0, 0, 0, 1];
        for (ssrc, losses, middle, since) in blocks.into_iter().flatten() {
            let (fraction, lost) = if is_told { (0, 0) } else { losses.report() };
            bytes.extend_from_slice(&ssrc.to_be_bytes());
            bytes.extend_from_slice(&(u32::from(fraction) << 24 | lost & 0x7f_ffff).to_be_bytes());
            bytes.extend_from_slice(&losses.highest().to_be_bytes());
            bytes.extend_from_slice(&[0; 4]);
            bytes.extend_from_slice(&middle.to_be_bytes());
            bytes.extend_from_slice(&since.to_be_bytes());
            bytes[0] += 1;
            bytes[3] += 6;
        }
        Some(bytes)
    }

    pub(crate) fn handle_datagram(&mut self, now: Duration, datagram: &mut [u8]) {
        let remote = self.remote();
        match self
            .association
            .receive(self.begin + now, remote, datagram, &mut self.outbox)
        {
            Received::Rtp(packet) => {
                let packet = RtpPacket::parse(packet).unwrap();
                if self.bindings.admit(&packet) {
                    if let Some(&number) = packet.extension(TRANSPORT_SEQUENCE).and_then(<[u8]>::first_chunk)
                    {
                        self.arrivals.add(now, u16::from_be_bytes(number));
                    }
                    if let Some(&sent) = packet.extension(SEND_TIME).and_then(<[u8]>::first_chunk) {
                        self.remb.add(now, packet.bytes().len(), sent);
                    }
                    self.take(now, &packet);
                }
            }
            Received::Rtcp(compound) if compound.get(1) == Some(&200) => {
                let middle = u32::from_be_bytes(compound[10..14].try_into().unwrap());
                let known = self.last_report.filter(|_| !self.tells.names_newest);
                self.last_report = Some(known.unwrap_or((middle, now)));
            }
            _ => {}
        }
        while self.association.poll_event().is_some() {}
    }

    fn take(&mut self, now: Duration, packet: &RtpPacket<'_>) {
        let payload = packet.payload();
        let needless = match packet.payload_type() {
            AUDIO => {
                self.sound = Some(packet.ssrc());
                let number = self.sound_unroll.extend(packet.sequence());
                self.sound_losses.came(number);
                self.sounds.push(now);
                return;
            }
            video if VIDEO.contains(&video) => {
                self.video = Some(packet.ssrc());
                self.media += packet.bytes().len() as u64;
                let number = self.missing.came(packet.sequence());
                self.losses.came(number);
                self.screen.take(now, number, packet)
            }
            rtx if VIDEO_RTX.contains(&rtx) => {
                self.repairs = Some(packet.ssrc());
                // Without, it is padding.
                let Some((&number, _)) = payload.split_first_chunk() else {
                    return;
                };
                let number = self.missing.extend(u16::from_be_bytes(number));
                self.missing.repaired(number);
                self.screen.take(now, number, packet)
            }
            other => panic!("payload type {other}"),
        };
        if let Some(number) = needless {
            // What it forgets it has asked for once, as soon as it was passed over.
            if let Some(nack) = self
                .video
                .filter(|_| self.tells.asks)
                .and_then(|ssrc| self.missing.last_nack(now, ssrc, number))
            {
                self.send(&nack);
            }
            self.missing.forget_before(number);
        }
    }
}

/// A binding request from the owner of `from` to the owner of `to` (RFC 8445 §7.2.2, RFC 8489 §14).
fn check(to: &IceCredentials, from: &IceCredentials) -> Vec<u8> {
    let mut message = vec![0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42];
    message.extend_from_slice(b"transaction!");
    let attribute = |message: &mut Vec<u8>, kind: u16, value: &[u8]| {
        message.extend_from_slice(&kind.to_be_bytes());
        message.extend_from_slice(&(value.len() as u16).to_be_bytes());
        message.extend_from_slice(value);
        message.resize(message.len().next_multiple_of(4), 0);
    };
    let set_len = |message: &mut Vec<u8>, more: usize| {
        let len = (message.len() - 20 + more) as u16;
        message[2..4].copy_from_slice(&len.to_be_bytes());
    };
    attribute(
        &mut message,
        0x0006,
        format!("{}:{}", to.ufrag, from.ufrag).as_bytes(),
    );
    attribute(&mut message, 0x0024, &[0x6e, 0, 0x1e, 0xff]);
    attribute(&mut message, 0x802a, &[0; 8]);
    attribute(&mut message, 0x0025, &[]);
    set_len(&mut message, 24);
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, to.pwd.as_bytes());
    let mac = hmac::sign(&key, &message);
    attribute(&mut message, 0x0008, mac.as_ref());
    set_len(&mut message, 8);
    let crc = crc32fast::hash(&message) ^ 0x5354_554e;
    attribute(&mut message, 0x8028, &crc.to_be_bytes());
    message
}
