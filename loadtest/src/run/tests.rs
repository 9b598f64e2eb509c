//! Whole runs in virtual time, against a crowd whose server has a known limit.

use std::sync::{Arc, Mutex};

use super::*;
use crate::measure::{Counter, Level, Timing};

/// A server that carries so many viewers; past that, it loses packets.
struct Simulated {
    limit: u32,
    /// It refuses more.
    seats: u32,
    begin: Instant,
    viewers: u32,
    told: u64,
    joins: u32,
    refused: u32,
    /// What it was told, for a look from outside.
    commands: Arc<Mutex<Vec<Command>>>,
}

impl Crowd for Simulated {
    fn command(&mut self, command: Command) {
        match command {
            Command::Join { count, .. } => {
                let taken = count.min(self.seats - self.viewers);
                self.viewers += taken;
                self.joins += taken;
                self.refused += count - taken;
            }
            Command::Leave { count, .. } | Command::Vanish { count, .. } => self.viewers -= count,
            _ => {}
        }
        self.commands.lock().unwrap().push(command);
    }

    fn take(&mut self) -> Recorder {
        let mut recorder = Recorder::new();
        let group = GroupId(0);
        while self.told < self.begin.elapsed().as_secs() {
            let at = Duration::from_secs(self.told);
            self.told += 1;
            recorder.level(group, at, Level::Viewers, self.viewers.into());
            recorder.add(group, at, Counter::Packets, u64::from(self.viewers) * 100);
            if self.viewers > self.limit {
                recorder.add(group, at, Counter::Lost, u64::from(self.viewers));
            }
            let joined = u64::from(std::mem::take(&mut self.joins));
            let refused = u64::from(std::mem::take(&mut self.refused));
            recorder.add(group, at, Counter::JoinsStarted, joined + refused);
            recorder.add(group, at, Counter::JoinsFailed, refused);
            recorder.add(group, at, Counter::Watching, joined);
            for _ in 0..joined {
                recorder.time(group, at, Timing::FirstPicture, Duration::from_millis(80));
            }
        }
        recorder
    }

    fn stop(mut self: Box<Self>) -> Pin<Box<dyn Future<Output = Recorder> + Send>> {
        Box::pin(async move { self.take() })
    }
}

#[derive(Default)]
struct Quiet {
    shown: Vec<Status>,
}

impl View for Quiet {
    fn show(&mut self, status: &Status) {
        self.shown.push(status.clone());
    }

    fn leaving(&mut self) {}
}

struct Ran {
    run: Run,
    commands: Vec<Command>,
    shown: Vec<Status>,
}

async fn simulate(text: &str, limit: u32, stop: Stop) -> Ran {
    simulate_with(text, limit, u32::MAX, stop).await
}

async fn simulate_with(text: &str, limit: u32, seats: u32, stop: Stop) -> Ran {
    let text = format!("[publisher]\nsource = 'none'\n{text}");
    let scenario = Scenario::parse(&text, &[]).unwrap();
    let commands = Arc::<Mutex<Vec<Command>>>::default();
    let kept = commands.clone();
    let make: MakeCrowd<'_> = Box::new(move |_, begin| {
        Ok(Box::new(Simulated {
            limit,
            seats,
            begin,
            viewers: 0,
            told: 0,
            joins: 0,
            refused: 0,
            commands: kept,
        }))
    });
    let mut view = Quiet::default();
    let run = run_with(scenario, false, make, &mut view, stop).await.unwrap();
    let commands = commands.lock().unwrap().clone();
    Ran {
        run,
        commands,
        shown: view.shown,
    }
}

fn never() -> Stop {
    Box::pin(std::future::pending())
}

#[tokio::test(start_paused = true)]
async fn a_search_finds_the_limit_of_a_server() {
    let text = "[search]\nfrom = 100\nlimits = { loss_percent = { max = 0.1 }, first_picture_p95_ms = { max = 500 } }";
    for limit in [150, 1_370] {
        let ran = simulate(text, limit, never()).await;
        let found = ran.run.search.as_ref().unwrap();
        let viewers = found.viewers.unwrap();
        assert!(
            viewers <= limit && viewers >= limit * 94 / 100,
            "{limit}: {found:?}"
        );
        assert!(!found.is_bound && ran.run.has_passed());
        assert_eq!(ran.run.marks.len(), found.tries.len());
        let failed = found.tries.iter().find(|tried| !tried.has_held()).unwrap();
        let words: Vec<_> = failed
            .verdicts
            .iter()
            .map(|v| (v.figure.as_str(), v.is_ok))
            .collect();
        assert_eq!(
            words,
            [
                ("first_picture_p95_ms", true),
                ("loss_percent", false),
                ("joins_failed", true)
            ]
        );
    }
    let bound = simulate(text, 1_000_000, never()).await.run.search.unwrap();
    assert_eq!((bound.viewers, bound.is_bound), (Some(20_000), true));
    let nothing = simulate(text, 0, never()).await;
    assert_eq!(nothing.run.search.as_ref().unwrap().viewers, Some(0));
    assert!(!nothing.run.has_passed());
}

