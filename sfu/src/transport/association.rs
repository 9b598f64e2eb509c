//! One peer's layers put together: who gets which datagram, and what each layer's news means to the others.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::demux::{Kind, kind};
use super::dtls::{Dtls, DtlsFailed, DtlsOutput, is_client_hello};
use super::ice::{Check, IceAgent};
use super::identity::{Identity, fingerprint_of};
use super::outbox::{Outbox, Remote};
use super::sctp::{ChannelSettings, Sctp};
use super::srtp::{Refused, SrtpKeys, SrtpProfile};
use super::{
    ChannelId, CloseReason, Received, RtpParts, SendError, Setup, TransportConfig, TransportEvent,
    TransportStats,
};
use crate::negotiation::{DtlsRole, Fingerprint, IceCredentials};

/// One peer's transport. Everything for the wire goes to the [`Outbox`] passed in.
pub struct Association {
    identity: Identity,
    role: DtlsRole,
    fingerprints: Vec<Fingerprint>,
    /// Until SCTP is made of it.
    channels: Option<Box<ChannelSettings>>,
    ice: IceAgent,
    /// Made when the peer's first ClientHello comes, or as client when there is a path; none after the end.
    dtls: Option<Box<dyn Dtls>>,
    dtls_timeout: Option<Instant>,
    progress: Progress,
    srtp: Option<Box<SrtpKeys>>,
    sctp: Option<Box<Sctp>>,
    channels_now: ChannelsNow,
    events: VecDeque<TransportEvent>,
    stats: TransportStats,
    /// `None` once it is over.
    alive: Option<Deadlines>,
}

/// How far the handshake is.
#[derive(Clone, Copy, Debug, Default)]
struct Progress {
    certificate_matched: bool,
    complete: bool,
    /// The peer has said something under the keys.
    has_spoken: bool,
    closed_by_peer: bool,
}

/// What is known of the data channels without asking them: that costs as much as sending a packet of media, and they
/// would be asked with every one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ChannelsNow {
    /// Something has happened since they were asked.
    Stirred,
    /// They have nothing to send before that time.
    Quiet(Option<Instant>),
}

#[derive(Clone, Copy, Debug)]
struct Deadlines {
    connect: Instant,
    consent: Duration,
}

impl Association {
    /// A transport waiting for the peer's first STUN check. `seed` decides its random choices but never its keys;
    /// an ICE-lite agent makes none today.
    pub fn new(
        identity: &Identity,
        setup: Setup,
        config: &TransportConfig,
        seed: u64,
        now: Instant,
    ) -> Association {
        let _ = seed;
        let channels = setup.data_channels.map(|offered| ChannelSettings {
            sctp_port: offered.sctp_port,
            peer_max_message: offered.max_message_size.try_into().unwrap_or(usize::MAX),
            max_message: config.max_message,
            channel_buffer: config.channel_buffer,
            negotiated: config.negotiated_channels.clone(),
        });
        Association {
            identity: identity.clone(),
            role: setup.role,
            fingerprints: setup.remote_fingerprints,
            channels: channels.map(Box::new),
            ice: IceAgent::new(setup.local_ice, setup.remote_ice, now),
            dtls: None,
            dtls_timeout: None,
            progress: Progress::default(),
            srtp: None,
            sctp: None,
            channels_now: ChannelsNow::Stirred,
            events: VecDeque::new(),
            stats: TransportStats::default(),
            alive: Some(Deadlines {
                connect: now + config.connect_timeout,
                consent: config.consent_timeout,
            }),
        }
    }

