//! What a viewer felt between two times, and what its line did.

use std::fmt;
use std::time::Duration;

use super::bottleneck::Bottleneck;
use super::screen::Shown;
use super::world::World;

/// Of a line's rate, in percent, what the best fitting layer and the sound may take: a picture's rate varies.
const FITS: u64 = 85;
/// Sound with its headers, bits per second.
const SOUND: u64 = 60_000;
/// IPv4, UDP and SRTP headers of a picture's packets, in percent.
const HEADERS: u64 = 106;

#[derive(Clone, Copy, Debug)]
pub(crate) struct Outcome {
    /// Percent of what the best layer that fits the line would have brought, of what was shown.
    pub(crate) used: u64,
    pub(crate) longest_freeze: Duration,
    /// When that began.
    pub(crate) frozen_at: Duration,
    /// Beyond 200 ms, summed.
    pub(crate) frozen: Duration,
    pub(crate) queue_p50: Duration,
    pub(crate) queue_p95: Duration,
    pub(crate) queue_most: Duration,
    pub(crate) dropped: usize,
    pub(crate) switches: usize,
    /// Rises taken back within ten seconds.
    pub(crate) taken_back: usize,
    /// Up and down twice within ten seconds.
    pub(crate) flapped: usize,
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ms = Duration::as_millis;
        write!(
            f,
            "used {} %, longest freeze {} ms at {:.2?}, frozen {} ms, queue p50 {} p95 {} most {} ms, {} dropped, {} switches, {} taken back",
            self.used,
            ms(&self.longest_freeze),
            self.frozen_at,
            ms(&self.frozen),
            ms(&self.queue_p50),
            ms(&self.queue_p95),
            ms(&self.queue_most),
            self.dropped,
            self.switches,
            self.taken_back
        )
    }
}

/// The best layer for a rate; the lowest when none fits.
pub(crate) fn best(layers: &[(u16, u16, u32)], rate: u64) -> u8 {
    let fits =
        |&(_, _, kbps): &(u16, u16, u32)| u64::from(kbps) * 1000 * HEADERS / 100 + SOUND <= rate * FITS / 100;
    layers.iter().rposition(fits).unwrap_or(0) as u8
}

impl World {
    pub(crate) fn shown(&self, viewer: usize, from: f64, to: f64) -> impl Iterator<Item = Shown> {
        let (from, to) = (Duration::from_secs_f64(from), Duration::from_secs_f64(to));
        let shown = self.viewers[viewer].screen.shown.iter().copied();
        shown.filter(move |shown| (from..to).contains(&shown.at))
    }

    /// How many pictures of a temporal layer the first viewer was shown.
    pub(crate) fn pictures(&self, from: f64, to: f64, temporal: u8) -> usize {
        let shown = self.shown(0, from, to);
        shown.filter(|shown| shown.stamp.temporal == temporal).count()
    }

    /// Seconds after `from` until the first frame of a layer that satisfies, shown for a second with no other between.
    pub(crate) fn time_to(&self, viewer: usize, from: f64, is_so: impl Fn(u8) -> bool) -> Option<f64> {
        let shown: Vec<Shown> = self.shown(viewer, from, f64::from(u32::MAX)).collect();
        let stays = |place: usize| {
            let until = shown[place].at + Duration::from_secs(1);
            let mut next = shown[place..].iter().take_while(|shown| shown.at <= until);
            next.all(|shown| is_so(shown.stamp.layer))
        };
        let found = (0..shown.len()).find(|place| stays(*place))?;
        Some(shown[found].at.as_secs_f64() - from)
    }

    /// Kilobits per second of the layers shown, on average.
    pub(crate) fn mean_kbps(&self, viewer: usize, from: f64, to: f64) -> u64 {
        let layers = self.camera.layers();
        let (sum, count) = self.shown(viewer, from, to).fold((0, 0), |(sum, count), shown| {
            (
                sum + u64::from(layers[usize::from(shown.stamp.layer)].2),
                count + 1,
            )
        });
        sum / count.max(1)
    }

    pub(crate) fn outcome(&self, viewer: usize, from: f64, to: f64) -> Outcome {
        let line = &self.lines[self.viewers[viewer].line];
        let shown: Vec<Shown> = self.shown(viewer, from, to).collect();
        let layers = self.camera.layers();
        let rate = |layer: u8| u64::from(layers[usize::from(layer)].2);
        let possible: u64 = shown
            .iter()
            .map(|shown| rate(best(layers, line.rate(shown.at))))
            .sum();
        // More than fits is no use.
        let used: u64 = shown
            .iter()
            .map(|shown| rate(shown.stamp.layer.min(best(layers, line.rate(shown.at)))))
            .sum();
        let times = shown.iter().map(|shown| shown.at);
        let ends = [from, to].map(Duration::from_secs_f64);
        let times: Vec<Duration> = [ends[0]].into_iter().chain(times).chain([ends[1]]).collect();
        let gaps = times.windows(2).map(|pair| pair[1] - pair[0]);
        let longest = times.windows(2).map(|pair| (pair[0], pair[1]));
        let longest = longest.max_by_key(|(from, to)| *to - *from).unwrap();
        let usual = Duration::from_millis(200);
        let waits = waits(line, ends);
        let part = |part: f64| {
            let place = ((waits.len() as f64 * part) as usize).min(waits.len().saturating_sub(1));
            waits.get(place).copied().unwrap_or_default()
        };
        let switches: Vec<(Duration, bool)> = shown
            .windows(2)
            .filter(|pair| pair[0].stamp.layer != pair[1].stamp.layer)
            .map(|pair| (pair[1].at, pair[1].stamp.layer > pair[0].stamp.layer))
            .collect();
        let is_taken_back = |pair: &&[(Duration, bool)]| {
            pair[0].1 && !pair[1].1 && pair[1].0 - pair[0].0 < Duration::from_secs(10)
        };
        let is_flapping = |four: &&[(Duration, bool)]| {
            four[0].1
                && !four[1].1
                && four[2].1
                && !four[3].1
                && four[3].0 - four[0].0 < Duration::from_secs(10)
        };
        Outcome {
            used: used * 100 / possible.max(1),
            longest_freeze: longest.1 - longest.0,
            frozen_at: longest.0,
            frozen: gaps.map(|gap| gap.saturating_sub(usual)).sum(),
            queue_p50: part(0.5),
            queue_p95: part(0.95),
            queue_most: part(1.0),
            dropped: line
                .dropped
                .iter()
                .filter(|at| (ends[0]..ends[1]).contains(*at))
                .count(),
            switches: switches.len(),
            taken_back: switches.windows(2).filter(is_taken_back).count(),
            flapped: switches.windows(4).filter(is_flapping).count(),
        }
    }
}

fn waits(line: &Bottleneck, [from, to]: [Duration; 2]) -> Vec<Duration> {
    let within = line.waits.iter().filter(|(at, _)| (from..to).contains(at));
    let mut waits: Vec<Duration> = within.map(|(_, wait)| *wait).collect();
    waits.sort();
    waits
}
