//! When what is due: the phases of a scenario as a stream of commands. No clock in here: time comes in.

use std::time::Duration;

use crate::measure::GroupId;
use crate::scenario::{HostAct, Phase};

/// What is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Due {
    /// A phase begins, by its place.
    Phase(usize),
    /// The publishers do something.
    Hosts(HostAct),
    /// So many of a group join.
    Join(GroupId, u32),
    /// So many leave properly.
    Leave(GroupId, u32),
    /// So many vanish.
    Vanish(GroupId, u32),
    /// So many say a line.
    Chat(GroupId, u32),
    /// So many buy.
    Buy(GroupId, u32),
    /// The stock changes so often.
    Restock(u32),
}

/// Viewers by group, and how more or fewer of them are spread.
#[derive(Debug, Clone)]
pub struct Places {
    places: Vec<Place>,
}

#[derive(Debug, Clone)]
struct Place {
    share: f64,
    viewers: u32,
    /// Of all who were told to join, those who were refused or cut off so far.
    gone: u64,
    chatted: u64,
    bought: u32,
}

impl Places {
    /// Groups in order, each with its share.
    pub fn new(shares: impl IntoIterator<Item = f64>) -> Self {
        let place = |share| Place {
            share,
            viewers: 0,
            gone: 0,
            chatted: 0,
            bought: 0,
        };
        Self {
            places: shares.into_iter().map(place).collect(),
        }
    }

    /// Everybody who was told to join and not to leave, but for those known to be gone by themselves.
    pub fn viewers(&self) -> u32 {
        self.places.iter().map(|place| place.viewers).sum()
    }

    /// Tells how many of a group were refused or cut off so far: they are not there, and need not leave.
    pub fn are_gone(&mut self, group: GroupId, so_far: u64) {
        if let Some(place) = self.places.get_mut(usize::from(group.0)) {
            let newly = u32::try_from(so_far.saturating_sub(place.gone)).unwrap_or(u32::MAX);
            place.viewers = place.viewers.saturating_sub(newly);
            place.gone = place.gone.max(so_far);
        }
    }

    /// What brings the number of viewers to `wanted`.
    pub fn reach(&mut self, wanted: u32) -> Vec<Due> {
        let now = self.viewers();
        if wanted >= now {
            self.join(wanted - now)
        } else {
            self.leave(now - wanted, 0)
        }
    }

    /// Each next viewer joins the group that is furthest behind its share.
    fn join(&mut self, count: u32) -> Vec<Due> {
        let given = self.spread(count, |place| {
            let behind = place.share / f64::from(place.viewers + 1);
            place.viewers += 1;
            behind
        });
        given.into_iter().map(|(group, n)| Due::Join(group, n)).collect()
    }

    /// `vanishing` of `count` do so without a word.
    fn leave(&mut self, count: u32, vanishing: u32) -> Vec<Due> {
        let count = count.min(self.viewers());
        let mut vanishing = vanishing.min(count);
        let given = self.spread(count, |place| {
            let ahead = if place.viewers == 0 {
                f64::MIN
            } else {
                f64::from(place.viewers) / place.share
            };
            place.viewers = place.viewers.saturating_sub(1);
            ahead
        });
        let mut dues = Vec::new();
        for (group, n) in given {
            let silent = n.min(vanishing);
            vanishing -= silent;
            dues.extend((silent > 0).then_some(Due::Vanish(group, silent)));
            dues.extend((n > silent).then_some(Due::Leave(group, n - silent)));
        }
        dues
    }

    fn chat(&mut self, count: u32) -> Vec<Due> {
        let given = self.spread(count, |place| {
            let behind = f64::from(place.viewers) / (place.chatted + 1) as f64;
            place.chatted += 1;
            behind
        });
        given.into_iter().map(|(group, n)| Due::Chat(group, n)).collect()
    }

    fn buy(&mut self, count: u32) -> Vec<Due> {
        let given = self.spread(count, |place| {
            let behind = f64::from(place.viewers) / f64::from(place.bought + 1);
            place.bought += 1;
            behind
        });
        given.into_iter().map(|(group, n)| Due::Buy(group, n)).collect()
    }

