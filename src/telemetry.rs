//! What operators see at `/metrics`: counters of every shard, of the lanes and of the shop, in Prometheus' text form.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use prometheus::core::Collector;
use prometheus::{
    Encoder, Histogram, HistogramOpts, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry,
    TextEncoder,
};
use sfu::relay::ShardId;
use sfu::shard::PeerEnd;
use sfu::transport::CloseReason;
use signaling::PlayerReport;

use crate::media::command::ShardReport;

/// A value of a shard's report with its name and meaning.
type Reading = (&'static str, &'static str, fn(&ShardReport) -> u64);

/// Counters per shard; they only grow.
const COUNTERS: &[Reading] = &[
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
        "vitrine_handshakes_refused_total",
        "DTLS handshakes put off because many began at once.",
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
    (
        "vitrine_shard_busy_microseconds_total",
        "Time the shard's thread worked.",
        |r| u64::try_from(r.busy.as_micros()).unwrap_or(u64::MAX),
    ),
    ("vitrine_shard_turns_total", "Turns of the shard's loop.", |r| {
        r.turns
    }),
];

/// Gauges per shard.
const GAUGES: &[Reading] = &[
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
        "vitrine_viewers_estimate_bits",
        "What the lines of viewers of rooms on the air are believed to carry, bits per second, added up.",
        |r| r.shard.estimates,
    ),
    (
        "vitrine_viewers_round_trip_microseconds",
        "Round trips of viewers of rooms on the air, added up.",
        |r| r.shard.round_trips_us,
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

/// The process's metrics.
pub struct Telemetry {
    registry: Registry,
    counters: Vec<(IntCounterVec, Reading)>,
    gauges: Vec<(IntGaugeVec, Reading)>,
    /// Two readers at once would each add what came since the last.
    rendering: Mutex<()>,
    /// From a session's opening to its keys.
    join: Histogram,
    closed: IntCounterVec,
    /// Messages of clients by where they came from.
    pub shop: ShopMetrics,
    /// What players told.
    pub players: PlayerMetrics,
}

/// What players tell of themselves, of all rooms together.
#[derive(Clone)]
pub struct PlayerMetrics {
    first_frame: Histogram,
    freezes: IntCounter,
    freeze_ms: IntCounter,
}

/// What the shop counts.
#[derive(Clone)]
pub struct ShopMetrics {
    /// Buys answered, by receipt.
    pub buys: IntCounterVec,
    /// Clients connected now, by transport.
    pub clients: IntGaugeVec,
    /// Messages to one client that were refused, by transport.
    pub refused: IntCounterVec,
    /// Ledger commands waiting now.
    pub ledger_queue: IntGauge,
    /// Requests refused because the shop's own lane was full.
    pub lane_refused: IntCounter,
}

impl Telemetry {
    /// All metrics at zero.
    ///
    /// # Errors
    /// When two metrics have one name.
    pub fn new() -> Result<Telemetry, prometheus::Error> {
        let registry = Registry::new();
        let mut counters = Vec::new();
        for &reading in COUNTERS {
            let counter = IntCounterVec::new(Opts::new(reading.0, reading.1), &["shard"])?;
            counters.push((registered(&registry, counter)?, reading));
        }
        let mut gauges = Vec::new();
        for &reading in GAUGES {
            let gauge = IntGaugeVec::new(Opts::new(reading.0, reading.1), &["shard"])?;
            gauges.push((registered(&registry, gauge)?, reading));
        }
        let join = HistogramOpts::new("vitrine_join_seconds", "From the answer to keys, per session.")
            .buckets(vec![0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1.0, 2.0, 5.0, 10.0, 30.0]);
        let join = registered(&registry, Histogram::with_opts(join)?)?;
        let closed = Opts::new(
            "vitrine_sessions_ended_total",
            "Sessions the peer or its line ended, by reason.",
        );
        let closed = registered(&registry, IntCounterVec::new(closed, &["reason"])?)?;
        let shop = ShopMetrics::new(&registry)?;
        let players = PlayerMetrics::new(&registry)?;
        Ok(Telemetry {
            registry,
            counters,
            gauges,
            rendering: Mutex::new(()),
            join,
            closed,
            shop,
            players,
        })
    }

    /// Notes a session's way from opening to keys.
    pub fn joined(&self, took: Duration) {
        self.join.observe(took.as_secs_f64());
    }

    /// Notes a session's end.
    pub fn ended(&self, reason: PeerEnd) {
        let reason = match reason {
            PeerEnd::Transport(CloseReason::ByPeer) => "by_peer",
            PeerEnd::Transport(CloseReason::ConsentLost) => "consent_lost",
            PeerEnd::Transport(CloseReason::ConnectTimeout) => "connect_timeout",
            PeerEnd::Transport(CloseReason::DtlsFailed) => "dtls_failed",
            PeerEnd::TakenOver => "taken_over",
        };
        self.closed.with_label_values(&[reason]).inc();
    }

    /// Everything in the text form, with the shards as they were just reported.
    ///
    /// # Errors
    /// When a metric cannot be written.
    pub fn render(&self, reports: &[(ShardId, ShardReport)]) -> Result<String, prometheus::Error> {
        let _alone = self.rendering.lock().unwrap_or_else(PoisonError::into_inner);
        for (ShardId(shard), report) in reports {
            let label = shard.to_string();
            for (counter, (_, _, read)) in &self.counters {
                let counter = counter.with_label_values(&[label.as_str()]);
                counter.inc_by(read(report).saturating_sub(counter.get()));
            }
            for (gauge, (_, _, read)) in &self.gauges {
                gauge
                    .with_label_values(&[label.as_str()])
                    .set(i64::try_from(read(report)).unwrap_or(i64::MAX));
            }
        }
        let mut text = Vec::new();
        TextEncoder::new().encode(&self.registry.gather(), &mut text)?;
        Ok(String::from_utf8_lossy(&text).into_owned())
    }
}

impl PlayerMetrics {
    /// At zero.
    ///
    /// # Errors
    /// When two metrics have one name.
    pub fn new(registry: &Registry) -> Result<PlayerMetrics, prometheus::Error> {
        let first_frame = HistogramOpts::new(
            "vitrine_player_first_frame_seconds",
            "From a player's start to the first frame it showed, as it told.",
        )
        .buckets(vec![
            0.1, 0.2, 0.3, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0, 30.0,
        ]);
        let counter = |name, help| registered(registry, IntCounter::new(name, help)?);
        Ok(PlayerMetrics {
            first_frame: registered(registry, Histogram::with_opts(first_frame)?)?,
            freezes: counter(
                "vitrine_player_freezes_total",
                "Times a picture stood still, as players told.",
            )?,
            freeze_ms: counter(
                "vitrine_player_freeze_milliseconds_total",
                "How long pictures stood still, as players told.",
            )?,
        })
    }

    /// A player told more than before.
    pub fn reported(&self, before: &PlayerReport, now: &PlayerReport) {
        if let (None, Some(first)) = (before.first_frame_ms, now.first_frame_ms) {
            self.first_frame.observe(f64::from(first) / 1000.0);
        }
        let freezes = now
            .freezes
            .unwrap_or(0)
            .saturating_sub(before.freezes.unwrap_or(0));
        self.freezes.inc_by(freezes.into());
        let freeze_ms = now
            .freeze_ms
            .unwrap_or(0)
            .saturating_sub(before.freeze_ms.unwrap_or(0));
        self.freeze_ms.inc_by(freeze_ms);
    }
}

impl ShopMetrics {
    fn new(registry: &Registry) -> Result<ShopMetrics, prometheus::Error> {
        let counter = |name: &str, help: &str, label: &str| {
            registered(registry, IntCounterVec::new(Opts::new(name, help), &[label])?)
        };
        Ok(ShopMetrics {
            buys: counter("vitrine_buys_total", "Buys answered, by receipt.", "outcome")?,
            refused: counter(
                "vitrine_shop_messages_refused_total",
                "Shop messages a client could not take, by transport.",
                "transport",
            )?,
            clients: registered(
                registry,
                IntGaugeVec::new(
                    Opts::new("vitrine_shop_clients", "Shop clients now, by transport."),
                    &["transport"],
                )?,
            )?,
            ledger_queue: registered(
                registry,
                IntGauge::new("vitrine_ledger_queue_length", "Commands waiting for the ledger.")?,
            )?,
            lane_refused: registered(
                registry,
                IntCounter::new(
                    "vitrine_shop_lane_refused_total",
                    "Requests that found the shop's lane full.",
                )?,
            )?,
        })
    }
}

fn registered<C: Collector + Clone + 'static>(
    registry: &Registry,
    metric: C,
) -> Result<C, prometheus::Error> {
    registry.register(Box::new(metric.clone()))?;
    Ok(metric)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reports_become_counters_that_follow_them() {
        let telemetry = Telemetry::new().unwrap();
        let mut report = ShardReport::default();
        report.shard.viewers = 3;
        report.shard.datagrams_in = 100;
        telemetry.render(&[(ShardId(0), report)]).unwrap();
        report.shard.viewers = 2;
        report.shard.datagrams_in = 150;
        telemetry.joined(Duration::from_millis(120));
        telemetry.ended(PeerEnd::Transport(CloseReason::ConsentLost));
        let mut told = PlayerReport::default();
        for (freezes, freeze_ms) in [(1, 400), (1, 400), (3, 900)] {
            let now = PlayerReport {
                first_frame_ms: Some(180),
                freezes: Some(freezes),
                freeze_ms: Some(freeze_ms),
                ..PlayerReport::default()
            };
            telemetry.players.reported(&told, &now);
            told = now;
        }
        let text = telemetry.render(&[(ShardId(0), report)]).unwrap();
        for line in [
            "vitrine_viewers{shard=\"0\"} 2",
            "vitrine_datagrams_received_total{shard=\"0\"} 150",
            "vitrine_join_seconds_bucket{le=\"0.2\"} 1",
            "vitrine_player_first_frame_seconds_count 1",
            "vitrine_player_freezes_total 3",
            "vitrine_player_freeze_milliseconds_total 900",
            "vitrine_sessions_ended_total{reason=\"consent_lost\"} 1",
        ] {
            assert!(text.lines().any(|known| known == line), "no {line} in:\n{text}");
        }
    }
}
