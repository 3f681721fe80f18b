//! What libFuzzer's programs share.

use crate::bodies::Body;

/// Into the folder of inputs, which libFuzzer reads next.
pub(crate) fn write_seeds(body: &Body) {
    let Some(folder) = std::env::var_os("KQUEUE_CORPUS") else {
        return;
    };
    for (number, seed) in (body.seeds)().into_iter().enumerate() {
        let file = std::path::Path::new(&folder).join(format!("seed-{number}"));
        std::fs::write(file, seed).expect("the folder of inputs is writable");
    }
}
