//! Finds keys that no config has, and says which was probably meant.

use toml::de::{DeTable, DeValue};

use super::{Config, Problem};

/// Every unknown key with its line and the nearest known one. Empty when the text is not TOML:
/// the parser's own error says more then.
pub fn unknown_keys(text: &str) -> Vec<Problem> {
    find(text)
        .into_iter()
        .map(|stray| {
            let hint = match &stray.nearest {
                Some(name) => format!("did you mean `{name}`?"),
                None => format!("known here: {}", stray.known.join(", ")),
            };
            let at = format!("line {}", line_of(text, stray.start));
            Problem::new(&at, format!("unknown key `{}`", stray.path), hint)
        })
        .collect()
}

/// The text with every unknown key blanked out, so that values can still be checked.
pub fn without_unknown(text: &str) -> String {
    let mut kept = text.to_owned();
    for stray in find(text).iter().rev() {
        // Spaces and line breaks keep every other place where it was.
        let blank: String =
            text[stray.start..stray.end].chars().map(|c| if c == '\n' { '\n' } else { ' ' }).collect();
        kept.replace_range(stray.start..stray.end, &blank);
    }
    kept
}

/// The parser's complaint about a value, with its line.
pub fn type_problem(text: &str, error: &toml::de::Error) -> Problem {
    let at = error
        .span()
        .map_or_else(|| "config".to_owned(), |span| format!("line {}", line_of(text, span.start)));
    let hint = "`undertone init` prints every key with its default".to_owned();
    Problem::new(&at, error.message().trim().to_owned(), hint)
}

struct Stray {
    path: String,
    start: usize,
    end: usize,
    nearest: Option<String>,
    known: Vec<String>,
}

fn find(text: &str) -> Vec<Stray> {
    let (Ok(document), Ok(known)) = (DeTable::parse(text), toml::Table::try_from(Config::default())) else {
        return Vec::new();
    };
    let mut strays = Vec::new();
    visit(text, document.get_ref(), &known, "", &mut strays);
    strays.sort_by_key(|stray| stray.start);
    strays
}

fn visit(text: &str, table: &DeTable<'_>, known: &toml::Table, path: &str, strays: &mut Vec<Stray>) {
    for (key, value) in table {
        let name: &str = key.get_ref();
        let full = if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
        match (known.get(name), value.get_ref()) {
            (Some(toml::Value::Table(inside)), DeValue::Table(found)) => {
                visit(text, found, inside, &full, strays);
            }
            (Some(_), _) => {}
            (None, _) => strays.push(stray(text, key.span().start, value.span().end, full, name, known)),
        }
    }
}

fn stray(text: &str, start: usize, end: usize, path: String, name: &str, known: &toml::Table) -> Stray {
    let names: Vec<String> = known.keys().cloned().collect();
    let nearest = names
        .iter()
        .map(|candidate| (strsim::jaro_winkler(name, candidate), candidate))
        .filter(|(similarity, _)| *similarity >= 0.75)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, candidate)| candidate.clone());
    // A table header's key stands inside brackets: take the whole lines of its section.
    let header = text[..start].rfind('\n').map_or(0, |at| at + 1);
    let (start, end) = if text[header..start].trim_start().starts_with('[') {
        let next = text[start..].find("\n[").map_or(text.len(), |at| start + at);
        (header, next.max(end.min(text.len())))
    } else {
        (start, end)
    };
    Stray { path, start, end, nearest, known: names }
}

fn line_of(text: &str, offset: usize) -> usize {
    text[..offset.min(text.len())].matches('\n').count() + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_unknown_keys_at_once_with_suggestions() {
        let text = "seed = 1\nsede = 2\n[theme]\nk = 3\n[input]\nmax_reject_shar = 0.5\n";
        let problems = unknown_keys(text);
        let said: Vec<String> = problems.iter().map(ToString::to_string).collect();
        assert_eq!(problems.len(), 3, "{said:?}");
        assert!(said[0].contains("line 2") && said[0].contains("`seed`"), "{said:?}");
        assert!(said[1].contains("line 3") && said[1].contains("`themes`"), "{said:?}");
        assert!(said[2].contains("line 6") && said[2].contains("max_reject_share"), "{said:?}");
    }

    #[test]
    fn wrong_types_are_found_beside_unknown_keys() {
        let problems = Config::parse("sede = 2\nseed = \"x\"\n").unwrap_err();
        assert_eq!(problems.0.len(), 2, "{problems}");
    }
}
