//! One word per thing: words that were retired for the field's own are not used again.

use std::fs;
use std::path::{Path, PathBuf};

/// What is not said any more, and what is said instead.
const RETIRED: [(&str, &str); 19] = [
    ("AsksItsLane", "RemoteJobActions"),
    ("Aftermath", "Recovery"),
    ("baton", "note"),
    ("Clash", "Conflict"),
    ("clashes", "conflicts"),
    ("ChildCrashed", "ChildDied"),
    ("Exceptions", "Exception, the namespace"),
    ("forgive", "reset_cancellation"),
    ("Garbled", "ProtocolError"),
    ("Insistence", "CancelState"),
    ("JobLines", "JobOutput"),
    ("LastWord", "FinalFrame"),
    ("Leftovers", "JobCleanup"),
    ("obituary", "death_report"),
    ("Packets", "ControlSocket"),
    ("Seldom", "RateLimit"),
    ("Sentence", "CancelAction"),
    ("SideBySideDriver", "ConcurrencyDriver"),
    ("VISITED", "CALLED_IN"),
];

fn texts(folder: &Path, found: &mut Vec<(PathBuf, String)>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            texts(&path, found);
        } else if !path.ends_with("tests/words.rs")
            && let Ok(text) = fs::read_to_string(&path)
        {
            found.push((path, text));
        }
    }
}

fn says(text: &str, word: &str) -> bool {
    let is_word = |sign: char| sign.is_alphanumeric() || sign == '_';
    text.match_indices(word).any(|(at, _)| {
        let before = text[..at].chars().next_back();
        let after = text[at + word.len()..].chars().next();
        !before.is_some_and(is_word) && !after.is_some_and(is_word)
    })
}

#[test]
fn no_retired_word_is_used() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut found = Vec::new();
    for folder in ["src", "php/src", "docs", "stubs"] {
        texts(&root.join(folder), &mut found);
    }
    for file in ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md"] {
        let path = root.join(file);
        let text = fs::read_to_string(&path).unwrap();
        found.push((path, text));
    }
    assert!(found.len() > 200, "only {} files were found", found.len());
    let uses: Vec<_> = found
        .iter()
        .flat_map(|(path, text)| {
            let retired = RETIRED.iter().filter(|(word, _)| says(text, word));
            retired
                .map(move |(word, instead)| format!("{}: {word} (say {instead})", path.display()))
        })
        .collect();
    assert_eq!(uses, [""; 0]);
}

#[test]
fn words_are_found_whole() {
    assert!(says("a Clash.", "Clash") && says("Clash", "Clash"));
    assert!(!says("ClashDetector, my_Clash", "Clash"));
}
