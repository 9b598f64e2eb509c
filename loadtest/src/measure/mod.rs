//! What is measured, while it is measured: counts, times and viewers' stories, each second by itself.
//!
//! A [`Recorder`] belongs to one thread; recorders are merged, over threads and over machines. There is no clock in here:
//! every `at` is the time since the run's start.

mod figure;
mod kinds;
mod outcome;
mod second;
mod times;
mod window;

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

pub use figure::{Figure, Rank};
pub use kinds::{Counter, Level, Timing};
pub use outcome::ViewerOutcome;
pub use second::Second;
pub use times::{CoarseTimes, LONGEST, Times};
pub use window::{Sample, Window};

/// The longest run: two days. What comes later counts into the last second.
pub const MAX_SECONDS: usize = 2 * 86_400;
/// Stories kept per group; of later viewers only the counts remain. Enough for every viewer of a large test, and a
/// soak with churn ends with a file of some 20 MB at most.
pub const MAX_OUTCOMES: usize = 50_000;
/// Different texts counted per map. Reasons and outcomes are a handful; a server that puts a number into each of its
/// errors must not fill the memory.
const MAX_TEXTS: usize = 64;
/// Of a text, enough to recognise it.
const MAX_TEXT_BYTES: usize = 200;
/// Where texts past [`MAX_TEXTS`] are counted.
const OTHER: &str = "other";

/// A group of viewers: its place in the list of the run's groups.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GroupId(pub u8);

/// Everything one thread measured, by group.
#[derive(Debug, Clone, Default)]
pub struct Recorder {
    groups: Vec<Measures>,
}

impl Recorder {
    /// An empty one.
    pub fn new() -> Self {
        Self::default()
    }

    /// The measures of all groups, by their number.
    pub fn groups(&self) -> &[Measures] {
        &self.groups
    }

    /// Takes the measures out.
    pub fn into_groups(self) -> Vec<Measures> {
        self.groups
    }

    /// Counts `n` more of something at a time.
    pub fn add(&mut self, group: GroupId, at: Duration, what: Counter, n: u64) {
        if n > 0
            && let Some(second) = self.second(group, at)
        {
            second.add(what, n);
        }
    }

    /// Counts a time that was measured at a time.
    pub fn time(&mut self, group: GroupId, at: Duration, what: Timing, took: Duration) {
        if let Some(measures) = self.group(group) {
            measures.timings.entry(what).or_default().record(took);
        }
        if let Some(second) = self.second(group, at) {
            second.timing_mut(what).record(took);
        }
    }

    /// Tells a state; once a second by each thread.
    pub fn level(&mut self, group: GroupId, at: Duration, what: Level, n: u64) {
        if let Some(second) = self.second(group, at) {
            second.set_level(what, n);
        }
    }

    /// Tells how many viewers get pictures of this height, 0 where it is unknown; once a second by each thread.
    pub fn layer(&mut self, group: GroupId, at: Duration, height: u16, viewers: u64) {
        if viewers > 0
            && let Some(second) = self.second(group, at)
        {
            second.add_layer(height, viewers);
        }
    }

    /// Counts why a viewer did not join or was ended.
    pub fn failure(&mut self, group: GroupId, why: &str) {
        if let Some(measures) = self.group(group) {
            count(&mut measures.failures, why, 1);
        }
    }

    /// Counts a buy's outcome.
    pub fn receipt(&mut self, group: GroupId, outcome: &str) {
        if let Some(measures) = self.group(group) {
            count(&mut measures.receipts, outcome, 1);
        }
    }

    /// Keeps a viewer's story; once, when it is over.
    pub fn outcome(&mut self, group: GroupId, outcome: ViewerOutcome) {
        if let Some(measures) = self.group(group)
            && measures.outcomes.len() < MAX_OUTCOMES
        {
            measures.outcomes.push(outcome);
        }
    }

    /// Adds what another thread has measured.
    pub fn merge(&mut self, other: Recorder) {
        for (n, measures) in other.groups.into_iter().enumerate() {
            match self.groups.get_mut(n) {
                Some(mine) => mine.merge(measures),
                None => self.groups.push(measures),
            }
        }
    }

    fn group(&mut self, group: GroupId) -> Option<&mut Measures> {
        let at = usize::from(group.0);
        if self.groups.len() <= at {
            self.groups.resize_with(at + 1, Measures::default);
        }
        self.groups.get_mut(at)
    }

