//! AEAD_AES_128_GCM and AEAD_AES_256_GCM (RFC 7714).

use aws_lc_rs::aead::{AES_128_GCM, AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};

use super::keys::crypto;
use super::{RTCP_CLEAR_LEN, SRTCP_ENCRYPTED, SRTCP_INDEX_LEN};
use crate::transport::TransportError;

const TAG_LEN: usize = 16;

pub(super) struct Gcm {
    key: LessSafeKey,
    salt: [u8; 12],
}

impl Gcm {
    pub(super) fn new(key: &[u8], salt: &[u8]) -> Result<Gcm, TransportError> {
        let algorithm = if key.len() == 32 {
            &AES_256_GCM
        } else {
            &AES_128_GCM
        };
        let key = UnboundKey::new(algorithm, key).map_err(|_| crypto("GCM key"))?;
        Ok(Gcm {
            key: LessSafeKey::new(key),
            salt: salt.try_into().map_err(|_| crypto("GCM salt"))?,
        })
    }

    /// Two zero bytes, SSRC, 48-bit index (RTP: ROC and sequence number, §8.1; RTCP: zeros and its 31-bit index,
    /// §9.1), XORed with the salt.
    fn nonce(&self, ssrc: u32, index: u64) -> Nonce {
        let input = (u128::from(ssrc) << 48) | u128::from(index & 0xffff_ffff_ffff);
        let [.., a, b, c, d, e, f, g, h, i, j, k, l] = input.to_be_bytes();
        let mut nonce = [a, b, c, d, e, f, g, h, i, j, k, l];
        for (byte, salt) in nonce.iter_mut().zip(self.salt) {
            *byte ^= salt;
        }
        Nonce::assume_unique_for_key(nonce)
    }

    pub(super) fn seal_rtp(
        &self,
        ssrc: u32,
        index: u64,
        out: &mut Vec<u8>,
        start: usize,
        clear: usize,
    ) -> Option<()> {
        let (header, payload) = out.get_mut(start..)?.split_at_mut_checked(clear)?;
        let tag = self
            .key
            .seal_in_place_separate_tag(self.nonce(ssrc, index), Aad::from(header), payload)
            .ok()?;
        out.extend_from_slice(tag.as_ref());
        Some(())
    }

    pub(super) fn open_rtp(&self, ssrc: u32, index: u64, packet: &mut [u8], clear: usize) -> Option<usize> {
        let (header, payload) = packet.split_at_mut_checked(clear)?;
        let plain = self
            .key
            .open_in_place(self.nonce(ssrc, index), Aad::from(header), payload)
            .ok()?;
        Some(clear + plain.len())
    }

    /// The associated data is the readable start and the index word (§9.2).
    fn rtcp_aad(clear: &[u8], index: u32) -> Option<[u8; RTCP_CLEAR_LEN + SRTCP_INDEX_LEN]> {
        let mut aad = [0; RTCP_CLEAR_LEN + SRTCP_INDEX_LEN];
        let (start, word) = aad.split_at_mut(RTCP_CLEAR_LEN);
        start.copy_from_slice(clear.get(..RTCP_CLEAR_LEN)?);
        word.copy_from_slice(&(index | SRTCP_ENCRYPTED).to_be_bytes());
        Some(aad)
    }

    pub(super) fn seal_rtcp(&self, ssrc: u32, index: u32, out: &mut Vec<u8>, start: usize) -> Option<()> {
        let (clear, rest) = out.get_mut(start..)?.split_at_mut_checked(RTCP_CLEAR_LEN)?;
        let aad = Self::rtcp_aad(clear, index)?;
        let tag = self
            .key
            .seal_in_place_separate_tag(self.nonce(ssrc, index.into()), Aad::from(aad), rest)
            .ok()?;
        out.extend_from_slice(tag.as_ref());
        out.extend_from_slice(&(index | SRTCP_ENCRYPTED).to_be_bytes());
        Some(())
    }

    pub(super) fn open_rtcp(&self, ssrc: u32, index: u32, packet: &mut [u8]) -> Option<usize> {
        let end = packet.len().checked_sub(SRTCP_INDEX_LEN)?;
        let (clear, rest) = packet.get_mut(..end)?.split_at_mut_checked(RTCP_CLEAR_LEN)?;
        let aad = Self::rtcp_aad(clear, index)?;
        self.key
            .open_in_place(self.nonce(ssrc, index.into()), Aad::from(aad), rest)
            .ok()?;
        end.checked_sub(TAG_LEN)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transport::srtp::sender::tests::hex;

    const PLAIN: &str = "8040f17b8041f8d35501a0b247616c6c696120657374206f6d6e69732064697669736120696e20\
                         7061727465732074726573";

    fn sealed(key_len: u8) -> Vec<u8> {
        let key: Vec<u8> = (0..key_len).collect();
        let gcm = Gcm::new(&key, b"Quid pro quo").unwrap();
        let mut packet = hex(PLAIN);
        gcm.seal_rtp(0x5501_a0b2, 0xf17b, &mut packet, 0, 12).unwrap();
        let mut opened = packet.clone();
        assert_eq!(
            gcm.open_rtp(0x5501_a0b2, 0xf17b, &mut opened, 12),
            Some(hex(PLAIN).len())
        );
        assert!(opened.starts_with(&hex(PLAIN)));
        packet
    }

    #[test]
    fn rtp_is_sealed_as_in_rfc_7714_16_1() {
        assert_eq!(
            sealed(16),
            hex(
                "8040f17b8041f8d35501a0b2f24de3a3fb34de6cacba861c9d7e4bcabe633bd50d294e6f42a5f47a51c7d19b\
                 36de3adf8833899d7f27beb16a9152cf765ee4390cce"
            )
        );
    }

    #[test]
    fn rtp_is_sealed_as_in_rfc_7714_16_2() {
        assert_eq!(
            sealed(32),
            hex(
                "8040f17b8041f8d35501a0b232b1de78a822fe12ef9f78fa332e33aab18012389a58e2f3b50b2a0276ffae0f\
                 1ba63799b87b7aa3db36dfffd6b0f9bb7878d7a76c13"
            )
        );
    }

    #[test]
    fn rtcp_is_sealed_as_in_rfc_7714_17() {
        let plain = hex(
            "81c8000d4d6172734e5450314e545032525450200000042a0000e9304c756e61deadbeefdeadbeefdeadbeefdeadbeefdeadbeef",
        );
        let key: Vec<u8> = (0..16).collect();
        let gcm = Gcm::new(&key, b"Quid pro quo").unwrap();
        let mut packet = plain.clone();
        gcm.seal_rtcp(0x4d61_7273, 0x5d4, &mut packet, 0).unwrap();
        assert_eq!(
            packet,
            hex(
                "81c8000d4d61727363e94885dcdab67ca727d7662f6b7e997ff5c0f76c06f32dc676a5f1730d6fda4ce09b4686303ded\
                 0bb9275bc84aa45896cf4d2fc5abf87245d9eade800005d4"
            )
        );
        assert_eq!(gcm.open_rtcp(0x4d61_7273, 0x5d4, &mut packet), Some(plain.len()));
        assert!(packet.starts_with(&plain));
    }
}
