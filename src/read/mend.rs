//! JSON that was cut off, closed again: what stands before the cut is kept.

use serde_json::Value;

/// The longest beginning of `text` that is JSON once its open brackets are closed. A text value that the cut
/// goes through is kept up to the cut. `None` where nothing is left.
pub fn mend(text: &str) -> Option<Value> {
    let Cut { mut open, in_string, escape_from, points } = scan(text);
    let close = |mut text: String, open: &[u8]| {
        text.extend(open.iter().rev().map(|byte| char::from(*byte)));
        serde_json::from_str::<Value>(&text).ok()
    };
    let mut whole = text[..escape_from.unwrap_or(text.len())].to_owned();
    if in_string {
        whole.push('"');
    }
    close(whole, &open).or_else(|| {
        // A key without its value, or half a word: give up the last member.
        let (at, depth) = points.last().copied()?;
        open.truncate(depth);
        close(text[..at].to_owned(), &open)
    })
}

/// Where a text stops.
struct Cut {
    /// What would close the brackets that are open, outermost first.
    open: Vec<u8>,
    /// It stops inside a text value.
    in_string: bool,
    /// Start of an escape that it stops in.
    escape_from: Option<usize>,
    /// Where the last member of each open bracket begins, outermost first, before its comma, with the number
    /// of brackets open there.
    points: Vec<(usize, usize)>,
}

fn scan(text: &str) -> Cut {
    let mut cut = Cut { open: Vec::new(), in_string: false, escape_from: None, points: Vec::new() };
    let bytes = text.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        match (cut.in_string, bytes[at]) {
            (true, b'\\') => {
                let length = if bytes.get(at + 1) == Some(&b'u') { 6 } else { 2 };
                if at + length > bytes.len() {
                    cut.escape_from = Some(at);
                    return cut;
                }
                at += length - 1;
            }
            (true, b'"') => cut.in_string = false,
            (true, _) => {}
            (false, b'"') => cut.in_string = true,
            (false, bracket @ (b'{' | b'[')) => {
                cut.open.push(if bracket == b'{' { b'}' } else { b']' });
                cut.points.push((at + 1, cut.open.len()));
            }
            (false, b'}' | b']') => {
                cut.open.pop();
                cut.points.pop();
            }
            (false, b',') => {
                if let Some(point) = cut.points.last_mut() {
                    point.0 = at;
                }
            }
            (false, _) => {}
        }
        at += 1;
    }
    cut
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_cut_of_a_body_gives_its_beginning() {
        let body = r#"[{"role":"user","content":"a \"b\" \u00e9"},{"role":"x","n":[1,{"k":true}]}]"#;
        assert_eq!(mend(body), serde_json::from_str(body).ok());
        for cut in 1..body.len() {
            let value = mend(&body[..cut]).unwrap_or_else(|| panic!("nothing of {}", &body[..cut]));
            let first = &value[0]["content"];
            if cut > 45 {
                assert_eq!(first, "a \"b\" é", "{}", &body[..cut]);
            }
        }
        assert_eq!(mend(r#"{"a":"x","b"#), Some(json!({"a": "x"})));
        assert_eq!(mend(r#"{"a":{"b":1,"c":tr"#), Some(json!({"a": {"b": 1}})));
    }
}
