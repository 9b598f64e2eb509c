//! Profiles, master keys and the derivation of session keys (RFC 3711 §4.3, RFC 5764 §4.2).

use aws_lc_rs::cipher::{AES_128, AES_256, EncryptingKey, EncryptionContext, UnboundCipherKey};

use super::{CmHmac, Gcm, Receiver, Sender, Transform};
use crate::transport::{RtpParts, TransportError};

/// The SRTP protection profiles spoken here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SrtpProfile {
    /// SRTP_AEAD_AES_128_GCM (RFC 7714 §14.2).
    AeadAes128Gcm,
    /// SRTP_AEAD_AES_256_GCM (RFC 7714 §14.2).
    AeadAes256Gcm,
    /// SRTP_AES128_CM_HMAC_SHA1_80 (RFC 5764 §4.1.2).
    Aes128CmSha1,
}

impl SrtpProfile {
    /// Bytes of keying material that DTLS is to export (RFC 5764 §4.2).
    pub fn exported_len(self) -> usize {
        2 * (self.key_len() + self.salt_len())
    }

    fn key_len(self) -> usize {
        match self {
            SrtpProfile::AeadAes256Gcm => 32,
            SrtpProfile::AeadAes128Gcm | SrtpProfile::Aes128CmSha1 => 16,
        }
    }

    fn salt_len(self) -> usize {
        match self {
            SrtpProfile::Aes128CmSha1 => 14,
            SrtpProfile::AeadAes128Gcm | SrtpProfile::AeadAes256Gcm => 12,
        }
    }
}

/// Both directions, keyed.
pub struct SrtpKeys {
    pub(in crate::transport) profile: SrtpProfile,
    pub(in crate::transport) sender: Sender,
    pub(in crate::transport) receiver: Receiver,
}

impl SrtpKeys {
    /// Splits what DTLS exported: client key, server key, client salt, server salt (RFC 5764 §4.2).
    ///
    /// # Errors
    /// When the length does not fit the profile or the crypto library refuses.
    pub fn from_exported(
        profile: SrtpProfile,
        exported: &[u8],
        we_are_dtls_client: bool,
    ) -> Result<SrtpKeys, TransportError> {
        let (key, salt) = (profile.key_len(), profile.salt_len());
        if exported.len() != profile.exported_len() {
            return Err(TransportError::Crypto(format!(
                "{} bytes for {profile:?}",
                exported.len()
            )));
        }
        let (keys, salts) = exported.split_at(2 * key);
        let (client_key, server_key) = keys.split_at(key);
        let (client_salt, server_salt) = salts.split_at(salt);
        let client = transforms(profile, client_key, client_salt)?;
        let server = transforms(profile, server_key, server_salt)?;
        let (ours, theirs) = if we_are_dtls_client {
            (client, server)
        } else {
            (server, client)
        };
        Ok(SrtpKeys {
            profile,
            sender: Sender::new(ours.0, ours.1),
            receiver: Receiver::new(theirs.0, theirs.1),
        })
    }
}

impl SrtpKeys {
    /// Appends one sealed packet to `out`. False, and nothing appended, when the header is none. The same sequence
    /// number must never be sealed with another content.
    pub fn seal_rtp(&mut self, packet: RtpParts<'_>, out: &mut Vec<u8>) -> bool {
        self.sender.seal_rtp(packet, out)
    }

    /// Appends one sealed compound RTCP packet to `out`. False, and nothing appended, when it is none.
    pub fn seal_rtcp(&mut self, compound: &[u8], out: &mut Vec<u8>) -> bool {
        self.sender.seal_rtcp(compound, out)
    }

    /// Opens one RTP packet of the other side in place: the length of the plain packet, or `None` when it is not
    /// authentic or was seen before.
    pub fn open_rtp(&mut self, packet: &mut [u8]) -> Option<usize> {
        self.receiver.open_rtp(packet).ok()
    }
}

/// Labels of the session keys (RFC 3711 §4.3.1, §4.3.2), RTP's; RTCP's are three more.
const ENCRYPTION: u8 = 0;
const AUTHENTICATION: u8 = 1;
const SALT: u8 = 2;
const RTCP: u8 = 3;

