//! Text to token ids, and long texts to windows.

use std::borrow::Cow;

use tokenizers::normalizers::{Lowercase, NormalizerWrapper, Sequence};
use tokenizers::tokenizer::Token;
use tokenizers::{Encoding, Tokenizer};

use super::EmbedError;
use super::model::{Layout, Model, ModelError};
use super::normal::{NormalForm, is_space};

/// Windows a text may have: three from its head, one from its tail. What lies between is left out
/// and the text counts as shortened.
pub const MAX_WINDOWS: usize = 4;

/// Bytes per token of all windows after which the middle of a text is not even tokenised: no
/// language's tokens are that long on average, so the windows are the same. 64 KiB for the bundled
/// model.
const MAX_BYTES_PER_TOKEN: usize = 64;

const FILE: &str = "tokenizer.json";

/// One text as the encoder reads it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tokens {
    /// Windows of ids, each with the model's special tokens around it, in text order; never empty.
    pub windows: Vec<Vec<u32>>,
    /// True when the middle of the text was left out.
    pub shortened: bool,
}

/// The model's own tokenizer without its truncation and padding: both are ours.
///
/// A text of one window has the ids that sentence-transformers 6 would give it, byte by byte as it
/// stands; a longer one's first window is what that library would cut it to. (Its versions before 6
/// strip every text first. To a tokenizer of BERT's kind that is no difference.)
#[derive(Debug)]
pub struct TextTokenizer {
    inner: Tokenizer,
    /// Special tokens before and after the content.
    before: Vec<u32>,
    after: Vec<u32>,
    /// Words before every text, and their ids for the windows after the first.
    prefix: String,
    prefix_ids: Vec<u32>,
    form: NormalForm,
    /// Tokens between the special ones, the prefix's included: 254 for the bundled model.
    content: usize,
    max_bytes: usize,
}

impl TextTokenizer {
    /// Reads `tokenizer.json`.
    pub fn load(model: &Model, layout: &Layout) -> Result<TextTokenizer, EmbedError> {
        let malformed = |reason: String| ModelError::malformed(FILE, reason);
        let mut inner = Tokenizer::from_bytes(&model.tokenizer).map_err(|e| malformed(e.to_string()))?;
        inner.with_padding(None);
        inner.with_truncation(None).map_err(|e| malformed(e.to_string()))?;
        check_vocabulary(&inner, layout.vocab)?;
        let form = NormalForm::of(&inner, !layout.prefix.is_empty());
        if layout.lower_case {
            lower(&mut inner).map_err(|e| malformed(e.to_string()))?;
        }
        let (before, after) = special_tokens(&inner)?;
        let window = layout.window_tokens;
        let mut tokenizer = TextTokenizer {
            inner,
            content: window.saturating_sub(before.len() + after.len()),
            before,
            after,
            prefix: layout.prefix.clone(),
            prefix_ids: Vec::new(),
            form,
            max_bytes: window * MAX_WINDOWS * MAX_BYTES_PER_TOKEN,
        };
        // What follows in a later window begins with its own space.
        tokenizer.prefix_ids = tokenizer.encode(layout.prefix.trim_end_matches(is_space))?;
        if tokenizer.content == 0 || tokenizer.prefix_ids.len() * 2 > tokenizer.content {
            let (own, prefix) = (window - tokenizer.content, tokenizer.prefix_ids.len());
            let reason = format!(
                "windows of {window} tokens leave no room for a text: special tokens take {own}, the prefix takes {prefix}"
            );
            return Err(malformed(reason).into());
        }
        Ok(tokenizer)
    }

