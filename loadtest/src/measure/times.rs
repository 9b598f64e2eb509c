//! Two histograms of times: an exact one for a whole run, a coarse one for each second of it.

use std::time::Duration;

use hdrhistogram::Histogram;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The longest time a histogram tells apart: 120 s. A join or a receipt past that is lost to any person.
pub const LONGEST: Duration = Duration::from_secs(120);
const LONGEST_US: u64 = 120_000_000;

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros())
        .unwrap_or(LONGEST_US)
        .clamp(1, LONGEST_US)
}

/// An HDR histogram of microseconds with three digits. Empty, it costs nothing.
#[derive(Debug, Clone, Default)]
pub struct Times {
    values: Option<Box<Histogram<u64>>>,
}

impl Times {
    /// Counts a time; below 1 µs as that, above [`LONGEST`] as that.
    pub fn record(&mut self, time: Duration) {
        self.record_many(micros(time), 1);
    }

    fn record_many(&mut self, micros: u64, count: u64) {
        if self.values.is_none() {
            // Three digits from 1 µs to two minutes: bounds the crate accepts, checked by a test.
            self.values = Histogram::new_with_bounds(1, LONGEST_US, 3).ok().map(Box::new);
        }
        if let Some(values) = &mut self.values {
            values.saturating_record_n(micros, count);
        }
    }

    /// How many were counted.
    pub fn count(&self) -> u64 {
        self.values.as_ref().map_or(0, |values| values.len())
    }

    /// The time below which this share (0 to 1) lies; none when nothing was counted.
    pub fn quantile(&self, share: f64) -> Option<Duration> {
        let values = self.values.as_ref().filter(|values| !values.is_empty())?;
        Some(Duration::from_micros(values.value_at_quantile(share)))
    }

    /// The longest; none when nothing was counted.
    pub fn max(&self) -> Option<Duration> {
        let values = self.values.as_ref().filter(|values| !values.is_empty())?;
        Some(Duration::from_micros(values.max()))
    }

    /// Adds what another has counted.
    pub fn merge(&mut self, other: &Times) {
        for (micros, count) in other.pairs() {
            self.record_many(micros, count);
        }
    }

    /// What was counted as pairs of microseconds and count, rising.
    pub fn pairs(&self) -> Vec<(u64, u64)> {
        let Some(values) = &self.values else {
            return Vec::new();
        };
        values
            .iter_recorded()
            .map(|each| (each.value_iterated_to(), each.count_at_value()))
            .collect()
    }
}

impl Serialize for Times {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        self.pairs().serialize(to)
    }
}

impl<'de> Deserialize<'de> for Times {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let mut times = Times::default();
        for (micros, count) in Vec::<(u64, u64)>::deserialize(from)? {
            times.record_many(micros.clamp(1, LONGEST_US), count);
        }
        Ok(times)
    }
}

/// Steps per doubling: neighbours differ by 1/16, so a percentile is right to about 6 %.
const STEPS: u64 = 16;
const STEP_BITS: u32 = STEPS.trailing_zeros();

/// A small histogram for one second: sorted pairs of a logarithmic place and a count.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct CoarseTimes(Vec<(u16, u32)>);

impl CoarseTimes {
    /// Counts a time.
    pub fn record(&mut self, time: Duration) {
        self.add(place(micros(time)), 1);
    }

    fn add(&mut self, place: u16, count: u32) {
        match self.0.binary_search_by_key(&place, |(known, _)| *known) {
            Ok(at) => {
                if let Some((_, sum)) = self.0.get_mut(at) {
                    *sum = sum.saturating_add(count);
                }
            }
            Err(at) => self.0.insert(at, (place, count)),
        }
    }

    /// How many were counted.
    pub fn count(&self) -> u64 {
        self.0.iter().map(|(_, count)| u64::from(*count)).sum()
    }

