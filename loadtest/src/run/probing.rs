//! The search of a run: bring the viewers to a number, look, judge, and try the next.

use std::time::Duration;

use super::{Director, MEASURES_ARE_LATE};
use crate::measure::{Figure, Timing, Window};
use crate::report::{Found, Mark, Try, Verdict};
use crate::scenario::{Probe, Search, SearchPlan};

/// After many have left, the server has a moment to put their things away.
const BREATH: Duration = Duration::from_secs(2);

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
        Some(self.judge(plan, begin, looking, end))
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
        plan.limits.iter().map(judge).collect()
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
        Figure::Plain(_) => matches!(figure.name().as_str(), "watching_percent" | "joins_failed"),
    }
}
