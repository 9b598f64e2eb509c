//! Results: their file, what they say in a sentence, as a page, and against each other.

mod chart;
mod compare;
mod number;
mod page;
mod result;
mod sentence;
mod series;
mod summary;
mod timeline;

pub use compare::{Comparison, MOST_RUNS};
pub use result::{Audit, End, Found, GroupResult, Machine, Mark, Run, Try, VERSION, Verdict};
pub use summary::summary;

#[cfg(test)]
mod tests;
