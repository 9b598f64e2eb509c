//! Vitrine.
fn main() {}