/// The transforms for RTP and RTCP of one direction.
fn transforms(
    profile: SrtpProfile,
    key: &[u8],
    salt: &[u8],
) -> Result<(Transform, Transform), TransportError> {
    let transform = |offset: u8| -> Result<Transform, TransportError> {
        let mut session_key = [0; 32];
        let session_key = session_key.get_mut(..profile.key_len()).unwrap_or_default();
        derive(key, salt, ENCRYPTION + offset, session_key)?;
        let mut session_salt = [0; 14];
        let session_salt = session_salt.get_mut(..profile.salt_len()).unwrap_or_default();
        derive(key, salt, SALT + offset, session_salt)?;
        match profile {
            SrtpProfile::AeadAes128Gcm | SrtpProfile::AeadAes256Gcm => {
                Ok(Transform::Gcm(Box::new(Gcm::new(session_key, session_salt)?)))
            }
            SrtpProfile::Aes128CmSha1 => {
                let mut session_auth = [0; 20];
                derive(key, salt, AUTHENTICATION + offset, &mut session_auth)?;
                let cm = CmHmac::new(session_key, session_salt, &session_auth)?;
                Ok(Transform::CmHmac(Box::new(cm)))
            }
        }
    };
    Ok((transform(0)?, transform(RTCP)?))
}

/// AES-CM as the pseudo-random function, key derivation rate 0 (RFC 3711 §4.3.3; RFC 6188 for 256 bits; a 96-bit
/// salt is padded to 112 bits, RFC 7714 §11).
fn derive(key: &[u8], salt: &[u8], label: u8, out: &mut [u8]) -> Result<(), TransportError> {
    let mut iv = [0; 16];
    for (byte, salt) in iv.iter_mut().zip(salt) {
        *byte = *salt;
    }
    if let Some(byte) = iv.get_mut(7) {
        *byte ^= label;
    }
    out.fill(0);
    keystream(&counter_key(key)?, iv, out).ok_or_else(|| crypto("key derivation"))
}

/// An AES key in counter mode.
pub(super) fn counter_key(key: &[u8]) -> Result<EncryptingKey, TransportError> {
    let algorithm = if key.len() == 32 { &AES_256 } else { &AES_128 };
    UnboundCipherKey::new(algorithm, key)
        .and_then(EncryptingKey::ctr)
        .map_err(|_| crypto("AES key"))
}

/// XORs the key stream that starts at `iv` onto `data`.
pub(super) fn keystream(key: &EncryptingKey, iv: [u8; 16], data: &mut [u8]) -> Option<()> {
    let context = EncryptionContext::Iv128(iv.into());
    key.less_safe_encrypt(data, context).ok().map(drop)
}

pub(super) fn crypto(what: &str) -> TransportError {
    TransportError::Crypto(what.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transport::srtp::sender::tests::hex;

    #[test]
    fn session_keys_are_those_of_rfc_3711_b3() {
        let key = hex("E1F97A0D3E018BE0D64FA32C06DE4139");
        let salt = hex("0EC675AD498AFEEBB6960B3AABE6");
        let derived = |label, len| {
            let mut out = vec![0; len];
            derive(&key, &salt, label, &mut out).unwrap();
            out
        };
        assert_eq!(derived(0, 16), hex("C61E7A93744F39EE10734AFE3FF7A087"));
        assert_eq!(derived(2, 14), hex("30CBBC08863D8C85D49DB34A9AE1"));
        assert_eq!(
            derived(1, 32),
            hex("CEBE321F6FF7716B6FD4AB49AF256A156D38BAA48F0A0ACF3C34E2359E6CDBCE")
        );
    }

    #[test]
    fn key_stream_is_that_of_rfc_3711_b2() {
        let key = counter_key(&hex("2B7E151628AED2A6ABF7158809CF4F3C")).unwrap();
        let iv = hex("F0F1F2F3F4F5F6F7F8F9FAFBFCFD0000").try_into().unwrap();
        let mut stream = [0; 48];
        keystream(&key, iv, &mut stream).unwrap();
        assert_eq!(
            stream.to_vec(),
            hex(
                "E03EAD0935C95E80E166B16DD92B4EB4D23513162B02D0F72A43A2FE4A5F97AB41E95B3BB0A2E8DD477901E4FCA894C0"
            )
        );
    }

    #[test]
    fn exported_keys_of_the_wrong_length_are_refused() {
        assert!(SrtpKeys::from_exported(SrtpProfile::AeadAes256Gcm, &[0; 56], false).is_err());
        assert!(SrtpKeys::from_exported(SrtpProfile::AeadAes256Gcm, &[0; 88], false).is_ok());
    }
}
