//! Running the binary, making small inputs, finding the real data.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// The binary under test.
pub fn undertone() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_undertone"));
    command.arg("--no-progress").env_remove("UNDERTONE_LOG");
    command
}

/// Runs it and returns exit code, stdout, stderr.
pub fn run(args: &[&str]) -> (i32, String, String) {
    outcome(&undertone().args(args).output().expect("the binary starts"))
}

/// The same in a folder of its own.
pub fn run_in(folder: &Path, args: &[&str]) -> (i32, String, String) {
    outcome(&undertone().current_dir(folder).args(args).output().expect("the binary starts"))
}

pub fn outcome(output: &Output) -> (i32, String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code().unwrap_or(-1), text(&output.stdout), text(&output.stderr))
}

/// A file of real data; `None`, said loudly, where it is not to be had.
pub fn real_data(name: &str) -> Option<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data");
    let root = std::env::var_os("UNDERTONE_DATA").map_or(beside, PathBuf::from);
    let file = root.join(name);
    if file.exists() {
        return Some(file);
    }
    let _ = writeln!(
        std::io::stderr(),
        "\n!!! SKIPPED: {name} is neither in ../shared/data nor in $UNDERTONE_DATA\n"
    );
    None
}

/// `count` small conversations as canonical JSON Lines, each about one of three things.
pub fn small_export(count: usize) -> String {
    let topics = [
        [
            "How do I export my invoices to a spreadsheet?",
            "Can I get the invoices as a CSV file?",
            "Invoice export please",
        ],
        [
            "Write a birthday poem for my sister",
            "I need a short poem for a birthday card",
            "Poem for my sister's birthday",
        ],
        [
            "The login page says my password is wrong",
            "I cannot log in, it rejects my password",
            "Password rejected at login",
        ],
    ];
    let mut lines = String::new();
    for index in 0..count {
        let ask = topics[index % 3][index / 3 % 3];
        let hour = index % 24;
        let day = 1 + index % 27;
        lines.push_str(&format!(
            "{{\"conversation_id\":\"c{index:04}\",\"user_id\":\"u{}\",\"started_at\":\"2026-03-{day:02}T{hour:02}:00:00Z\",\
             \"turns\":[{{\"role\":\"user\",\"text\":\"{ask} ({index})\"}},{{\"role\":\"assistant\",\"text\":\"Here you are.\"}},\
             {{\"role\":\"user\",\"text\":\"thanks\"}}]}}\n",
            index % 40
        ));
    }
    lines
}

/// Writes `bytes` to `name` in `folder`.
pub fn write(folder: &Path, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
    let path = folder.join(name);
    std::fs::write(&path, bytes).expect("a temporary file can be written");
    path
}

/// Every file of a published run with its bytes, but for `run.json`, which holds times.
pub fn artifacts(run: &Path) -> Vec<(String, Vec<u8>)> {
    let mut found = Vec::new();
    collect(run, run, &mut found);
    found.retain(|(name, _)| name != "run.json");
    found.sort();
    found
}

fn collect(root: &Path, folder: &Path, found: &mut Vec<(String, Vec<u8>)>) {
    for entry in std::fs::read_dir(folder).expect("a run folder can be read") {
        let path = entry.expect("an entry can be read").path();
        if path.is_dir() {
            collect(root, &path, found);
        } else {
            let name = path.strip_prefix(root).expect("inside the run").display().to_string();
            found.push((name, std::fs::read(&path).expect("a file can be read")));
        }
    }
}

/// The report of a run as JSON.
pub fn report(run: &Path) -> serde_json::Value {
    let text = std::fs::read_to_string(run.join("report.json")).expect("a run has report.json");
    serde_json::from_str(&text).expect("report.json is JSON")
}

/// The number of a data-quality fact; 0 where the report has none.
pub fn quality(report: &serde_json::Value, label: &str) -> u64 {
    let facts = report["quality"].as_array().expect("quality is a list");
    facts.iter().find(|fact| fact["label"] == label).map_or(0, |fact| fact["count"].as_u64().unwrap_or(0))
}

/// `text` in a gzip stream.
pub fn gzip(text: impl AsRef<[u8]>) -> Vec<u8> {
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(text.as_ref()).unwrap();
    gzip.finish().unwrap()
}
