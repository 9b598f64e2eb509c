//! What of a shard's report operators see, with its name and meaning.

use crate::media::command::ShardReport;

/// A value of a shard's report with its name and meaning.
pub(super) type Reading = (&'static str, &'static str, fn(&ShardReport) -> u64);

/// Counters per shard; they only grow.
pub(super) const COUNTERS: &[Reading] = &[
    ("vitrine_datagrams_received_total", "Datagrams taken in.", |r| {
        r.shard.datagrams_in
    }),
    (
        "vitrine_received_bytes_total",
        "Bytes of datagrams taken in.",
        |r| r.shard.bytes_in,
    ),
    (
        "vitrine_datagrams_sent_total",
        "Datagrams handed to the socket.",
        |r| r.shard.datagrams_out,
    ),
    (
        "vitrine_sent_bytes_total",
        "Bytes of datagrams handed to the socket.",
        |r| r.shard.bytes_out,
    ),
    (
        "vitrine_datagrams_rejected_total",
        "Datagrams of no known peer, malformed or not authentic.",
        |r| r.shard.datagrams_rejected,
    ),
    (
        "vitrine_datagrams_refused_total",
        "Datagrams not looked at because their peer sends too many.",
        |r| r.shard.datagrams_refused,
    ),
    (
        "vitrine_handshakes_delayed_total",
        "DTLS handshakes that waited for others, because many began at once.",
        |r| r.shard.handshakes_delayed,
    ),
    (
        "vitrine_handshakes_refused_total",
        "DTLS handshakes not begun because too many waited.",
        |r| r.shard.handshakes_refused,
    ),
    (
        "vitrine_srtp_replayed_total",
        "SRTP and SRTCP packets seen before.",
        |r| r.shard.replayed,
    ),
    (
        "vitrine_outbox_refused_total",
        "Datagrams dropped because the send arena was full.",
        |r| r.shard.outbox_refused,
    ),
    (
        "vitrine_channel_messages_received_total",
        "Data-channel messages in.",
        |r| r.shard.messages_in,
    ),
    (
        "vitrine_channel_messages_sent_total",
        "Data-channel messages out.",
        |r| r.shard.messages_out,
    ),
    (
        "vitrine_channel_messages_refused_total",
        "Data-channel messages not taken for sending.",
        |r| r.shard.messages_refused,
    ),
    (
        "vitrine_ingest_packets_total",
        "RTP packets of publishers.",
        |r| r.shard.media.packets,
    ),
    (
        "vitrine_ingest_bytes_total",
        "Bytes of RTP packets of publishers.",
        |r| r.shard.media.bytes,
    ),
    (
        "vitrine_ingest_lost_total",
        "Publisher packets that never came.",
        |r| r.shard.media.lost,
    ),
    (
        "vitrine_ingest_recovered_total",
        "Publisher packets that came by retransmission.",
        |r| r.shard.media.recovered,
    ),
    (
        "vitrine_ingest_nacks_sent_total",
        "Publisher packets asked for again.",
        |r| r.shard.media.nacks_sent,
    ),
    (
        "vitrine_ingest_keyframe_requests_sent_total",
        "PLI and FIR sent to publishers.",
        |r| r.shard.media.keyframe_requests_sent,
    ),
    (
        "vitrine_ingest_dropped_total",
        "Publisher packets dropped as malformed, unknown or double.",
        |r| r.shard.media.dropped,
    ),
    ("vitrine_playback_packets_total", "RTP packets to viewers.", |r| {
        r.shard.playback.packets
    }),
    (
        "vitrine_playback_bytes_total",
        "Bytes of RTP packets to viewers.",
        |r| r.shard.playback.bytes,
    ),
    (
        "vitrine_playback_lost_total",
        "Packets viewers reported lost.",
        |r| r.shard.playback.lost,
    ),
    (
        "vitrine_playback_nacks_received_total",
        "Packets viewers asked for again.",
        |r| r.shard.playback.nacks_received,
    ),
    (
        "vitrine_playback_retransmitted_total",
        "Packets sent to viewers again.",
        |r| r.shard.playback.retransmitted,
    ),
    (
        "vitrine_playback_keyframe_requests_received_total",
        "PLI and FIR of viewers.",
        |r| r.shard.playback.keyframe_requests_received,
    ),
    (
        "vitrine_playback_layer_switches_total",
        "Changes of a viewer's layer.",
        |r| r.shard.playback.layer_switches,
    ),
    (
        "vitrine_playback_stills_total",
        "Cached groups of pictures too long for a line: a keyframe alone until the next.",
        |r| r.shard.playback.stills,
    ),
    (
        "vitrine_playback_dropped_total",
        "Packets not sent because a line or queue was full.",
        |r| r.shard.playback.dropped,
    ),
    (
        "vitrine_udp_runs_total",
        "Runs of datagrams to one peer, sent together.",
        |r| r.udp.runs,
    ),
    (
        "vitrine_udp_send_full_total",
        "Datagrams dropped because the kernel's buffer was full.",
        |r| r.udp.send_full,
    ),
    (
        "vitrine_udp_send_waited_total",
        "Datagrams of sound, reports and messages that waited for room in the kernel's buffer.",
        |r| r.udp.send_waited,
    ),
    (
        "vitrine_udp_send_failed_total",
        "Datagrams the kernel refused.",
        |r| r.udp.send_failed,
    ),
    (
        "vitrine_udp_receive_failed_total",
        "Receive calls that failed.",
        |r| r.udp.receive_failed,
    ),
    (
        "vitrine_udp_connect_failed_total",
        "Publishers who were to have a socket of their own and got none.",
        |r| r.udp.connect_failed,
    ),
    (
        "vitrine_tcp_accepted_total",
        "ICE-TCP connections accepted.",
        |r| r.tcp.accepted,
    ),
    (
        "vitrine_tcp_refused_total",
        "ICE-TCP connections refused as too many.",
        |r| r.tcp.refused,
    ),
    (
        "vitrine_tcp_violated_total",
        "ICE-TCP connections closed for not speaking ICE.",
        |r| r.tcp.violated,
    ),
    (
        "vitrine_tcp_send_dropped_total",
        "Packets dropped for a full or closed ICE-TCP connection.",
        |r| r.tcp.send_dropped,
    ),
    (
        "vitrine_tcp_send_late_total",
        "Media packets dropped because an ICE-TCP line was too slow for them.",
        |r| r.tcp.send_late,
    ),
    (
        "vitrine_viewers_refused_total",
        "Viewers turned away because the media thread was as busy as media_load_max_percent allows.",
        |r| r.lanes.viewers_refused,
    ),
    (
        "vitrine_relay_media_dropped_total",
        "Relayed packets dropped toward other shards.",
        |r| r.lanes.relayed_media_dropped,
    ),
    (
        "vitrine_relay_control_dropped_total",
        "Relay control messages lost toward other shards.",
        |r| r.lanes.relayed_control_dropped,
    ),
    (
        "vitrine_lane_messages_dropped_total",
        "Client messages that found the shop's lane full.",
        |r| r.lanes.messages_dropped,
    ),
    (
        "vitrine_lane_health_dropped_total",
        "Publisher health reports that found the lane full.",
        |r| r.lanes.health_dropped,
    ),
    (
        "vitrine_lane_events_dropped_total",
        "Session events lost; zero unless something is broken.",
        |r| r.lanes.events_dropped,
    ),
    ("vitrine_shard_turns_total", "Turns of the shard's loop.", |r| {
        r.turns
    }),
];

