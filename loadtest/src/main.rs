//! `vitrine-loadtest`: the command line of the load harness.
fn main() {}
