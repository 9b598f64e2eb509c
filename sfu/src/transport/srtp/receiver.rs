//! Opening what a peer sends: authenticity, rollover, replay.

use super::replay::{ReplayWindow, nearest_index};
use super::{SRTCP_ENCRYPTED, Transform, be_u16, be_u32, rtp_header_len};

/// SSRCs one peer may send with: three simulcast layers with RTX and one audio are seven; reconnecting encoders
/// take new ones. A packet of one more is refused: forgetting an old one would let its packets be replayed.
const MAX_SSRCS: usize = 64;
/// Reaches back 960 packets: retransmissions come late by a round trip and more, at up to 1,000 packets a second.
const RTP_BLOCKS: usize = 16;
/// 128 reports; RFC 3711 §3.3.2 asks for 64.
const RTCP_BLOCKS: usize = 3;

/// What begins with so low a number may have begun before a rollover that was lost, where the sender's first number was
/// one of the last (RFC 3711 §3.3.1 warns of it; many encoders choose any).
const MAY_FOLLOW_ROLLOVER: u16 = 1 << 12;

/// Why a packet was not opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::transport) enum Refused {
    /// Malformed, not authentic, or of one SSRC too many.
    Unauthentic,
    /// Seen before, or too old to tell.
    Replayed,
}

/// Opens SRTP and SRTCP of one peer.
pub(in crate::transport) struct Receiver {
    rtp: Transform,
    rtcp: Transform,
    /// Only authentic packets enter an SSRC here.
    rtp_seen: Seen<RTP_BLOCKS>,
    rtcp_seen: Seen<RTCP_BLOCKS>,
}

impl Receiver {
    pub(super) fn new(rtp: Transform, rtcp: Transform) -> Receiver {
        Receiver {
            rtp,
            rtcp,
            rtp_seen: Seen { windows: Vec::new() },
            rtcp_seen: Seen { windows: Vec::new() },
        }
    }

    /// Decrypts in place; the length of the plain packet. After a refusal the bytes mean nothing.
    pub(in crate::transport) fn open_rtp(&mut self, packet: &mut [u8]) -> Result<usize, Refused> {
        let clear = rtp_header_len(packet).ok_or(Refused::Unauthentic)?;
        let sequence = be_u16(packet, 2).ok_or(Refused::Unauthentic)?;
        let ssrc = be_u32(packet, 8).ok_or(Refused::Unauthentic)?;
        let Some(highest) = self.rtp_seen.highest(ssrc) else {
            return self.open_first(packet, (ssrc, sequence), clear);
        };
        let index = nearest_index(highest, sequence);
        self.rtp_seen.admit(ssrc, index)?;
        let len = self
            .rtp
            .open_rtp(ssrc, index, packet, clear)
            .ok_or(Refused::Unauthentic)?;
        self.rtp_seen.mark(ssrc, index);
        Ok(len)
    }

    /// The first packet of an SSRC that is opened: nothing tells how often its numbers rolled over.
    fn open_first(
        &mut self,
        packet: &mut [u8],
        (ssrc, sequence): (u32, u16),
        clear: usize,
    ) -> Result<usize, Refused> {
        let before = (sequence < MAY_FOLLOW_ROLLOVER).then(|| packet.to_vec());
        let mut index = u64::from(sequence);
        self.rtp_seen.admit(ssrc, index)?;
        let mut opened = self.rtp.open_rtp(ssrc, index, packet, clear);
        if let (None, Some(before)) = (opened, before) {
            packet.copy_from_slice(&before);
            index += 1 << 16;
            opened = self.rtp.open_rtp(ssrc, index, packet, clear);
        }
        let len = opened.ok_or(Refused::Unauthentic)?;
        self.rtp_seen.mark(ssrc, index);
        Ok(len)
    }

    /// Like [`Receiver::open_rtp`] for one compound packet.
    pub(in crate::transport) fn open_rtcp(&mut self, packet: &mut [u8]) -> Result<usize, Refused> {
        let ssrc = be_u32(packet, 4).ok_or(Refused::Unauthentic)?;
        let word = self.rtcp.rtcp_index(packet).ok_or(Refused::Unauthentic)?;
        if word & SRTCP_ENCRYPTED == 0 {
            return Err(Refused::Unauthentic);
        }
        let index = word & !SRTCP_ENCRYPTED;
        self.rtcp_seen.admit(ssrc, index.into())?;
        let len = self
            .rtcp
            .open_rtcp(ssrc, index, packet)
            .ok_or(Refused::Unauthentic)?;
        self.rtcp_seen.mark(ssrc, index.into());
        Ok(len)
    }
}

/// The windows of a peer's SSRCs. Few, so that looking through them is cheapest.
struct Seen<const BLOCKS: usize> {
    windows: Vec<(u32, ReplayWindow<BLOCKS>)>,
}

impl<const BLOCKS: usize> Seen<BLOCKS> {
    fn window(&self, ssrc: u32) -> Option<&ReplayWindow<BLOCKS>> {
        let found = self.windows.iter().find(|(known, _)| *known == ssrc);
        found.map(|(_, window)| window)
    }

    fn highest(&self, ssrc: u32) -> Option<u64> {
        self.window(ssrc).map(ReplayWindow::highest)
    }

