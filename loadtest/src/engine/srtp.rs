//! SRTP and SRTCP (RFC 3711) of one viewer. Packets are opened where they lie. AES-GCM (RFC 7714), which nearly every
//! server takes, costs a viewer three keys and no map; the older profile is left to the `rtc` crate.

use aws_lc_rs::aead::{AES_128_GCM, AES_256_GCM, Aad, Algorithm, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::cipher::{AES_128, AES_256, EncryptingKey, EncryptionContext, UnboundCipherKey};
use aws_lc_rs::iv::FixedLength;
use dimpl::SrtpProfile;
use rtc::srtp::context::Context;
use rtc::srtp::crypto::RTCCrypto;
use rtc::srtp::protection_profile::ProtectionProfile;

use super::rtp::Head;

/// Bytes of an authentication tag (RFC 7714 §13.1).
const TAG: usize = 16;
/// Of the older profile (RFC 5764 §4.1.2).
const CLASSIC_TAG: usize = 10;
/// Version, counts and length of the first packet, and its SSRC: what SRTCP leaves readable (RFC 3711 §3.4).
const RTCP_HEAD: usize = 8;
/// "The rest is encrypted", in front of the 31-bit index (RFC 3711 §3.4).
const ENCRYPTED: u32 = 1 << 31;
/// Labels of session keys and salts (RFC 3711 §4.3.1, §4.3.2).
const RTP: Labels = Labels { key: 0, salt: 2 };
const RTCP: Labels = Labels { key: 3, salt: 5 };

/// Keys of one connection: the server's for what comes, ours for what we report.
pub(super) enum Keys {
    Gcm(Box<Gcm>),
    Classic(Box<Classic>),
}

impl Keys {
    /// Splits what DTLS exported: client key, server key, client salt, server salt (RFC 5764 §4.2). `None` for a profile
    /// that is not spoken here.
    pub(super) fn new(
        exported: &[u8],
        profile: SrtpProfile,
        is_client: bool,
        crypto: &dyn RTCCrypto,
    ) -> Option<Keys> {
        let (key, salt) = match profile {
            SrtpProfile::AEAD_AES_128_GCM => (16, 12),
            SrtpProfile::AEAD_AES_256_GCM => (32, 12),
            SrtpProfile::AES128_CM_SHA1_80 => (16, 14),
            _ => return None,
        };
        let (keys, salts) = exported.split_at_checked(2 * key)?;
        let (client_key, server_key) = keys.split_at_checked(key)?;
        let (client_salt, rest) = salts.split_at_checked(salt)?;
        let (server_salt, _) = rest.split_at_checked(salt)?;
        let (client, server) = ((client_key, client_salt), (server_key, server_salt));
        let (ours, theirs) = if is_client {
            (client, server)
        } else {
            (server, client)
        };
        match profile {
            SrtpProfile::AES128_CM_SHA1_80 => {
                let profile = ProtectionProfile::Aes128CmHmacSha1_80;
                let context = |(key, salt)| Context::new(key, salt, profile, None, None, crypto).ok();
                let (incoming, outgoing) = (context(theirs)?, context(ours)?);
                Some(Keys::Classic(Box::new(Classic { incoming, outgoing })))
            }
            _ => Some(Keys::Gcm(Box::new(Gcm {
                media: Sealed::derive(theirs, RTP)?,
                reports: Sealed::derive(theirs, RTCP)?,
                ours: Sealed::derive(ours, RTCP)?,
                index: 0,
            }))),
        }
    }

    /// Reads the first of what opening or sealing needs.
    pub(super) fn glance(&self) -> u64 {
        match self {
            Keys::Gcm(keys) => {
                u64::from(keys.index) ^ keys.media.salt.first().map_or(0, |byte| u64::from(*byte))
            }
            Keys::Classic(_) => 0,
        }
    }

    /// Opens a media packet in place and gives its payload, padding and all. `rollovers` is how often the stream's
    /// numbers have begun again (RFC 3711 §3.3.1); the other profile counts for itself.
    pub(super) fn open_rtp<'a>(
        &mut self,
        head: &Head,
        rollovers: u32,
        packet: &'a mut [u8],
    ) -> Option<&'a [u8]> {
        match self {
            Keys::Gcm(keys) => {
                let (header, rest) = packet.split_at_mut_checked(head.len)?;
                let iv = keys.media.iv(head.ssrc, rollovers, head.sequence);
                keys.media.open(iv, header, rest)
            }
            Keys::Classic(keys) => {
                let opened = keys.incoming.decrypt_rtp(packet).ok()?;
                replace(packet, &opened)?.get(head.len..)
            }
        }
    }

    /// Opens a compound packet in place.
    pub(super) fn open_rtcp<'a>(&mut self, packet: &'a mut [u8]) -> Option<&'a [u8]> {
        match self {
            Keys::Gcm(keys) => {
                let rest = packet
                    .len()
                    .checked_sub(4)
                    .filter(|len| *len >= RTCP_HEAD + TAG)?;
                let (packet, word) = packet.split_at_mut_checked(rest)?;
                let word = u32::from_be_bytes(*word.first_chunk()?);
                // Nobody sends reports that are only authenticated.
                let index = (word & ENCRYPTED != 0).then_some(word & !ENCRYPTED)?;
                let (header, rest) = packet.split_at_mut_checked(RTCP_HEAD)?;
                let (aad, ssrc) = rtcp_aad(header, word)?;
                let len = keys
                    .reports
                    .open(keys.reports.rtcp_iv(ssrc, index), &aad, rest)?
                    .len();
                packet.get(..RTCP_HEAD + len)
            }
            Keys::Classic(keys) => {
                // The crate takes what is not encrypted as it is, authentic or not.
                let [flag, ..] = packet.last_chunk::<{ 4 + CLASSIC_TAG }>()?;
                (flag & 0x80 != 0).then_some(())?;
                let opened = keys.incoming.decrypt_rtcp(packet).ok()?;
                replace(packet, &opened)
            }
        }
    }

    /// Seals a compound packet of ours in place; false when it is none.
    pub(super) fn seal_rtcp(&mut self, compound: &mut Vec<u8>) -> bool {
        match self {
            Keys::Gcm(keys) => keys.seal(compound).is_some(),
            Keys::Classic(keys) => match keys.outgoing.encrypt_rtcp(compound) {
                Ok(sealed) => {
                    compound.clear();
                    compound.extend_from_slice(&sealed);
                    true
                }
                Err(_) => false,
            },
        }
    }
}

