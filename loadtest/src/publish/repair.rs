//! What a sender does with feedback: names its retransmissions and counts what it is asked for.
//!
//! The `webrtc` crate answers NACKs over RTX (RFC 4588) but leaves out the header extensions, so with simulcast by RID,
//! where SDP announces no SSRCs, a receiver could not tell whose repair it is (RFC 8852 §3.1: RepairedRtpStreamId).

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use bytes::Bytes;
use rtc::interceptor::{Interceptor, Packet, StreamInfo, TaggedPacket};
use rtc::rtcp;
use rtc::rtcp::payload_feedbacks::full_intra_request::FullIntraRequest;
use rtc::rtcp::payload_feedbacks::picture_loss_indication::PictureLossIndication;
use rtc::rtcp::transport_feedbacks::transport_layer_nack::TransportLayerNack;
use rtc::sansio::Protocol;
use rtc::sdp::extmap::{SDES_MID_URI, SDES_REPAIR_RTP_STREAM_ID_URI};
use rtc::shared::error::Error;

/// Between the wire and the NACK responder (slot 4000), whose retransmissions must pass.
pub(super) const SLOT: usize = 3_500;

/// Feedback counted over the life of a publisher.
#[derive(Debug, Default)]
pub(super) struct Feedback {
    /// Packets asked for again.
    pub(super) nacked: AtomicU64,
    /// Packets sent again.
    pub(super) repaired: AtomicU64,
    /// PLI and FIR.
    pub(super) keyframe_requests: AtomicU64,
}

/// The interceptor; one per connection.
pub(super) struct Repair {
    /// RID by RTX SSRC.
    rids: HashMap<u32, String>,
    /// Known once the offer is made.
    mid: Arc<OnceLock<String>>,
    mid_id: Option<u8>,
    repaired_rid_id: Option<u8>,
    feedback: Arc<Feedback>,
    // The chain drains both after every packet, so neither holds more than one.
    read: VecDeque<TaggedPacket>,
    written: VecDeque<TaggedPacket>,
}

impl Repair {
    pub(super) fn new(
        rids: HashMap<u32, String>,
        mid: Arc<OnceLock<String>>,
        feedback: Arc<Feedback>,
    ) -> Self {
        let (read, written) = (VecDeque::new(), VecDeque::new());
        Self {
            rids,
            mid,
            mid_id: None,
            repaired_rid_id: None,
            feedback,
            read,
            written,
        }
    }

    fn name(&self, packet: &mut rtp::Packet) {
        let Some(rid) = self.rids.get(&packet.header.ssrc) else {
            return;
        };
        self.feedback.repaired.fetch_add(1, Ordering::Relaxed);
        for (id, value) in [(self.mid_id, self.mid.get()), (self.repaired_rid_id, Some(rid))] {
            if let (Some(id), Some(value)) = (id, value)
                && !value.is_empty()
                && let Err(error) = packet
                    .header
                    .set_extension(id, Bytes::copy_from_slice(value.as_bytes()))
            {
                tracing::debug!(%error, "a retransmission goes out unnamed");
            }
        }
    }

    fn count(&self, packets: &[Box<dyn rtcp::Packet>]) {
        for packet in packets.iter().map(|p| p.as_any()) {
            if let Some(nack) = packet.downcast_ref::<TransportLayerNack>() {
                let asked: u64 = nack
                    .nacks
                    .iter()
                    .map(|n| 1 + u64::from(n.lost_packets.count_ones()))
                    .sum();
                self.feedback.nacked.fetch_add(asked, Ordering::Relaxed);
            } else if packet.is::<PictureLossIndication>() || packet.is::<FullIntraRequest>() {
                self.feedback.keyframe_requests.fetch_add(1, Ordering::Relaxed);
            }
        }
    }
}

impl Protocol<TaggedPacket, TaggedPacket, ()> for Repair {
    type Rout = TaggedPacket;
    type Wout = TaggedPacket;
    type Eout = ();
    type Error = Error;
    type Time = Instant;

    fn handle_read(&mut self, packet: TaggedPacket) -> Result<(), Error> {
        if let Packet::Rtcp(packets) = &packet.message.packet {
            self.count(packets);
        }
        self.read.push_back(packet);
        Ok(())
    }

    fn poll_read(&mut self) -> Option<TaggedPacket> {
        self.read.pop_front()
    }

    fn handle_write(&mut self, mut packet: TaggedPacket) -> Result<(), Error> {
        if let Packet::Rtp(rtp) = &mut packet.message.packet {
            self.name(rtp);
        }
        self.written.push_back(packet);
        Ok(())
    }

    fn poll_write(&mut self) -> Option<TaggedPacket> {
        self.written.pop_front()
    }
}

impl Interceptor for Repair {
    fn bind_local_stream(&mut self, info: &StreamInfo) {
        if info.ssrc_rtx.is_none() {
            return;
        }
        let id_of = |uri: &str| {
            let extension = info.rtp_header_extensions.iter().find(|e| e.uri == uri)?;
            u8::try_from(extension.id).ok()
        };
        self.mid_id = id_of(SDES_MID_URI);
        self.repaired_rid_id = id_of(SDES_REPAIR_RTP_STREAM_ID_URI);
    }

    fn unbind_local_stream(&mut self, _: &StreamInfo) {}
    fn bind_remote_stream(&mut self, _: &StreamInfo) {}
    fn unbind_remote_stream(&mut self, _: &StreamInfo) {}
}
