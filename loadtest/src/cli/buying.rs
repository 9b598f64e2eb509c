//! `buy`: the simplest sale, by flags alone.

use clap::Args;

use super::asked_to_stop;
use super::running::{Target, tell};
use crate::crowd::ShopBy;
use crate::run::run;
use crate::scenario::{Bound, Phase, Publisher, Scenario, Server, Shop, Source, Thresholds};
use crate::terminal::Terminal;

/// Joins per second, of buyers who have a whole connection each.
const JOINS: f64 = 100.0;
/// From one repeat of an answered buy to the next, with room for a busy server.
const REPEAT_SECONDS: f64 = 2.5;

#[derive(Args, Debug)]
pub(super) struct Buy {
    /// The server.
    #[arg(long, default_value = "http://localhost:8080")]
    url: reqwest::Url,
    /// The room.
    #[arg(long, default_value = "demo")]
    room: String,
    /// A token with the scope `operator`: it makes the buyers' own.
    #[arg(long)]
    token: String,
    /// What everybody wants.
    #[arg(long, default_value = "candle")]
    variant: String,
    /// Units put on the shelf before; as they are when not given.
    #[arg(long)]
    stock: Option<u32>,
    /// The price version the buyers name.
    #[arg(long, default_value_t = 1_000_000)]
    price_version: u64,
    /// How many buyers; all buy within a second.
    #[arg(long, default_value_t = 500)]
    buyers: u32,
    /// How often each asks for the same buy.
    #[arg(long, default_value_t = 2)]
    repeats: u32,
    /// By event stream and POST instead of data channels.
    #[arg(long)]
    http: bool,
    /// Fail when another number than this was held.
    #[arg(long)]
    expect_held: Option<u32>,
    #[command(flatten)]
    target: Target,
}

impl Buy {
    pub(super) async fn run(self, json: bool) -> anyhow::Result<()> {
        let options = self.target.options();
        let ran = run(
            self.scenario()?,
            &options,
            &mut Terminal::new(),
            Box::pin(asked_to_stop()),
        )
        .await?;
        tell(&ran, json)?;
        anyhow::ensure!(ran.scenario.shop.is_some(), "there was nothing to buy");
        anyhow::ensure!(ran.has_passed(), "it did not pass");
        Ok(())
    }

    fn scenario(self) -> anyhow::Result<Scenario> {
        let phase = |name: &str, seconds: f64| Phase {
            name: name.into(),
            seconds,
            ..Phase::default()
        };
        let none = Bound {
            max: Some(0.0),
            ..Bound::default()
        };
        let mut thresholds: Thresholds = Thresholds::default();
        for figure in ["contradictions", "unanswered"] {
            thresholds.0.insert(figure.into(), none.clone());
        }
        if let Some(held) = self.expect_held.map(f64::from) {
            let exactly = Bound {
                min: Some(held),
                max: Some(held),
                ..Bound::default()
            };
            thresholds.0.insert("held".into(), exactly);
        }
        let scenario = Scenario {
            name: "buy".into(),
            server: Server {
                url: self.url.to_string(),
                room: self.room,
                operator_token: self.token,
                pid: self.target.server_pid(),
                ..Server::default()
            },
            publisher: Publisher {
                source: Source::None,
                ..Publisher::default()
            },
            shop: Some(Shop {
                by: if self.http { ShopBy::Http } else { ShopBy::Channel },
                variant: self.variant,
                stock: self.stock,
                price_version: self.price_version,
                repeats: self.repeats,
                ..Shop::default()
            }),
            phases: vec![
                Phase {
                    viewers: Some(self.buyers),
                    ..phase("join", (f64::from(self.buyers) / JOINS).max(1.0))
                },
                phase("doors", 2.0),
                Phase {
                    buyers: self.buyers,
                    ..phase("sale", 1.0)
                },
                phase("receipts", 2.0 + REPEAT_SECONDS * f64::from(self.repeats)),
            ],
            thresholds,
            ..Scenario::default()
        };
        Ok(Scenario::parse(&scenario.to_toml(), &[])?)
    }
}
