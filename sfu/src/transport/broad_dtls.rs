//! DTLS for peers whose certificate may be of any kind. GStreamer makes itself an RSA certificate, which `dimpl` neither
//! asks for nor checks; `rtc-dtls` does both, for more memory and work. RFC 8827 §6.5 expects ECDSA of everybody, but a
//! host who cannot go live has no use for that.
//!
//! No ClientHello of DTLS 1.2 tells which certificate will follow. What tells is the company it keeps: a library with
//! every cipher suite left on, as GStreamer has it, still offers DSS signatures, which nobody else does.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use dimpl::DtlsCertificate;
use rtc_dtls::config::{ClientAuthType, ConfigBuilder, ExtendedMasterSecretType, HandshakeConfig};
use rtc_dtls::crypto::{Certificate, CryptoPrivateKey};
use rtc_dtls::crypto_provider::{SignatureScheme, default_provider};
use rtc_dtls::endpoint::{Endpoint, EndpointEvent};
use rtc_dtls::extension::extension_use_srtp::SrtpProtectionProfile;

use super::TransportError;
use super::dtls::{Dtls, DtlsFailed, DtlsOutput, client_hello_number, client_hello_suites};
use super::identity::MAX_DTLS_DATAGRAM;
use super::srtp::{SrtpKeys, SrtpProfile};

/// `TLS_DHE_DSS_WITH_AES_128_CBC_SHA` (RFC 5246 appendix A.5).
const WITH_DSS: [u8; 2] = [0x00, 0x32];
/// Between two sendings of a flight (RFC 6347 §4.2.4.1). The crate sends eight times at most and waits no longer each
/// time, so less than this would give up before a short outage ends.
const FLIGHT_RTO: Duration = Duration::from_secs(1);
/// How often a connection at rest asks to be looked at.
const AT_REST: Duration = Duration::from_secs(3600);
/// Datagrams of a handshake taken from one peer, as the crate keeps what it cannot use yet: a dozen do with the small
/// fragments that OpenSSL sends, and a bad line repeats them a few times.
const MAX_HANDSHAKE_DATAGRAMS: u16 = 256;
/// The content type of the only records that may come without end (RFC 6347 §4.1).
const APPLICATION_DATA: u8 = 23;
/// RFC 5764 §4.2.
const SRTP_LABEL: &str = "EXTRACTOR-dtls_srtp";
/// The crate knows a peer by its address. Ours has one at a time, which ICE chooses.
const PEER: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 1);

/// What all such connections share.
pub(super) type BroadConfig = Arc<HandshakeConfig>;

/// Prepares what all such connections share: the same certificate as everybody sees.
pub(super) fn config(certificate: &DtlsCertificate) -> Result<BroadConfig, TransportError> {
    let crypto_error = |error: &dyn std::fmt::Display| TransportError::Crypto(error.to_string());
    let provider = default_provider().map_err(|error| crypto_error(&error))?;
    let key = provider
        .crypto()
        .import_signing_key(SignatureScheme::EcdsaP256Sha256, &certificate.private_key)
        .map_err(|error| crypto_error(&error))?;
    ConfigBuilder::default()
        .with_crypto_provider(provider)
        .with_certificates(vec![Certificate {
            certificate: vec![certificate.certificate.clone().into()],
            private_key: CryptoPrivateKey::from_signing_key(key),
        }])
        .with_srtp_protection_profiles(vec![
            SrtpProtectionProfile::Srtp_Aead_Aes_128_Gcm,
            SrtpProtectionProfile::Srtp_Aead_Aes_256_Gcm,
            SrtpProtectionProfile::Srtp_Aes128_Cm_Hmac_Sha1_80,
        ])
        // Whose it is, the fingerprint tells (RFC 8122 §5).
        .with_client_auth(ClientAuthType::RequireAnyClientCert)
        .with_extended_master_secret(ExtendedMasterSecretType::Require)
        .with_flight_interval(FLIGHT_RTO)
        .with_mtu(MAX_DTLS_DATAGRAM)
        .build(false, None)
        .map(Arc::new)
        .map_err(|error| crypto_error(&error))
}

/// Whether a ClientHello comes from a library with everything left on.
pub(super) fn is_for(client_hello: &[u8]) -> bool {
    client_hello_suites(client_hello).is_some_and(|suites| suites.contains(&WITH_DSS))
}