    /// Takes one datagram of the peer, decrypts media in place, answers STUN and drives DTLS and SCTP. What data channels
    /// have to say to it leaves with the next [`Association::flush`].
    pub fn receive<'d>(
        &mut self,
        now: Instant,
        from: Remote,
        datagram: &'d mut [u8],
        outbox: &mut Outbox,
    ) -> Received<'d> {
        if self.alive.is_none() {
            self.stats.dropped += 1;
            return Received::Nothing;
        }
        match kind(datagram) {
            Kind::Stun => self.receive_stun(now, from, datagram, outbox),
            Kind::Dtls => {
                self.receive_dtls(now, from, datagram, outbox);
                Received::Nothing
            }
            Kind::Rtp => match self.open(now, from, datagram, false) {
                Some(len) => datagram.get_mut(..len).map_or(Received::Nothing, Received::Rtp),
                None => Received::Nothing,
            },
            Kind::Rtcp => match self.open(now, from, datagram, true) {
                Some(len) => datagram.get(..len).map_or(Received::Nothing, Received::Rtcp),
                None => Received::Nothing,
            },
            Kind::Unknown => {
                self.stats.dropped += 1;
                Received::Nothing
            }
        }
    }

    fn receive_stun<'d>(
        &mut self,
        now: Instant,
        from: Remote,
        datagram: &[u8],
        outbox: &mut Outbox,
    ) -> Received<'d> {
        match self.ice.receive(now, from, datagram, outbox) {
            Check::Valid => {
                if self.role == DtlsRole::Client && self.dtls.is_none() {
                    self.start_dtls(now, outbox);
                }
                Received::Verified
            }
            Check::Rejected => {
                self.stats.stun_rejected += 1;
                Received::Nothing
            }
            Check::Ignored => Received::Nothing,
        }
    }

    /// Before there are keys, one fatal alert ends a handshake: only verified addresses reach it.
    fn receive_dtls(&mut self, now: Instant, from: Remote, datagram: &[u8], outbox: &mut Outbox) {
        let begins = self.would_begin(from, datagram);
        if !begins && (self.dtls.is_none() || !self.ice.is_verified(from)) {
            self.stats.dropped += 1;
            return;
        }
        if begins {
            self.dtls = Some(self.identity.dtls_server(datagram, now));
        }
        if let Some(dtls) = &mut self.dtls
            && let Err(failed) = dtls.receive(now, datagram)
        {
            // An alert of our own may be waiting.
            self.poll_dtls(now, outbox);
            return self.dtls_failed(failed);
        }
        self.poll_dtls(now, outbox);
    }

    /// Whether a datagram would begin the handshake, the most expensive thing a peer can ask for.
    pub fn would_begin(&self, from: Remote, datagram: &[u8]) -> bool {
        self.dtls.is_none()
            && self.alive.is_some()
            && self.role == DtlsRole::Server
            && is_client_hello(datagram)
            && self.ice.is_verified(from)
    }

    fn start_dtls(&mut self, now: Instant, outbox: &mut Outbox) {
        let mut dtls = self.identity.dtls_client(now);
        let started = dtls.handle_timeout(now);
        self.dtls = Some(dtls);
        match started {
            Ok(()) => self.poll_dtls(now, outbox),
            Err(failed) => self.dtls_failed(failed),
        }
    }

    /// Takes all DTLS has to give.
    fn poll_dtls(&mut self, now: Instant, outbox: &mut Outbox) {
        let Some(mut dtls) = self.dtls.take() else {
            return;
        };
        let polled = dtls.poll(&mut |output| self.on_dtls(now, output, outbox));
        if self.progress.closed_by_peer && self.alive.is_some() {
            self.say_goodbye(dtls, outbox);
            return self.end(CloseReason::ByPeer);
        }
        if self.alive.is_none() {
            return;
        }
        self.dtls = Some(dtls);
        match polled {
            // Without `use_srtp` there is nothing to send media with.
            Ok(_) if self.progress.complete && self.srtp.is_none() => self.dtls_failed(DtlsFailed),
            Ok(timeout) => self.dtls_timeout = Some(timeout),
            Err(failed) => self.dtls_failed(failed),
        }
    }

    fn on_dtls(&mut self, now: Instant, output: DtlsOutput<'_>, outbox: &mut Outbox) {
        if self.alive.is_none() {
            return;
        }
        match output {
            DtlsOutput::Datagram(datagram) => {
                if let Some(path) = self.ice.path() {
                    outbox.push(path, |out| {
                        out.extend_from_slice(datagram);
                        true
                    });
                }
            }
            DtlsOutput::Certificate(certificate) => {
                self.progress.certificate_matched = self.fingerprints.contains(&fingerprint_of(certificate));
                if !self.progress.certificate_matched {
                    self.end(CloseReason::DtlsFailed);
                }
            }
            DtlsOutput::Complete => self.progress.complete = true,
            DtlsOutput::Keys(keys) if self.progress.certificate_matched => {
                let Some(keys) = keys else {
                    return self.end(CloseReason::DtlsFailed);
                };
                self.srtp = Some(keys);
                self.channels_now = ChannelsNow::Stirred;
                self.sctp = self
                    .channels
                    .take()
                    .map(|settings| Box::new(Sctp::new(*settings, now)));
                self.events.push_back(TransportEvent::Connected);
            }
            DtlsOutput::Keys(_) => self.end(CloseReason::DtlsFailed),
            DtlsOutput::Data(data) => {
                if !std::mem::replace(&mut self.progress.has_spoken, true) {
                    self.events.push_back(TransportEvent::HasKeys);
                }
                match self.stir() {
                    (Some(sctp), events) => sctp.receive(now, data, events),
                    (None, _) => self.stats.dropped += 1,
                }
            }
            DtlsOutput::CloseNotify => self.progress.closed_by_peer = true,
        }
    }

    fn say_goodbye(&mut self, mut dtls: Box<dyn Dtls>, outbox: &mut Outbox) {
        let (Ok(()), Some(path)) = (dtls.close(), self.ice.path()) else {
            return;
        };
        let _ = dtls.poll(&mut |output| {
            if let DtlsOutput::Datagram(datagram) = output {
                outbox.push(path, |out| {
                    out.extend_from_slice(datagram);
                    true
                });
            }
        });
    }

    fn dtls_failed(&mut self, _: DtlsFailed) {
        self.end(if self.srtp.is_some() {
            CloseReason::ByPeer
        } else {
            CloseReason::DtlsFailed
        });
    }

    fn end(&mut self, reason: CloseReason) {
        if self.alive.is_some() {
            self.shut();
            self.events.push_back(TransportEvent::Closed(reason));
        }
    }

    fn shut(&mut self) {
        self.alive = None;
        self.dtls = None;
        self.dtls_timeout = None;
        self.srtp = None;
        if let Some(sctp) = self.sctp.take() {
            self.stats.dropped += sctp.dropped();
        }
    }

    fn open(&mut self, now: Instant, from: Remote, packet: &mut [u8], rtcp: bool) -> Option<usize> {
        let Some(srtp) = &mut self.srtp else {
            self.stats.dropped += 1;
            return None;
        };
        let opened = if rtcp {
            srtp.receiver.open_rtcp(packet)
        } else {
            srtp.receiver.open_rtp(packet)
        };
        match opened {
            Ok(len) => {
                self.ice.hear(now, from);
                return Some(len);
            }
            Err(Refused::Unauthentic) => self.stats.srtp_rejected += 1,
            Err(Refused::Replayed) => self.stats.srtp_replayed += 1,
        }
        None
    }

    /// Where media goes now: the pair nominated last, or verified first before that; none before any check.
    pub fn path(&self) -> Option<Remote> {
        self.ice.path()
    }

    /// Whether media can be sealed and opened.
    pub fn is_connected(&self) -> bool {
        self.srtp.is_some()
    }

    /// The SRTP profile agreed, once connected.
    pub fn srtp_profile(&self) -> Option<SrtpProfile> {
        self.srtp.as_ref().map(|srtp| srtp.profile)
    }

    /// New credentials after an ICE restart (RFC 8445 §9). The old ones and the old path keep working until a
    /// check with the new ones succeeds. DTLS and SRTP go on.
    pub fn restart_ice(&mut self, local: IceCredentials, remote: IceCredentials) {
        self.ice.restart(local, remote);
    }

    /// Appends one sealed SRTP packet to `out` (RFC 3711, RFC 7714). False before keys. One sequence number of one
    /// SSRC must never be sealed with two different contents, not even extensions: with GCM that gives the key
    /// away. What changes between transmissions (a transport-wide number) needs RTX.
    pub fn seal_rtp(&mut self, packet: RtpParts<'_>, out: &mut Vec<u8>) -> bool {
        self.srtp.as_mut().is_some_and(|srtp| srtp.seal_rtp(packet, out))
    }

    /// Appends one sealed SRTCP packet to `out`. False before keys.
    pub fn seal_rtcp(&mut self, compound: &[u8], out: &mut Vec<u8>) -> bool {
        self.srtp
            .as_mut()
            .is_some_and(|srtp| srtp.sender.seal_rtcp(compound, out))
    }

    /// Queues a text message, which is not copied. Sent by the next [`Association::flush`].
    ///
    /// # Errors
    /// [`SendError`]; nothing is queued then.
    pub fn send(&mut self, channel: ChannelId, message: &Bytes) -> Result<(), SendError> {
        match self.stir() {
            (Some(sctp), _) => sctp.send(channel, message),
            (None, _) => Err(SendError::NotOpen),
        }
    }

    /// Bytes of a channel not yet handed to the network.
    pub fn unsent(&self, channel: ChannelId) -> usize {
        self.sctp.as_ref().map_or(0, |sctp| sctp.unsent(channel))
    }

    /// Whether the last [`Association::flush`] had to leave some of a channel's bytes behind.
    pub fn is_held_back(&self, channel: ChannelId) -> bool {
        self.sctp.as_ref().is_some_and(|sctp| sctp.is_held_back(channel))
    }

    /// Writes what DTLS and SCTP want to send.
    pub fn flush(&mut self, now: Instant, outbox: &mut Outbox) {
        if self.channels_now != ChannelsNow::Stirred {
            return;
        }
        while let Some(packets) = self.sctp.as_mut().and_then(|sctp| sctp.poll_transmit(now)) {
            for packet in packets {
                // Polled for each: the DTLS queue is short.
                match self.dtls.as_mut().map(|dtls| dtls.send(&packet)) {
                    Some(Ok(())) => self.poll_dtls(now, outbox),
                    Some(Err(failed)) => return self.dtls_failed(failed),
                    None => return,
                }
            }
        }
        let over = self.sctp.as_ref().and_then(|sctp| match () {
            () if sctp.is_excessive() => Some(CloseReason::Excessive),
            () if sctp.is_lost() => Some(CloseReason::ByPeer),
            () => None,
        });
        if let Some(reason) = over {
            if let Some(dtls) = self.dtls.take() {
                self.say_goodbye(dtls, outbox);
            }
            self.end(reason);
        }
        self.channels_now = ChannelsNow::Quiet(self.sctp.as_ref().and_then(|sctp| sctp.poll_timeout()));
    }

    /// The data channels, with which something is about to happen, and the events.
    fn stir(&mut self) -> (Option<&mut Sctp>, &mut VecDeque<TransportEvent>) {
        self.channels_now = ChannelsNow::Stirred;
        (self.sctp.as_deref_mut(), &mut self.events)
    }

    /// Says goodbye into the outbox: DTLS close_notify, which ends SCTP with it (RFC 8831 §6.2). No event follows.
    pub fn close(&mut self, now: Instant, outbox: &mut Outbox) {
        self.flush(now, outbox);
        if let Some(dtls) = self.dtls.take() {
            self.say_goodbye(dtls, outbox);
        }
        self.shut();
    }

    /// Whether there is an event to be polled.
    pub fn has_events(&self) -> bool {
        !self.events.is_empty()
    }

    /// The next event.
    pub fn poll_event(&mut self) -> Option<TransportEvent> {
        let event = self.events.pop_front();
        // Messages may have waited for room.
        if event.is_some()
            && self.events.is_empty()
            && let (Some(sctp), events) = self.stir()
        {
            sctp.pump(events);
        }
        event
    }

    /// When [`Association::handle_timeout`] wants to be called next.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let deadlines = self.alive?;
        let consent = self.ice.heard() + deadlines.consent;
        let connect = self.srtp.is_none().then_some(deadlines.connect);
        let sctp = match self.channels_now {
            ChannelsNow::Quiet(until) => until,
            ChannelsNow::Stirred => self.sctp.as_ref().and_then(|sctp| sctp.poll_timeout()),
        };
        [Some(consent), connect, self.dtls_timeout, sctp]
            .into_iter()
            .flatten()
            .min()
    }

    /// Drives retransmissions, consent and the connect limit.
    pub fn handle_timeout(&mut self, now: Instant, outbox: &mut Outbox) {
        let Some(deadlines) = self.alive else {
            return;
        };
        if self.srtp.is_none() && now >= deadlines.connect {
            return self.end(CloseReason::ConnectTimeout);
        }
        if now >= self.ice.heard() + deadlines.consent {
            return self.end(CloseReason::ConsentLost);
        }
        if let Some(dtls) = &mut self.dtls
            && self.dtls_timeout.is_some_and(|at| at <= now)
        {
            if let Err(failed) = dtls.handle_timeout(now) {
                return self.dtls_failed(failed);
            }
            self.poll_dtls(now, outbox);
        }
        if let (Some(sctp), events) = self.stir() {
            sctp.handle_timeout(now, events);
        }
        self.flush(now, outbox);
    }

    /// What was counted so far.
    pub fn stats(&self) -> TransportStats {
        let mut stats = self.stats;
        stats.dropped += self.sctp.as_ref().map_or(0, |sctp| sctp.dropped());
        stats
    }
}
