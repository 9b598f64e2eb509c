//! The search for a number: doubling until it fails, then halving the gap.

/// What to try next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Probe {
    /// Try this many viewers.
    Try(u32),
    /// The largest number that held; 0 when the smallest did not hold. `is_bound`: it is all that was allowed, and held.
    Found {
        /// How many viewers.
        viewers: u32,
        /// More were not tried.
        is_bound: bool,
    },
}

/// Where a search stands. Holds no clock and tries nothing itself.
#[derive(Debug, Clone)]
pub struct Search {
    from: u32,
    most: u32,
    /// The gap at which it ends, as a share of the number.
    precision: f64,
    /// The largest number that held.
    held: u32,
    /// The smallest that failed.
    failed: Option<u32>,
    /// A number that has failed once: one bad moment of a busy machine must not decide, so it is tried again.
    suspect: Option<u32>,
}

impl Search {
    /// From `from` viewers to `most`, to `precision_percent` of the number.
    pub fn new(from: u32, most: u32, precision_percent: f64) -> Self {
        Self {
            from,
            most,
            precision: precision_percent / 100.0,
            held: 0,
            failed: None,
            suspect: None,
        }
    }

    /// The largest number that held so far; 0 when none has.
    pub fn held(&self) -> u32 {
        self.held
    }

    /// What to try next.
    pub fn next(&self) -> Probe {
        if let Some(suspect) = self.suspect {
            return Probe::Try(suspect);
        }
        let Some(failed) = self.failed else {
            return match self.held {
                0 => Probe::Try(self.from),
                held if held >= self.most => Probe::Found {
                    viewers: held,
                    is_bound: true,
                },
                held => Probe::Try(held.saturating_mul(2).min(self.most)),
            };
        };
        let gap = failed - self.held;
        if gap <= 1 || f64::from(gap) <= self.precision * f64::from(failed) {
            return Probe::Found {
                viewers: self.held,
                is_bound: false,
            };
        }
        Probe::Try(self.held + gap / 2)
    }

    /// Tells whether the limits held with so many viewers. A number must fail twice.
    pub fn tell(&mut self, viewers: u32, has_held: bool) {
        if has_held {
            self.suspect = None;
            self.held = self.held.max(viewers);
        } else if self.suspect == Some(viewers) {
            self.suspect = None;
            self.failed = Some(self.failed.map_or(viewers, |failed| failed.min(viewers)));
        } else {
            self.suspect = Some(viewers);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Searches on a server that carries `limit`; returns what was found and every try.
    fn search(limit: u32, most: u32, mut fails_by_chance: impl FnMut(usize) -> bool) -> (Probe, Vec<u32>) {
        let mut search = Search::new(100, most, 5.0);
        let mut tries = Vec::new();
        loop {
            match search.next() {
                Probe::Try(viewers) => {
                    assert!(tries.len() < 60, "it ends");
                    let held = viewers <= limit && !fails_by_chance(tries.len());
                    search.tell(viewers, held);
                    tries.push(viewers);
                }
                found => return (found, tries),
            }
        }
    }

    #[test]
    fn a_known_limit_is_found_to_the_precision_asked_for() {
        for limit in [100, 101, 150, 999, 3_100, 9_999, 17_000] {
            let (found, tries) = search(limit, 20_000, |_| false);
            let Probe::Found { viewers, is_bound } = found else {
                panic!()
            };
            assert!(!is_bound && viewers <= limit, "{limit}: {found:?}");
            assert!(
                f64::from(limit - viewers) <= 0.05 * f64::from(limit) + 1.0,
                "{limit}: {found:?} {tries:?}"
            );
            assert!(tries.len() <= 24, "{limit}: {tries:?}");
        }
    }

    #[test]
    fn it_ends_at_the_bound_and_at_nothing() {
        let found = search(50_000, 3_000, |_| false).0;
        assert_eq!(
            found,
            Probe::Found {
                viewers: 3_000,
                is_bound: true
            }
        );
        let found = search(0, 3_000, |_| false).0;
        assert_eq!(
            found,
            Probe::Found {
                viewers: 0,
                is_bound: false
            }
        );
        let found = search(60, 3_000, |_| false).0;
        assert!(
            matches!(
                found,
                Probe::Found {
                    viewers: 56..=60,
                    is_bound: false
                }
            ),
            "{found:?}"
        );
    }

    #[test]
    fn one_bad_moment_does_not_decide() {
        for bad in 0..12 {
            let (found, _) = search(3_100, 20_000, |tried| tried == bad);
            assert!(
                matches!(
                    found,
                    Probe::Found {
                        viewers: 2_945..=3_100,
                        ..
                    }
                ),
                "{bad}: {found:?}"
            );
        }
    }
}
