#![no_main]

mod bodies;
mod program;

libfuzzer_sys::fuzz_target!(
    init: program::write_seeds(&bodies::OBJECT),
    |data: &[u8]| (bodies::OBJECT.run)(data)
);
