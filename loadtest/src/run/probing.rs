//! The search of a run: bring the viewers to a number, look, judge, and try the next.

use std::time::Duration;

use super::{Director, MEASURES_ARE_LATE};
use crate::measure::{Counter, Figure, GroupId, Timing, Window};
use crate::report::{Found, Mark, Try, Verdict};
use crate::scenario::{Bound, Probe, Search, SearchPlan};

/// After many have left, the server has a moment to put their things away.
const BREATH: Duration = Duration::from_secs(2);
const JOINS_FAILED: &str = "joins_failed";
const NONE: Bound = Bound {
    min: None,
    max: Some(0.0),
    phase: None,
};

impl Director<'_> {
    /// Searches until the number is known, or somebody stops it.
    pub(super) async fn search(&mut self, plan: &SearchPlan) -> Found {
        let mut search = Search::new(plan.from, plan.most, plan.precision_percent);
        let mut found = Found::default();
        loop {
            match search.next() {
                Probe::Found { viewers, is_bound } => {
                    (found.viewers, found.is_bound) = (Some(viewers), is_bound);
                    return found;
                }
                Probe::Try(viewers) => {
                    let Some(verdicts) = self.probe(plan, viewers, search.held()).await else {
                        return found;
                    };
                    let tried = Try { viewers, verdicts };
                    search.tell(viewers, tried.has_held());
                    found.tries.push(tried);
                }
            }
        }
    }

    /// Tries a number, coming up from `held`, which is known to be good: joins are part of what is judged.
    /// None when it was stopped.
    async fn probe(&mut self, plan: &SearchPlan, viewers: u32, held: u32) -> Option<Vec<Verdict>> {
        let doing = format!("trying {viewers} viewers");
        if self.places.viewers() >= viewers {
            self.reach(held.min(viewers - 1)).await;
            self.pass(BREATH, &doing).await?;
        }
        // Measures are by the second: those of a few quick joins must not fall before the try.
        let part = Duration::from_nanos(self.now().subsec_nanos().into());
        self.pass(Duration::from_secs(1) - part, &doing).await?;
        let (begin, from) = (self.now(), self.places.viewers());
        self.mark(format!("{viewers} viewers"), begin);
        while self.places.viewers() < viewers {
            let joined = (self.now() - begin).as_secs_f64() * plan.joins_per_second;
            self.reach((from + joined as u32).min(viewers)).await;
            self.pass(super::STEP, &doing).await?;
        }
        self.pass(Duration::from_secs_f64(plan.settle_seconds), &doing)
            .await?;
        let looking = self.now();
        self.pass(Duration::from_secs_f64(plan.hold_seconds), &doing)
            .await?;
        let end = self.now();
        self.close_mark();
        self.pass(MEASURES_ARE_LATE, &doing).await?;
        self.collect();
        self.forget_gone();
        Some(self.judge(plan, begin, looking, end))
    }

    /// Who was refused or cut off makes room for others in the next try; otherwise that would begin with fewer viewers
    /// than it says.
    fn forget_gone(&mut self) {
        for (group, measures) in (0..).map(GroupId).zip(self.recorder.groups()) {
            let gone = measures.counter(Counter::JoinsFailed) + measures.counter(Counter::Ended);
            self.places.are_gone(group, gone);
        }
    }

    fn judge(&self, plan: &SearchPlan, begin: Duration, looking: Duration, end: Duration) -> Vec<Verdict> {
        let window = |from: Duration| {
            let mark = Mark {
                from_s: from.as_secs_f64(),
                to_s: end.as_secs_f64(),
                ..Mark::default()
            };
            Window::of(self.recorder.groups(), mark.seconds(), &self.server)
        };
        let (whole, held) = (window(begin), window(looking));
        let judge = |(figure, bound)| {
            Verdict::of(
                figure,
                bound,
                if is_about_joining(figure) { &whole } else { &held },
            )
        };
        // A server that refuses viewers does not carry them, whatever else is asked.
        let all_joined = Figure::named(JOINS_FAILED)
            .filter(|_| {
                !plan
                    .limits
                    .iter()
                    .any(|(figure, _)| figure.name() == JOINS_FAILED)
            })
            .map(|figure| judge((figure, &NONE)));
        plan.limits.iter().map(judge).chain(all_joined).collect()
    }

    async fn reach(&mut self, viewers: u32) {
        let now = self.now();
        for due in self.places.reach(viewers) {
            self.obey(due, now).await;
        }
    }

    /// Lets time pass; none when the run is to end.
    async fn pass(&mut self, time: Duration, doing: &str) -> Option<()> {
        let until = self.now() + time;
        while self.now() < until && !self.is_interrupted {
            self.step(doing, None).await;
        }
        (!self.is_interrupted).then_some(())
    }
}

/// Whether a figure is measured while viewers join, and not while they stay.
fn is_about_joining(figure: Figure) -> bool {
    match figure {
        Figure::Time(what, _) => matches!(
            what,
            Timing::Answer
                | Timing::Ice
                | Timing::Dtls
                | Timing::FirstPacket
                | Timing::FirstKeyframe
                | Timing::FirstPicture
        ),
        Figure::Plain(_) => matches!(figure.name().as_str(), "watching_percent" | JOINS_FAILED),
    }
}
