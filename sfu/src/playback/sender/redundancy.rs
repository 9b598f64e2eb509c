//! Sound with redundancy (RFC 2198) as a viewer may have it: whole, or the newest block of it as plain Opus.

use super::super::descriptor::Lead;
use super::Sender;
use crate::media::StoredPacket;
use crate::media::history::PayloadInfo;
use crate::media::payload::red::RedHeader;
use crate::negotiation::Codec;

impl Sender {
    /// Appends the payload's start to `lead` as this viewer reads it; returns how many payload bytes it stands for.
    pub(super) fn rename(&self, header: RedHeader, packet: &StoredPacket, lead: &mut Lead) -> usize {
        if !self.takes_redundancy() {
            return header.primary();
        }
        // Blocks are named by the payload types of this session; redundancy is never agreed without Opus.
        let opus = self.media.payload_for(Codec::Opus);
        let renamed = header.renamed(packet.payload(), opus.map_or(0, |opus| opus.payload_type));
        match lead.try_extend_from_slice(&renamed) {
            Ok(()) => renamed.len(),
            Err(_) => 0,
        }
    }

    /// Bytes of a payload that this viewer does not get.
    pub(super) fn left_behind(&self, packet: &StoredPacket) -> usize {
        match packet.info {
            PayloadInfo::Red(header) if !self.takes_redundancy() => header.primary(),
            _ => 0,
        }
    }

    fn takes_redundancy(&self) -> bool {
        let agreed = self.media.payload_for(Codec::RedundantOpus);
        agreed.is_some_and(|payload| payload.codec == Codec::RedundantOpus)
    }
}
