//! AES128_CM_HMAC_SHA1_80 (RFC 3711 §4.1.1, §4.2.1), for peers that offer nothing better.

use aws_lc_rs::cipher::EncryptingKey;
use aws_lc_rs::{constant_time, hmac};

use super::keys::{counter_key, crypto, keystream};
use super::{RTCP_CLEAR_LEN, SRTCP_ENCRYPTED, SRTCP_INDEX_LEN};
use crate::transport::TransportError;

/// 80 bits of the 160.
pub(super) const TAG_LEN: usize = 10;

pub(super) struct CmHmac {
    key: EncryptingKey,
    salt: [u8; 14],
    authentication: hmac::Key,
}

impl CmHmac {
    pub(super) fn new(key: &[u8], salt: &[u8], authentication: &[u8]) -> Result<CmHmac, TransportError> {
        Ok(CmHmac {
            key: counter_key(key)?,
            salt: salt.try_into().map_err(|_| crypto("AES-CM salt"))?,
            authentication: hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, authentication),
        })
    }

    /// salt * 2^16 XOR SSRC * 2^64 XOR index * 2^16 (RFC 3711 §4.1.1).
    fn iv(&self, ssrc: u32, index: u64) -> [u8; 16] {
        let input = (u128::from(ssrc) << 64) | (u128::from(index & 0xffff_ffff_ffff) << 16);
        let mut iv = input.to_be_bytes();
        for (byte, salt) in iv.iter_mut().zip(self.salt) {
            *byte ^= salt;
        }
        iv
    }

    /// HMAC-SHA1 over both parts, not yet cut to [`TAG_LEN`].
    fn tag(&self, packet: &[u8], rollover: &[u8]) -> hmac::Tag {
        let mut context = hmac::Context::with_key(&self.authentication);
        context.update(packet);
        context.update(rollover);
        context.sign()
    }

    fn rollover(index: u64) -> [u8; 4] {
        ((index >> 16) as u32).to_be_bytes()
    }

    pub(super) fn seal_rtp(
        &self,
        ssrc: u32,
        index: u64,
        out: &mut Vec<u8>,
        start: usize,
        clear: usize,
    ) -> Option<()> {
        keystream(&self.key, self.iv(ssrc, index), out.get_mut(start + clear..)?)?;
        let tag = self.tag(out.get(start..)?, &Self::rollover(index));
        out.extend_from_slice(tag.as_ref().get(..TAG_LEN)?);
        Some(())
    }

    pub(super) fn open_rtp(&self, ssrc: u32, index: u64, packet: &mut [u8], clear: usize) -> Option<usize> {
        let end = packet.len().checked_sub(TAG_LEN)?;
        let (packet, tag) = packet.split_at_mut_checked(end)?;
        let body = packet.get_mut(clear..)?.len();
        self.verify(packet, &Self::rollover(index), tag)?;
        keystream(&self.key, self.iv(ssrc, index), packet.get_mut(clear..)?)?;
        Some(clear + body)
    }

    fn verify(&self, packet: &[u8], rollover: &[u8], tag: &[u8]) -> Option<()> {
        let expected = self.tag(packet, rollover);
        constant_time::verify_slices_are_equal(expected.as_ref().get(..TAG_LEN)?, tag).ok()
    }

    pub(super) fn seal_rtcp(&self, ssrc: u32, index: u32, out: &mut Vec<u8>, start: usize) -> Option<()> {
        let body = out.get_mut(start + RTCP_CLEAR_LEN..)?;
        keystream(&self.key, self.iv(ssrc, index.into()), body)?;
        out.extend_from_slice(&(index | SRTCP_ENCRYPTED).to_be_bytes());
        let tag = self.tag(out.get(start..)?, &[]);
        out.extend_from_slice(tag.as_ref().get(..TAG_LEN)?);
        Some(())
    }

    pub(super) fn open_rtcp(&self, ssrc: u32, index: u32, packet: &mut [u8]) -> Option<usize> {
        let end = packet.len().checked_sub(TAG_LEN)?;
        let (authenticated, tag) = packet.split_at_mut_checked(end)?;
        self.verify(authenticated, &[], tag)?;
        let plain = end.checked_sub(SRTCP_INDEX_LEN)?;
        let body = authenticated.get_mut(RTCP_CLEAR_LEN..plain)?;
        keystream(&self.key, self.iv(ssrc, index.into()), body)?;
        Some(plain)
    }
}

#[cfg(test)]
mod tests {
    use crate::transport::RtpParts;
    use crate::transport::srtp::sender::tests::hex;
    use crate::transport::srtp::{SrtpKeys, SrtpProfile};

    /// The vector most SRTP implementations publish for this profile: master key and salt of RFC 3711 §B.3.
    #[test]
    fn rtp_is_sealed_as_others_seal_it() {
        let master = hex("e1f97a0d3e018be0d64fa32c06de4139");
        let salt = hex("0ec675ad498afeebb6960b3aabe6");
        let exported = [&master[..], &master, &salt, &salt].concat();
        let mut keys = SrtpKeys::from_exported(SrtpProfile::Aes128CmSha1, &exported, true).unwrap();
        let mut out = Vec::new();
        let parts = RtpParts {
            header: &hex("800f1234decafbadcafebabe"),
            lead: &[],
            body: &[0xab; 16],
            padding: 0,
        };
        assert!(keys.sender.seal_rtp(parts, &mut out));
        assert_eq!(
            out,
            hex("800f1234decafbadcafebabe4e55dc4ce79978d88ca4d215949d2402b78d6acc99ea179b8dbb")
        );
        let len = keys.receiver.open_rtp(&mut out).unwrap();
        assert_eq!(out[12..len], [0xab; 16]);
    }
}
