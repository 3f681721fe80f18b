//! Forks and kills for real.
fn main() {}
