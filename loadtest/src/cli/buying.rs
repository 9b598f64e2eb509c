//! `buy`.

use clap::Args;
use reqwest::Url;

use super::print;
use crate::buy::{BuyOptions, BuyReport, buy};
use crate::peer;

#[derive(Args, Debug)]
pub(super) struct Buy {
    /// The server.
    #[arg(long, default_value = "http://localhost:8080")]
    url: Url,
    /// The room.
    #[arg(long, default_value = "demo")]
    room: String,
    /// A token with the scope `operator`: it makes the buyers' own.
    #[arg(long)]
    token: String,
    /// What everybody wants.
    #[arg(long, default_value = "candle")]
    variant: String,
    /// The price version the buyers name.
    #[arg(long, default_value_t = 1_000_000)]
    price_version: u64,
    /// How many buyers.
    #[arg(long, default_value_t = 500)]
    buyers: usize,
    /// How often each asks for the same buy.
    #[arg(long, default_value_t = 2)]
    repeats: usize,
    /// Fail when another number than this was held.
    #[arg(long)]
    expect_held: Option<usize>,
    /// The server may be another machine than this one.
    #[arg(long)]
    i_own_this_server: bool,
}

impl Buy {
    pub(super) async fn run(self, json: bool) -> anyhow::Result<()> {
        anyhow::ensure!(
            self.i_own_this_server || peer::is_loopback(&self.url),
            "{} is not this machine; if that server is yours, say --i-own-this-server",
            self.url
        );
        let options = BuyOptions {
            url: self.url,
            room: self.room,
            token: self.token,
            variant: self.variant,
            price_version: self.price_version,
            buyers: self.buyers,
            repeats: self.repeats,
        };
        let report = buy(options).await?;
        print(json, &report, || say(&report))?;
        anyhow::ensure!(report.contradictions == 0, "one buy got two different receipts");
        let held = report.outcomes.iter().find(|(outcome, _)| outcome == "held");
        let held = held.map_or(0, |(_, count)| *count);
        anyhow::ensure!(
            self.expect_held.is_none_or(|expected| expected == held),
            "{held} were held"
        );
        Ok(())
    }
}

fn say(report: &BuyReport) {
    println!(
        "{} buyers, {} answers, {} not answered",
        report.buyers, report.answers, report.failures
    );
    for (outcome, count) in &report.outcomes {
        println!("  {count:>6} {outcome}");
    }
    println!("{} contradictions", report.contradictions);
}