    /// The time below which this share (0 to 1) lies, to about 6 %; none when nothing was counted.
    pub fn quantile(&self, share: f64) -> Option<Duration> {
        let wanted = ((self.count() as f64 * share).ceil() as u64).max(1);
        let mut passed = 0;
        self.0.iter().find_map(|(place, count)| {
            passed += u64::from(*count);
            (passed >= wanted).then(|| Duration::from_micros(value(*place)))
        })
    }

    /// Adds what another has counted.
    pub fn merge(&mut self, other: &CoarseTimes) {
        for (place, count) in &other.0 {
            self.add(*place, *count);
        }
    }
}

impl<'de> Deserialize<'de> for CoarseTimes {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let mut times = CoarseTimes::default();
        for (at, count) in Vec::<(u16, u32)>::deserialize(from)? {
            times.add(at.min(place(LONGEST_US)), count);
        }
        Ok(times)
    }
}

/// Log-linear: exact below [`STEPS`], then that many steps for each doubling.
fn place(micros: u64) -> u16 {
    if micros < STEPS {
        return micros as u16;
    }
    let shift = micros.ilog2() - STEP_BITS;
    (u64::from(shift) * STEPS + (micros >> shift)) as u16
}

/// The middle of a place.
fn value(place: u16) -> u64 {
    let place = u64::from(place);
    if place < 2 * STEPS {
        return place;
    }
    let shift = place / STEPS - 1;
    ((place % STEPS + STEPS) << shift) + (1 << shift) / 2
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(n: u64) -> Duration {
        Duration::from_millis(n)
    }

    #[test]
    fn quantiles_of_both_agree_with_what_went_in() {
        let (mut exact, mut coarse) = (Times::default(), CoarseTimes::default());
        assert_eq!(
            (exact.quantile(0.5), coarse.quantile(0.5), exact.max()),
            (None, None, None)
        );
        for n in 1..=1000 {
            exact.record(ms(n));
            coarse.record(ms(n));
        }
        for (share, expected) in [(0.5, 500.0), (0.95, 950.0), (0.99, 990.0)] {
            let of = |time: Option<Duration>| time.unwrap().as_secs_f64() * 1000.0;
            assert!((of(exact.quantile(share)) / expected - 1.0).abs() < 0.002);
            assert!((of(coarse.quantile(share)) / expected - 1.0).abs() < 0.06);
        }
        assert!(exact.max().unwrap().abs_diff(ms(1000)) < ms(2));
        exact.record(Duration::from_secs(500));
        assert!(
            exact.max().unwrap() >= LONGEST,
            "what is longer counts as the longest"
        );
    }

    #[test]
    fn places_rise_and_lie_within_a_sixteenth() {
        let mut last = 0;
        for micros in (1..5_000).chain((5_000..LONGEST_US).step_by(99_991)) {
            let at = place(micros);
            assert!(at >= last);
            last = at;
            let error = value(at).abs_diff(micros) as f64 / micros as f64;
            assert!(error <= 1.0 / 16.0, "{micros} is told as {}", value(at));
        }
    }

    #[test]
    fn both_survive_a_file_and_merging_is_the_same_as_recording_together() {
        let (mut all, mut odd, mut even) = (Times::default(), Times::default(), Times::default());
        let mut coarse = [
            CoarseTimes::default(),
            CoarseTimes::default(),
            CoarseTimes::default(),
        ];
        for n in 1..500u64 {
            let time = Duration::from_micros(n * n * 37);
            all.record(time);
            coarse[0].record(time);
            if n % 2 == 1 {
                odd.record(time);
                coarse[1].record(time);
            } else {
                even.record(time);
                coarse[2].record(time);
            }
        }
        let odd: Times = serde_json::from_str(&serde_json::to_string(&odd).unwrap()).unwrap();
        even.merge(&odd);
        assert_eq!(even.pairs(), all.pairs());
        let [together, mut merged, other] = coarse;
        merged.merge(&serde_json::from_str(&serde_json::to_string(&other).unwrap()).unwrap());
        assert_eq!(merged, together);
    }
}
