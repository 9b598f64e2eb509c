//! Which SSRC belongs to which m-section, as Firefox decides it (`MediaPipelineFilter`): once a packet has named the
//! section, only SSRCs that have named it, too, are let in. Others vanish before anything is counted or reported.

use sfu::media::RtpPacket;

/// The id of the m-section's name in the viewer's offer.
const MID: u8 = 4;

#[derive(Default)]
pub(crate) struct Bindings {
    ssrcs: Vec<u32>,
}

impl Bindings {
    /// Whether a packet is let in.
    pub(crate) fn admit(&mut self, packet: &RtpPacket<'_>) -> bool {
        let is_bound = self.ssrcs.contains(&packet.ssrc());
        if !is_bound && packet.extension(MID).is_some() {
            self.ssrcs.push(packet.ssrc());
            return true;
        }
        is_bound
    }
}