    /// Gives `count` away one by one, each to the place whose `take` says the most; only that place keeps the change.
    fn spread(&mut self, count: u32, take: impl Fn(&mut Place) -> f64) -> Vec<(GroupId, u32)> {
        let mut given = vec![0u32; self.places.len()];
        for _ in 0..count {
            let claims = self.places.iter().map(|place| take(&mut place.clone()));
            let best = claims
                .enumerate()
                .max_by(|(a, x), (b, y)| x.total_cmp(y).then(b.cmp(a)));
            let Some((at, _)) = best else { break };
            if let (Some(place), Some(n)) = (self.places.get_mut(at), given.get_mut(at)) {
                take(place);
                *n += 1;
            }
        }
        let groups = given.into_iter().enumerate().filter(|(_, n)| *n > 0);
        groups
            .filter_map(|(at, n)| Some((GroupId(u8::try_from(at).ok()?), n)))
            .collect()
    }
}

/// Goes through the phases.
#[derive(Debug)]
pub struct Pace {
    phases: Vec<Phase>,
    at: usize,
    /// When the phase began, and with how many viewers.
    since: Duration,
    from: u32,
    has_begun: bool,
    churned: u32,
    vanish_owed: f64,
    chatted: u32,
    bought: u32,
    restocked: u32,
}

impl Pace {
    /// From the first phase, which begins at `since`.
    pub fn new(phases: Vec<Phase>, since: Duration) -> Self {
        Self {
            phases,
            at: 0,
            since,
            from: 0,
            has_begun: false,
            churned: 0,
            vanish_owed: 0.0,
            chatted: 0,
            bought: 0,
            restocked: 0,
        }
    }

    /// The phase that runs, by its place, and how much of it has passed (0 to 1); none when all are over.
    pub fn phase(&self, now: Duration) -> Option<(usize, f64)> {
        let phase = self.phases.get(self.at)?;
        let passed = now.saturating_sub(self.since).as_secs_f64() / phase.seconds;
        Some((self.at, passed.min(1.0)))
    }

    /// Everything due by `now`. What a late call missed comes at once.
    pub fn take(&mut self, now: Duration, places: &mut Places) -> Vec<Due> {
        let mut dues = Vec::new();
        while let Some(phase) = self.phases.get(self.at).cloned() {
            if now < self.since {
                break;
            }
            if !self.has_begun {
                self.has_begun = true;
                self.from = places.viewers();
                dues.push(Due::Phase(self.at));
                dues.extend(phase.hosts.map(Due::Hosts));
            }
            let end = self.since + Duration::from_secs_f64(phase.seconds);
            let passed = now.min(end) - self.since;
            self.within(&phase, passed.as_secs_f64(), places, &mut dues);
            if now < end {
                break;
            }
            *self = Self {
                at: self.at + 1,
                ..Self::new(std::mem::take(&mut self.phases), end)
            };
        }
        dues
    }

