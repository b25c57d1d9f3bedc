#![no_main]
#![allow(dead_code)]

#[path = "../targets.rs"]
mod targets;

use std::panic;
use std::sync::Once;

static QUIET: Once = Once::new();

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    // The decoders are others' work, and a panic of theirs is caught: it costs the recording. The fuzzer's own hook would
    // end the program before that. An uncaught panic still ends it.
    QUIET.call_once(|| panic::set_hook(Box::new(|_| {})));
    targets::recording(bytes);
});
