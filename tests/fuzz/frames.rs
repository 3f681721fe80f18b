#![no_main]

mod bodies;
mod program;

libfuzzer_sys::fuzz_target!(
    init: program::write_seeds(&bodies::FRAMES),
    |data: &[u8]| (bodies::FRAMES.run)(data)
);
