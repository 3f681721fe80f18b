#![no_main]

mod bodies;
mod program;

libfuzzer_sys::fuzz_target!(
    init: program::write_seeds(&bodies::CONTROL),
    |data: &[u8]| (bodies::CONTROL.run)(data)
);
