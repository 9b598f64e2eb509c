//! Bounds of a scenario: gentle enough that a typing error does not become an attack.

use std::collections::BTreeSet;

use super::{Phase, Publisher, Scenario, SearchPlan, Server, Shop, Source};
use crate::crowd::Network;

/// More viewers than one client machine can carry, and one zero too many is noticed.
pub const MAX_VIEWERS: u32 = 100_000;
/// Joins, departures, chat lines and buys per second; ten times what a core answers.
pub const MAX_CHANGES_PER_SECOND: f64 = 20_000.0;
/// Changes of the stock per second and room: more than a viewer's display follows.
pub const MAX_STOCK_CHANGES_PER_SECOND: f64 = 20.0;
/// As many broadcasters as one client machine packetises.
pub const MAX_PUBLISHERS: u32 = 50;
/// One publisher each.
pub const MAX_ROOMS: u32 = 50;
/// A group and a room make a place in a byte; 250 of them are enough for either.
pub const MAX_GROUPS: usize = 16;
/// A soak of two days; the same as the measures hold.
pub const MAX_SECONDS: f64 = crate::measure::MAX_SECONDS as f64;
/// A story longer than this is told by a program.
pub const MAX_PHASES: usize = 200;
/// 8K.
pub const MAX_HEIGHT: u32 = 4_320;
/// Text, not data.
pub(super) const MAX_FILE_BYTES: usize = 256 << 10;
const MAX_PLACES: usize = 250;

/// Says what is wrong, naming the key and the range.
pub(super) fn check(scenario: &Scenario) -> Result<(), String> {
    server(&scenario.server)?;
    publisher(&scenario.publisher)?;
    if let Some(shop) = &scenario.shop {
        self::shop(shop)?;
    }
    groups(scenario)?;
    phases(scenario)?;
    if let Some(search) = &scenario.search {
        self::search(search)?;
    }
    scenario.thresholds.check("thresholds")?;
    let phases: BTreeSet<_> = scenario.phases.iter().map(|phase| phase.name.as_str()).collect();
    for (name, bound) in &scenario.thresholds.0 {
        if let Some(phase) = bound.phase.as_deref().filter(|phase| !phases.contains(phase)) {
            return Err(format!("thresholds.{name}.phase: there is no phase {phase:?}"));
        }
    }
    whole("canaries", scenario.canaries, 0, 100)?;
    // Each decodes a picture.
    whole("browsers", scenario.browsers, 0, 20)
}

fn server(server: &Server) -> Result<(), String> {
    whole("server.rooms", server.rooms, 1, MAX_ROOMS)?;
    for (key, endpoint) in [("whip", &server.whip), ("whep", &server.whep)] {
        if server.rooms > 1 && !endpoint.contains("{room}") {
            return Err(format!("server.{key}: with several rooms it must hold {{room}}"));
        }
    }
    let letters = server
        .room
        .bytes()
        .all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b));
    if !letters || !(1..=60).contains(&server.room.len()) {
        return Err("server.room: 1 to 60 letters, digits, - and _ are accepted".into());
    }
    let url = server
        .url
        .parse::<reqwest::Url>()
        .map_err(|error| format!("server.url: {error}"))?;
    if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
        return Err("server.url: an http or https address is accepted".into());
    }
    Ok(())
}

fn publisher(publisher: &Publisher) -> Result<(), String> {
    whole("publisher.count", publisher.count, 0, MAX_PUBLISHERS)?;
    whole("publisher.fps", publisher.fps, 1, 120)?;
    number("publisher.gop_seconds", publisher.gop_seconds, 0.1, 60.0)?;
    whole("publisher.audio_kbps", publisher.audio_kbps, 0, 510)?;
    whole(
        "publisher.reconnect_every_seconds",
        publisher.reconnect_every_seconds,
        0,
        86_400,
    )?;
    whole(
        "publisher.dropout_every_seconds",
        publisher.dropout_every_seconds,
        0,
        86_400,
    )?;
    if publisher.source == Source::Files && publisher.files.is_empty() {
        return Err("publisher.files: at least one is needed for source = \"files\"".into());
    }
    if publisher.source != Source::Files && !(publisher.files.is_empty() && publisher.audio.is_empty()) {
        return Err("publisher.files and publisher.audio: only with source = \"files\"".into());
    }
    if !(1..=4).contains(&publisher.layers.len()) {
        return Err(format!(
            "publisher.layers: {} given, 1 to 4 are accepted",
            publisher.layers.len()
        ));
    }
    for layer in &publisher.layers {
        whole("publisher.layers.height", layer.height, 16, MAX_HEIGHT)?;
        whole("publisher.layers.kbps", layer.kbps, 20, 50_000)?;
    }
    let rising = publisher
        .layers
        .iter()
        .map(|layer| layer.height)
        .is_sorted_by(|a, b| a < b);
    if rising {
        Ok(())
    } else {
        Err("publisher.layers: heights must rise".into())
    }
}

fn shop(shop: &Shop) -> Result<(), String> {
    whole("shop.quantity", shop.quantity, 1, 1_000)?;
    whole("shop.repeats", shop.repeats, 1, 20)?;
    share("shop.hang_up", shop.hang_up)?;
    if shop.variant.is_empty() {
        Err("shop.variant: it must not be empty".into())
    } else {
        Ok(())
    }
}

