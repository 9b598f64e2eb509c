//! Counters for operators; plain numbers that only grow, summed by the shard.

/// What a publication counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MediaStats {
    /// RTP packets taken in.
    pub packets: u64,
    /// Their bytes, headers included.
    pub bytes: u64,
    /// Packets that never came, after retransmission had its chance.
    pub lost: u64,
    /// Packets that came by retransmission.
    pub recovered: u64,
    /// Sequence numbers asked for by NACK.
    pub nacks_sent: u64,
    /// PLI and FIR sent to the publisher.
    pub keyframe_requests_sent: u64,
    /// Packets dropped: malformed, of an unknown encoding, or double.
    pub dropped: u64,
}

/// What a viewer's playback counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PlaybackStats {
    /// RTP packets sent, retransmissions and padding included.
    pub packets: u64,
    /// Their bytes before sealing.
    pub bytes: u64,
    /// Sequence numbers the viewer asked for.
    pub nacks_received: u64,
    /// Packets sent again.
    pub retransmitted: u64,
    /// PLI and FIR of the viewer.
    pub keyframe_requests_received: u64,
    /// Changes of the video layer.
    pub layer_switches: u64,
    /// Cached groups of pictures too long for the line: their keyframe was shown until the next.
    pub stills: u64,
    /// Cumulative loss the viewer reported.
    pub lost: u64,
    /// Packets not sent because the line or a queue was full.
    pub dropped: u64,
}

impl MediaStats {
    /// Adds another's counts.
    pub fn add(&mut self, other: &MediaStats) {
        self.packets += other.packets;
        self.bytes += other.bytes;
        self.lost += other.lost;
        self.recovered += other.recovered;
        self.nacks_sent += other.nacks_sent;
        self.keyframe_requests_sent += other.keyframe_requests_sent;
        self.dropped += other.dropped;
    }
}

impl PlaybackStats {
    /// Adds another's counts.
    pub fn add(&mut self, other: &PlaybackStats) {
        self.packets += other.packets;
        self.bytes += other.bytes;
        self.nacks_received += other.nacks_received;
        self.retransmitted += other.retransmitted;
        self.keyframe_requests_received += other.keyframe_requests_received;
        self.layer_switches += other.layer_switches;
        self.stills += other.stills;
        self.lost += other.lost;
        self.dropped += other.dropped;
    }
}
