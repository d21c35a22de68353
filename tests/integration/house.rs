//! The shape of the house: modules import only from rows below their own.

use std::fs;
use std::path::{Path, PathBuf};

/// Rows from top to bottom, as DESIGN and `src/lib.rs` give them.
const ROWS: [&[&str]; 10] = [
    &["cli"],
    &["pipeline"],
    &["config"],
    &["report"],
    &["finding"],
    &["outcome"],
    &["signal", "theme"],
    &["read", "redact", "embed", "tone", "simulate"],
    &["table", "run", "engine"],
    &["conversation", "estimate", "progress"],
];

/// Allowed within one row: `engine` writes what it queries as tables.
const NEIGHBOURS: [(&str, &str); 1] = [("engine", "table")];

fn row(module: &str) -> Option<usize> {
    ROWS.iter().position(|row| row.contains(&module))
}

fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).expect("src can be read") {
        let path = entry.expect("an entry can be read").path();
        if path.is_dir() {
            files.extend(sources(&path));
        } else if path.extension().is_some_and(|e| e == "rs") {
            files.push(path);
        }
    }
    files
}

fn imports(text: &str) -> Vec<String> {
    let word = |rest: &str| rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>();
    text.lines()
        .filter(|line| !line.trim_start().starts_with("//"))
        .flat_map(|line| {
            line.match_indices("crate::").map(|(at, m)| word(&line[at + m.len()..])).collect::<Vec<_>>()
        })
        .collect()
}

#[test]
fn imports_point_downwards() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut wrong = Vec::new();
    for file in sources(&src) {
        let inside = file.strip_prefix(&src).expect("inside src");
        let first = inside.components().next().expect("a name").as_os_str().to_string_lossy().into_owned();
        let module = first.trim_end_matches(".rs").to_owned();
        // Tests of a module may bring what they need to feed it.
        if module == "lib" || module == "main" || inside.ends_with("tests.rs") {
            continue;
        }
        let own = row(&module).unwrap_or_else(|| panic!("module `{module}` stands in no row"));
        for import in imports(&fs::read_to_string(&file).expect("a source can be read")) {
            let Some(other) = row(&import) else { continue };
            let allowed = import == module || other > own || NEIGHBOURS.contains(&(&module, &import));
            if !allowed {
                wrong.push(format!("{} imports crate::{import}", inside.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "imports that point sideways or up:\n{}", wrong.join("\n"));
}

#[test]
fn every_source_says_what_it_is_for() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let silent: Vec<String> = sources(&src)
        .iter()
        .filter(|file| !fs::read_to_string(file).expect("a source can be read").starts_with("//!"))
        .map(|file| file.display().to_string())
        .collect();
    assert!(silent.is_empty(), "no first line: {silent:?}");
}
