//! Each scenario that ships, small, by the command line that operators use.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use loadtest::measure::{Counter, Times, Timing};
use loadtest::report::{End, Run};
use serde_json::{Value, json};

use super::server::{PATIENCE, vitrine_says};
use super::stage::Stage;

/// Whoever ships another scenario runs it here, small.
#[test]
fn every_scenario_that_ships_has_a_story() {
    let stories: String = include_str!("scenarios.rs").split_whitespace().collect();
    for name in loadtest::scenario::names() {
        assert!(stories.contains(&format!("stage.pass({name:?},")), "{name}");
    }
}

#[test]
fn steady_and_its_canaries_agree() {
    let stage = Stage::start();
    let sets = [
        "phases.join.seconds=2",
        "phases.join.viewers=20",
        "phases.hold.seconds=5",
    ];
    let run = stage.pass("steady", &sets);
    let window = run.window();
    assert_eq!(
        (window.counter(Counter::Watching), window.counter(Counter::Lost)),
        (20, 0)
    );
    assert!(
        window.server_cpu().is_some_and(|(used, _)| used > 0.0) && window.server_memory().unwrap() > 1 << 20
    );
    let [viewers, canaries] = &run.groups[..] else {
        panic!("{} groups", run.groups.len())
    };
    assert!(canaries.is_canary && canaries.measures.counter(Counter::Watching) == 2);
    // Both see the same stream: pictures per viewer and second, over the seconds both were there.
    let rate = |measures: &loadtest::measure::Measures, viewers: f64| {
        let seconds = 3..6;
        let frames: u64 = seconds
            .filter_map(|at| Some(measures.second(at)?.counter(Counter::Frames)))
            .sum();
        frames as f64 / 3.0 / viewers
    };
    let (cheap, whole) = (rate(&viewers.measures, 20.0), rate(&canaries.measures, 2.0));
    assert!(
        (cheap / whole - 1.0).abs() < 0.2,
        "{cheap} and {whole} pictures a second"
    );
    for group in [viewers, canaries] {
        let seconds = (3..6).filter_map(|at| group.measures.second(at));
        let heights: Vec<u16> = seconds
            .flat_map(|second| second.layers().keys().copied())
            .collect();
        let are_published = heights.iter().all(|height| [180, 360, 720].contains(height));
        assert!(
            !heights.is_empty() && are_published,
            "{}: {heights:?}",
            group.name
        );
    }
}

#[test]
fn a_ramp_finds_a_number() {
    let stage = Stage::start();
    let sets = [
        "search.from=5",
        "search.most=10",
        "search.settle_seconds=0.5",
        "search.hold_seconds=2",
        "search.limits.frozen_percent.max=100",
    ];
    let run = stage.pass("ramp", &sets);
    let found = run.search.as_ref().unwrap();
    assert_eq!((found.viewers, found.is_bound), (Some(10), true));
    assert!(
        run.sentence()
            .contains("This machine carries 10 viewers of this stream at under 0.1 % loss")
    );
}

#[test]
fn storms_churn_and_a_soak_leave_nothing_behind() {
    let stage = Stage::start();
    let storm = [
        "phases.quiet.seconds=1",
        "phases.quiet.viewers=2",
        "phases.storm.viewers=30",
    ];
    let short = ["phases.storm.seconds=4", "phases.after.seconds=2"];
    let run = stage.pass("join-storm", &[&storm[..], &short].concat());
    assert_eq!(run.window().counter(Counter::Watching), 30);
    let sets = [
        "phases.join.seconds=1",
        "phases.join.viewers=15",
        "phases.churn.seconds=4",
        "phases.empty.seconds=1",
    ];
    let run = stage.pass(
        "churn",
        &[
            &sets[..],
            &[
                "phases.churn.churn_per_second=5",
                "thresholds.watching_percent.min=80",
            ],
        ]
        .concat(),
    );
    let window = run.window();
    assert_eq!(window.counter(Counter::JoinsStarted), 35);
    let sets = [
        "phases.join.seconds=1",
        "phases.join.viewers=6",
        "phases.first hour.seconds=2",
        "phases.night.seconds=2",
        "phases.leave.seconds=1",
        "thresholds.watching_percent.min=80",
    ];
    let run = stage.pass("soak", &sets);
    assert_eq!(run.marks.len(), 4);
}

