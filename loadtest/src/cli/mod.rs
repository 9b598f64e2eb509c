//! The command line: `publish`, `watch`, `buy`. Results for people on standard output, or as JSON.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use bytes::Bytes;
use clap::{Args, Parser, Subcommand};
use reqwest::Url;
use serde::Serialize;

use crate::buy::{BuyOptions, BuyReport, buy};
use crate::clip::Clip;
use crate::cpu::{Cost, Reading};
use crate::watch::{WatchOptions, WatchReport, watch};
use crate::{PublishOptions, PublishReport, demo, publish};

/// Publishers, viewers and buyers for any WHIP/WHEP server.
#[derive(Parser, Debug)]
#[command(name = "vitrine-loadtest", version)]
pub struct Cli {
    #[command(flatten)]
    command: LoadTest,
}

/// What to do; also a part of the server's own command line.
#[derive(Args, Debug)]
pub struct LoadTest {
    #[command(subcommand)]
    role: Role,
    /// Print the result as JSON.
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Subcommand, Debug)]
enum Role {
    /// Publish a clip: the demo's three layers, or files.
    Publish {
        /// The WHIP endpoint.
        #[arg(long, default_value = "http://localhost:8080/whip/demo")]
        url: Url,
        /// A token to publish with.
        #[arg(long)]
        token: Option<String>,
        /// An IVF file (VP8, VP9, AV1) instead of the demo; given up to four times, smallest first, for simulcast.
        #[arg(long, value_name = "FILE")]
        video: Vec<PathBuf>,
        /// An Ogg file (Opus) to the videos.
        #[arg(long, value_name = "FILE", requires = "video")]
        audio: Option<PathBuf>,
        /// Do not answer keyframe requests, as most encoders do not: the next keyframe comes when the file has one.
        #[arg(long)]
        ignore_pli: bool,
        /// How long; until Ctrl-C when not given.
        #[arg(long)]
        seconds: Option<u64>,
    },
    /// Send viewers and say what they saw.
    Watch {
        /// The WHEP endpoint.
        #[arg(long, default_value = "http://localhost:8080/whep/demo")]
        url: Url,
        /// A token to watch with, where one is needed.
        #[arg(long)]
        token: Option<String>,
        /// How many.
        #[arg(long, default_value_t = 10)]
        viewers: usize,
        /// Joins per second.
        #[arg(long, default_value_t = 10.0)]
        joins: f64,
        /// How long everybody stays, seconds.
        #[arg(long, default_value_t = 15)]
        seconds: u64,
        /// The server's process on this machine: its CPU time per packet is told.
        #[arg(long)]
        server_pid: Option<u32>,
        /// Fail when more viewers than this saw no picture.
        #[arg(long, default_value_t = 0)]
        max_failures: usize,
    },
    /// Send buyers who all want one unit of the same variant, and check their receipts.
    Buy {
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
    },
}

/// Runs a command line of its own.
///
/// # Errors
/// What went wrong, or that the result is not what was expected.
pub async fn run() -> anyhow::Result<()> {
    Cli::parse().command.run().await
}

impl LoadTest {
    /// Does it.
    ///
    /// # Errors
    /// What went wrong, or that the result is not what was expected.
    pub async fn run(self) -> anyhow::Result<()> {
        let json = self.json;
        match self.role {
            Role::Publish {
                url,
                token,
                video,
                audio,
                ignore_pli,
                seconds,
            } => {
                let options = PublishOptions {
                    token,
                    ignore_pli,
                    ..PublishOptions::new(url, clip(&video, audio.as_deref())?)
                };
                let report = publish(options, the_end(seconds)).await?;
                print(json, &report, || say_publish(&report))
            }
            Role::Watch {
                url,
                token,
                viewers,
                joins,
                seconds,
                server_pid,
                max_failures,
            } => {
                let before = read(server_pid, &url).await?;
                let options = WatchOptions {
                    whep_url: url.clone(),
                    token,
                    viewers,
                    joins_per_second: joins,
                    stay: Duration::from_secs(seconds),
                };
                let report = watch(options).await?;
                let after = read(server_pid, &url).await?;
                let cost = before.zip(after).map(|(before, after)| after.since(&before));
                print(json, &(&report, cost), || say_watch(&report, cost))?;
                let failed = report.viewers - report.watched;
                anyhow::ensure!(failed <= max_failures, "{failed} viewers saw no picture");
                Ok(())
            }
            Role::Buy {
                url,
                room,
                token,
                variant,
                price_version,
                buyers,
                repeats,
                expect_held,
            } => {
                let options = BuyOptions {
                    url,
                    room,
                    token,
                    variant,
                    price_version,
                    buyers,
                    repeats,
                };
                let report = buy(options).await?;
                print(json, &report, || say_buy(&report))?;
                anyhow::ensure!(report.contradictions == 0, "one buy got two different receipts");
                let held = report.outcomes.iter().find(|(outcome, _)| outcome == "held");
                let held = held.map_or(0, |(_, count)| *count);
                anyhow::ensure!(
                    expect_held.is_none_or(|expected| expected == held),
                    "{held} were held"
                );
                Ok(())
            }
        }
    }
}

