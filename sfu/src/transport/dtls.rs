//! DTLS 1.2 (RFC 6347), as far as the association sees it. The crate behind it is named here and in `identity`; peers it
//! cannot serve are for `broad_dtls`.
//!
//! What `dimpl` 0.9 does on its own: ECDHE over X25519, P-256 or P-384 with ECDSA certificates and AES-GCM or
//! ChaCha20-Poly1305, extended master secret required. As server it takes the first SRTP profile of AES-256-GCM,
//! AES-128-GCM, AES-CM-SHA1-80 that the client offers, whatever the client prefers; as client it offers them in its
//! own order. Neither order can be set; the two GCM profiles cost the same here.

use std::sync::Arc;
use std::time::Instant;

use dimpl::{Config, DtlsCertificate, Output, SrtpProfile as Negotiated};

use super::srtp::{SrtpKeys, SrtpProfile};
use crate::negotiation::DtlsRole;

/// What a handshake or a record brought.
pub(super) enum DtlsOutput<'a> {
    /// A datagram for the peer.
    Datagram(&'a [u8]),
    /// The peer's certificate (DER), always before [`DtlsOutput::Keys`].
    Certificate(&'a [u8]),
    /// The handshake is complete on our side.
    Complete,
    /// What `use_srtp` agreed, after [`DtlsOutput::Complete`]; `None` when they cannot be used.
    Keys(Option<Box<SrtpKeys>>),
    /// Decrypted application data.
    Data(&'a [u8]),
    /// The peer said goodbye.
    CloseNotify,
}

/// The connection is beyond repair.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct DtlsFailed;

/// One DTLS connection, without sockets or clocks. Every call is followed by [`Dtls::poll`].
pub(super) trait Dtls: Send {
    fn receive(&mut self, now: Instant, datagram: &[u8]) -> Result<(), DtlsFailed>;
    fn handle_timeout(&mut self, now: Instant) -> Result<(), DtlsFailed>;
    fn send(&mut self, data: &[u8]) -> Result<(), DtlsFailed>;
    /// Says goodbye.
    fn close(&mut self) -> Result<(), DtlsFailed>;
    /// Gives all output there is; then when [`Dtls::handle_timeout`] is wanted.
    fn poll(&mut self, output: &mut dyn FnMut(DtlsOutput<'_>)) -> Result<Instant, DtlsFailed>;
}

/// The largest datagram taken: what our sockets receive and more than any path carries.
const MAX_DATAGRAM: usize = 2048;
/// Datagrams that may wait for a missing one. With [`MAX_DATAGRAM`] this bounds every handshake message.
pub(super) const MAX_WAITING: usize = 16;

struct Dimpl {
    dtls: dimpl::Dtls,
    we_are_client: bool,
    complete: bool,
}

/// A connection that waits for a ClientHello or sends one.
pub(super) fn connection(
    config: &Arc<Config>,
    certificate: &DtlsCertificate,
    role: DtlsRole,
    now: Instant,
) -> Box<dyn Dtls> {
    let mut dtls = dimpl::Dtls::new_12(Arc::clone(config), certificate.clone(), now);
    let we_are_client = role == DtlsRole::Client;
    dtls.set_active(we_are_client);
    Box::new(Dimpl {
        dtls,
        we_are_client,
        complete: false,
    })
}

impl Dtls for Dimpl {
    fn receive(&mut self, now: Instant, datagram: &[u8]) -> Result<(), DtlsFailed> {
        if datagram.len() > MAX_DATAGRAM {
            return Ok(());
        }
        self.handle_timeout(now)?;
        self.dtls.handle_packet(datagram).map_err(failed)
    }

    fn handle_timeout(&mut self, now: Instant) -> Result<(), DtlsFailed> {
        self.dtls.handle_timeout(now).map_err(failed)
    }

    fn send(&mut self, data: &[u8]) -> Result<(), DtlsFailed> {
        self.dtls.send_application_data(data).map_err(failed).map(drop)
    }

    fn close(&mut self) -> Result<(), DtlsFailed> {
        self.dtls.close().map_err(failed)
    }

    fn poll(&mut self, output: &mut dyn FnMut(DtlsOutput<'_>)) -> Result<Instant, DtlsFailed> {
        if self.complete {
            self.poll_with(&mut [0; MAX_DATAGRAM], output)
        } else {
            self.poll_handshake(output)
        }
    }
}

impl Dimpl {
    /// The crate asserts that a certificate fits the buffer, so during the handshake it is as large as any can get.
    #[inline(never)]
    fn poll_handshake(&mut self, output: &mut dyn FnMut(DtlsOutput<'_>)) -> Result<Instant, DtlsFailed> {
        self.poll_with(&mut [0; MAX_DATAGRAM * MAX_WAITING], output)
    }

    fn poll_with(
        &mut self,
        scratch: &mut [u8],
        output: &mut dyn FnMut(DtlsOutput<'_>),
    ) -> Result<Instant, DtlsFailed> {
        loop {
            output(match self.dtls.poll_output(scratch) {
                Output::Packet(datagram) => DtlsOutput::Datagram(datagram),
                Output::PeerCert(certificate) => DtlsOutput::Certificate(certificate),
                Output::Connected => {
                    self.complete = true;
                    DtlsOutput::Complete
                }
                Output::KeyingMaterial(exported, profile) => {
                    DtlsOutput::Keys(keys(&exported, profile, self.we_are_client))
                }
                Output::ApplicationData(data) => DtlsOutput::Data(data),
                Output::CloseNotify => DtlsOutput::CloseNotify,
                Output::Timeout(at) => return Ok(at),
                Output::BufferTooSmall { needed } => {
                    tracing::debug!(needed, "DTLS output larger than any datagram");
                    return Err(DtlsFailed);
                }
                _ => continue,
            });
        }
    }
}

fn keys(exported: &[u8], profile: Negotiated, we_are_client: bool) -> Option<Box<SrtpKeys>> {
    let profile = match profile {
        Negotiated::AEAD_AES_128_GCM => SrtpProfile::AeadAes128Gcm,
        Negotiated::AEAD_AES_256_GCM => SrtpProfile::AeadAes256Gcm,
        Negotiated::AES128_CM_SHA1_80 => SrtpProfile::Aes128CmSha1,
        _ => return None,
    };
    SrtpKeys::from_exported(profile, exported, we_are_client)
        .map(Box::new)
        .ok()
}

fn failed(error: dimpl::Error) -> DtlsFailed {
    tracing::debug!(%error, "DTLS failed");
    DtlsFailed
}

/// Whether a DTLS record starts, or goes on with, a ClientHello (RFC 6347 §4.1, §4.2.2): the only thing a handshake
/// may begin with.
pub fn is_client_hello(datagram: &[u8]) -> bool {
    const HANDSHAKE: u8 = 22;
    const CLIENT_HELLO: u8 = 1;
    // Record header: type, version, epoch, sequence number, length: 13 bytes; epoch 0.
    matches!(datagram, [HANDSHAKE, 0xfe, _, 0, 0, ..]) && datagram.get(13) == Some(&CLIENT_HELLO)
}

/// Which message of the handshake a ClientHello is (RFC 6347 §4.2.2), told by its first fragment.
pub(super) fn client_hello_number(datagram: &[u8]) -> Option<[u8; 2]> {
    // After the record's 13 bytes: type, length of the message, its number, offset and length of the fragment.
    let header = datagram.get(13..25).filter(|_| is_client_hello(datagram))?;
    match *header {
        [_, _, _, _, first, second, 0, 0, 0, ..] => Some([first, second]),
        _ => None,
    }
}

/// The cipher suites of a ClientHello (RFC 6347 §4.2.1), as many of them as its first fragment holds.
pub(super) fn client_hello_suites(datagram: &[u8]) -> Option<&[[u8; 2]]> {
    // Headers of the record and of the handshake message, the version, the random.
    const FIXED: usize = 13 + 12 + 2 + 32;
    if !is_client_hello(datagram) {
        return None;
    }
    let rest = after_vector(datagram.get(FIXED..)?)?;
    let rest = after_vector(rest)?;
    let (length, suites) = rest.split_first_chunk()?;
    let length = usize::from(u16::from_be_bytes(*length));
    let suites = suites.get(..length.min(suites.len()))?;
    Some(suites.as_chunks().0)
}

/// What follows a vector of up to 255 bytes.
fn after_vector(bytes: &[u8]) -> Option<&[u8]> {
    let (length, rest) = bytes.split_first()?;
    rest.get(usize::from(*length)..)
}