struct Broad {
    endpoint: Endpoint,
    /// When the last call was, as sending takes a time.
    now: Instant,
    received: Vec<EndpointEvent>,
    handshake_datagrams_left: u16,
    /// The number of the last ClientHello: one without a cookie, then one with it (RFC 6347 §4.2.1).
    hello: Option<[u8; 2]>,
}

/// A connection that waits for a ClientHello.
pub(super) fn server(config: &BroadConfig, now: Instant) -> Box<dyn Dtls> {
    Box::new(Broad {
        endpoint: Endpoint::new(PEER, Default::default(), Some(Arc::clone(config))),
        now,
        received: Vec::new(),
        handshake_datagrams_left: MAX_HANDSHAKE_DATAGRAMS,
        hello: None,
    })
}

impl Broad {
    /// A hello that comes again asks for our answer again. The crate only waits longer then, and as both sides wait a
    /// second, for good.
    fn answer_again(&mut self, datagram: &[u8]) -> Result<(), DtlsFailed> {
        let number = client_hello_number(datagram);
        let is_repeated = number.is_some() && number == self.hello;
        self.hello = number.or(self.hello);
        match self.endpoint.poll_timeout(&PEER) {
            Some(at) if is_repeated => self.endpoint.handle_timeout(PEER, at).map_err(failed),
            _ => Ok(()),
        }
    }
}

impl Dtls for Broad {
    fn receive(&mut self, now: Instant, datagram: &[u8]) -> Result<(), DtlsFailed> {
        self.handle_timeout(now)?;
        if datagram.first() != Some(&APPLICATION_DATA) {
            let left = self.handshake_datagrams_left.checked_sub(1);
            self.handshake_datagrams_left = left.ok_or(DtlsFailed)?;
        }
        self.answer_again(datagram)?;
        let events = self.endpoint.read(now, PEER, None, BytesMut::from(datagram));
        self.received.extend(events.map_err(failed)?);
        Ok(())
    }

    fn handle_timeout(&mut self, now: Instant) -> Result<(), DtlsFailed> {
        self.now = now;
        if self.endpoint.poll_timeout(&PEER).is_some_and(|at| at <= now) {
            self.endpoint.handle_timeout(PEER, now).map_err(failed)?;
        }
        Ok(())
    }

    fn send(&mut self, data: &[u8]) -> Result<(), DtlsFailed> {
        self.endpoint.write(self.now, PEER, data).map_err(failed)
    }

    fn close(&mut self) -> Result<(), DtlsFailed> {
        self.endpoint.close(self.now).map_err(failed)
    }

    fn poll(&mut self, output: &mut dyn FnMut(DtlsOutput<'_>)) -> Result<Instant, DtlsFailed> {
        for event in self.received.drain(..) {
            match event {
                EndpointEvent::HandshakeComplete => {
                    let state = self.endpoint.get_connection_state(PEER).ok_or(DtlsFailed)?;
                    let certificate = state.peer_certificates.first().ok_or(DtlsFailed)?;
                    output(DtlsOutput::Certificate(certificate));
                    output(DtlsOutput::Complete);
                    output(DtlsOutput::Keys(keys(state)));
                }
                EndpointEvent::ApplicationData(data) => output(DtlsOutput::Data(&data)),
                EndpointEvent::PeerClosed => output(DtlsOutput::CloseNotify),
                _ => {}
            }
        }
        while let Some(datagram) = self.endpoint.poll_transmit() {
            output(DtlsOutput::Datagram(&datagram.message));
        }
        Ok(self.endpoint.poll_timeout(&PEER).unwrap_or(self.now + AT_REST))
    }
}

fn keys(state: &rtc_dtls::state::State) -> Option<Box<SrtpKeys>> {
    let profile = match state.srtp_protection_profile() {
        SrtpProtectionProfile::Srtp_Aead_Aes_128_Gcm => SrtpProfile::AeadAes128Gcm,
        SrtpProtectionProfile::Srtp_Aead_Aes_256_Gcm => SrtpProfile::AeadAes256Gcm,
        SrtpProtectionProfile::Srtp_Aes128_Cm_Hmac_Sha1_80 => SrtpProfile::Aes128CmSha1,
        _ => return None,
    };
    let exported = state
        .export_keying_material(SRTP_LABEL, &[], profile.exported_len())
        .ok()?;
    SrtpKeys::from_exported(profile, exported.as_ref(), false)
        .map(Box::new)
        .ok()
}

fn failed(error: impl std::fmt::Display) -> DtlsFailed {
    tracing::debug!(%error, "DTLS failed");
    DtlsFailed
}

#[cfg(test)]
mod tests;
