//! Whatever stands in a text: its ids are those the model's library makes of the text as it is, and
//! the form it is known by has the same.

use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};
use rand_xoshiro::Xoshiro256Plus;
use tokenizers::Tokenizer;

use super::write;
use crate::embed::model::{Layout, Model, ModelSource, Prompt};
use crate::embed::small::Small;
use crate::embed::tokens::TextTokenizer;

/// Both ways to a text's ids.
struct Ways {
    library: Tokenizer,
    prefix: String,
    ours: TextTokenizer,
}

impl Ways {
    fn new(model: &Model) -> Ways {
        let layout = Layout::read(model).unwrap();
        let mut library = Tokenizer::from_bytes(&model.tokenizer).unwrap();
        library.with_truncation(None).unwrap();
        library.with_padding(None);
        Ways { library, ours: TextTokenizer::load(model, &layout).unwrap(), prefix: layout.prefix }
    }

    /// Asserts that the two ways, and that of the text's form, are one; `text` fits a window.
    fn agree(&self, text: &str) {
        let raw = format!("{}{text}", self.prefix);
        let expected = self.library.encode(raw, true).unwrap().get_ids().to_vec();
        let normal = self.ours.normal(text);
        let ids = |text: &str| self.ours.tokenize(text).unwrap().windows.remove(0);
        assert_eq!(ids(text), expected, "{text:?}");
        assert_eq!(ids(&normal), expected, "{normal:?} for {text:?}");
        assert_eq!(self.ours.normal(&normal), normal, "a form has itself for its form");
    }
}

/// Up to ten characters of every kind that a tokenizer may take for a space, delete, split or join.
fn anything(rng: &mut Xoshiro256Plus) -> String {
    const PARTS: [&str; 30] = [
        " ", "  ", "\t", "\n", "\r\n", "\u{b}", "\u{c}", "\u{85}", "\u{a0}", "\u{1680}", "\u{180e}",
        "\u{2003}", "\u{2028}", "\u{202f}", "\u{3000}", "\u{200b}", "\u{feff}", "\0", "\u{1c}", "\u{fffd}",
        "\u{301}", "e", "refund", "ΑΣ", "日", ".", "[SEP]", "[S", "EP]", "<mask>",
    ];
    let mut text = String::new();
    for _ in 0..rng.gen_range(0..10) {
        match rng.gen_range(0..4) {
            0 => text.push(rng.r#gen()),
            1 => text.push(char::from(rng.gen_range(0..=255u8))),
            _ => text.push_str(PARTS.choose(rng).unwrap()),
        }
    }
    text
}

fn agree_on_anything(model: &Model, texts: usize) {
    let ways = Ways::new(model);
    let mut rng = Xoshiro256Plus::seed_from_u64(11);
    for _ in 0..texts {
        ways.agree(&anything(&mut rng));
    }
}

#[cfg(feature = "bundled-model")]
#[test]
fn the_bundled_model_sees_what_its_library_sees() {
    let model = Model::load(&ModelSource::Bundled).unwrap();
    agree_on_anything(&model, 20_000);
    agree_on_anything(&model.clone().with_prompt(Prompt::Text("query".into())), 5_000);
    // Every character of the first blocks at the beginning, within a word, between words, at the end.
    let ways = Ways::new(&model);
    for c in (0..0x3100).filter_map(char::from_u32) {
        ways.agree(&format!("{c}re{c}fund {c} my{c}"));
    }
}

#[test]
fn other_models_see_what_their_libraries_see() {
    for small in [Small::bge(), Small::e5(), Small::roberta(), Small::minilm()] {
        for prompt in [Prompt::Default, Prompt::Text("query: ".into()), Prompt::Text(" query".into())] {
            let (_folder, model) = write(&small);
            agree_on_anything(&model.with_prompt(prompt), 2_000);
        }
    }
}

#[test]
fn only_what_a_model_cannot_see_makes_two_texts_one() {
    let normal = |small: &Small, text: &str| Ways::new(&write(small).1).ours.normal(text).into_owned();
    assert_eq!(normal(&Small::bge(), " a\n\n b\u{c}c "), "a b\u{c}c");
    for small in [Small::e5(), Small::roberta()] {
        assert_eq!(normal(&small, " a\n\n b "), " a\n\n b ");
    }
}