    fn second(&mut self, group: GroupId, at: Duration) -> Option<&mut Second> {
        let at = usize::try_from(at.as_secs())
            .unwrap_or(MAX_SECONDS)
            .min(MAX_SECONDS - 1);
        let measures = self.group(group)?;
        if measures.since > at {
            // A delta began later than this: make room in front.
            let room = measures.since - at;
            measures
                .seconds
                .splice(0..0, std::iter::repeat_n(Second::default(), room));
            measures.since = at;
        }
        if measures.seconds.is_empty() {
            measures.since = at;
        }
        let place = at - measures.since;
        if measures.seconds.len() <= place {
            measures.seconds.resize_with(place + 1, Second::default);
        }
        measures.seconds.get_mut(place)
    }
}

/// What was measured of one group of viewers.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Measures {
    /// Which second of the run `seconds` begins with: those taken once a second hold one or two.
    since: usize,
    seconds: Vec<Second>,
    timings: BTreeMap<Timing, Times>,
    failures: BTreeMap<String, u64>,
    receipts: BTreeMap<String, u64>,
    outcomes: Vec<ViewerOutcome>,
}

impl Measures {
    /// The seconds of the run from its start; what came before the first measure is empty.
    pub fn seconds(&self) -> impl Iterator<Item = (usize, &Second)> {
        self.seconds
            .iter()
            .enumerate()
            .map(|(n, second)| (self.since + n, second))
    }

    /// One second of the run.
    pub fn second(&self, at: usize) -> Option<&Second> {
        self.seconds.get(at.checked_sub(self.since)?)
    }

    /// How many seconds of the run are known.
    pub fn length(&self) -> usize {
        if self.seconds.is_empty() {
            0
        } else {
            self.since + self.seconds.len()
        }
    }

    /// Whether it lies within a run's length; false only for a file that somebody made up.
    pub fn is_sound(&self) -> bool {
        self.since
            .checked_add(self.seconds.len())
            .is_some_and(|end| end <= MAX_SECONDS)
    }

    /// A counter over the whole run.
    pub fn counter(&self, what: Counter) -> u64 {
        self.seconds.iter().map(|second| second.counter(what)).sum()
    }

    /// Times over the whole run; none when none were measured.
    pub fn timing(&self, what: Timing) -> Option<&Times> {
        self.timings.get(&what)
    }

    /// Why viewers did not join or were ended, with how many.
    pub fn failures(&self) -> &BTreeMap<String, u64> {
        &self.failures
    }

    /// Buys by outcome.
    pub fn receipts(&self) -> &BTreeMap<String, u64> {
        &self.receipts
    }

    /// Viewers' stories, [`MAX_OUTCOMES`] at most.
    pub fn outcomes(&self) -> &[ViewerOutcome] {
        &self.outcomes
    }

    /// Adds what was measured elsewhere of the same seconds.
    pub fn merge(&mut self, other: Measures) {
        if self.seconds.is_empty() {
            (self.since, self.seconds) = (other.since, other.seconds);
        } else if !other.seconds.is_empty() {
            if other.since < self.since {
                let room = self.since - other.since;
                self.seconds
                    .splice(0..0, std::iter::repeat_n(Second::default(), room));
                self.since = other.since;
            }
            let offset = other.since - self.since;
            let length = self.seconds.len().max(offset + other.seconds.len());
            self.seconds.resize_with(length, Second::default);
            for (mine, theirs) in self.seconds.iter_mut().skip(offset).zip(&other.seconds) {
                mine.merge(theirs);
            }
        }
        for (what, times) in &other.timings {
            self.timings.entry(*what).or_default().merge(times);
        }
        for (why, n) in &other.failures {
            count(&mut self.failures, why, *n);
        }
        for (outcome, n) in &other.receipts {
            count(&mut self.receipts, outcome, *n);
        }
        let room = MAX_OUTCOMES.saturating_sub(self.outcomes.len());
        self.outcomes.extend(other.outcomes.into_iter().take(room));
    }
}