fn groups(scenario: &Scenario) -> Result<(), String> {
    let (groups, rooms) = (&scenario.groups, scenario.server.rooms as usize);
    if groups.len() > MAX_GROUPS || (groups.len() + 1) * rooms > MAX_PLACES {
        return Err(format!(
            "groups: {} in {rooms} rooms, {MAX_GROUPS} are accepted and {MAX_PLACES} of both together",
            groups.len()
        ));
    }
    let mut names = BTreeSet::new();
    for group in groups {
        let name = &group.name;
        if name.is_empty() || name.len() > 40 || !names.insert(name) {
            return Err(format!(
                "groups.name {name:?}: 1 to 40 letters are accepted, each name once"
            ));
        }
        number(&format!("groups.{name}.share"), group.share, 0.0, 1e6)?;
        share(&format!("groups.{name}.inspect"), group.inspect)?;
        network(name, &group.network)?;
    }
    if groups.iter().all(|group| group.share == 0.0) {
        return Err("groups.share: at least one must be above 0".into());
    }
    Ok(())
}

fn network(group: &str, network: &Network) -> Result<(), String> {
    let key = |key: &str| format!("groups.{group}.network.{key}");
    if let Some(rate) = network.rate_kbps {
        whole(&key("rate_kbps"), rate, 10, 10_000_000)?;
    }
    whole(&key("queue_ms"), network.queue_ms, 0, 10_000)?;
    whole(&key("delay_ms"), network.delay_ms, 0, 5_000)?;
    whole(&key("jitter_ms"), network.jitter_ms, 0, 5_000)?;
    share(&key("loss"), network.loss)?;
    number(&key("burst"), network.burst, 0.0, 1_000.0)?;
    share(&key("duplicates"), network.duplicates)?;
    share(&key("reorder"), network.reorder)
}

fn phases(scenario: &Scenario) -> Result<(), String> {
    let phases = &scenario.phases;
    if phases.len() > MAX_PHASES || (phases.is_empty() && scenario.search.is_none()) {
        return Err(format!(
            "phases: {} given, 1 to {MAX_PHASES} are accepted",
            phases.len()
        ));
    }
    let mut names = BTreeSet::new();
    for each in phases {
        phase(each)?;
        if !names.insert(&each.name) {
            return Err(format!("phases.name {:?}: each name once", each.name));
        }
        let shops = each.buyers > 0 || each.chat_per_second > 0.0 || each.stock_changes_per_second > 0.0;
        if scenario.shop.is_none() && shops {
            return Err(format!(
                "phases.{}: buyers, chat and changes of the stock need [shop]",
                each.name
            ));
        }
    }
    if scenario.phase_seconds() > MAX_SECONDS {
        return Err(format!("phases: more than {MAX_SECONDS} seconds together"));
    }
    Ok(())
}

fn phase(phase: &Phase) -> Result<(), String> {
    let key = |key: &str| format!("phases.{}.{key}", phase.name);
    number(&key("seconds"), phase.seconds, 0.1, MAX_SECONDS)?;
    if let Some(viewers) = phase.viewers {
        whole(&key("viewers"), viewers, 0, MAX_VIEWERS)?;
    }
    number(
        &key("churn_per_second"),
        phase.churn_per_second,
        0.0,
        MAX_CHANGES_PER_SECOND,
    )?;
    number(
        &key("chat_per_second"),
        phase.chat_per_second,
        0.0,
        MAX_CHANGES_PER_SECOND,
    )?;
    number(
        &key("stock_changes_per_second"),
        phase.stock_changes_per_second,
        0.0,
        MAX_STOCK_CHANGES_PER_SECOND,
    )?;
    whole(&key("buyers"), phase.buyers, 0, MAX_VIEWERS)?;
    share(&key("vanish"), phase.vanish)
}

fn search(search: &SearchPlan) -> Result<(), String> {
    whole("search.from", search.from, 1, MAX_VIEWERS)?;
    whole("search.most", search.most, search.from, MAX_VIEWERS)?;
    number("search.precision_percent", search.precision_percent, 0.5, 50.0)?;
    number(
        "search.joins_per_second",
        search.joins_per_second,
        0.1,
        MAX_CHANGES_PER_SECOND,
    )?;
    number("search.settle_seconds", search.settle_seconds, 0.0, 3_600.0)?;
    number("search.hold_seconds", search.hold_seconds, 2.0, 3_600.0)?;
    if search.limits.0.is_empty() {
        return Err("search.limits: at least one is needed".into());
    }
    if search.limits.0.values().any(|bound| bound.phase.is_some()) {
        return Err("search.limits: they hold while looking, not in a phase".into());
    }
    search.limits.check("search.limits")
}

fn whole(key: &str, value: u32, least: u32, most: u32) -> Result<(), String> {
    let fits = (least..=most).contains(&value);
    if fits {
        Ok(())
    } else {
        Err(format!("{key}: {value} given, {least} to {most} are accepted"))
    }
}

fn number(key: &str, value: f64, least: f64, most: f64) -> Result<(), String> {
    // NaN is in no range.
    let fits = (least..=most).contains(&value);
    if fits {
        Ok(())
    } else {
        Err(format!("{key}: {value} given, {least} to {most} are accepted"))
    }
}

fn share(key: &str, value: f64) -> Result<(), String> {
    number(key, value, 0.0, 1.0)
}
