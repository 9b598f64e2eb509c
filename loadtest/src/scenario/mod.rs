//! What happens in a load test, as a TOML file says it: who publishes, who watches on which lines, what happens when,
//! and what must hold. Unknown keys are errors; numbers out of range are refused with the range.

mod check;
mod library;
mod overrides;
mod search;
mod secrets;
mod shopless;
mod threshold;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::Error;
use crate::clip::keyframe::Codec;
use crate::crowd::{Network, ShopBy};
pub use check::{
    MAX_CHANGES_PER_SECOND, MAX_GROUPS, MAX_HEIGHT, MAX_PHASES, MAX_PUBLISHERS, MAX_ROOMS, MAX_SECONDS,
    MAX_STOCK_CHANGES_PER_SECOND, MAX_VIEWERS,
};
pub use library::{names, shipped};
pub use search::{Probe, Search};
pub(crate) use secrets::program_of;
pub use threshold::{Bound, Thresholds};

/// A load test.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Scenario {
    /// A name for reports; the file's when not given.
    pub name: String,
    /// What it is for, in a sentence.
    pub about: String,
    /// The server.
    pub server: Server,
    /// Who publishes.
    pub publisher: Publisher,
    /// The shop, where the server has one and the test is to use it.
    pub shop: Option<Shop>,
    /// Kinds of viewers; one kind on the line as it is when none are given.
    pub groups: Vec<Group>,
    /// Viewers on another WebRTC implementation in the same run, to check the cheap ones against.
    pub canaries: u32,
    /// Viewers in a headless Chromium of this machine, to check the others against.
    pub browsers: u32,
    /// What happens, one after the other.
    pub phases: Vec<Phase>,
    /// After the phases: the number of viewers at which limits are crossed.
    pub search: Option<SearchPlan>,
    /// What must hold over the whole run, or a phase of it.
    pub thresholds: Thresholds,
    /// A command to run at the end, such as the server's own audit; it fails the test when it fails.
    pub audit: Vec<String>,
}

/// Where the server is and how to get in.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Server {
    /// Its address; what follows is joined to it.
    pub url: String,
    /// The WHIP endpoint; `{room}` becomes the room's name.
    pub whip: String,
    /// The WHEP endpoint; `{room}` becomes the room's name.
    pub whep: String,
    /// The room; with several rooms, their number is added.
    pub room: String,
    /// How many rooms; publishers and viewers are spread over them evenly.
    pub rooms: u32,
    /// The bearer token to publish with.
    pub publish_token: String,
    /// The bearer token to watch with.
    pub watch_token: String,
    /// A token with the scope `operator` of the overlay protocol; it makes the tokens that are not given.
    pub operator_token: String,
    /// The server's process on this machine, for its CPU and memory; 0 when it is not here.
    pub pid: u32,
    /// Its Prometheus metrics, for its CPU and memory; empty when there are none.
    pub metrics: String,
}

impl Default for Server {
    fn default() -> Self {
        Self {
            url: "http://localhost:8080".into(),
            whip: "/whip/{room}".into(),
            whep: "/whep/{room}".into(),
            room: "loadtest".into(),
            rooms: 1,
            publish_token: String::new(),
            watch_token: String::new(),
            operator_token: String::new(),
            pid: 0,
            metrics: String::new(),
        }
    }
}

/// Where the pictures come from.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Source {
    /// Made up, with stamps for the latency of each packet. No picture, but every server forwards it as one.
    #[default]
    Synthetic,
    /// The clip that ships with the load test: a picture people can look at.
    Demo,
    /// `files`.
    Files,
    /// Nobody publishes: somebody else does.
    None,
}

/// The publishers, all alike.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Publisher {
    /// How many; the first rooms get them.
    pub count: u32,
    /// What they send.
    pub source: Source,
    /// Video files, smallest first.
    pub files: Vec<String>,
    /// A sound file; without one the sound is that of the first video file that has any.
    pub audio: String,
    /// The codec of a synthetic picture: `vp8`, `vp9`, `h264` or `av1`.
    #[serde(with = "codec_name")]
    pub codec: Codec,
    /// The renditions of a synthetic picture, smallest first.
    pub layers: Vec<Layer>,
    /// Pictures per second of a synthetic picture.
    pub fps: u32,
    /// Seconds from keyframe to keyframe of a synthetic picture.
    pub gop_seconds: f64,
    /// Kilobits per second of a synthetic sound; 0 is without.
    pub audio_kbps: u32,
    /// Keyframe requests are not answered.
    pub ignore_pli: bool,
    /// Every so many seconds the connection breaks and comes back; 0 is never.
    pub reconnect_every_seconds: u32,
    /// Every so many seconds the best layer falls silent for half of that time; 0 is never.
    pub dropout_every_seconds: u32,
}

impl Default for Publisher {
    fn default() -> Self {
        let layer = |height, kbps| Layer { height, kbps };
        Self {
            count: 1,
            source: Source::Synthetic,
            files: Vec::new(),
            audio: String::new(),
            codec: Codec::Vp8,
            layers: vec![layer(180, 150), layer(360, 450), layer(720, 1000)],
            fps: 25,
            gop_seconds: 2.0,
            audio_kbps: 48,
            ignore_pli: false,
            reconnect_every_seconds: 0,
            dropout_every_seconds: 0,
        }
    }
}

/// One rendition of a synthetic picture; 16:9.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Layer {
    /// Its height in pixels.
    pub height: u32,
    /// Its rate.
    pub kbps: u32,
}

