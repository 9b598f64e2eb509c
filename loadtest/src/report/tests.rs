//! Reports of a run that was made up.

use std::time::Duration;

use super::*;
use crate::measure::{Counter, GroupId, Level, Recorder, Sample, Timing, ViewerOutcome};
use crate::scenario::{Bound, Scenario, shipped};

/// A minute of 100 viewers; `lost` of 1,000 packets are lost each second.
fn run(name: &str, lost: u64) -> Run {
    let (mut recorder, group) = (Recorder::new(), GroupId(0));
    for n in 0..60 {
        let at = Duration::from_secs(n);
        recorder.level(group, at, Level::Viewers, 100);
        recorder.layer(group, at, 720, 90);
        recorder.layer(group, at, 360, 10);
        recorder.add(group, at, Counter::Packets, 1_000 - lost);
        recorder.add(group, at, Counter::Lost, lost);
        recorder.add(group, at, Counter::Bytes, 1_000_000);
        recorder.time(group, at, Timing::OneWay, Duration::from_millis(10));
    }
    recorder.add(group, Duration::ZERO, Counter::JoinsStarted, 100);
    recorder.add(group, Duration::ZERO, Counter::Watching, 99);
    recorder.add(group, Duration::ZERO, Counter::JoinsFailed, 1);
    recorder.failure(group, "the server said <script>alert(1)</script>");
    recorder.outcome(group, ViewerOutcome::default());
    let scenario = Scenario {
        name: name.into(),
        ..Scenario::parse(shipped("steady").unwrap(), &[]).unwrap()
    };
    let mark = |name: &str, from_s, to_s| Mark {
        name: name.into(),
        from_s,
        to_s,
    };
    Run {
        version: VERSION,
        scenario,
        seconds: 60.0,
        started_unix_ms: 1_795_824_000_000,
        machines: vec![Machine {
            name: format!("load <{name}>"),
            cores: 2,
            cpu: "a CPU".into(),
        }],
        groups: vec![GroupResult {
            name: "viewers".into(),
            is_canary: false,
            measures: recorder.into_groups().remove(0),
        }],
        server: (0..60u32)
            .map(|n| Sample {
                at_s: n.into(),
                cpu_s: f64::from(n) / 2.0,
                memory_bytes: 50 << 20,
            })
            .collect(),
        marks: vec![mark("join", 0.0, 30.0), mark("hold", 30.0, 60.0)],
        ..Run::default()
    }
}

#[test]
fn a_load_test_that_was_the_limit_says_how() {
    let mut run = run("steady", 0);
    assert_eq!(run.client_limit(), None);
    let mut recorder = Recorder::new();
    for n in 0..3 {
        recorder.add(GroupId(0), Duration::from_secs(n), Counter::ClientLimitedS, 1);
        recorder.add(GroupId(0), Duration::from_secs(n), Counter::SocketDrops, 23);
    }
    run.groups[0].measures = recorder.into_groups().remove(0);
    let said = run.client_limit().unwrap();
    assert!(
        said.contains("in 3 of 60 s") && said.contains("(69 in all)"),
        "{said}"
    );
}

#[test]
fn a_page_stands_alone_and_shows_what_was_measured() {
    let html = run("steady", 20).to_html();
    assert!(html.starts_with("<!doctype html>") && html.ends_with("</html>\n"));
    for elsewhere in [
        "http://", "https://", "src=", "href=", "url(", "@import", "<script",
    ] {
        let found = html.replace("http://localhost:8080", "");
        assert!(!found.contains(elsewhere), "the page needs {elsewhere}");
    }
    assert!(html.contains("&lt;script&gt;"), "what a server says is text");
    assert!(html.contains("did not pass") && html.contains("load &lt;steady&gt;"));
    for chart in [
        "Viewers",
        "Publisher to viewer",
        "Packets lost",
        "Layer received",
        "Server memory",
        "CPU",
    ] {
        assert!(html.contains(&format!("<b>{chart}</b>")), "{chart}");
    }
    assert!(
        !html.contains("<b>Buy to receipt</b>"),
        "what was not measured has no chart"
    );
    for tag in [
        "section", "table", "figure", "svg", "div", "ul", "tr", "td", "th", "h1", "h2",
    ] {
        let (open, close) = (format!("<{tag}"), format!("</{tag}>"));
        let opened = html.matches(&open).filter(|_| true).count()
            - if tag == "th" {
                html.matches("<thead").count()
            } else {
                0
            };
        assert_eq!(opened, html.matches(&close).count(), "{tag}");
    }
    assert!(html.contains("2026-11-2"), "the date");
}

