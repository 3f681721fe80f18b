//! Processes: forks and kills for real. No threads, hence no harness of Rust's.
#![allow(
    unsafe_code,
    clippy::unwrap_used,
    reason = "tests fork, kill, and panic when they fail"
)]

mod harness;
mod master;
mod outside;
mod parts;
mod pool;
mod pristine;
mod script;
mod standalone;

fn main() {
    let cases: Vec<_> = [
        parts::CASES,
        pool::CASES,
        pristine::CASES,
        master::CASES,
        outside::CASES,
        standalone::CASES,
    ]
    .concat();
    harness::run(&cases);
}
