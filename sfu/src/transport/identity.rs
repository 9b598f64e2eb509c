//! Who the server is toward peers: one certificate for the whole process.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use aws_lc_rs::digest;
use dimpl::{Config, DtlsCertificate};

use super::TransportError;
use super::broad_dtls::{self, BroadConfig};
use super::dtls::{Dtls, MAX_WAITING, connection};
use super::key;
use crate::negotiation::{DtlsRole, Fingerprint};

/// The largest DTLS datagram we make; with IPv6 and UDP headers still below 1,280 bytes (RFC 8831 §5).
pub(super) const MAX_DTLS_DATAGRAM: usize = 1200;
/// First retransmission of a flight. RFC 6347 §4.2.4.1 says a second; browsers begin at 50 ms, and a viewer waits.
const FLIGHT_RTO: Duration = Duration::from_millis(150);
/// Doubling from [`FLIGHT_RTO`], this lasts longer than any connect timeout.
const FLIGHT_RETRIES: usize = 9;
/// The association gives up earlier.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(120);

/// The process's DTLS identity: one certificate and one shared DTLS configuration, cheap to clone.
#[derive(Clone)]
pub struct Identity {
    shared: Arc<Shared>,
}

struct Shared {
    certificate: DtlsCertificate,
    config: Arc<Config>,
    broad: BroadConfig,
    fingerprint: Fingerprint,
}

impl Identity {
    /// Makes a fresh self-signed ECDSA P-256 certificate.
    ///
    /// # Errors
    /// When the crypto library fails.
    pub fn generate() -> Result<Identity, TransportError> {
        let certificate = dimpl::certificate::generate_self_signed_certificate()
            .map_err(|error| TransportError::Crypto(error.to_string()))?;
        // No cookie: a handshake begins only from an address that passed a STUN check.
        let config = Config::builder()
            .with_crypto_provider(key::provider(&certificate)?)
            .mtu(MAX_DTLS_DATAGRAM)
            .max_queue_rx(MAX_WAITING)
            .use_server_cookie(false)
            .require_client_certificate(true)
            .flight_start_rto(FLIGHT_RTO)
            .flight_retries(FLIGHT_RETRIES)
            .handshake_timeout(HANDSHAKE_TIMEOUT)
            .build()
            .map_err(|error| TransportError::Crypto(error.to_string()))?;
        let fingerprint = fingerprint_of(&certificate.certificate);
        let broad = broad_dtls::config(&certificate)?;
        Ok(Identity {
            shared: Arc::new(Shared {
                certificate,
                config: Arc::new(config),
                broad,
                fingerprint,
            }),
        })
    }

    /// SHA-256 of the certificate, for `a=fingerprint`.
    pub fn fingerprint(&self) -> Fingerprint {
        self.shared.fingerprint
    }

    /// A DTLS connection as this identity that begins the handshake.
    pub(super) fn dtls_client(&self, now: Instant) -> Box<dyn Dtls> {
        connection(
            &self.shared.config,
            &self.shared.certificate,
            DtlsRole::Client,
            now,
        )
    }

    /// A DTLS connection as this identity for who says this hello.
    pub(super) fn dtls_server(&self, client_hello: &[u8], now: Instant) -> Box<dyn Dtls> {
        if broad_dtls::is_for(client_hello) {
            return broad_dtls::server(&self.shared.broad, now);
        }
        connection(
            &self.shared.config,
            &self.shared.certificate,
            DtlsRole::Server,
            now,
        )
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Identity").field(&self.fingerprint()).finish()
    }
}

/// SHA-256 of a DER certificate (RFC 8122 §5).
pub(super) fn fingerprint_of(certificate: &[u8]) -> Fingerprint {
    let mut hash = [0; 32];
    for (to, from) in hash
        .iter_mut()
        .zip(digest::digest(&digest::SHA256, certificate).as_ref())
    {
        *to = *from;
    }
    Fingerprint(hash)
}
