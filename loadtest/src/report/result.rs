//! The result of a run: what is kept in a JSON file, merged, compared and shown.

use std::ops::Range;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::measure::{Counter, Figure, MAX_SECONDS, Measures, Sample, Window};
use crate::scenario::{Bound, Scenario};
use crate::{Error, PublishReport, StreamReport};

/// The version of the file format. A reader refuses others: numbers that mean something else mislead.
pub const VERSION: u32 = 1;
/// Results of a two-day soak stay below this.
const MAX_FILE_BYTES: u64 = 1 << 30;

/// A load test that was run, on one machine or several.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Run {
    /// [`VERSION`].
    pub version: u32,
    /// The load test that measured.
    pub tool: String,
    /// The scenario, with every value in it.
    pub scenario: Scenario,
    /// When it began, milliseconds since 1970.
    pub started_unix_ms: u64,
    /// How long it took, seconds.
    pub seconds: f64,
    /// Why it ended.
    pub end: End,
    /// The machines that sent viewers.
    pub machines: Vec<Machine>,
    /// What was measured, by group of viewers.
    pub groups: Vec<GroupResult>,
    /// What the publishers sent, together.
    pub publishers: PublishReport,
    /// What the server's process cost, over time; empty where it could not be read.
    pub server: Vec<Sample>,
    /// What happened when.
    pub marks: Vec<Mark>,
    /// What the search found, if there was one.
    pub search: Option<Found>,
    /// What the audit said, if there was one.
    pub audit: Option<Audit>,
    /// What the reader should know before believing the numbers.
    pub remarks: Vec<String>,
}

/// Why a run ended.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum End {
    /// It was over.
    #[default]
    Finished,
    /// Somebody stopped it.
    Interrupted,
}

/// A machine that sent viewers.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Machine {
    /// Its host name.
    pub name: String,
    /// Its cores.
    pub cores: u32,
    /// Their model, as the system tells it.
    pub cpu: String,
}

/// What was measured of a group of viewers, over all rooms.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GroupResult {
    /// Its name.
    pub name: String,
    /// Whether these are canaries: another WebRTC implementation, in the run to check the others against. Their numbers
    /// stand apart.
    pub is_canary: bool,
    /// The measures.
    pub measures: Measures,
}

/// A stretch of time with a name.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mark {
    /// Its name.
    pub name: String,
    /// When it began, seconds since the run's start.
    pub from_s: f64,
    /// When it ended.
    pub to_s: f64,
}

impl Mark {
    /// The seconds of the run that lie in it for the most part, at least one: the edges belong to what happens around it.
    pub fn seconds(&self) -> Range<usize> {
        let second = |at_s: f64| at_s.round().clamp(0.0, MAX_SECONDS as f64) as usize;
        let from = second(self.from_s);
        from..second(self.to_s).max(from + 1)
    }
}

/// What a search found.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Found {
    /// The most viewers at which all limits held; none when the search was broken off.
    pub viewers: Option<u32>,
    /// More were not tried: the search's own bound was reached.
    pub is_bound: bool,
    /// Every try, in order.
    pub tries: Vec<Try>,
}

impl Found {
    /// Adds what another machine found against the same server at the same time: it carried both.
    fn add(&mut self, other: Found) {
        self.viewers = self.viewers.zip(other.viewers).map(|(one, two)| one + two);
        self.is_bound |= other.is_bound;
        self.tries.extend(other.tries);
    }
}

/// One try of a search.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Try {
    /// With how many viewers.
    pub viewers: u32,
    /// Each limit and whether it held.
    pub verdicts: Vec<Verdict>,
}

impl Try {
    /// Whether all limits held.
    pub fn has_held(&self) -> bool {
        self.verdicts.iter().all(|verdict| verdict.is_ok)
    }
}

/// A figure against its bound.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Verdict {
    /// The figure's name.
    pub figure: String,
    /// Its bound.
    pub bound: Bound,
    /// What was measured; none when nothing was.
    pub value: Option<f64>,
    /// Whether the bound holds.
    pub is_ok: bool,
}

impl Verdict {
    /// Judges a figure of a window.
    pub fn of(figure: Figure, bound: &Bound, window: &Window) -> Self {
        let value = figure.value(window);
        Self {
            figure: figure.name(),
            bound: bound.clone(),
            value,
            is_ok: bound.accepts(value),
        }
    }
}

/// What the audit command said.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Audit {
    /// The command.
    pub command: Vec<String>,
    /// Whether it succeeded.
    pub is_ok: bool,
    /// The end of what it wrote.
    pub said: String,
}

impl Run {
    /// The measures of all viewers but the canaries.
    pub fn crowd(&self) -> impl Iterator<Item = &Measures> {
        self.groups
            .iter()
            .filter(|group| !group.is_canary)
            .map(|group| &group.measures)
    }

    /// The whole run, canaries left out.
    pub fn window(&self) -> Window {
        Window::whole(self.crowd(), &self.server).with_shelf(self.shelf())
    }

    /// A part of the run, canaries left out; `mark` is where it began and ended.
    pub fn window_of(&self, mark: &Mark) -> Window {
        Window::of(self.crowd(), mark.seconds(), &self.server).with_shelf(self.shelf())
    }

    /// Units that were on the shelf, and units each buyer wanted.
    fn shelf(&self) -> Option<(u64, u64)> {
        let shop = self.scenario.shop.as_ref()?;
        Some((shop.stock?.into(), shop.quantity.into()))
    }