#[test]
fn the_sentence_says_what_an_operator_wants_to_know() {
    let good = run("steady", 0).sentence();
    assert!(
        good.contains("99 of 100 viewers had a picture; no packet was lost"),
        "{good}"
    );
    assert!(good.contains("95 % of packets came within 10 ms"), "{good}");
    let bad = run("steady", 20).sentence();
    assert!(bad.contains("2 % of packets were lost"), "{bad}");
    assert!(
        bad.contains("packets lost 2 % (at most 0.1 %, in \"hold\")"),
        "{bad}"
    );

    let mut found = run("ramp", 0);
    found.scenario = Scenario::parse(shipped("ramp").unwrap(), &[]).unwrap();
    let tried = |viewers, is_ok| Try {
        viewers,
        verdicts: vec![Verdict {
            figure: "loss_percent".into(),
            bound: Bound {
                max: Some(0.1),
                ..Bound::default()
            },
            value: Some(if is_ok { 0.0 } else { 4.0 }),
            is_ok,
        }],
    };
    found.search = Some(Found {
        viewers: Some(3_100),
        is_bound: false,
        tries: vec![tried(3_100, true), tried(3_200, false)],
    });
    assert_eq!(
        found.sentence(),
        "This machine carries 3,100 viewers of this stream at under 0.1 % loss."
    );
    assert!(found.has_passed() && found.to_html().contains("The search"));
    found.search.as_mut().unwrap().viewers = Some(0);
    assert!(found.sentence().contains("does not carry 3,100 viewers"));
    assert!(!found.has_passed());
}

#[test]
fn a_file_gives_back_the_run_and_other_files_are_refused() {
    let text = run("steady", 3).to_json().unwrap();
    let back = Run::parse(&text).unwrap();
    assert_eq!(back.to_json().unwrap(), text);
    assert_eq!(back.to_html(), run("steady", 3).to_html());
    let why = |text: &str| Run::parse(text).err().unwrap();
    assert!(why("").contains("EOF"));
    assert!(why("{}").contains("version"));
    assert!(why(&text.replacen("\"version\":1", "\"version\":2", 1)).contains("version 2"));
    let endless = Run {
        seconds: 1e300,
        ..run("steady", 0)
    };
    assert!(why(&endless.to_json().unwrap()).contains("seconds"));
    let far = text.replacen("\"since\":0", "\"since\":18446744073709551615", 1);
    assert!(far != text && why(&far).contains("past second"));
}

#[test]
fn results_of_several_machines_are_one() {
    let (mut all, other) = (run("steady", 0), run("steady", 20));
    all.merge(other).unwrap();
    assert_eq!(all.machines.len(), 2);
    let window = all.window();
    assert_eq!(
        (window.counter(Counter::Packets), window.counter(Counter::Lost)),
        (118_800, 1_200)
    );
    assert_eq!(window.most_viewers(), 200);
    assert_eq!(
        window.server_cpu().map(|(used, _)| used),
        Some(29.5),
        "the server is one"
    );
    assert_eq!(
        all.groups[0].measures.timing(Timing::OneWay).unwrap().count(),
        120
    );
    assert_eq!(all.groups[0].measures.outcomes().len(), 2);
    assert!(
        all.merge(run("ramp", 0))
            .unwrap_err()
            .to_string()
            .contains("cannot be merged")
    );
}