#[test]
fn a_flash_sale_sells_what_there_is_and_the_audit_agrees() {
    let stage = Stage::start();
    let audit = json!([
        env!("CARGO_BIN_EXE_vitrine"),
        "audit",
        "--data-dir",
        stage.folder()
    ]);
    let audit = format!("audit={audit}");
    let sets = [
        "phases.join.seconds=2",
        "phases.join.viewers=30",
        "phases.sale.buyers=30",
        "phases.receipts.seconds=5",
        "shop.stock=7",
        "shop.hang_up=0",
        &audit,
    ];
    let run = stage.pass("flash-sale", &sets);
    let window = run.window();
    assert_eq!(
        (window.counter(Counter::BuysSent), window.receipts("held")),
        (30, 7)
    );
    assert_eq!(window.oversold(), Some(0));
    // Each asked twice, and the server answered twice.
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let answered = runtime.block_on(stage.server.counter("vitrine_buys_total"));
    assert!(answered >= 60.0, "{answered} answers");
    assert!(
        run.audit
            .as_ref()
            .is_some_and(|audit| audit.is_ok && audit.said.contains("books are right"))
    );
    let sentence = run.sentence();
    assert!(
        sentence.contains("30 wanted to buy, 7 got their units, no unit was sold twice"),
        "{sentence}"
    );
}

/// The simplest sale, by flags alone, again and again: what a test before has bought is not in the way.
#[test]
fn a_sale_by_flags_finds_its_units_each_time() {
    let stage = Stage::start();
    let channels = [
        "loadtest",
        "buy",
        "--url",
        &stage.server.url,
        "--room",
        "loadtest",
        "--token",
        &stage.operator,
        "--buyers",
        "8",
        "--stock",
        "3",
        "--expect-held",
        "3",
    ];
    let http = [&channels[..], &["--http"]].concat();
    for arguments in [&channels[..], &http] {
        let bought = vitrine_says(stage.folder(), arguments);
        let said = String::from_utf8_lossy(&bought.stdout);
        assert!(bought.status.success(), "{said}");
        assert!(said.contains("8 wanted to buy, 3 got their units"), "{said}");
    }
}

#[test]
fn chat_reaches_everybody() {
    let stage = Stage::start();
    let sets = [
        "phases.join.seconds=1",
        "phases.join.viewers=8",
        "phases.flood.seconds=4",
        "phases.flood.chat_per_second=2",
        "phases.after.seconds=2",
    ];
    let window = stage.pass("chat-flood", &sets).window();
    assert_eq!(window.counter(Counter::ChatSent), 8);
    assert!(
        window.counter(Counter::ChatReceived) >= 8 * 7,
        "{}",
        window.counter(Counter::ChatReceived)
    );
    assert!(window.quantile(Timing::Message, 0.5).is_some());
}

#[test]
fn a_stock_that_changes_is_known_to_every_viewer() {
    let stage = Stage::start();
    let sets = [
        "phases.join.seconds=1",
        "phases.join.viewers=10",
        "phases.changes.seconds=4",
    ];
    let run = stage.pass("stock", &sets);
    let told = run.groups[0]
        .measures
        .timing(Timing::Stock)
        .map_or(0, Times::count);
    // Changes that a busy machine lets fall together are told as one.
    assert!(
        (10..=8 * 10).contains(&told),
        "{told} of eight changes to ten viewers"
    );
}

#[test]
fn a_host_reconnects_and_viewers_stay() {
    let stage = Stage::start();
    let sets = [
        "phases.join.seconds=1",
        "phases.join.viewers=10",
        "phases.first break.seconds=4",
        "phases.second break.seconds=4",
        "phases.third break.seconds=4",
    ];
    let run = stage.pass("host-reconnect", &sets);
    assert_eq!(run.publishers.connections, 4);
    // Three breaks, and pictures at the end.
    let last = run.groups[0].measures.second(run.seconds as usize - 2).unwrap();
    assert!(
        last.counter(Counter::Frames) > 50,
        "{}",
        last.counter(Counter::Frames)
    );
}

#[test]
fn networks_of_all_kinds_stand_apart_in_the_result() {
    let stage = Stage::start();
    let sets = [
        "phases.join.seconds=1",
        "phases.join.viewers=10",
        "phases.hold.seconds=6",
        "thresholds.frozen_percent.max=100",
        "thresholds.watching_percent.min=80",
    ];
    let run = stage.pass("mixed-networks", &sets);
    let injected = |name: &str| {
        let group = run.groups.iter().find(|group| group.name == name).unwrap();
        group.measures.counter(Counter::InjectedLost)
    };
    assert_eq!(injected("fibre"), 0);
    assert!(injected("bad") > 0 && injected("mobile") > 0);
}