async fn read(pid: Option<u32>, server: &Url) -> anyhow::Result<Option<Reading>> {
    match pid {
        None => Ok(None),
        Some(pid) => Ok(Some(Reading::take(pid, server).await.context("--server-pid")?)),
    }
}

fn clip(videos: &[PathBuf], audio: Option<&Path>) -> anyhow::Result<Clip> {
    if videos.is_empty() {
        return Ok(demo::clip()?);
    }
    let read = |path: &Path| {
        let file = std::fs::read(path).with_context(|| path.display().to_string())?;
        anyhow::Ok(Bytes::from(file))
    };
    let videos = videos
        .iter()
        .map(|path| read(path))
        .collect::<anyhow::Result<_>>()?;
    Ok(Clip::from_files(videos, audio.map(read).transpose()?)?)
}

async fn the_end(seconds: Option<u64>) {
    match seconds {
        Some(seconds) => tokio::time::sleep(Duration::from_secs(seconds)).await,
        None => {
            if tokio::signal::ctrl_c().await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }
}

fn print(json: bool, report: &impl Serialize, say: impl FnOnce()) -> anyhow::Result<()> {
    if json {
        println!("{}", serde_json::to_string_pretty(report)?);
    } else {
        say();
    }
    Ok(())
}

fn say_publish(report: &PublishReport) {
    println!("{:.1} s on {} connections", report.seconds, report.connections);
    for stream in &report.streams {
        let rate = stream.bytes as f64 * 8.0 / 1000.0 / report.seconds.max(0.001);
        println!(
            "  {:>5}  {:>8} packets  {rate:>7.0} kbit/s",
            stream.name, stream.packets
        );
    }
    println!(
        "asked for again {}, sent again {}, keyframes asked for {}",
        report.nacked, report.repaired, report.keyframe_requests
    );
}

fn say_watch(report: &WatchReport, cost: Option<Cost>) {
    let WatchReport {
        viewers,
        watched,
        first_picture_ms: first,
        ..
    } = report;
    println!("{watched} of {viewers} viewers saw a picture");
    for (reason, count) in &report.failures {
        println!("  {count}: {reason}");
    }
    println!(
        "first picture after: p50 {} ms, p95 {} ms, p99 {} ms, longest {} ms",
        first.p50, first.p95, first.p99, first.max
    );
    println!(
        "{} packets, {} lost; {} pictures, {} freezes; {} without sound",
        report.packets, report.lost, report.frames, report.freezes, report.silent
    );
    if let Some(cost) = cost {
        print!("server: {:.2} s of CPU", cost.cpu_seconds);
        match (cost.packets, cost.microseconds_per_packet) {
            (Some(packets), Some(each)) => println!(", {packets} packets, {each:.2} µs each"),
            _ => println!(),
        }
    }
}

fn say_buy(report: &BuyReport) {
    println!(
        "{} buyers, {} answers, {} not answered",
        report.buyers, report.answers, report.failures
    );
    for (outcome, count) in &report.outcomes {
        println!("  {count:>6} {outcome}");
    }
    println!("{} contradictions", report.contradictions);
}