/// Puts what was opened elsewhere where the packet lies.
fn replace<'a>(packet: &'a mut [u8], opened: &[u8]) -> Option<&'a [u8]> {
    let place = packet.get_mut(..opened.len())?;
    place.copy_from_slice(opened);
    Some(place)
}

/// What SRTCP authenticates without encrypting (RFC 7714 §9.3), and the SSRC in it.
fn rtcp_aad(header: &[u8], word: u32) -> Option<([u8; RTCP_HEAD + 4], u32)> {
    let head: &[u8; RTCP_HEAD] = header.first_chunk()?;
    let [.., s0, s1, s2, s3] = *head;
    let mut aad = [0; RTCP_HEAD + 4];
    let (front, back) = aad.split_at_mut(RTCP_HEAD);
    front.copy_from_slice(head);
    back.copy_from_slice(&word.to_be_bytes());
    Some((aad, u32::from_be_bytes([s0, s1, s2, s3])))
}

/// AES-GCM: media and reports of the server, reports of ours.
pub(super) struct Gcm {
    media: Sealed,
    reports: Sealed,
    ours: Sealed,
    /// Counts what was sealed: an index is never used twice (RFC 3711 §3.2.1).
    index: u32,
}

impl Gcm {
    fn seal(&mut self, compound: &mut Vec<u8>) -> Option<()> {
        // 2^31 reports, ten a second: seven years.
        self.index = self.index.checked_add(1).filter(|index| *index < ENCRYPTED)?;
        let word = self.index | ENCRYPTED;
        let (header, rest) = compound.split_at_mut_checked(RTCP_HEAD)?;
        let (aad, ssrc) = rtcp_aad(header, word)?;
        let iv = self.ours.rtcp_iv(ssrc, self.index);
        let sealed = self.ours.key.seal_in_place_separate_tag(iv, Aad::from(aad), rest);
        compound.extend_from_slice(sealed.ok()?.as_ref());
        compound.extend_from_slice(&word.to_be_bytes());
        Some(())
    }
}