/// A server on another machine tells what it costs in its metrics.
#[test]
fn what_the_server_costs_is_read_from_its_metrics() {
    let stage = Stage::start();
    let sets = [
        "server.pid=0",
        "server.metrics=/metrics",
        "canaries=0",
        "phases.join.seconds=1",
        "phases.join.viewers=5",
        "phases.hold.seconds=3",
    ];
    let run = stage.pass("steady", &sets);
    let (first, last) = (&run.server[0], &run.server[run.server.len() - 1]);
    assert!(run.server.len() >= 3, "one a second: {:?}", run.server);
    assert!(
        last.cpu_s > first.cpu_s && first.memory_bytes > 1 << 20,
        "{:?}",
        run.server
    );
    let (cpu_s, _) = run.window().server_cpu().unwrap();
    assert!(cpu_s > 0.0);
}

/// Ctrl-C while it runs: everybody leaves, and there is a report of what there was.
#[test]
fn a_run_that_is_interrupted_reports_what_it_has() {
    let stage = Stage::start();
    let mut arguments = stage.arguments(
        "steady",
        &["phases.join.seconds=1", "phases.join.viewers=5", "canaries=0"],
    );
    arguments.extend(["--set".to_owned(), "phases.hold.seconds=600".to_owned()]);
    let mut child = Command::new(env!("CARGO_BIN_EXE_vitrine"))
        .args(&arguments)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let viewers = || {
        let room: Value = runtime.block_on(async {
            stage
                .server
                .get("/api/rooms/loadtest")
                .await
                .json()
                .await
                .unwrap()
        });
        room["viewers"].as_u64().unwrap_or(0)
    };
    let until = |count: u64| {
        let end = Instant::now() + PATIENCE;
        while viewers() != count {
            assert!(Instant::now() < end, "{} viewers instead of {count}", viewers());
            std::thread::sleep(Duration::from_millis(50));
        }
    };
    until(5);
    let sent = Command::new("kill")
        .args(["-INT", &child.id().to_string()])
        .status();
    assert!(sent.unwrap().success());
    child.wait().unwrap();
    until(0);
    let run = stage.result("steady");
    assert_eq!(run.end, End::Interrupted);
    assert!(run.sentence().starts_with("Stopped after"), "{}", run.sentence());
    assert_eq!(run.window().counter(Counter::JoinsStarted), 5);
    let html = std::fs::read_to_string(stage.folder().join("steady.html")).unwrap();
    assert!(html.contains("stopped early"));
}

/// A threshold that does not hold fails the command; results are shown again, merged and compared.
#[test]
fn thresholds_decide_the_exit_code_and_results_can_be_read_again() {
    let stage = Stage::start();
    let sets = [
        "canaries=0",
        "phases.join.seconds=1",
        "phases.join.viewers=5",
        "phases.hold.seconds=3",
        "thresholds.viewers.min=6",
    ];
    let (run, output) = stage.run("steady", &sets);
    assert!(!output.status.success() && !run.has_passed());
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        said.contains("DID NOT HOLD  most viewers at once 5 (at least 6)"),
        "{said}"
    );
    let (result, out) = (stage.folder().join("steady.json"), stage.folder().join("both"));
    let (result, out) = (result.to_str().unwrap(), out.to_str().unwrap());
    let merged = vitrine_says(
        stage.folder(),
        &["loadtest", "report", result, result, "--out", out],
    );
    assert!(merged.status.success(), "together they are ten");
    let both = Run::read(Path::new(&format!("{out}.json"))).unwrap();
    assert_eq!(both.window().counter(Counter::JoinsStarted), 10);
    let (one, two) = (format!("one={result}"), format!("two={out}.json"));
    let page = stage.folder().join("compare.html");
    let page = page.to_str().unwrap();
    let compared = vitrine_says(
        stage.folder(),
        &["loadtest", "compare", &one, &two, "--out", page],
    );
    let read = vitrine_says(
        stage.folder(),
        &["loadtest", "compare", "--json", &one, &two, "--out", page],
    );
    let read: Value = serde_json::from_slice(&read.stdout).unwrap();
    assert_eq!(read["runs"][1]["figures"]["viewers"], 10.0);
    let said = String::from_utf8_lossy(&compared.stdout);
    assert!(compared.status.success() && said.contains("+100 %"), "{said}");
    assert!(
        std::fs::read_to_string(page)
            .unwrap()
            .contains("Load tests compared")
    );
}