/// Gauges per shard.
pub(super) const GAUGES: &[Reading] = &[
    ("vitrine_publishers", "Publishers now.", |r| r.shard.publishers),
    ("vitrine_viewers", "Viewers now.", |r| r.shard.viewers),
    (
        "vitrine_viewers_best_layer",
        "Viewers who get the best layer on the air.",
        |r| r.shard.viewers_best,
    ),
    (
        "vitrine_viewers_lower_layer",
        "Viewers who get a lower layer.",
        |r| r.shard.viewers_lower,
    ),
    (
        "vitrine_viewers_without_picture",
        "Viewers of a room on the air who get no picture.",
        |r| r.shard.viewers_without,
    ),
    (
        "vitrine_viewers_estimate_bytes",
        "What the lines of viewers of rooms on the air are believed to carry, bytes per second, added up.",
        |r| r.shard.estimates / 8,
    ),
    (
        "vitrine_relay_queue_length",
        "Relay messages waiting for the shard.",
        |r| r.lanes.relay_queue,
    ),
    (
        "vitrine_event_queue_length",
        "Events waiting for the shop and directory.",
        |r| r.lanes.event_queue,
    ),
    (
        "vitrine_udp_publishers",
        "Publishers whose media has a socket of its own.",
        |r| r.udp.connected,
    ),
    (
        "vitrine_udp_without_gso",
        "1 where every datagram is sent alone because nothing cuts up runs of them.",
        |r| r.udp.without_gso,
    ),
    (
        "vitrine_udp_without_gro",
        "1 where the kernel does not join datagrams it received.",
        |r| r.udp.without_gro,
    ),
    ("vitrine_tcp_connections", "ICE-TCP connections open now.", |r| {
        r.tcp.open
    }),
];

/// Times per shard that only grow, read in microseconds and told in seconds, Prometheus' unit of time.
pub(super) const TIMES: &[Reading] = &[(
    "vitrine_shard_busy_seconds_total",
    "Time the shard's thread worked.",
    |r| u64::try_from(r.busy.as_micros()).unwrap_or(u64::MAX),
)];

/// Times per shard as they are now, read in microseconds and told in seconds.
pub(super) const TIMES_NOW: &[Reading] = &[(
    "vitrine_viewers_round_trip_seconds",
    "Round trips of viewers of rooms on the air, added up.",
    |r| r.shard.round_trips_us,
)];
