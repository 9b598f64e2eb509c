//! What must hold: figures with a least or a most value.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::measure::Figure;

/// Bounds by the name of the figure.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Thresholds(pub BTreeMap<String, Bound>);

/// The bounds of one figure.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Bound {
    /// The least value accepted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min: Option<f64>,
    /// The most.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max: Option<f64>,
    /// The phase it is about; the whole run when not given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub phase: Option<String>,
}

impl Bound {
    /// Whether a value is accepted. What was not measured is not: a test that saw nothing proves nothing.
    pub fn accepts(&self, value: Option<f64>) -> bool {
        value.is_some_and(|value| {
            self.min.is_none_or(|min| value >= min) && self.max.is_none_or(|max| value <= max)
        })
    }
}

impl Thresholds {
    /// Every figure with its bound.
    pub fn iter(&self) -> impl Iterator<Item = (Figure, &Bound)> {
        self.0
            .iter()
            .filter_map(|(name, bound)| Some((Figure::named(name)?, bound)))
    }

    pub(super) fn check(&self, key: &str) -> Result<(), String> {
        for (name, bound) in &self.0 {
            if Figure::named(name).is_none() {
                let known: Vec<_> = Figure::all().map(|figure| figure.name()).collect();
                return Err(format!(
                    "{key}.{name}: there is no such figure; there are {}",
                    known.join(", ")
                ));
            }
            let numbers = [bound.min, bound.max].into_iter().flatten();
            if numbers.clone().count() == 0 || !numbers.clone().all(f64::is_finite) {
                return Err(format!("{key}.{name}: min, max or both are needed"));
            }
            if bound.min.zip(bound.max).is_some_and(|(min, max)| min > max) {
                return Err(format!("{key}.{name}: min is above max"));
            }
        }
        Ok(())
    }
}
