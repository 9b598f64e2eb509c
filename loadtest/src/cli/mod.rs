//! The command line: `publish`, `watch`, `buy`, `run`, `report`, `compare`. Results for people on standard output, or as
//! JSON.

mod buying;
mod publishing;
mod reporting;
mod running;

use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use serde::Serialize;

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
    /// Publish a clip: the demo's three layers, files, or a made-up stream.
    Publish(publishing::Publish),
    /// Send viewers and say what they saw.
    Watch(running::Watch),
    /// Send buyers who all want one unit of the same variant within a second, and check their receipts.
    Buy(buying::Buy),
    /// Run a scenario: a file, or one that ships with the load test.
    Run(running::RunScenario),
    /// Write the report of results again, or of several load machines together.
    Report(reporting::Report),
    /// Put the results of several runs side by side.
    Compare(reporting::Compare),
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
        match self.role {
            Role::Publish(publish) => publish.run(self.json).await,
            Role::Watch(watch) => watch.run(self.json).await,
            Role::Buy(buy) => buy.run(self.json).await,
            Role::Run(run) => run.run(self.json).await,
            Role::Report(report) => report.run(self.json),
            Role::Compare(compare) => compare.run(self.json),
        }
    }
}

/// Resolves after so many seconds, or with Ctrl-C.
async fn the_end(seconds: Option<u64>) {
    let over = async {
        match seconds {
            Some(seconds) => tokio::time::sleep(Duration::from_secs(seconds)).await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        () = over => {}
        () = asked_to_stop() => {}
    }
}

/// Resolves with Ctrl-C or when the process is asked to end. Whoever asks twice does not want to wait for goodbyes.
async fn asked_to_stop() {
    asked_once().await;
    tokio::spawn(async {
        asked_once().await;
        std::process::exit(130);
    });
}

async fn asked_once() {
    use tokio::signal::unix::{SignalKind, signal};
    let terminated = async {
        match signal(SignalKind::terminate()) {
            Ok(mut terminate) => terminate.recv().await,
            Err(_) => std::future::pending().await,
        }
    };
    tokio::select! {
        pressed = tokio::signal::ctrl_c() => if pressed.is_err() {
            std::future::pending::<()>().await;
        },
        _ = terminated => {}
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
