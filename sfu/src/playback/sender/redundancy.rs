//! Sound with redundancy (RFC 2198) as a viewer may have it: whole, or the newest block of it as plain Opus.

use super::super::descriptor::Lead;
use super::Sender;
use crate::media::StoredPacket;
use crate::media::history::PayloadInfo;
use crate::media::payload::red::RedHeader;
use crate::negotiation::{Codec, MediaKind};

/// From this loss on, of 1, a viewer gets redundancy, and until it is below that: one packet of a hundred is a syllable each two
/// seconds.
const LOSSY: f32 = 0.01;
const FREE_OF_LOSS: f32 = 0.002;

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

    /// The viewer loses this part of its packets, of 1. Redundancy doubles the sound, and is of use only to who does.
    pub(in crate::playback) fn note_loss(&mut self, loss: f32) {
        let least = if self.wants_redundancy {
            FREE_OF_LOSS
        } else {
            LOSSY
        };
        let wants = loss >= least;
        // Of a picture it would only forget that there are repairs.
        if self.media.kind == MediaKind::Audio && wants != self.wants_redundancy {
            self.wants_redundancy = wants;
            self.payload = None;
        }
    }

    /// How the viewer gets sound of that kind.
    pub(super) fn sound_as(&self, codec: Codec) -> Codec {
        match codec {
            Codec::RedundantOpus if !self.wants_redundancy => Codec::Opus,
            other => other,
        }
    }

    /// Bits per second of sound that a publisher sends with so many: of two blocks a packet about half.
    pub(in crate::playback) fn sound_bitrate(&self, codec: Option<Codec>, bitrate: u64) -> u64 {
        if codec == Some(Codec::RedundantOpus) && !self.takes_redundancy() {
            bitrate / 2
        } else {
            bitrate
        }
    }

    fn takes_redundancy(&self) -> bool {
        let agreed = self.media.payload_for(Codec::RedundantOpus);
        self.wants_redundancy && agreed.is_some_and(|payload| payload.codec == Codec::RedundantOpus)
    }
}
