//! The crates' structure: no file knows one that knows it, nor does any room, and none is longer than one can hold in mind.
//!
//! What a file knows is read from its paths that begin with `crate`, `super` or `self`. A file and those in its own folder are one
//! family, as Rust's modules are: a type may lie in the one and a part of its methods in the other.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// No file of the product has more lines.
const LONGEST: usize = 500;

const CRATES: [&str; 3] = ["core", "engine", "ext"];

/// Modules by name (`lane::table`), each with the modules that it knows.
type Graph = BTreeMap<String, BTreeSet<String>>;

fn sources(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .unwrap()
        .join(name)
}

/// All files of a crate's library, by module.
fn files(name: &str) -> BTreeMap<String, String> {
    fn walk(root: &Path, folder: &Path, found: &mut BTreeMap<String, String>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let relative = path.strip_prefix(root).unwrap();
            let is_library = !["tests", "benches", "build.rs"]
                .iter()
                .any(|other| relative.starts_with(other));
            if path.is_dir() && is_library {
                walk(root, &path, found);
            } else if path.extension().is_some_and(|end| end == "rs") && is_library {
                let module = relative.with_extension("");
                let names: Vec<_> = module.iter().map(|name| name.to_str().unwrap()).collect();
                found.insert(names.join("::"), fs::read_to_string(&path).unwrap());
            }
        }
    }
    let root = sources(name);
    let mut found = BTreeMap::new();
    walk(&root, &root, &mut found);
    assert!(found.len() > 5, "{} has its sources", root.display());
    found
}

/// Words, `::` and single signs, without comments.
fn tokens(text: &str) -> Vec<String> {
    let mut tokens = Vec::new();
    for line in text.lines() {
        let line = line.split("//").next().unwrap_or_default();
        let mut rest = line.trim_start();
        while let Some(first) = rest.chars().next() {
            let word = rest
                .find(|sign: char| !sign.is_alphanumeric() && sign != '_')
                .unwrap_or(rest.len());
            let length = match word {
                0 if rest.starts_with("::") => 2,
                0 => first.len_utf8(),
                word => word,
            };
            tokens.push(rest[..length].to_owned());
            rest = rest[length..].trim_start();
        }
    }
    tokens
}

/// The paths that begin at this token, of which the last segments may be in braces.
fn paths(tokens: &[String], at: &mut usize, before: &[String], found: &mut Vec<Vec<String>>) {
    let mut path = before.to_vec();
    loop {
        match tokens.get(*at).map(String::as_str) {
            Some("{") => {
                *at += 1;
                while tokens.get(*at).is_some_and(|token| token != "}") {
                    paths(tokens, at, &path, found);
                    while tokens
                        .get(*at)
                        .is_some_and(|token| token != "," && token != "}")
                    {
                        *at += 1;
                    }
                    if tokens.get(*at).is_some_and(|token| token == ",") {
                        *at += 1;
                    }
                }
                *at += 1;
                return;
            }
            Some(word)
                if word
                    .chars()
                    .all(|sign| sign.is_alphanumeric() || sign == '_') =>
            {
                path.push(word.to_owned());
                *at += 1;
            }
            _ => break,
        }
        if tokens.get(*at).is_none_or(|token| token != "::") {
            break;
        }
        *at += 1;
    }
    found.push(path);
}

/// What a module knows of its own crate.
fn known(module: &str, text: &str, all: &BTreeMap<String, String>) -> BTreeSet<String> {
    let tokens = tokens(text);
    let here: Vec<String> = match module {
        "lib" => Vec::new(),
        _ => module.split("::").map(str::to_owned).collect(),
    };
    let mut known = BTreeSet::new();
    let mut at = 0;
    while at < tokens.len() {
        let begins = ["crate", "super", "self"].contains(&tokens[at].as_str())
            && tokens.get(at + 1).is_some_and(|next| next == "::");
        if !begins {
            at += 1;
            continue;
        }
        let mut found = Vec::new();
        paths(&tokens, &mut at, &[], &mut found);
        for path in found {
            let mut place = here.clone();
            for (number, segment) in path.iter().enumerate() {
                match (number, segment.as_str()) {
                    (0, "crate") => place.clear(),
                    (0, "self") => {}
                    (_, "super") => drop(place.pop()),
                    _ => place.push(segment.clone()),
                }
            }
            let lengths = (1..=place.len()).rev();
            let mut names = lengths.map(|length| place[..length].join("::"));
            if let Some(other) = names.find(|name| all.contains_key(name))
                && other != module
            {
                known.insert(other);
            }
        }
    }
    known
}