    fn within(&mut self, phase: &Phase, seconds: f64, places: &mut Places, dues: &mut Vec<Due>) {
        let share = if phase.at_once {
            1.0
        } else {
            (seconds / phase.seconds).min(1.0)
        };
        if let Some(viewers) = phase.viewers {
            let (from, to) = (f64::from(self.from), f64::from(viewers));
            dues.extend(places.reach((from + (to - from) * share).round() as u32));
        }
        let churned = (phase.churn_per_second * seconds) as u32;
        let going = (churned - self.churned).min(places.viewers());
        if going > 0 {
            self.vanish_owed += f64::from(going) * phase.vanish;
            let vanishing = self.vanish_owed as u32;
            self.vanish_owed -= f64::from(vanishing);
            dues.extend(places.leave(going, vanishing));
            dues.extend(places.join(going));
        }
        self.churned = churned;
        let chatted = (phase.chat_per_second * seconds) as u32;
        dues.extend(places.chat(chatted - self.chatted));
        self.chatted = chatted;
        let bought = (f64::from(phase.buyers) * (seconds / phase.seconds).min(1.0)) as u32;
        dues.extend(places.buy(bought - self.bought));
        self.bought = bought;
        let restocked = (phase.stock_changes_per_second * seconds) as u32;
        let new = restocked - self.restocked;
        dues.extend((new > 0).then_some(Due::Restock(new)));
        self.restocked = restocked;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(phases: &str, shares: &[f64], step_ms: u64) -> (Vec<(u64, Due)>, Places) {
        let text = format!("[shop]\n{phases}");
        let scenario = crate::scenario::Scenario::parse(&text, &[]).unwrap();
        let mut pace = Pace::new(scenario.phases, Duration::ZERO);
        let mut places = Places::new(shares.iter().copied());
        let mut all = Vec::new();
        let mut now = 0;
        while pace.phase(Duration::from_millis(now)).is_some() {
            let dues = pace.take(Duration::from_millis(now), &mut places);
            all.extend(dues.into_iter().map(|due| (now, due)));
            now += step_ms;
        }
        (all, places)
    }

    fn sum(all: &[(u64, Due)], pick: impl Fn(&Due) -> Option<u32>) -> u32 {
        all.iter().filter_map(|(_, due)| pick(due)).sum()
    }

    #[test]
    fn viewers_come_evenly_and_by_their_shares() {
        let phases = "[[phases]]\nseconds=10\nviewers=100\n[[phases]]\nseconds=5\nviewers=40";
        let (all, places) = run(phases, &[3.0, 1.0, 0.0], 50);
        let joined = |group| {
            sum(&all, |due| match due {
                Due::Join(to, n) if to.0 == group => Some(*n),
                _ => None,
            })
        };
        assert_eq!((joined(0), joined(1), joined(2)), (75, 25, 0));
        let half: Vec<_> = all.iter().filter(|(at, _)| *at <= 5_000).cloned().collect();
        assert_eq!(
            sum(&half, |due| if let Due::Join(_, n) = due {
                Some(*n)
            } else {
                None
            }),
            50
        );
        let left = sum(&all, |due| {
            if let Due::Leave(_, n) = due {
                Some(*n)
            } else {
                None
            }
        });
        assert_eq!((left, places.viewers()), (60, 40));
        let counts: Vec<_> = places.places.iter().map(|place| place.viewers).collect();
        assert_eq!(counts, [30, 10, 0]);
    }

    #[test]
    fn a_storm_is_at_once_and_a_late_call_misses_nothing() {
        let phases = "[[phases]]\nseconds=10\nviewers=100\nat_once=true\n[[phases]]\nseconds=2\nbuyers=30\nhosts='reconnect'";
        let (all, _) = run(phases, &[1.0], 50);
        assert_eq!(all[..2], [(0, Due::Phase(0)), (0, Due::Join(GroupId(0), 100))]);
        let reconnect = all
            .iter()
            .position(|(_, due)| *due == Due::Hosts(HostAct::Reconnect))
            .unwrap();
        assert_eq!(all[reconnect - 1], (10_000, Due::Phase(1)));
        assert_eq!(
            sum(&all, |due| if let Due::Buy(_, n) = due { Some(*n) } else { None }),
            30
        );
        let (late, _) = run(phases, &[1.0], 60_000);
        assert_eq!(
            sum(&late, |due| if let Due::Buy(_, n) = due {
                Some(*n)
            } else {
                None
            }),
            30
        );
        assert_eq!(
            late.iter()
                .filter(|(_, due)| matches!(due, Due::Phase(_)))
                .count(),
            2
        );
    }

    #[test]
    fn churn_keeps_the_number_and_some_vanish() {
        let phases = "[[phases]]\nseconds=1\nviewers=50\n[[phases]]\nseconds=20\nchurn_per_second=7.5\nvanish=0.2\nchat_per_second=3\nstock_changes_per_second=2";
        let (all, places) = run(phases, &[1.0, 1.0], 33);
        let left = sum(&all, |due| {
            if let Due::Leave(_, n) = due {
                Some(*n)
            } else {
                None
            }
        });
        let vanished = sum(&all, |due| {
            if let Due::Vanish(_, n) = due {
                Some(*n)
            } else {
                None
            }
        });
        let joined = sum(
            &all,
            |due| if let Due::Join(_, n) = due { Some(*n) } else { None },
        );
        assert_eq!((left + vanished, joined, places.viewers()), (150, 200, 50));
        assert_eq!(vanished, 30);
        assert_eq!(
            sum(&all, |due| if let Due::Chat(_, n) = due {
                Some(*n)
            } else {
                None
            }),
            60
        );
        assert!(places.places.iter().all(|place| place.chatted == 30));
        let restocked = sum(&all, |due| match due {
            Due::Restock(n) => Some(*n),
            _ => None,
        });
        assert_eq!(restocked, 40);
    }
}
