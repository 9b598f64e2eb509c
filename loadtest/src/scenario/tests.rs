use super::*;
use crate::measure::Figure;

const LEAST: &str = "[[phases]]\nseconds = 1\n";

fn refused(text: &str) -> String {
    Scenario::parse(text, &[]).unwrap_err().to_string()
}

fn set(text: &str, sets: &[&str]) -> Result<Scenario, Error> {
    let sets: Vec<_> = sets.iter().map(|set| (*set).to_owned()).collect();
    Scenario::parse(text, &sets)
}

#[test]
fn the_shipped_ones_are_right_and_say_what_they_are_for() {
    let mut count = 0;
    for name in names() {
        let scenario =
            Scenario::parse(shipped(name).unwrap(), &[]).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert!(scenario.about.len() > 20, "{name}");
        assert!(
            scenario.search.is_some() || !scenario.thresholds.0.is_empty(),
            "{name} proves something"
        );
        count += 1;
    }
    assert_eq!(
        count,
        std::fs::read_dir("scenarios").unwrap().count(),
        "every file ships"
    );
    assert_eq!(shipped("no-such"), None);
}

#[test]
fn a_file_says_everything_and_what_it_does_not_say_has_a_default() {
    let scenario = Scenario::parse(LEAST, &[]).unwrap();
    assert_eq!(scenario.groups.len(), 1);
    assert_eq!(scenario.phases[0].name, "phase 1");
    assert_eq!(scenario.publisher.layers.len(), 3);
    let again = Scenario::parse(&scenario.to_toml(), &[]).unwrap();
    assert_eq!(again, scenario);
    let all: String = names()
        .map(|name| {
            let one = Scenario::parse(shipped(name).unwrap(), &[]).unwrap();
            assert_eq!(Scenario::parse(&one.to_toml(), &[]).unwrap(), one, "{name}");
            one.name
        })
        .collect();
    assert_eq!(all, "", "files need no name");
}

#[test]
fn what_is_wrong_is_named_with_the_range() {
    for (text, words) in [
        ("colour = 1", "colour"),
        ("[[phases]]\nseconds = 1\nviewer = 3", "viewer"),
        ("", "phases: 0 given, 1 to 200"),
        (
            "[[phases]]\nseconds = 0",
            "phases.phase 1.seconds: 0 given, 0.1 to",
        ),
        ("[[phases]]\nseconds = nan", "seconds: NaN given"),
        (
            "[[phases]]\nseconds = 1\nviewers = 1000001",
            "phases.phase 1.viewers: 1000001 given, 0 to 100000",
        ),
        ("[[phases]]\nseconds = 1\nviewers = -1", "invalid value"),
        (
            "[[phases]]\nseconds = 1\nvanish = 1.5",
            "vanish: 1.5 given, 0 to 1",
        ),
        ("[[phases]]\nseconds = 1\nbuyers = 5", "need [shop]"),
        (
            "[[phases]]\nseconds = 1\nname = 'a'\n[[phases]]\nseconds = 1\nname = 'a'",
            "each name once",
        ),
        (
            "[[phases]]\nseconds = 100000\n[[phases]]\nseconds = 100000",
            "seconds together",
        ),
        (
            "[server]\nrooms = 51\n[[phases]]\nseconds = 1",
            "server.rooms: 51 given, 1 to 50",
        ),
        (
            "[server]\nrooms = 2\nwhip = '/x'\n[[phases]]\nseconds = 1",
            "server.whip",
        ),
        ("[server]\nroom = 'a b'\n[[phases]]\nseconds = 1", "server.room"),
        ("[server]\nurl = 'ftp://a'\n[[phases]]\nseconds = 1", "server.url"),
        (
            "[publisher]\ncodec = 'mpeg2'\n[[phases]]\nseconds = 1",
            "vp8, vp9, h264 or av1",
        ),
        (
            "[publisher]\nlayers = []\n[[phases]]\nseconds = 1",
            "publisher.layers",
        ),
        (
            "[publisher]\nlayers = [{height=360,kbps=100},{height=180,kbps=100}]\n[[phases]]\nseconds = 1",
            "rise",
        ),
        (
            "[publisher]\nsource = 'files'\n[[phases]]\nseconds = 1",
            "publisher.files",
        ),
        (
            "[publisher]\nfiles = ['a']\n[[phases]]\nseconds = 1",
            "publisher.files",
        ),
        (
            "[[groups]]\nname = 'a'\nshare = 0\n[[phases]]\nseconds = 1",
            "groups.share",
        ),
        (
            "[[groups]]\nname = 'a'\nnetwork = { loss = 2 }\n[[phases]]\nseconds = 1",
            "groups.a.network.loss: 2 given",
        ),
        (
            "[[groups]]\nname = 'a'\nnetwork = { lose = 2 }\n[[phases]]\nseconds = 1",
            "lose",
        ),
        (
            "[[phases]]\nseconds = 1\n[thresholds]\nlost = { max = 1 }",
            "thresholds.lost: there is no such figure",
        ),
        (
            "[[phases]]\nseconds = 1\n[thresholds]\nended = {}",
            "thresholds.ended: min, max or both",
        ),
        (
            "[[phases]]\nseconds = 1\n[thresholds]\nended = { min = 2, max = 1 }",
            "min is above max",
        ),
        (
            "[[phases]]\nseconds = 1\n[thresholds]\nended = { max = 1, phase = 'x' }",
            "there is no phase \"x\"",
        ),
        ("[search]\nfrom = 0", "search.from: 0 given, 1 to"),
        ("[search]\nlimits = {}", "search.limits: at least one"),
        ("[search]\nfrom = 100\nmost = 10", "search.most: 10 given, 100 to"),
    ] {
        let why = refused(text);
        assert!(why.contains(words), "{text:?}\n{why}\n{words}");
    }
    assert!(refused(&"#".repeat(300 << 10)).contains("longer than"));
}