    /// Whether a packet is worth opening.
    fn admit(&self, ssrc: u32, index: u64) -> Result<(), Refused> {
        match self.window(ssrc) {
            Some(window) if window.is_new(index) => Ok(()),
            Some(_) => Err(Refused::Replayed),
            None if self.windows.len() < MAX_SSRCS => Ok(()),
            None => Err(Refused::Unauthentic),
        }
    }

    /// Remembers a packet that was admitted and authentic.
    fn mark(&mut self, ssrc: u32, index: u64) {
        match self.windows.iter_mut().find(|(known, _)| *known == ssrc) {
            Some((_, window)) => window.mark(index),
            None => self.windows.push((ssrc, ReplayWindow::starting_with(index))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transport::RtpParts;
    use crate::transport::srtp::sender::tests::{header, pair};
    use crate::transport::srtp::{SrtpKeys, SrtpProfile};

    const PROFILES: [SrtpProfile; 3] = [
        SrtpProfile::AeadAes128Gcm,
        SrtpProfile::AeadAes256Gcm,
        SrtpProfile::Aes128CmSha1,
    ];

    fn seal(keys: &mut SrtpKeys, ssrc: u32, sequence: u16) -> Vec<u8> {
        let mut out = Vec::new();
        let parts = RtpParts {
            header: &header(ssrc, sequence),
            lead: &[],
            body: b"some media",
            padding: 0,
        };
        assert!(keys.sender.seal_rtp(parts, &mut out));
        out
    }

    #[test]
    fn rollover_is_followed_on_both_sides_through_loss_and_reordering() {
        for profile in PROFILES {
            let (mut ours, mut theirs) = pair(profile);
            let mut late = seal(&mut ours, 1, 65_000);
            for sequence in (65_001..=65_535).chain(0..70) {
                let mut packet = seal(&mut ours, 1, sequence);
                if sequence % 7 != 0 {
                    assert!(
                        theirs.receiver.open_rtp(&mut packet).is_ok(),
                        "{profile:?} {sequence}"
                    );
                }
            }
            assert!(
                theirs.receiver.open_rtp(&mut late).is_ok(),
                "{profile:?} from before the rollover"
            );
        }
    }

    #[test]
    fn who_loses_the_first_packets_before_a_rollover_opens_those_behind_it() {
        for profile in PROFILES {
            let (mut ours, mut theirs) = pair(profile);
            for sequence in 65_530..=65_535 {
                seal(&mut ours, 1, sequence);
            }
            for sequence in 0..4 {
                let mut packet = seal(&mut ours, 1, sequence);
                let opened = theirs.receiver.open_rtp(&mut packet);
                assert_eq!(opened, Ok(12 + "some media".len()), "{profile:?} {sequence}");
                assert!(packet.starts_with(&header(1, sequence)));
            }
            let mut forged = seal(&mut ours, 2, 5);
            forged[13] ^= 1;
            assert_eq!(theirs.receiver.open_rtp(&mut forged), Err(Refused::Unauthentic));
        }
    }

    #[test]
    fn a_replayed_or_changed_packet_is_refused() {
        for profile in PROFILES {
            let (mut ours, mut theirs) = pair(profile);
            let packet = seal(&mut ours, 1, 10);
            let mut changed = packet.clone();
            changed[14] ^= 1;
            assert_eq!(theirs.receiver.open_rtp(&mut changed), Err(Refused::Unauthentic));
            assert!(theirs.receiver.open_rtp(&mut packet.clone()).is_ok());
            assert_eq!(
                theirs.receiver.open_rtp(&mut packet.clone()),
                Err(Refused::Replayed)
            );
            assert_eq!(
                theirs.receiver.open_rtp(&mut packet[..15].to_vec()),
                Err(Refused::Replayed)
            );
        }
    }

    #[test]
    fn reports_are_opened_once_and_only_encrypted() {
        for profile in PROFILES {
            let (mut ours, mut theirs) = pair(profile);
            let report = [0x80, 201, 0, 1, 0, 0, 0, 9];
            let mut sealed = Vec::new();
            assert!(ours.sender.seal_rtcp(&report, &mut sealed));
            let mut opened = sealed.clone();
            assert_eq!(theirs.receiver.open_rtcp(&mut opened), Ok(8));
            assert_eq!(opened[..8], report);
            assert_eq!(
                theirs.receiver.open_rtcp(&mut sealed.clone()),
                Err(Refused::Replayed)
            );
            let mut plain = [report.to_vec(), vec![0; 24]].concat();
            assert_eq!(theirs.receiver.open_rtcp(&mut plain), Err(Refused::Unauthentic));
        }
    }

    #[test]
    fn ssrcs_are_bounded() {
        let (mut ours, mut theirs) = pair(SrtpProfile::AeadAes128Gcm);
        for ssrc in 0..MAX_SSRCS as u32 {
            ours.sender.forget();
            assert!(theirs.receiver.open_rtp(&mut seal(&mut ours, ssrc, 1)).is_ok());
        }
        ours.sender.forget();
        assert_eq!(
            theirs.receiver.open_rtp(&mut seal(&mut ours, 99, 1)),
            Err(Refused::Unauthentic)
        );
    }
}
