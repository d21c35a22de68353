//! Writes a simulation to a directory, in the formats undertone reads.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use chrono::SecondsFormat;

use super::Simulation;

/// Where a simulation was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Files {
    /// Canonical JSON Lines, a conversation a line.
    pub conversations: PathBuf,
    /// CSV with `user_id,at,event`; times are RFC 3339, UTC.
    pub activity: PathBuf,
    /// One JSON object: the planted truths.
    pub truth: PathBuf,
}

/// Writes `conversations.jsonl`, `activity.csv` and `truth.json`, replacing files of these names.
///
/// # Errors
/// When the directory cannot be made or written to.
pub fn write(simulation: &Simulation, dir: &Path) -> io::Result<Files> {
    fs::create_dir_all(dir)?;
    let files = Files {
        conversations: dir.join("conversations.jsonl"),
        activity: dir.join("activity.csv"),
        truth: dir.join("truth.json"),
    };
    fill(&files.conversations, |out| {
        for conversation in &simulation.conversations {
            serde_json::to_writer(&mut *out, conversation)?;
            out.write_all(b"\n")?;
        }
        Ok(())
    })?;
    fill(&files.activity, |out| {
        writeln!(out, "user_id,at,event")?;
        for entry in &simulation.activity {
            let at = entry.at.to_rfc3339_opts(SecondsFormat::Secs, true);
            writeln!(out, "{},{at},{}", entry.user_id, entry.event)?;
        }
        Ok(())
    })?;
    fill(&files.truth, |out| {
        serde_json::to_writer_pretty(&mut *out, &simulation.truth)?;
        out.write_all(b"\n")
    })?;
    Ok(files)
}

fn fill(path: &Path, content: impl FnOnce(&mut BufWriter<File>) -> io::Result<()>) -> io::Result<()> {
    let mut out = BufWriter::new(File::create(path)?);
    content(&mut out)?;
    out.flush()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conversation::Conversation;
    use crate::simulate::{World, simulate};

    #[test]
    fn files_read_back_as_they_were() {
        let dir = std::env::temp_dir().join(format!("undertone-simulate-{}", std::process::id()));
        let simulation = simulate(&World::default(), 60, 4);
        let files = write(&simulation, &dir).unwrap();
        let lines = fs::read_to_string(&files.conversations).unwrap();
        let back: Vec<Conversation> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let activity = fs::read_to_string(&files.activity).unwrap();
        let truth: serde_json::Value =
            serde_json::from_str(&fs::read_to_string(&files.truth).unwrap()).unwrap();
        fs::remove_dir_all(&dir).unwrap();
        assert_eq!(back, simulation.conversations);
        assert_eq!(activity.lines().count(), simulation.activity.len() + 1);
        assert_eq!(activity.lines().next(), Some("user_id,at,event"));
        assert_eq!(truth["conversations"].as_array().map(Vec::len), Some(60));
        assert_eq!(truth["effects"][0]["cause"], "friction");
    }
}