/// The profile of RFC 3711 itself.
pub(super) struct Classic {
    incoming: Context,
    outgoing: Context,
}

struct Labels {
    key: u8,
    salt: u8,
}

/// A session key with its salt.
struct Sealed {
    key: LessSafeKey,
    salt: [u8; NONCE_LEN],
}

impl Sealed {
    fn derive((key, salt): (&[u8], &[u8]), labels: Labels) -> Option<Sealed> {
        let algorithm: &'static Algorithm = match key.len() {
            16 => &AES_128_GCM,
            _ => &AES_256_GCM,
        };
        let mut session_key = [0; 32];
        let session_key = session_key.get_mut(..key.len())?;
        let mut session_salt = [0; NONCE_LEN];
        derive(key, salt, labels.key, session_key)?;
        derive(key, salt, labels.salt, &mut session_salt)?;
        let key = UnboundKey::new(algorithm, session_key).ok()?;
        Some(Sealed {
            key: LessSafeKey::new(key),
            salt: session_salt,
        })
    }

    /// RFC 7714 §8.1.
    fn iv(&self, ssrc: u32, rollovers: u32, sequence: u16) -> Nonce {
        self.salted(u128::from(ssrc) << 48 | u128::from(rollovers) << 16 | u128::from(sequence))
    }

    /// RFC 7714 §9.1.
    fn rtcp_iv(&self, ssrc: u32, index: u32) -> Nonce {
        self.salted(u128::from(ssrc) << 48 | u128::from(index))
    }

    fn salted(&self, value: u128) -> Nonce {
        let [_, _, _, _, bytes @ ..] = value.to_be_bytes();
        let mut iv: [u8; NONCE_LEN] = bytes;
        for (byte, salt) in iv.iter_mut().zip(self.salt) {
            *byte ^= salt;
        }
        Nonce::assume_unique_for_key(iv)
    }

    fn open<'a>(&self, iv: Nonce, aad: &[u8], sealed: &'a mut [u8]) -> Option<&'a [u8]> {
        Some(self.key.open_in_place(iv, Aad::from(aad), sealed).ok()?)
    }
}

/// A session key or salt (RFC 3711 §4.3.3, RFC 7714 §11): the keystream of AES-CM from the salt with the label in it.
fn derive(key: &[u8], salt: &[u8], label: u8, out: &mut [u8]) -> Option<()> {
    let algorithm = match key.len() {
        16 => &AES_128,
        _ => &AES_256,
    };
    let mut block = [0; 16];
    block.get_mut(..salt.len())?.copy_from_slice(salt);
    *block.get_mut(7)? ^= label;
    let key = EncryptingKey::ctr(UnboundCipherKey::new(algorithm, key).ok()?).ok()?;
    let context = EncryptionContext::Iv128(FixedLength::from(block));
    out.fill(0);
    key.less_safe_encrypt(out, context).ok()?;
    Some(())
}

#[cfg(test)]
mod tests {
    use rtc::rtp;
    use rtc::shared::marshal::Marshal;

    use super::*;

