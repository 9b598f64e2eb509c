//! DTLS 1.2 (RFC 6347) as WebRTC uses it, which gives the keys of SRTP (RFC 5764 §4.2).

use std::sync::Arc;
use std::time::{Duration, Instant};

use dimpl::{Config, DtlsCertificate, Output};
use rtc::srtp::crypto::{RTCCrypto, RTCCryptoProvider};

use super::srtp::Keys;
use crate::Error;

/// The largest DTLS datagram we make; with IPv6 and UDP headers still below 1,280 bytes (RFC 8831 §5).
const MAX_DATAGRAM: usize = 1200;
/// Datagrams of a flight that may wait for a missing one.
const MAX_WAITING: usize = 16;
/// Room for anything the crate may hand out during a handshake; each thread has it once.
pub(super) const SCRATCH: usize = 2048 * MAX_WAITING;
/// First retransmission of a flight: browsers begin at 50 ms.
const FLIGHT_RTO: Duration = Duration::from_millis(100);
/// Doubling, longer than any join may take.
const FLIGHT_RETRIES: usize = 9;
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(60);

/// Who all viewers of a process are: one certificate, one configuration.
#[derive(Clone)]
pub(super) struct Identity {
    certificate: DtlsCertificate,
    config: Arc<Config>,
    crypto: Arc<dyn RTCCryptoProvider>,
    /// SHA-256 of the certificate as `a=fingerprint` has it.
    pub(super) fingerprint: String,
}

impl Identity {
    pub(super) fn generate() -> Result<Identity, Error> {
        let failed = |error: &dyn std::fmt::Display| Error::Protocol(format!("DTLS identity: {error}"));
        let certificate =
            dimpl::certificate::generate_self_signed_certificate().map_err(|error| failed(&error))?;
        let config = Config::builder()
            .mtu(MAX_DATAGRAM)
            .max_queue_rx(MAX_WAITING)
            .flight_start_rto(FLIGHT_RTO)
            .flight_retries(FLIGHT_RETRIES)
            .handshake_timeout(HANDSHAKE_TIMEOUT)
            .use_server_cookie(false)
            .build()
            .map_err(|error| failed(&error))?;
        let crypto = rtc::srtp::crypto::default_provider().map_err(|error| failed(&error))?;
        let fingerprint = fingerprint(&certificate.certificate);
        Ok(Identity {
            certificate,
            config: Arc::new(config),
            crypto,
            fingerprint,
        })
    }

    pub(super) fn crypto(&self) -> &dyn RTCCrypto {
        self.crypto.crypto()
    }

    /// A connection in either role.
    pub(super) fn dtls(&self, is_client: bool, now: Instant) -> Dtls {
        let mut dtls = dimpl::Dtls::new_12(Arc::clone(&self.config), self.certificate.clone(), now);
        dtls.set_active(is_client);
        Dtls { dtls, is_client }
    }
}

/// SHA-256 of a DER certificate (RFC 8122 §5).
fn fingerprint(certificate: &[u8]) -> String {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, certificate);
    let bytes: Vec<String> = digest.as_ref().iter().map(|byte| format!("{byte:02X}")).collect();
    bytes.join(":")
}

/// What came of a datagram or a timeout.
pub(super) enum Happened<'a> {
    /// A datagram for the server.
    Send(&'a [u8]),
    /// The server's certificate does not have the fingerprint of its answer, or what it agreed to cannot be used.
    Refused,
    /// Media can be opened.
    Keys(Keys),
    /// What the data channels sent.
    Data(&'a [u8]),
    /// The server said goodbye.
    Closed,
}

/// The connection is beyond repair.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Failed;

/// One DTLS connection. Every call is followed by [`Dtls::poll`].
pub(super) struct Dtls {
    dtls: dimpl::Dtls,
    is_client: bool,
}

impl Dtls {
    pub(super) fn receive(&mut self, now: Instant, datagram: &[u8]) -> Result<(), Failed> {
        self.timeout(now)?;
        self.dtls.handle_packet(datagram).map_err(|_| Failed)
    }

    pub(super) fn timeout(&mut self, now: Instant) -> Result<(), Failed> {
        self.dtls.handle_timeout(now).map_err(|_| Failed)
    }

    pub(super) fn send(&mut self, data: &[u8]) -> Result<(), Failed> {
        self.dtls.send_application_data(data).map_err(|_| Failed)?;
        Ok(())
    }

    /// Says goodbye; there may be nothing to say goodbye to.
    pub(super) fn close(&mut self) {
        let _ = self.dtls.close();
    }

    /// Gives everything there is, then when [`Dtls::timeout`] is wanted. `expected` is the server's fingerprint.
    pub(super) fn poll(
        &mut self,
        identity: &Identity,
        expected: &str,
        scratch: &mut [u8],
        mut happened: impl FnMut(Happened<'_>),
    ) -> Instant {
        loop {
            happened(match self.dtls.poll_output(scratch) {
                Output::Packet(datagram) => Happened::Send(datagram),
                Output::PeerCert(certificate) if fingerprint(certificate) != expected => Happened::Refused,
                Output::KeyingMaterial(exported, profile) => {
                    match Keys::new(&exported, profile, self.is_client, identity.crypto()) {
                        Some(keys) => Happened::Keys(keys),
                        None => Happened::Refused,
                    }
                }
                Output::ApplicationData(data) => Happened::Data(data),
                Output::CloseNotify => Happened::Closed,
                Output::Timeout(at) => return at,
                // Nothing a peer sends fits a datagram and not the scratch.
                Output::BufferTooSmall { .. } => Happened::Refused,
                _ => continue,
            });
        }
    }
}
