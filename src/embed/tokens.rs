//! Text to token ids, and long texts to windows.

use tokenizers::Tokenizer;

use super::EmbedError;
use super::model::{Model, ModelError};

/// Content tokens of a window; with the two special tokens the 256 the model was trained on.
pub const WINDOW_TOKENS: usize = 254;

/// Windows a text may have: three from its head, one from its tail. What lies between is left out
/// and the text counts as shortened.
pub const MAX_WINDOWS: usize = 4;

/// Bytes after which the middle of a text is not even tokenised: no language writes a WordPiece
/// token in more than 16 bytes on average, so the windows are the same.
const MAX_BYTES: usize = 64 * 1024;

/// One text as the encoder reads it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tokens {
    /// Windows of ids, each with the special tokens around it, in text order; never empty.
    pub windows: Vec<Vec<u32>>,
    /// True when the middle of the text was left out.
    pub shortened: bool,
}

/// The model's own tokenizer without its truncation and padding: both are ours.
#[derive(Debug)]
pub struct TextTokenizer {
    inner: Tokenizer,
    first: u32,
    last: u32,
}

impl TextTokenizer {
    /// Reads `tokenizer.json`.
    pub fn load(model: &Model) -> Result<TextTokenizer, ModelError> {
        let malformed = |reason: String| ModelError::Malformed { file: "tokenizer.json", reason };
        let mut inner = Tokenizer::from_bytes(&model.tokenizer).map_err(|e| malformed(e.to_string()))?;
        inner.with_padding(None);
        inner.with_truncation(None).map_err(|e| malformed(e.to_string()))?;
        let special =
            |token: &str| inner.token_to_id(token).ok_or_else(|| malformed(format!("has no {token} token")));
        let (first, last) = (special("[CLS]")?, special("[SEP]")?);
        Ok(TextTokenizer { inner, first, last })
    }

    /// Ids of `text` in windows of at most `WINDOW_TOKENS` content tokens.
    pub fn tokenize(&self, text: &str) -> Result<Tokens, EmbedError> {
        let mut ids = self.ids(head(text, MAX_BYTES))?;
        let mut shortened = false;
        if text.len() > MAX_BYTES {
            ids.extend(self.ids(tail(text, MAX_BYTES))?);
            shortened = true;
        }
        let limit = WINDOW_TOKENS * MAX_WINDOWS;
        if ids.len() > limit {
            let tail_start = ids.len() - WINDOW_TOKENS;
            ids.drain(limit - WINDOW_TOKENS..tail_start);
            shortened = true;
        }
        let mut windows: Vec<Vec<u32>> = ids.chunks(WINDOW_TOKENS).map(|w| self.frame(w)).collect();
        if windows.is_empty() {
            windows.push(self.frame(&[]));
        }
        Ok(Tokens { windows, shortened })
    }

    fn ids(&self, text: &str) -> Result<Vec<u32>, EmbedError> {
        let encoding =
            self.inner.encode_fast(text, false).map_err(|e| EmbedError::Tokenizer(e.to_string()))?;
        Ok(encoding.get_ids().to_vec())
    }

    fn frame(&self, content: &[u32]) -> Vec<u32> {
        let mut window = Vec::with_capacity(content.len() + 2);
        window.push(self.first);
        window.extend_from_slice(content);
        window.push(self.last);
        window
    }
}

fn head(text: &str, bytes: usize) -> &str {
    let mut end = bytes.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

fn tail(text: &str, bytes: usize) -> &str {
    let mut start = text.len().saturating_sub(bytes);
    while !text.is_char_boundary(start) {
        start += 1;
    }
    &text[start..]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::embed::ModelSource;

    fn tokenizer() -> TextTokenizer {
        TextTokenizer::load(&Model::load(&ModelSource::Bundled).unwrap()).unwrap()
    }

    #[test]
    fn long_texts_keep_head_and_tail() {
        let words: Vec<String> = (0..3000).map(|i| format!("word{}", i % 7)).collect();
        let tokens = tokenizer().tokenize(&format!("start {} finish", words.join(" "))).unwrap();
        assert!(tokens.shortened);
        assert_eq!(tokens.windows.len(), MAX_WINDOWS);
        let finish = tokenizer().tokenize("finish").unwrap().windows[0][1];
        let last = tokens.windows.last().unwrap();
        assert_eq!(last[last.len() - 2], finish);
    }

    #[test]
    fn ten_megabytes_are_tokenised_at_once() {
        let text = "é".repeat(5 << 20);
        let tokens = tokenizer().tokenize(&text).unwrap();
        assert!(tokens.shortened || tokens.windows.len() == 1);
    }

    #[test]
    fn empty_text_has_one_window() {
        let tokens = tokenizer().tokenize("").unwrap();
        assert_eq!(tokens.windows, [vec![101, 102]]);
    }
}