    const PROFILES: [(SrtpProfile, ProtectionProfile); 3] = [
        (SrtpProfile::AEAD_AES_128_GCM, ProtectionProfile::AeadAes128Gcm),
        (SrtpProfile::AEAD_AES_256_GCM, ProtectionProfile::AeadAes256Gcm),
        (
            SrtpProfile::AES128_CM_SHA1_80,
            ProtectionProfile::Aes128CmHmacSha1_80,
        ),
    ];

    /// Our keys, and the other implementation's contexts of a server: what it seals with, what it opens with.
    fn both(profile: (SrtpProfile, ProtectionProfile)) -> (Keys, Context, Context) {
        let provider = rtc::srtp::crypto::default_provider().unwrap();
        let crypto = provider.crypto();
        let (key, salt) = (profile.1.key_len(), profile.1.salt_len());
        let exported: Vec<u8> = (0..2 * (key + salt) as u8).map(|n| n.wrapping_mul(37)).collect();
        let (keys, salts) = exported.split_at(2 * key);
        let context = |n: usize| {
            Context::new(
                &keys[n * key..][..key],
                &salts[n * salt..][..salt],
                profile.1,
                None,
                None,
                crypto,
            )
        };
        let ours = Keys::new(&exported, profile.0, true, crypto).unwrap();
        (ours, context(1).unwrap(), context(0).unwrap())
    }

    fn packet(sequence: u16) -> Vec<u8> {
        let header = rtp::Header {
            version: 2,
            sequence_number: sequence,
            ssrc: 0xdead_beef,
            ..Default::default()
        };
        let payload = bytes::Bytes::from(vec![sequence as u8; 1000]);
        rtp::Packet { header, payload }.marshal().unwrap().to_vec()
    }

    #[test]
    fn media_of_another_implementation_is_opened_over_the_rollover() {
        for profile in PROFILES {
            let (mut keys, mut server, _) = both(profile);
            for (sequence, rollovers) in [(65_534, 0), (65_535, 0), (0, 1), (1, 1)] {
                let mut sealed = server.encrypt_rtp(&packet(sequence)).unwrap().to_vec();
                let head = Head::parse(&sealed, None).unwrap();
                let payload = keys.open_rtp(&head, rollovers, &mut sealed).unwrap();
                assert_eq!(payload, vec![sequence as u8; 1000]);
            }
        }
    }

    #[test]
    fn a_changed_packet_is_not_opened() {
        for profile in PROFILES {
            let (mut keys, mut server, _) = both(profile);
            let sealed = server.encrypt_rtp(&packet(7)).unwrap();
            let head = Head::parse(&sealed, None).unwrap();
            for place in [1, 500, sealed.len() - 1] {
                let mut changed = sealed.to_vec();
                changed[place] ^= 1;
                assert_eq!(keys.open_rtp(&head, 0, &mut changed), None);
            }
            for len in 0..40 {
                let mut cut = sealed[..len].to_vec();
                assert_eq!(keys.open_rtp(&head, 0, &mut cut), None);
                assert_eq!(keys.open_rtcp(&mut cut), None);
            }
        }
    }

    #[test]
    fn reports_go_both_ways() {
        // An empty receiver report, and a PLI.
        let compound = [
            0x80, 201, 0, 1, 0, 0, 0, 9, 0x81, 206, 0, 2, 0, 0, 0, 9, 0, 0, 0, 7,
        ];
        for profile in PROFILES {
            let (mut keys, mut server, mut reader) = both(profile);
            for _ in 0..3 {
                let mut sealed = server.encrypt_rtcp(&compound).unwrap().to_vec();
                assert_eq!(keys.open_rtcp(&mut sealed).unwrap(), compound);
                let mut ours = compound.to_vec();
                assert!(keys.seal_rtcp(&mut ours));
                assert_eq!(reader.decrypt_rtcp(&ours).unwrap(), &compound[..]);
            }
            let mut changed = server.encrypt_rtcp(&compound).unwrap().to_vec();
            changed[9] ^= 1;
            assert_eq!(keys.open_rtcp(&mut changed), None);
        }
    }
}