fn graph(name: &str) -> Graph {
    let all = files(name);
    let of = |(module, text): (&String, &String)| (module.clone(), known(module, text, &all));
    all.iter().map(of).collect()
}

/// A circle, if there is one.
fn circle(graph: &Graph) -> Option<Vec<String>> {
    fn visit(at: &str, graph: &Graph, way: &mut Vec<String>, done: &mut BTreeSet<String>) -> bool {
        if let Some(start) = way.iter().position(|other| other == at) {
            way.drain(..start);
            return true;
        }
        if done.contains(at) {
            return false;
        }
        way.push(at.to_owned());
        for next in graph.get(at).into_iter().flatten() {
            if visit(next, graph, way, done) {
                return true;
            }
        }
        way.pop();
        done.insert(at.to_owned());
        false
    }
    let mut done = BTreeSet::new();
    graph.keys().find_map(|start| {
        let mut way = Vec::new();
        visit(start, graph, &mut way, &mut done).then_some(way)
    })
}

fn is_family(one: &str, other: &str) -> bool {
    let below = |child: &str, parent: &str| {
        child
            .strip_prefix(parent)
            .is_some_and(|rest| rest.starts_with("::"))
    };
    below(one, other) || below(other, one)
}

#[test]
fn no_file_knows_one_that_knows_it() {
    for name in CRATES {
        let mut graph = graph(name);
        for (module, known) in &mut graph {
            known.retain(|other| !is_family(module, other));
        }
        assert_eq!(circle(&graph), None, "in src/{name}");
    }
}

#[test]
fn no_room_knows_one_that_knows_it() {
    let room = |module: &str| module.split("::").next().unwrap().to_owned();
    for name in CRATES {
        let mut rooms = Graph::new();
        for (module, known) in graph(name) {
            let known = known.iter().map(|other| room(other));
            let known = known.filter(|other| *other != room(&module));
            rooms.entry(room(&module)).or_default().extend(known);
        }
        assert_eq!(circle(&rooms), None, "in src/{name}");
    }
}

#[test]
fn crates_know_only_those_below() {
    for (name, above) in [
        ("core", &["kqueue_engine", "kqueue_ext"][..]),
        ("engine", &["kqueue_ext"]),
    ] {
        for (module, text) in files(name) {
            for other in above {
                assert!(!text.contains(other), "src/{name}: {module} knows {other}");
            }
        }
    }
}

#[test]
fn no_file_is_longer_than_one_can_hold_in_mind() {
    for name in CRATES {
        for (module, text) in files(name) {
            let lines = text.lines().count();
            assert!(
                lines <= LONGEST,
                "src/{name}: {module} has {lines} lines, more than {LONGEST}: split it by subject"
            );
        }
    }
}

#[test]
fn circles_are_found() {
    let text = |text: &str| text.to_owned();
    let all: BTreeMap<String, String> = [
        ("lib", text("mod a; mod b;")),
        ("a", text("use crate::{b::{self, Thing}, c};\n// crate::d")),
        ("b", text("pub(super) fn f() { super::c::g() }")),
        (
            "c",
            text("mod below; use self::below::X; fn f() { crate::a::h() }"),
        ),
        ("c::below", text("use super::Y;")),
        ("d", text("")),
    ]
    .into_iter()
    .map(|(name, text)| (name.to_owned(), text))
    .collect();
    let knows = |module: &str| {
        known(module, &all[module], &all)
            .into_iter()
            .collect::<Vec<_>>()
    };
    assert_eq!(knows("a"), ["b", "c"]);
    assert_eq!(knows("b"), ["c"]);
    assert_eq!(knows("c"), ["a", "c::below"]);
    assert_eq!(knows("c::below"), ["c"]);

    let mut graph: Graph = all
        .iter()
        .map(|(module, text)| (module.clone(), known(module, text, &all)))
        .collect();
    assert_eq!(circle(&graph).unwrap(), ["a", "b", "c"]);
    graph.get_mut("c").unwrap().remove("a");
    assert_eq!(circle(&graph).unwrap(), ["c", "c::below"]);
    graph.get_mut("c::below").unwrap().clear();
    assert_eq!(circle(&graph), None);
}
