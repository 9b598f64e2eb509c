//! How it was for one viewer, from the POST to the end.

use serde::{Deserialize, Serialize};

/// One viewer's story. Times in milliseconds; those of the join count from the moment the POST began.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ViewerOutcome {
    /// Its number in this run.
    pub number: u32,
    /// When it joined, since the run's start.
    pub joined_at_ms: u32,
    /// When it was over, since the run's start.
    pub left_at_ms: u32,
    /// Why it did not join, or what ended it; none when it left by itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure: Option<String>,
    /// The answer to the POST.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub answer_ms: Option<u32>,
    /// ICE has a working pair.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ice_ms: Option<u32>,
    /// DTLS is up.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dtls_ms: Option<u32>,
    /// The first RTP packet.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_packet_ms: Option<u32>,
    /// The first packet of a keyframe.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_keyframe_ms: Option<u32>,
    /// The first whole picture.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_picture_ms: Option<u32>,
    /// RTP packets received.
    pub packets: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Packets that never came, our own network model's left out.
    pub lost: u64,
    /// Packets our own network model took.
    pub injected_lost: u64,
    /// Packets that came again after a NACK.
    pub repaired: u64,
    /// Whole pictures.
    pub frames: u64,
    /// Times without a whole picture for more than half a second.
    pub freezes: u32,
    /// Milliseconds of those.
    pub frozen_ms: u32,
    /// Changes of the received layer.
    pub layer_switches: u32,
    /// Height of the last picture in pixels; 0 when unknown.
    pub height: u16,
}