#[test]
fn every_value_can_be_set_from_the_command_line() {
    let text = "[[phases]]\nname = 'ramp'\nseconds = 9\n[[phases]]\nname = 'hold'\nseconds = 9\n";
    let scenario = set(
        text,
        &[
            "phases.ramp.viewers=50",
            "phases.1.seconds = 2.5",
            "server.url=http://127.0.0.1:9000",
            "thresholds.loss_percent.max=1",
            "publisher.layers=[{height=360,kbps=500}]",
            "shop.variant=mug",
            "audit=[\"true\"]",
        ],
    )
    .unwrap();
    assert_eq!(scenario.phases[0].viewers, Some(50));
    assert_eq!(scenario.phases[1].seconds, 2.5);
    assert_eq!(scenario.server.url, "http://127.0.0.1:9000");
    assert_eq!(scenario.thresholds.0["loss_percent"].max, Some(1.0));
    assert_eq!(
        scenario.publisher.layers,
        [Layer {
            height: 360,
            kbps: 500
        }]
    );
    assert_eq!(scenario.shop.unwrap().variant, "mug");
    assert_eq!(scenario.audit, ["true"]);
    let removed = set("canaries = 5\n[[phases]]\nseconds = 1", &["canaries="]).unwrap();
    assert_eq!(removed.canaries, 0);
    for (one, words) in [
        ("phases", "path.to.key=value"),
        ("=3", "the path is empty"),
        ("phases.x.seconds=1", "phases has no x; there are ramp, hold"),
        ("phases.7.seconds=1", "phases has no 7"),
        ("phases.ramp.seconds.x=1", "seconds is a value"),
        ("phases.ramp.colour=1", "colour"),
        ("phases.ramp.viewers=many", "invalid type"),
    ] {
        let why = set(text, &[one]).unwrap_err().to_string();
        assert!(why.contains(words), "{one}: {why}");
    }
}

#[test]
fn what_is_shown_around_has_no_secrets() {
    let secret = [
        "server.publish_token=one-secret",
        "server.watch_token=two-secret",
        "server.operator_token=three-secret",
        "server.url=http://user:four-secret@127.0.0.1:9000/base/",
        "audit=[\"vitrine\", \"audit\", \"--database\", \"postgres://user:five-secret@here/shop\"]",
    ];
    let scenario = set("[[phases]]\nseconds = 1", &secret).unwrap();
    assert_eq!(scenario.to_toml().matches("-secret").count(), 5);
    let shown = scenario.clone().without_secrets();
    assert!(!shown.to_toml().contains("secret"), "{}", shown.to_toml());
    assert_eq!(shown.server.url, "http://127.0.0.1:9000/base/");
    assert_eq!(shown.audit, ["vitrine", "…"]);
    assert_eq!(
        (&shown.phases, &shown.server.room),
        (&scenario.phases, &scenario.server.room)
    );
    let plain = set("[[phases]]\nseconds = 1", &["audit=[\"true\"]"]).unwrap();
    assert_eq!(plain.clone().without_secrets(), plain);
}

#[test]
fn bounds_accept_what_lies_between_and_nothing_unmeasured() {
    let bound = Bound {
        min: Some(1.0),
        max: Some(2.0),
        phase: None,
    };
    assert!(bound.accepts(Some(1.0)) && bound.accepts(Some(2.0)));
    assert!(!bound.accepts(Some(0.99)) && !bound.accepts(Some(2.01)) && !bound.accepts(None));
    assert!(!bound.accepts(Some(f64::NAN)));
}

#[test]
fn every_key_and_figure_is_explained() {
    let guide = include_str!("../../SCENARIOS.md");
    let full = "canaries = 1\n[shop]\nstock = 1\n[search]\n[[groups]]\nname = 'a'\nnetwork = { rate_kbps = 9999 }\n\
                [[phases]]\nseconds = 1\nviewers = 1\nhosts = 'stop'\n";
    let written = Scenario::parse(full, &[]).unwrap().to_toml();
    let keys = written
        .lines()
        .filter_map(|line| line.split_once(" = "))
        .map(|(key, _)| key.trim());
    for key in keys.filter(|key| Figure::named(key).is_none()) {
        assert!(guide.contains(&format!("`{key}`")), "{key}");
    }
    for figure in Figure::all() {
        let name = match figure {
            Figure::Time(what, _) => what.name().to_owned(),
            Figure::Plain(_) => figure.name(),
        };
        assert!(guide.contains(&format!("`{name}`")), "{name}");
    }
}
