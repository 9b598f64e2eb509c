//! The scenarios that ship with the load test.

/// Each name with its file; in the order in which a newcomer tries them.
const SHIPPED: &[(&str, &str)] = &[
    ("steady", include_str!("../../scenarios/steady.toml")),
    ("ramp", include_str!("../../scenarios/ramp.toml")),
    ("join-storm", include_str!("../../scenarios/join-storm.toml")),
    ("churn", include_str!("../../scenarios/churn.toml")),
    ("flash-sale", include_str!("../../scenarios/flash-sale.toml")),
    ("stock", include_str!("../../scenarios/stock.toml")),
    ("chat-flood", include_str!("../../scenarios/chat-flood.toml")),
    (
        "host-reconnect",
        include_str!("../../scenarios/host-reconnect.toml"),
    ),
    (
        "mixed-networks",
        include_str!("../../scenarios/mixed-networks.toml"),
    ),
    ("soak", include_str!("../../scenarios/soak.toml")),
];

/// Their names.
pub fn names() -> impl Iterator<Item = &'static str> {
    SHIPPED.iter().map(|(name, _)| *name)
}

/// The text of the scenario with this name.
pub fn shipped(name: &str) -> Option<&'static str> {
    SHIPPED
        .iter()
        .find(|(known, _)| *known == name)
        .map(|(_, text)| *text)
}
