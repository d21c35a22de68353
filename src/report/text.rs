//! Makes text of strangers harmless: what a user typed is shown, never interpreted.

use std::borrow::Cow;

/// Replaces what would change how the text around it is shown: control characters become their
/// pictures, bidirectional overrides, embeddings and isolates their code points.
///
/// Left-to-right and right-to-left *marks* stay: honest Arabic and Hebrew need them, and the page
/// isolates every such text with `<bdi>` or `dir="auto"`.
pub fn tame(text: &str) -> Cow<'_, str> {
    if !text.chars().any(is_wild) {
        return Cow::Borrowed(text);
    }
    let mut tamed = String::with_capacity(text.len() + 16);
    let mut characters = text.chars().peekable();
    while let Some(c) = characters.next() {
        match c {
            '\r' if characters.peek() == Some(&'\n') => {}
            '\r' | '\u{2028}' | '\u{2029}' => tamed.push('\n'),
            '\u{7f}' => tamed.push('\u{2421}'),
            c if is_wild(c) && (c as u32) < 0x20 => {
                tamed.push(char::from_u32(0x2400 + c as u32).unwrap_or('\u{fffd}'));
            }
            c if is_wild(c) => tamed.push_str(&format!("[U+{:04X}]", c as u32)),
            c => tamed.push(c),
        }
    }
    Cow::Owned(tamed)
}

fn is_wild(c: char) -> bool {
    let is_direction = matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let is_control = c.is_control() && c != '\n' && c != '\t';
    let is_separator = matches!(c, '\u{2028}' | '\u{2029}');
    // Tag characters are invisible and can carry a whole hidden message.
    let is_tag = matches!(c, '\u{e0000}'..='\u{e007f}');
    is_direction || is_control || is_separator || is_tag
}

/// Text for an HTML element or a quoted attribute.
pub fn escape_html(text: &str) -> String {
    let text = tame(text);
    let mut escaped = String::with_capacity(text.len() + text.len() / 16);
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            c => escaped.push(c),
        }
    }
    escaped
}

/// Any id as part of a fragment: letters, digits, `-`, `_`, `.` stay, other bytes become `~xx`.
///
/// Different ids give different anchors, and no anchor needs percent-encoding.
pub fn anchor(id: &str) -> String {
    let mut anchor = String::with_capacity(id.len());
    for byte in id.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' => anchor.push(byte as char),
            _ => anchor.push_str(&format!("~{byte:02x}")),
        }
    }
    anchor
}

/// One line: every run of white space becomes a blank, and at most `limit` characters stay.
pub fn one_line(text: &str, limit: usize) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(limit) {
        None => line,
        Some((end, _)) => format!("{}…", line[..end].trim_end()),
    }
}

/// Text for the inside of a Markdown line: no markup, no HTML, no link, no mention, no table cell.
pub fn escape_markdown(text: &str) -> String {
    let line = tame(text).split_whitespace().collect::<Vec<_>>().join(" ");
    let mut escaped = String::with_capacity(line.len() + line.len() / 8);
    let characters: Vec<char> = line.chars().collect();
    let ordinal_end = characters.iter().take_while(|c| c.is_ascii_digit()).count();
    for (place, &c) in characters.iter().enumerate() {
        let before = place.checked_sub(1).map(|i| characters[i]);
        let after = characters.get(place + 1).copied();
        let is_markup = match c {
            '\\' | '`' | '*' | '[' | ']' | '|' | '~' | '$' | '&' => true,
            '_' => !(is_word(before) && is_word(after)),
            '<' => after.is_some_and(|next| !(next == ' ' || next.is_ascii_digit())),
            // These mean something at the start of a line only, lists and headings before a blank.
            '>' | '=' => place == 0,
            // A heading also swallows a trailing run of these.
            '#' => place == 0 || matches!(after, None | Some('#')),
            '-' | '+' => place == 0 && matches!(after, None | Some(' ' | '-' | '+')),
            '.' | ')' if place == ordinal_end && ordinal_end > 0 => matches!(after, None | Some(' ')),
            // Bare addresses become links on GitHub; "www." and "://" are what it looks for.
            ':' => after == Some('/'),
            '.' => line_ends_in_www(&characters[..place]),
            '!' => after == Some('['),
            _ => false,
        };
        if is_markup {
            escaped.push('\\');
        }
        escaped.push(c);
        if c == '@' && is_word(after) {
            // A word joiner: nobody is called into the channel by a quoted conversation.
            escaped.push('\u{2060}');
        }
    }
    escaped
}

fn is_word(c: Option<char>) -> bool {
    c.is_some_and(char::is_alphanumeric)
}

fn line_ends_in_www(before: &[char]) -> bool {
    before.len() >= 3 && before[before.len() - 3..].iter().all(|c| c.eq_ignore_ascii_case(&'w'))
}