/// The shop side of a test, by the public overlay protocol.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Shop {
    /// How viewers speak to it: `channel` or `http`.
    pub by: ShopBy,
    /// What is bought.
    pub variant: String,
    /// Units put on the shelf before the test; none are when it is not given.
    pub stock: Option<u32>,
    /// Units each buyer wants.
    pub quantity: u32,
    /// The price version buyers name.
    pub price_version: u64,
    /// How often each sends the same buy.
    pub repeats: u32,
    /// The share of buyers who break off before the receipt and ask again.
    pub hang_up: f64,
}

impl Default for Shop {
    fn default() -> Self {
        Self {
            by: ShopBy::Channel,
            variant: "candle".into(),
            stock: None,
            quantity: 1,
            price_version: 1_000_000,
            repeats: 2,
            hang_up: 0.0,
        }
    }
}

/// Viewers of one kind.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Group {
    /// Its name in the report.
    pub name: String,
    /// Its part of all viewers, against the other groups' parts.
    pub share: f64,
    /// The share of its viewers, 0 to 1, whose packets are all decrypted. The others' headers are counted.
    pub inspect: f64,
    /// Their line.
    pub network: Network,
}

impl Default for Group {
    fn default() -> Self {
        Self {
            name: "viewers".into(),
            share: 1.0,
            inspect: 0.05,
            network: Network::default(),
        }
    }
}

/// What the publishers do at the start of a phase.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum HostAct {
    /// All break off and come back at once.
    Reconnect,
    /// All leave.
    Stop,
    /// Those that have left return.
    Start,
}

/// A stretch of time.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Phase {
    /// Its name in the report.
    pub name: String,
    /// How long.
    pub seconds: f64,
    /// How many viewers there are at its end, reached evenly; as many as before when not given.
    pub viewers: Option<u32>,
    /// The change in viewers comes at its beginning and all at once.
    pub at_once: bool,
    /// So many leave each second, and as many others join.
    pub churn_per_second: f64,
    /// The share of those leaving who vanish without a word.
    pub vanish: f64,
    /// Chat lines per second, of all viewers together.
    pub chat_per_second: f64,
    /// The stock of the shop's variant changes so often, in every room.
    pub stock_changes_per_second: f64,
    /// So many buy, evenly over the phase.
    pub buyers: u32,
    /// What the publishers do at its beginning.
    pub hosts: Option<HostAct>,
}

/// A search for the number of viewers that a server carries.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SearchPlan {
    /// The first try.
    pub from: u32,
    /// The last one.
    pub most: u32,
    /// It ends when the number is known to this part of itself.
    pub precision_percent: f64,
    /// How fast viewers join on the way to a number.
    pub joins_per_second: f64,
    /// Seconds between reaching a number and looking.
    pub settle_seconds: f64,
    /// Seconds of looking.
    pub hold_seconds: f64,
    /// What must hold while looking.
    pub limits: Thresholds,
}

impl Default for SearchPlan {
    fn default() -> Self {
        let max = |max| Bound {
            max: Some(max),
            ..Bound::default()
        };
        Self {
            from: 200,
            most: 20_000,
            precision_percent: 5.0,
            joins_per_second: 200.0,
            settle_seconds: 2.0,
            hold_seconds: 8.0,
            limits: Thresholds(BTreeMap::from([
                ("loss_percent".to_owned(), max(0.1)),
                ("first_picture_p95_ms".to_owned(), max(2_000.0)),
                ("one_way_p95_ms".to_owned(), max(250.0)),
            ])),
        }
    }
}

impl Scenario {
    /// Reads a scenario and checks it. Each override is `path.to.key=value`, as [`overrides`] explains; they come last.
    ///
    /// # Errors
    /// [`Error::Options`] naming the key and what is accepted.
    pub fn parse(text: &str, overrides: &[String]) -> Result<Scenario, Error> {
        let bad = |error: &dyn std::fmt::Display| Error::Options(format!("scenario: {error}"));
        if text.len() > check::MAX_FILE_BYTES {
            return Err(bad(&format!("longer than {} bytes", check::MAX_FILE_BYTES)));
        }
        let mut table: toml::Table = toml::from_str(text).map_err(|error| bad(&error))?;
        for each in overrides {
            overrides::apply(&mut table, each).map_err(|why| bad(&format!("--set {each}: {why}")))?;
        }
        let mut scenario: Scenario = table.try_into().map_err(|error| bad(&error))?;
        scenario.complete();
        check::check(&scenario).map_err(|error| bad(&error))?;
        Ok(scenario)
    }

    /// The scenario as a file says it, with every value in it.
    pub fn to_toml(&self) -> String {
        toml::to_string(self).unwrap_or_default()
    }

    /// Seconds of all phases.
    pub fn phase_seconds(&self) -> f64 {
        self.phases.iter().map(|phase| phase.seconds).sum()
    }

    fn complete(&mut self) {
        if self.groups.is_empty() {
            self.groups.push(Group::default());
        }
        for (n, phase) in self.phases.iter_mut().enumerate() {
            if phase.name.is_empty() {
                phase.name = format!("phase {}", n + 1);
            }
        }
    }
}

/// Codecs by their lower-case names.
mod codec_name {
    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serializer};

    use super::Codec;

    pub(super) fn serialize<S: Serializer>(codec: &Codec, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&codec.name().to_ascii_lowercase())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Codec, D::Error> {
        let name = String::deserialize(from)?;
        Codec::from_mime(&format!("video/{name}"))
            .ok_or_else(|| D::Error::custom("codec: vp8, vp9, h264 or av1 is accepted"))
    }
}

#[cfg(test)]
mod tests;