#[test]
fn what_several_machines_found_adds_up() {
    let found = |viewers, is_bound| Run {
        search: Some(Found {
            viewers,
            is_bound,
            tries: vec![Try::default()],
        }),
        ..run("ramp", 0)
    };
    let mut all = found(Some(3_000), false);
    for other in [found(Some(2_500), true), found(Some(100), false)] {
        all.merge(other).unwrap();
    }
    let search = all.search.as_ref().unwrap();
    assert_eq!(
        (search.viewers, search.is_bound, search.tries.len()),
        (Some(5_600), true, 3)
    );
    assert_eq!(
        all.remarks
            .iter()
            .filter(|said| said.contains("added up"))
            .count(),
        1
    );
    all.merge(found(None, false)).unwrap();
    assert_eq!(all.search.unwrap().viewers, None, "one did not finish");
}

#[test]
fn runs_beside_each_other_say_which_is_better() {
    let runs = [
        ("before".to_owned(), run("steady", 20)),
        ("after".to_owned(), run("steady", 10)),
    ];
    let comparison = Comparison::new(&runs);
    let text = comparison.to_text();
    let loss = text
        .lines()
        .find(|line| line.starts_with("packets lost"))
        .unwrap();
    assert!(
        loss.contains("2 %") && loss.contains("1 % -50 %") && loss.ends_with("better"),
        "{loss}"
    );
    let cpu = text
        .lines()
        .find(|line| line.starts_with("server CPU, 100 %"))
        .unwrap();
    assert!(!cpu.contains("better") && !cpu.contains("worse"), "{cpu}");
    let html = comparison.to_html();
    assert!(html.contains("-50&nbsp;% better") && html.contains("<b>Packets lost</b>"));
    assert!(
        !html.contains("class=\"remarks\"") && !text.contains("note:"),
        "{text}"
    );
    let back = [runs[1].clone(), runs[0].clone()];
    assert!(Comparison::new(&back).to_html().contains("+100&nbsp;% worse"));
    let none = [
        ("none".to_owned(), run("steady", 0)),
        ("some".to_owned(), run("steady", 1)),
    ];
    let text = Comparison::new(&none).to_text();
    let loss = text
        .lines()
        .find(|line| line.starts_with("packets lost"))
        .unwrap();
    assert!(loss.ends_with("worse"), "{loss}");
}

#[test]
fn runs_that_are_not_alike_are_said_to_be_so() {
    let mut twice = run("steady", 10);
    twice.merge(run("steady", 10)).unwrap();
    assert!(twice.to_html().contains("by 2 load machines"));
    for sample in &mut twice.server {
        sample.cpu_s *= 3.0;
    }
    let runs = [("one".to_owned(), run("steady", 10)), ("two".to_owned(), twice)];
    let text = Comparison::new(&runs).to_text();
    assert!(
        text.contains("different numbers of viewers, 100 to 200"),
        "{text}"
    );
    let says = |what: &str| text.lines().find(|line| line.starts_with(what)).unwrap();
    let all = says("server CPU, 100 %");
    assert!(all.contains("+200 %") && !all.ends_with("worse"), "{all}");
    assert!(says("server CPU per packet").ends_with("worse"));

    let runs = [
        ("a".to_owned(), run("steady", 10)),
        ("b".to_owned(), run("churn", 10)),
    ];
    let comparison = Comparison::new(&runs);
    let html = comparison.to_html();
    assert!(html.contains("<li>The runs are of different scenarios.</li>"));
    let told = comparison.to_json();
    assert_eq!(told["notes"][0], "The runs are of different scenarios.");
    assert_eq!(told["runs"][1]["name"], "b");
    assert_eq!(told["runs"][1]["figures"]["loss_percent"], 1.0);
}
