//! Every binary is this file; its name says which target it feeds.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let target = vitrine_fuzz::find(env!("CARGO_BIN_NAME")).expect("a target of this name");
    (target.run)(input);
});
