#![no_main]
#![allow(dead_code)]

#[path = "../targets.rs"]
mod targets;

use std::panic;
use std::sync::Once;

static QUIET: Once = Once::new();

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    // A panic of opus-rs is caught: it ends the stream. The fuzzer's own hook would abort the program before that. An
    // uncaught panic still aborts it.
    QUIET.call_once(|| panic::set_hook(Box::new(|_| {})));
    targets::opus(bytes);
});