    /// Every threshold, judged.
    pub fn verdicts(&self) -> Vec<Verdict> {
        let whole = self.window();
        let judge = |(figure, bound): (Figure, &Bound)| match &bound.phase {
            None => Verdict::of(figure, bound, &whole),
            Some(phase) => {
                let mark = self.marks.iter().find(|mark| mark.name == *phase);
                let window = mark.map_or_else(Window::default, |mark| self.window_of(mark));
                Verdict::of(figure, bound, &window)
            }
        };
        self.scenario.thresholds.iter().map(judge).collect()
    }

    /// Whether it proved what it should: every threshold held, the audit succeeded, and a search found something.
    pub fn has_passed(&self) -> bool {
        self.verdicts().iter().all(|verdict| verdict.is_ok)
            && self.audit.as_ref().is_none_or(|audit| audit.is_ok)
            && self
                .search
                .as_ref()
                .is_none_or(|found| found.viewers.is_some_and(|viewers| viewers > 0))
    }

    /// Whether the load test was the limit in more than one second of a hundred.
    pub fn is_client_limited(&self) -> bool {
        self.of_crowd(Counter::ClientLimitedS) as f64 > self.seconds / 100.0
    }

    /// What an operator is told of a load test that was the limit.
    pub(crate) fn client_limit(&self) -> Option<String> {
        self.is_client_limited().then(|| {
            format!(
                "the load test itself was the limit in {} of {:.0} s, with 90 % of a core or more for a thread of viewers, or with \
                 datagrams that it could not take or send ({} in all): its numbers say little about the server",
                self.of_crowd(Counter::ClientLimitedS),
                self.seconds,
                self.of_crowd(Counter::SocketDrops),
            )
        })
    }

    fn of_crowd(&self, what: Counter) -> u64 {
        self.crowd().map(|measures| measures.counter(what)).sum()
    }

    /// Adds the result of another machine that ran at the same time against the same server.
    ///
    /// # Errors
    /// [`Error::Options`] when it is another scenario's.
    pub fn merge(&mut self, other: Run) -> Result<(), Error> {
        if self.scenario.name != other.scenario.name {
            return Err(Error::Options(format!(
                "results of {:?} and {:?} cannot be merged",
                self.scenario.name, other.scenario.name
            )));
        }
        self.started_unix_ms = self.started_unix_ms.min(other.started_unix_ms);
        self.seconds = self.seconds.max(other.seconds);
        if other.end == End::Interrupted {
            self.end = End::Interrupted;
        }
        self.machines.extend(other.machines);
        for group in other.groups {
            let known = self.groups.iter_mut().find(|known| known.name == group.name);
            match known {
                Some(known) => known.measures.merge(group.measures),
                None => self.groups.push(group),
            }
        }
        self.publishers.merge(&other.publishers);
        if self.server.len() < other.server.len() {
            self.server = other.server;
        }
        if let Some(found) = other.search {
            match &mut self.search {
                Some(search) => search.add(found),
                None => self.search = Some(found),
            }
            let remark = "several machines searched at once: what each found is added up";
            if !self.remarks.iter().any(|known| known == remark) {
                self.remarks.push(remark.into());
            }
        }
        if other.audit.as_ref().is_some_and(|audit| !audit.is_ok) || self.audit.is_none() {
            self.audit = other.audit;
        }
        for remark in other.remarks {
            if !self.remarks.contains(&remark) {
                self.remarks.push(remark);
            }
        }
        Ok(())
    }

    /// Reads a result file.
    ///
    /// # Errors
    /// [`Error::Options`] naming the file and what is wrong with it.
    pub fn read(path: &Path) -> Result<Run, Error> {
        let bad = |why: String| Error::Options(format!("{}: {why}", path.display()));
        let length = std::fs::metadata(path)
            .map_err(|error| bad(error.to_string()))?
            .len();
        if length > MAX_FILE_BYTES {
            return Err(bad(format!("longer than {MAX_FILE_BYTES} bytes")));
        }
        let text = std::fs::read_to_string(path).map_err(|error| bad(error.to_string()))?;
        Run::parse(&text).map_err(bad)
    }

    /// Reads the text of a result file.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Run, String> {
        #[derive(Deserialize)]
        struct Versioned {
            version: u32,
        }
        let Versioned { version } = serde_json::from_str(text).map_err(|error| error.to_string())?;
        if version != VERSION {
            return Err(format!(
                "format version {version}; this load test reads {VERSION}"
            ));
        }
        let run: Run = serde_json::from_str(text).map_err(|error| error.to_string())?;
        if !(run.seconds.is_finite() && run.seconds >= 0.0 && run.seconds <= MAX_SECONDS as f64) {
            return Err(format!("seconds: 0 to {MAX_SECONDS} are accepted"));
        }
        if run.groups.iter().any(|group| !group.measures.is_sound()) {
            return Err(format!("measures past second {MAX_SECONDS}"));
        }
        Ok(run)
    }

    /// The text of a result file.
    pub fn to_json(&self) -> Result<String, Error> {
        serde_json::to_string(self)
            .map_err(|error| Error::Options(format!("the result cannot be written: {error}")))
    }
}

impl PublishReport {
    /// Adds another publisher's.
    pub fn merge(&mut self, other: &PublishReport) {
        self.connections += other.connections;
        self.seconds += other.seconds;
        self.nacked += other.nacked;
        self.repaired += other.repaired;
        self.keyframe_requests += other.keyframe_requests;
        for stream in &other.streams {
            StreamReport::add_to(stream, &mut self.streams);
        }
    }
}
