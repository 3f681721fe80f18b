#![no_main]

mod bodies;
mod program;

libfuzzer_sys::fuzz_target!(
    init: program::write_seeds(&bodies::SCOREBOARD),
    |data: &[u8]| (bodies::SCOREBOARD.run)(data)
);
