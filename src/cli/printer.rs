//! Data to stdout, talk to stderr; nothing that could drive a terminal from within a conversation.

use std::io::Write;

/// Where words go.
pub struct Printer {
    quiet: bool,
}

impl Printer {
    /// `quiet` silences talk.
    pub fn new(quiet: bool) -> Printer {
        Printer { quiet }
    }

    /// A line of data. A closed pipe is the reader's choice, not an error.
    pub fn data(&self, line: &str) {
        let _ = writeln!(std::io::stdout().lock(), "{line}");
    }

    /// A line of talk.
    pub fn say(&self, line: &str) {
        if !self.quiet {
            let _ = writeln!(std::io::stderr().lock(), "{line}");
        }
    }

    /// A warning: what was lost is told even to who wants no talk.
    pub fn warning(&self, text: &str) {
        let _ = writeln!(std::io::stderr().lock(), "warning: {}", tame(text));
    }

    /// An error.
    pub fn error(&self, text: &str) {
        let _ = writeln!(std::io::stderr().lock(), "error: {}", tame(text));
    }
}

/// Text with control characters made visible, line breaks kept: a conversation cannot move the
/// cursor or ring the bell.
pub fn tame(text: &str) -> String {
    let shown = |c: char| match c {
        '\n' | '\t' => c,
        '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => '\u{fffd}',
        c if c.is_control() => char::from_u32(0x2400 + (c as u32 & 0x7f)).unwrap_or('\u{fffd}'),
        c => c,
    };
    text.chars().map(shown).collect()
}

/// A bar of `width` cells for a share of 0..=1.
pub fn bar(share: f64, width: usize) -> String {
    const EIGHTHS: [&str; 8] = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];
    let eighths = (share.clamp(0.0, 1.0) * (width * 8) as f64).round() as usize;
    let (full, rest) = (eighths / 8, eighths % 8);
    let bar = "█".repeat(full) + EIGHTHS[rest];
    let cells = full + usize::from(rest > 0);
    bar + &" ".repeat(width.saturating_sub(cells))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conversations_cannot_drive_the_terminal() {
        assert_eq!(tame("a\u{1b}[31mred\u{7}"), "a␛[31mred␇");
        assert_eq!(tame("line\nbreak"), "line\nbreak");
    }

    #[test]
    fn bars_fill_their_width() {
        assert_eq!(bar(0.5, 4), "██  ");
        assert_eq!(bar(1.0, 3), "███");
        assert_eq!(bar(0.0, 3), "   ");
    }
}
