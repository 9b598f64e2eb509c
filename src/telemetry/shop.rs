//! What the shop counts.

use prometheus::{IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry};

use super::registered;

/// Buys, clients and what waits.
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
    /// Whether the ledger's database answers: 1 or 0.
    pub ledger_up: IntGauge,
    /// Requests refused because the shop's own lane was full.
    pub lane_refused: IntCounter,
}

impl ShopMetrics {
    pub(super) fn new(registry: &Registry) -> Result<ShopMetrics, prometheus::Error> {
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
            ledger_up: registered(
                registry,
                IntGauge::new("vitrine_ledger_up", "Whether the ledger's database answers.")?,
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