fn count(texts: &mut BTreeMap<String, u64>, text: &str, n: u64) {
    let end = (0..=MAX_TEXT_BYTES.min(text.len()))
        .rev()
        .find(|end| text.is_char_boundary(*end));
    let text = end.and_then(|end| text.get(..end)).unwrap_or_default();
    if let Some(sum) = texts.get_mut(text) {
        *sum += n;
    } else if texts.len() < MAX_TEXTS {
        texts.insert(text.to_owned(), n);
    } else {
        *texts.entry(OTHER.to_owned()).or_default() += n;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: GroupId = GroupId(0);
    const B: GroupId = GroupId(1);

    fn s(seconds: f64) -> Duration {
        Duration::from_secs_f64(seconds)
    }

    fn sample(recorder: &mut Recorder, from: u64) {
        for n in from..from + 20 {
            let at = s(n as f64 / 4.0);
            recorder.add(A, at, Counter::Packets, n);
            recorder.add(B, at, Counter::Lost, 1);
            recorder.time(B, at, Timing::OneWay, Duration::from_micros(n * n));
        }
        recorder.level(A, s(from as f64), Level::Viewers, 3);
        recorder.layer(A, s(from as f64), 720, 2);
        recorder.failure(A, "the server refused with 503");
        recorder.receipt(B, "held");
        recorder.outcome(
            A,
            ViewerOutcome {
                number: from as u32,
                ..Default::default()
            },
        );
    }

    #[test]
    fn deltas_of_every_second_merge_to_what_one_recorder_would_hold() {
        let (mut together, mut merged) = (Recorder::new(), Recorder::new());
        for from in [40, 0, 12] {
            sample(&mut together, from);
            let mut delta = Recorder::new();
            sample(&mut delta, from);
            merged.merge(delta);
        }
        let text = |recorder: &Recorder| serde_json::to_string(recorder.groups()).unwrap();
        assert_eq!(text(&merged), text(&together));
        let [a, b] = merged.groups() else {
            panic!("two groups")
        };
        assert_eq!(b.counter(Counter::Lost), 60);
        assert_eq!(b.timing(Timing::OneWay).unwrap().count(), 60);
        assert_eq!((a.failures().values().sum::<u64>(), b.receipts()["held"]), (3, 3));
        assert_eq!(a.second(0).unwrap().level(Level::Viewers), Some(3));
        assert_eq!(a.second(12).unwrap().layers()[&720], 2);
        assert_eq!(a.second(1).unwrap().level(Level::Viewers), None);
        assert_eq!(a.length(), 41);
    }

    #[test]
    fn a_file_gives_back_what_went_in_and_refuses_what_it_does_not_know() {
        let mut recorder = Recorder::new();
        sample(&mut recorder, 3);
        let text = serde_json::to_string(recorder.groups()).unwrap();
        let back: Vec<Measures> = serde_json::from_str(&text).unwrap();
        assert_eq!(serde_json::to_string(&back).unwrap(), text);
        assert!(serde_json::from_str::<Measures>(r#"{"surprise":1}"#).is_err());
        let unknown = r#"{"seconds":[{"c":{"no_such_counter":1}}]}"#;
        let error = serde_json::from_str::<Measures>(unknown).unwrap_err().to_string();
        assert!(error.contains("no_such_counter"), "{error}");
    }

    #[test]
    fn nothing_grows_without_bound() {
        let mut recorder = Recorder::new();
        for n in 0..1000 {
            recorder.failure(A, &format!("error {n} {}", "é".repeat(300)));
        }
        recorder.add(A, Duration::from_secs(u64::MAX), Counter::Packets, 1);
        let [measures] = recorder.groups() else {
            panic!("one group")
        };
        assert_eq!(measures.failures().values().sum::<u64>(), 1000);
        assert!(measures.failures().len() <= MAX_TEXTS + 1);
        assert!(
            measures
                .failures()
                .keys()
                .all(|text| text.len() <= MAX_TEXT_BYTES)
        );
        assert_eq!(measures.length(), MAX_SECONDS);
    }

    #[test]
    fn names_are_unique_and_found() {
        for what in Counter::ALL {
            assert_eq!(Counter::named(what.name()), Some(*what));
        }
        for what in Timing::ALL {
            assert_eq!(Timing::named(what.name()), Some(*what));
        }
        for what in Level::ALL {
            assert_eq!(Level::named(what.name()), Some(*what));
        }
        assert_eq!(Counter::named(""), None);
    }
}
