//! `run` and `watch`: scenarios, and the simplest of them by flags alone.

use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Args;

use super::asked_to_stop;
use crate::report::{Run, summary};
use crate::run::{RunOptions, run};
use crate::scenario::{Phase, Publisher, Scenario, Server, Source, names, shipped};
use crate::terminal::Terminal;

/// Where the load goes and who may send it there.
#[derive(Args, Debug)]
pub(super) struct Target {
    /// The server's process on this machine: its CPU and memory are told.
    #[arg(long)]
    server_pid: Option<u32>,
    /// Threads of the viewers.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=64))]
    threads: u8,
    /// All viewers are of the `webrtc` crate: an independent implementation, at a hundred times the cost.
    #[arg(long)]
    canaries_only: bool,
    /// The server may be another machine than this one.
    #[arg(long)]
    i_own_this_server: bool,
}

impl Target {
    pub(super) fn options(&self) -> RunOptions {
        RunOptions {
            i_own_this_server: self.i_own_this_server,
            threads: self.threads.into(),
            canaries_only: self.canaries_only,
        }
    }

    /// 0 where it is not known.
    pub(super) fn server_pid(&self) -> u32 {
        self.server_pid.unwrap_or(0)
    }
}

#[derive(Args, Debug)]
pub(super) struct RunScenario {
    /// A TOML file, or the name of a shipped one.
    #[arg(required_unless_present = "list")]
    scenario: Option<String>,
    /// Say which scenarios ship with the load test.
    #[arg(long)]
    list: bool,
    /// Print the scenario instead of running it: to begin one's own.
    #[arg(long)]
    print: bool,
    /// The server's address; the same as `--set server.url=…`.
    #[arg(long)]
    url: Option<String>,
    /// The room; the same as `--set server.room=…`.
    #[arg(long)]
    room: Option<String>,
    /// The token to publish with.
    #[arg(long)]
    publish_token: Option<String>,
    /// The token to watch with.
    #[arg(long)]
    watch_token: Option<String>,
    /// A token with the scope `operator` of a server with a shop; it makes all others.
    #[arg(long)]
    operator_token: Option<String>,
    /// So many viewers are in a headless Chromium of this machine; the same as `--set browsers=…`.
    #[arg(long)]
    browsers: Option<u32>,
    /// Set any value: `phases.hold.seconds=600`, `publisher.codec=h264`, `thresholds.loss_percent.max=1`.
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// Where the result goes: this name with `.json` and `.html`.
    #[arg(long, value_name = "PATH")]
    out: Option<PathBuf>,
    #[command(flatten)]
    target: Target,
}

impl RunScenario {
    pub(super) async fn run(self, json: bool) -> anyhow::Result<()> {
        if self.list {
            for name in names() {
                let about = Scenario::parse(shipped(name).unwrap_or_default(), &[])?.about;
                println!("{name:<16} {about}");
            }
            return Ok(());
        }
        let asked = self.scenario.clone().unwrap_or_default();
        let (name, text) = read(&asked)?;
        if self.print {
            print!("{text}");
            return Ok(());
        }
        let mut scenario = Scenario::parse(&text, &self.sets())?;
        if scenario.name.is_empty() {
            scenario.name = name;
        }
        let out = self
            .out
            .clone()
            .unwrap_or_else(|| format!("loadtest-{}", scenario.name).into());
        let ran = run(
            scenario,
            &self.target.options(),
            &mut Terminal::new(),
            Box::pin(asked_to_stop()),
        )
        .await?;
        write(&ran, &out)?;
        tell(&ran, json)?;
        eprintln!("report: {}.html, {}.json", out.display(), out.display());
        anyhow::ensure!(ran.has_passed(), "it did not pass");
        Ok(())
    }

    /// The flags that are names for common values, and then the values set by name.
    fn sets(&self) -> Vec<String> {
        let named = [
            ("url", &self.url),
            ("room", &self.room),
            ("publish_token", &self.publish_token),
            ("watch_token", &self.watch_token),
            ("operator_token", &self.operator_token),
        ];
        let named = named.into_iter().filter_map(|(key, value)| {
            let value = toml::Value::String(value.clone()?);
            Some(format!("server.{key}={value}"))
        });
        let pid = self.target.server_pid.map(|pid| format!("server.pid={pid}"));
        let browsers = self.browsers.map(|count| format!("browsers={count}"));
        named
            .chain(pid)
            .chain(browsers)
            .chain(self.set.iter().cloned())
            .collect()
    }
}

