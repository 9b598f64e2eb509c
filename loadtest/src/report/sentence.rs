//! What a run says, in words that the person who runs the server understands.

use super::number::{grouped, short, with_unit};
use super::result::{End, Run, Verdict};
use crate::measure::{Counter, Figure, Timing, Window};

impl Run {
    /// One or a few sentences.
    pub fn sentence(&self) -> String {
        let mut said = Vec::new();
        if self.end == End::Interrupted {
            said.push(format!("Stopped after {} s.", short(self.seconds)));
        }
        match &self.search {
            Some(_) => said.push(self.capacity()),
            None => said.extend(self.experience()),
        }
        said.extend(self.sale());
        if self.search.is_none() {
            said.push(verdict(&self.verdicts()));
        }
        if let Some(audit) = &self.audit {
            said.push(if audit.is_ok {
                "The audit found the books right.".into()
            } else {
                "The audit failed.".into()
            });
        }
        if self.is_client_limited() {
            said.push("The load test itself was the limit, so the server may carry more.".into());
        }
        said.join(" ")
    }

    /// What the search found.
    fn capacity(&self) -> String {
        let found = self.search.clone().unwrap_or_default();
        let limits = self.scenario.search.as_ref().map(|plan| &plan.limits);
        let loss = limits.and_then(|limits| limits.0.get("loss_percent")?.max);
        let under = loss
            .map(|loss| format!(" at under {} % loss", short(loss)))
            .unwrap_or_default();
        match found.viewers {
            None => {
                let held = found
                    .tries
                    .iter()
                    .filter(|tried| tried.has_held())
                    .map(|tried| tried.viewers)
                    .max();
                let held = held
                    .map(|held| format!("; {} held", grouped(held.into())))
                    .unwrap_or_default();
                format!("The search was not finished{held}.")
            }
            Some(0) => {
                let least = found.tries.iter().map(|tried| tried.viewers).min().unwrap_or(0);
                format!(
                    "This machine does not carry {} viewers of this stream{under}.",
                    grouped(least.into())
                )
            }
            Some(viewers) => {
                let most = if found.is_bound {
                    " More were not tried."
                } else {
                    ""
                };
                format!(
                    "This machine carries {} viewers of this stream{under}.{most}",
                    grouped(viewers.into())
                )
            }
        }
    }

    /// How it was to watch.
    fn experience(&self) -> Option<String> {
        let window = self.window();
        let (tried, watched) = (
            window.counter(Counter::JoinsStarted),
            window.counter(Counter::Watching),
        );
        if tried == 0 {
            return Some("Nobody tried to watch.".into());
        }
        let all = if watched == tried {
            format!("All {}", grouped(tried))
        } else {
            format!("{} of {}", grouped(watched), grouped(tried))
        };
        let mut parts = vec![format!("{all} viewers had a picture")];
        if let Some(join) = millis(&window, Timing::FirstPicture) {
            parts.push(format!("95 % of them within {join}"));
        }
        if let Some(loss) = Figure::named("loss_percent").and_then(|loss| loss.value(&window)) {
            parts.push(if loss == 0.0 {
                "no packet was lost".into()
            } else {
                format!("{} % of packets were lost", short(loss))
            });
        }
        if let Some(latency) = millis(&window, Timing::OneWay) {
            parts.push(format!("95 % of packets came within {latency} of the publisher"));
        }
        Some(format!("{}.", parts.join("; ")))
    }

    /// How the sale went, if there was one.
    fn sale(&self) -> Option<String> {
        let window = self.window();
        let buys = window.counter(Counter::BuysSent);
        if buys == 0 {
            return None;
        }
        let held = window.receipts("held");
        let twice = match window.oversold() {
            Some(0) => ", no unit was sold twice".to_owned(),
            Some(units) => format!(", {} units were sold twice", grouped(units)),
            None => String::new(),
        };
        let took = millis(&window, Timing::Receipt).map(|took| format!("; 95 % of receipts within {took}"));
        Some(format!(
            "{} wanted to buy, {} got their units{twice}{}.",
            grouped(buys),
            grouped(held),
            took.unwrap_or_default()
        ))
    }
}

fn millis(window: &Window, what: Timing) -> Option<String> {
    window
        .quantile(what, 0.95)
        .map(|time| format!("{} ms", short(time.as_secs_f64() * 1_000.0)))
}

fn verdict(verdicts: &[Verdict]) -> String {
    let failed: Vec<_> = verdicts
        .iter()
        .filter(|verdict| !verdict.is_ok)
        .map(Verdict::says)
        .collect();
    match (verdicts.len(), failed.len()) {
        (0, _) => "There were no thresholds.".into(),
        (1, 0) => "The threshold held.".into(),
        (all, 0) => format!("All {all} thresholds held."),
        (all, _) => format!(
            "{} of {all} thresholds did not hold: {}.",
            failed.len(),
            failed.join("; ")
        ),
    }
}

impl Verdict {
    /// `first picture, p95 2,300 ms (at most 1,500 ms)`.
    pub fn says(&self) -> String {
        let figure = Figure::named(&self.figure);
        let unit = figure.map_or("", Figure::unit);
        let says = figure.map_or_else(|| self.figure.clone(), Figure::says);
        let value = self
            .value
            .map_or("not measured".into(), |value| with_unit(value, unit));
        format!("{says} {value} ({})", self.allowed())
    }

    /// `at most 1,500 ms`.
    pub fn allowed(&self) -> String {
        let unit = Figure::named(&self.figure).map_or("", Figure::unit);
        let bounds = [("at least", self.bound.min), ("at most", self.bound.max)];
        let bounds = bounds
            .into_iter()
            .filter_map(|(word, bound)| Some(format!("{word} {}", with_unit(bound?, unit))));
        let phase = self.bound.phase.as_ref().map(|phase| format!("in {phase:?}"));
        bounds.chain(phase).collect::<Vec<_>>().join(", ")
    }
}
