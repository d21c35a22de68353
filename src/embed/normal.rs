//! What may be changed of a text without its model seeing a difference: the form texts are known by.

use std::borrow::Cow;

use tokenizers::{NormalizerWrapper, PreTokenizerWrapper, Tokenizer};

/// How much of a text's white space a tokenizer cannot see.
///
/// Texts of one form have the same ids, so one of them is encoded and kept for all; a form that
/// went further would give some of them another text's vector.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NormalForm {
    /// Runs of white space are one space, and there is none at the end; nor at the beginning, where
    /// `trim_start`. For tokenizers that split at white space as BERT's does.
    Collapsed {
        /// False where words go before the text: `query` and ` refund` are two words.
        trim_start: bool,
    },
    /// The text itself. For all other tokenizers: byte-level ones have tokens for two spaces and for
    /// a tab, and what a SentencePiece map makes of white space is its own affair.
    Verbatim,
}

impl NormalForm {
    /// The form of texts that `tokenizer` reads after a prefix, or after none.
    pub(super) fn of(tokenizer: &Tokenizer, has_prefix: bool) -> NormalForm {
        let cleans = matches!(tokenizer.get_normalizer(),
            Some(NormalizerWrapper::BertNormalizer(bert)) if bert.clean_text);
        let splits = matches!(tokenizer.get_pre_tokenizer(), Some(PreTokenizerWrapper::BertPreTokenizer(_)));
        // These are looked for before anything is cleaned or split.
        let added = tokenizer.get_added_tokens_decoder();
        let visible = added.values().any(|token| token.content.contains(is_space));
        match cleans && splits && !visible {
            true => NormalForm::Collapsed { trim_start: !has_prefix },
            false => NormalForm::Verbatim,
        }
    }

    /// `text` in this form, which a second time changes nothing.
    pub(super) fn apply(self, text: &str) -> Cow<'_, str> {
        match self {
            NormalForm::Verbatim => Cow::Borrowed(text),
            NormalForm::Collapsed { trim_start } => {
                let text = text.trim_end_matches(is_space);
                collapse(if trim_start { text.trim_start_matches(is_space) } else { text })
            }
        }
    }
}

/// White space to Unicode or to Python. At the end of a text BERT's tokenizer sees none of it,
/// whether it counts it as space or deletes it.
pub(super) fn is_space(c: char) -> bool {
    c.is_whitespace() || ('\u{1c}'..='\u{1f}').contains(&c)
}

/// What BERT's tokenizer takes for a space between words. The other control characters, three of
/// which are white space to Unicode, it deletes: `a\u{c}b` is one word.
fn separates(c: char) -> bool {
    c.is_whitespace() && !matches!(c, '\u{b}' | '\u{c}' | '\u{85}')
}

/// Runs of what separates words as one space each. Control characters stay, though they are never
/// seen: without the one in `[SE\0P]` it would be a special token.
fn collapse(text: &str) -> Cow<'_, str> {
    let mut was_space = false;
    let is_kept = |c: char| {
        let is_space = separates(c);
        let kept = c == ' ' && !was_space || !is_space;
        was_space = is_space;
        kept
    };
    if text.chars().all(is_kept) {
        return Cow::Borrowed(text);
    }
    let mut collapsed = String::with_capacity(text.len());
    let mut was_space = false;
    for c in text.chars() {
        match (separates(c), was_space) {
            (true, true) => {}
            (true, false) => collapsed.push(' '),
            (false, _) => collapsed.push(c),
        }
        was_space = separates(c);
    }
    Cow::Owned(collapsed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_separates_words_is_collapsed() {
        let form = NormalForm::Collapsed { trim_start: true };
        let cases = [
            (" two \t\r\n lines\u{a0}\u{2003} ", "two lines"),
            ("page\u{c}break", "page\u{c}break"),
            ("a \u{b} \u{85}b\u{85}", "a \u{b} \u{85}b"),
            ("\u{1c} a\u{1c}b \u{1f}", "a\u{1c}b"),
            ("[SE\0P]", "[SE\0P]"),
            ("\n \u{c}", ""),
        ];
        for (text, expected) in cases {
            assert_eq!(form.apply(text), expected, "{text:?}");
            assert_eq!(form.apply(expected), expected);
        }
        assert!(matches!(form.apply("as it is"), Cow::Borrowed(_)));
        assert_eq!(NormalForm::Collapsed { trim_start: false }.apply("\n\n a  b "), " a b");
        assert_eq!(NormalForm::Verbatim.apply(" a  b "), " a  b ");
    }
}