/// The name and text of a scenario; a file wins over a shipped one of the same name.
fn read(asked: &str) -> anyhow::Result<(String, String)> {
    let path = Path::new(asked);
    if !path.is_file()
        && let Some(text) = shipped(asked)
    {
        return Ok((asked.to_owned(), text.to_owned()));
    }
    let shipped = names().collect::<Vec<_>>().join(", ");
    let text = std::fs::read_to_string(path)
        .with_context(|| format!("{asked} is neither a file nor one of {shipped}"))?;
    let name = path
        .file_stem()
        .map_or_else(|| asked.into(), |stem| stem.to_string_lossy().into_owned());
    Ok((name, text))
}

/// Writes the JSON and the page.
pub(super) fn write(run: &Run, out: &Path) -> anyhow::Result<()> {
    for (ending, text) in [("json", run.to_json()?), ("html", run.to_html())] {
        let path = PathBuf::from(format!("{}.{ending}", out.display()));
        std::fs::write(&path, text).with_context(|| path.display().to_string())?;
    }
    Ok(())
}

pub(super) fn tell(run: &Run, json: bool) -> anyhow::Result<()> {
    if json {
        println!("{}", run.to_json()?)
    } else {
        print!("{}", summary(run))
    }
    Ok(())
}

#[derive(Args, Debug)]
pub(super) struct Watch {
    /// The WHEP endpoint.
    #[arg(long, default_value = "http://localhost:8080/whep/demo")]
    url: reqwest::Url,
    /// A token to watch with, where one is needed.
    #[arg(long)]
    token: Option<String>,
    /// How many.
    #[arg(long, default_value_t = 10)]
    viewers: u32,
    /// Joins per second.
    #[arg(long, default_value_t = 10.0)]
    joins: f64,
    /// How long everybody stays, seconds.
    #[arg(long, default_value_t = 15.0)]
    seconds: f64,
    /// The share of viewers, 0 to 1, whose packets are all decrypted.
    #[arg(long, default_value_t = 0.05)]
    inspect: f64,
    /// Fail when more viewers than this saw no picture.
    #[arg(long, default_value_t = 0)]
    max_failures: u64,
    #[command(flatten)]
    target: Target,
}

impl Watch {
    pub(super) async fn run(self, json: bool) -> anyhow::Result<()> {
        anyhow::ensure!(self.joins > 0.0, "--joins: a number above 0 is accepted");
        let phase = |name: &str, seconds: f64, viewers| Phase {
            name: name.into(),
            seconds,
            viewers,
            ..Phase::default()
        };
        let joining = (f64::from(self.viewers) / self.joins).max(0.1);
        let scenario = Scenario {
            name: "watch".into(),
            server: Server {
                url: self.url.to_string(),
                whip: self.url.to_string(),
                whep: self.url.to_string(),
                watch_token: self.token.clone().unwrap_or_default(),
                pid: self.target.server_pid(),
                ..Server::default()
            },
            publisher: Publisher {
                source: Source::None,
                ..Publisher::default()
            },
            groups: vec![crate::scenario::Group {
                inspect: self.inspect,
                ..crate::scenario::Group::default()
            }],
            phases: vec![
                phase("join", joining, Some(self.viewers)),
                phase("stay", self.seconds, None),
            ],
            ..Scenario::default()
        };
        let scenario = Scenario::parse(&scenario.to_toml(), &[])?;
        let ran = run(
            scenario,
            &self.target.options(),
            &mut Terminal::new(),
            Box::pin(asked_to_stop()),
        )
        .await?;
        tell(&ran, json)?;
        let window = ran.window();
        let tried = window.counter(crate::measure::Counter::JoinsStarted);
        let failed = tried.saturating_sub(window.counter(crate::measure::Counter::Watching));
        anyhow::ensure!(failed <= self.max_failures, "{failed} viewers saw no picture");
        Ok(())
    }
}