#[tokio::test(start_paused = true)]
async fn a_server_that_refuses_viewers_carries_those_it_takes() {
    let text = "[search]\nfrom = 100\nlimits = { loss_percent = { max = 0.1 } }";
    for seats in [60, 700, 1_370] {
        let ran = simulate_with(text, 1_000_000, seats, never()).await;
        let found = ran.run.search.as_ref().unwrap();
        let viewers = found.viewers.unwrap();
        let least = if seats < 100 { 0 } else { seats * 94 / 100 };
        assert!((least..=seats).contains(&viewers), "{seats}: {found:?}");
        assert!(!found.is_bound, "{seats}: {found:?}");
    }
}

const TWO_PHASES: &str = "[[phases]]\nname = 'join'\nseconds = 10\nviewers = 200\n\
                          [[phases]]\nname = 'hold'\nseconds = 20\n";

#[tokio::test(start_paused = true)]
async fn thresholds_decide_on_both_sides() {
    let judged = |limit, threshold: &'static str| async move {
        let ran = simulate(&format!("{TWO_PHASES}[thresholds]\n{threshold}"), limit, never()).await;
        (ran.run.has_passed(), ran.run.verdicts()[0].value.unwrap())
    };
    assert_eq!(judged(500, "loss_percent = { max = 0.1 }").await, (true, 0.0));
    let (passed, value) = judged(100, "loss_percent = { max = 0.1 }").await;
    assert!(!passed && value > 0.5, "{value}");
    assert_eq!(judged(500, "viewers = { min = 200 }").await, (true, 200.0));
    assert_eq!(judged(500, "viewers = { min = 201 }").await, (false, 200.0));
    let (passed, value) = judged(100, "loss_percent = { max = 0.985, phase = 'hold' }").await;
    assert!(
        !passed && (value - 100.0 / 101.0).abs() < 1e-9,
        "all of the hold is past the limit: {value}"
    );
    let (passed, _) = judged(100, "loss_percent = { max = 0.1, phase = 'join' }").await;
    assert!(!passed, "half of the joining is past the limit");
}

#[tokio::test(start_paused = true)]
async fn a_run_that_is_stopped_has_what_there_is() {
    let stop = Box::pin(tokio::time::sleep(Duration::from_secs(15)));
    let ran = simulate(TWO_PHASES, 500, stop).await;
    assert_eq!(ran.run.end, End::Interrupted);
    assert!((14.9..15.2).contains(&ran.run.seconds), "{}", ran.run.seconds);
    assert_eq!(
        ran.run
            .marks
            .iter()
            .map(|mark| mark.name.as_str())
            .collect::<Vec<_>>(),
        ["join", "hold"]
    );
    assert!((14.9..15.2).contains(&ran.run.marks[1].to_s));
    assert_eq!(ran.run.window().most_viewers(), 200);
    let stop = Box::pin(tokio::time::sleep(Duration::from_secs(30)));
    let search = simulate("[search]\nlimits = { loss_percent = { max = 1 } }", 5_000, stop).await;
    let found = search.run.search.as_ref().unwrap();
    assert!(found.viewers.is_none() && !found.tries.is_empty(), "{found:?}");
    assert!(!search.run.has_passed());
}

#[tokio::test(start_paused = true)]
async fn a_run_is_shown_once_a_second_and_joins_come_at_their_rate() {
    let ran = simulate(TWO_PHASES, 500, never()).await;
    assert!((29..=31).contains(&ran.shown.len()), "{}", ran.shown.len());
    let fifth = &ran.shown[4];
    assert_eq!(
        (fifth.doing.as_str(), fifth.of),
        ("join", Some(Duration::from_secs(30)))
    );
    assert!((95..=105).contains(&fifth.wanted), "{}", fifth.wanted);
    let joins = ran.commands.iter().map(|command| match command {
        Command::Join { count, .. } => *count,
        _ => 0,
    });
    assert!(
        joins.clone().all(|count| count <= 2),
        "20 a second, each 50 ms one"
    );
    assert_eq!(joins.sum::<u32>(), 200);
    assert_eq!(ran.shown.last().unwrap().viewers, 200);
}

#[tokio::test]
async fn other_machines_are_no_targets_unless_they_are_ours() {
    let text = "[server]\nurl = 'http://192.0.2.1:8080'\n[publisher]\nsource='none'\n[[phases]]\nseconds = 1";
    let refused = |sets: &[&str]| {
        let sets: Vec<_> = sets.iter().map(|set| (*set).to_owned()).collect();
        let scenario = Scenario::parse(text, &sets).unwrap();
        let options = RunOptions {
            i_own_this_server: false,
            threads: 1,
            canaries_only: false,
        };
        async move {
            run(scenario, &options, &mut Quiet::default(), never())
                .await
                .unwrap_err()
                .to_string()
        }
    };
    assert!(refused(&[]).await.contains("--i-own-this-server"));
    let elsewhere = [
        "server.url=http://localhost:1",
        "server.whep=http://192.0.2.1/whep/{room}",
    ];
    assert!(refused(&elsewhere).await.contains("192.0.2.1"));
    let metrics = [
        "server.url=http://localhost:1",
        "server.metrics=http://192.0.2.1/metrics",
    ];
    assert!(refused(&metrics).await.contains("192.0.2.1"));
}
