//! Processes: forks and kills for real. No threads, hence no harness of Rust's.
#![allow(
    unsafe_code,
    clippy::unwrap_used,
    reason = "tests fork, kill, and panic when they fail"
)]

mod harness;
mod pool;
mod script;

fn main() {
    let cases: Vec<_> = [pool::CASES].concat();
    harness::run(&cases);
}