    /// The form by which `text` is known: texts of one form have the same ids.
    pub fn normal<'t>(&self, text: &'t str) -> Cow<'t, str> {
        self.form.apply(text)
    }

    /// Ids of the prefix and `text` in windows, each with the model's special tokens.
    ///
    /// A window after the first starts with the prefix too, so that each is an input the model
    /// knows; its share of the text is the smaller for it.
    pub fn tokenize(&self, text: &str) -> Result<Tokens, EmbedError> {
        let text = &*self.normal(text);
        let mut ids = self.ids(head(text, self.max_bytes))?;
        let mut shortened = false;
        if text.len() > self.max_bytes {
            ids.extend(self.encode(tail(text, self.max_bytes))?);
            shortened = true;
        }
        let later = self.content - self.prefix_ids.len();
        let limit = self.content + later * (MAX_WINDOWS - 1);
        if ids.len() > limit {
            ids.drain(limit - later..ids.len() - later);
            shortened = true;
        }
        let (first, rest) = ids.split_at(self.content.min(ids.len()));
        let mut windows = vec![self.frame(&[], first)];
        windows.extend(rest.chunks(later).map(|chunk| self.frame(&self.prefix_ids, chunk)));
        Ok(Tokens { windows, shortened })
    }

    /// Ids of prefix and text, one after the other as they stand.
    fn ids(&self, text: &str) -> Result<Vec<u32>, EmbedError> {
        match self.prefix.as_str() {
            "" => self.encode(text),
            prefix => self.encode(&format!("{prefix}{text}")),
        }
    }

    fn encode(&self, text: &str) -> Result<Vec<u32>, EmbedError> {
        let encoding =
            self.inner.encode_fast(text, false).map_err(|e| EmbedError::Tokenizer(e.to_string()))?;
        Ok(encoding.get_ids().to_vec())
    }

    fn frame(&self, prefix: &[u32], content: &[u32]) -> Vec<u32> {
        [&self.before, prefix, content, &self.after].concat()
    }
}

/// Puts texts in lower case before all else the tokenizer does, where its own steps do not say so.
fn lower(tokenizer: &mut Tokenizer) -> tokenizers::Result<()> {
    let own = match tokenizer.get_normalizer() {
        None => Vec::new(),
        Some(NormalizerWrapper::Sequence(steps)) => steps.as_ref().to_vec(),
        Some(step) => vec![step.clone()],
    };
    if own.iter().any(|step| matches!(step, NormalizerWrapper::Lowercase(_))) {
        return Ok(());
    }
    let steps = std::iter::once(NormalizerWrapper::Lowercase(Lowercase)).chain(own).collect();
    tokenizer.with_normalizer(Some(NormalizerWrapper::Sequence(Sequence::new(steps))))?;
    Ok(())
}

/// Every id must have a row in the word embedding.
fn check_vocabulary(tokenizer: &Tokenizer, rows: usize) -> Result<(), ModelError> {
    match tokenizer.get_vocab(true).into_iter().max_by_key(|(_, id)| *id) {
        None => Err(ModelError::malformed(FILE, "has no tokens")),
        Some((token, id)) if id as usize >= rows => Err(ModelError::malformed(
            FILE,
            format!(
                "token {token:?} has id {id}, but config.json says vocab_size {rows}; is it another model's?"
            ),
        )),
        Some(_) => Ok(()),
    }
}

/// Ids before and after a text, from the tokenizer's own post-processor.
///
/// It is given one token that no vocabulary has, so that what it adds is seen whatever it does to
/// an empty text.
fn special_tokens(tokenizer: &Tokenizer) -> Result<(Vec<u32>, Vec<u32>), ModelError> {
    const CONTENT: u32 = u32::MAX;
    let content = Encoding::from_tokens(vec![Token::new(CONTENT, "content".to_owned(), (0, 0))], 0);
    let framed = tokenizer.post_process(content, None, true).map_err(|e| ModelError::malformed(FILE, e))?;
    let ids = framed.get_ids();
    let parts: Vec<&[u32]> = ids.split(|id| *id == CONTENT).collect();
    let [before, after] = parts[..] else {
        let reason = format!("its post_processor repeats or drops the text ({} tokens for one)", ids.len());
        return Err(ModelError::malformed(FILE, reason));
    };
    if before.is_empty() && after.is_empty() {
        return Err(ModelError::unsupported(
            FILE,
            "a post_processor that adds no special tokens",
            "one that adds the model's own, such as [CLS] and [SEP], or <s> and </s>",
        ));
    }
    if framed.get_type_ids().iter().any(|kind| *kind != 0) {
        return Err(ModelError::unsupported(FILE, "a text of token type 1", "token type 0"));
    }
    Ok((before.to_vec(), after.to_vec()))
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

#[cfg(all(test, feature = "bundled-model"))]
mod tests {
    use super::*;
    use crate::embed::ModelSource;

    fn tokenizer() -> TextTokenizer {
        let model = Model::load(&ModelSource::Bundled).unwrap();
        TextTokenizer::load(&model, &Layout::read(&model).unwrap()).unwrap()
    }

    #[test]
    fn the_bundled_model_reads_254_tokens_at_once() {
        assert_eq!(tokenizer().content, 254);
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
