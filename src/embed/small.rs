//! Small models on disk for tests: the file layouts of known sentence-transformers around random
//! weights (2 layers, 2 heads, 32 wide). They mean nothing and compute everything.
//!
//! Imports no module of ours, so that the integration tests can include this file too.

use std::path::Path;

use safetensors::tensor::{Dtype, TensorView};
use serde_json::{Map, Value, json};

/// Width of a token's state.
pub const HIDDEN: usize = 32;
/// Transformer layers.
pub const LAYERS: usize = 2;
/// Attention heads.
pub const HEADS: usize = 2;
/// Width of the feed-forward block.
pub const INTERMEDIATE: usize = 64;

/// How a small model splits texts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Splitter {
    /// BERT's WordPiece in lower case, `[CLS]` and `[SEP]`.
    WordPiece,
    /// XLM-R's Unigram, `<s>` and `</s>`.
    Unigram,
    /// RoBERTa's byte-level BPE, `<s>` and `</s>`.
    Bytes,
}

/// A small model to write.
#[derive(Debug, Clone)]
pub struct Small {
    /// `config.json`'s `model_type`.
    pub model_type: &'static str,
    /// The tokenizer.
    pub splitter: Splitter,
    /// What stands before each tensor's name.
    pub weight_prefix: &'static str,
    /// `mean`, `cls` or another mode.
    pub pooling: &'static str,
    /// Whether `modules.json` ends with Normalize.
    pub normalize: bool,
    /// Prompts by name.
    pub prompts: &'static [(&'static str, &'static str)],
    /// The prompt used when none is chosen.
    pub default_prompt: Option<&'static str>,
    /// `max_seq_length` of sentence-transformers.
    pub window: usize,
    /// Rows of the position embedding.
    pub positions: usize,
    /// Seed of the weights.
    pub seed: u64,
}

impl Small {
    /// bge-small-en-v1.5: BERT, first token, unit length, a prompt for queries.
    pub fn bge() -> Small {
        Small {
            model_type: "bert",
            splitter: Splitter::WordPiece,
            weight_prefix: "",
            pooling: "cls",
            normalize: true,
            prompts: &[("query", "represent this sentence: "), ("document", "")],
            default_prompt: None,
            window: 48,
            positions: 64,
            seed: 1,
        }
    }

    /// multilingual-e5-small: BERT's weights with XLM-R's tokenizer, mean, unit length, prompts.
    pub fn e5() -> Small {
        Small {
            splitter: Splitter::Unigram,
            pooling: "mean",
            prompts: &[("query", "query: "), ("passage", "passage: ")],
            default_prompt: Some("query"),
            seed: 2,
            ..Small::bge()
        }
    }

    /// An XLM-R, whose positions start after the padding id.
    pub fn xlm_roberta() -> Small {
        Small {
            model_type: "xlm-roberta",
            prompts: &[],
            default_prompt: None,
            positions: 66,
            seed: 3,
            ..Small::e5()
        }
    }

    /// A RoBERTa with a byte-level tokenizer, saved with its head.
    pub fn roberta() -> Small {
        Small {
            model_type: "roberta",
            splitter: Splitter::Bytes,
            weight_prefix: "roberta.",
            seed: 4,
            ..Small::xlm_roberta()
        }
    }

    /// all-MiniLM-L6-v2: BERT, mean, unit length, no prompts.
    pub fn minilm() -> Small {
        Small { pooling: "mean", prompts: &[], seed: 5, ..Small::bge() }
    }

    /// Writes the model's folder with every file the hub has for such a model.
    pub fn write(&self, folder: &Path) {
        let tokenizer = tokenizer(self.splitter);
        let vocab = vocabulary(self.splitter).len();
        std::fs::create_dir_all(folder.join("1_Pooling")).expect("the folder can be made");
        let write = |name: &str, value: &Value| {
            std::fs::write(folder.join(name), format!("{value:#}")).expect("the file can be written");
        };
        write("tokenizer.json", &tokenizer);
        write("config.json", &self.config(vocab));
        write("modules.json", &self.modules());
        write("1_Pooling/config.json", &self.pooling_config());
        let lower = self.splitter == Splitter::WordPiece;
        write("sentence_bert_config.json", &json!({"max_seq_length": self.window, "do_lower_case": lower}));
        write("tokenizer_config.json", &json!({"model_max_length": 64, "tokenizer_class": "Any"}));
        let prompts: Map<String, Value> =
            self.prompts.iter().map(|(name, text)| ((*name).to_owned(), json!(text))).collect();
        let prompts = json!({"prompts": prompts, "default_prompt_name": self.default_prompt});
        write("config_sentence_transformers.json", &prompts);
        std::fs::write(folder.join("model.safetensors"), self.weights(vocab))
            .expect("weights can be written");
    }

    fn offset(&self) -> usize {
        self.positions - 64
    }

    fn config(&self, vocab: usize) -> Value {
        json!({
            "model_type": self.model_type,
            "hidden_size": HIDDEN,
            "num_hidden_layers": LAYERS,
            "num_attention_heads": HEADS,
            "intermediate_size": INTERMEDIATE,
            "hidden_act": "gelu",
            "layer_norm_eps": 1e-12,
            "vocab_size": vocab,
            "max_position_embeddings": self.positions,
            "type_vocab_size": self.token_types(),
            "position_embedding_type": "absolute",
            "pad_token_id": self.offset().saturating_sub(1),
            "hidden_dropout_prob": 0.1,
            "attention_probs_dropout_prob": 0.1,
            "initializer_range": 0.02,
        })
    }

    fn token_types(&self) -> usize {
        if self.model_type == "bert" { 2 } else { 1 }
    }

    fn modules(&self) -> Value {
        let step = |index: usize, path: &str, kind: &str| {
            let kind = format!("sentence_transformers.models.{kind}");
            json!({"idx": index, "name": index.to_string(), "path": path, "type": kind})
        };
        let mut steps = vec![step(0, "", "Transformer"), step(1, "1_Pooling", "Pooling")];
        if self.normalize {
            steps.push(step(2, "2_Normalize", "Normalize"));
        }
        Value::Array(steps)
    }

    fn pooling_config(&self) -> Value {
        json!({
            "word_embedding_dimension": HIDDEN,
            "pooling_mode_cls_token": self.pooling == "cls",
            "pooling_mode_mean_tokens": self.pooling == "mean",
            "pooling_mode_max_tokens": self.pooling == "max",
            "pooling_mode_mean_sqrt_len_tokens": false,
        })
    }

    /// The bytes of `model.safetensors`: f32, with a pooler and the ramp of positions that real files
    /// have and no vector needs.
    fn weights(&self, vocab: usize) -> Vec<u8> {
        let mut random = Random(self.seed);
        let mut tensors: Vec<(String, Vec<usize>, Vec<u8>)> = Vec::new();
        let mut add = |name: String, shape: Vec<usize>, centre: f32, spread: f32| {
            let bytes = (0..shape.iter().product())
                .flat_map(|_| (centre + spread * random.next()).to_le_bytes())
                .collect();
            tensors.push((format!("{}{name}", self.weight_prefix), shape, bytes));
        };
        for (part, rows) in
            [("word", vocab), ("position", self.positions), ("token_type", self.token_types())]
        {
            add(format!("embeddings.{part}_embeddings.weight"), vec![rows, HIDDEN], 0.0, 1.0);
        }
        let mut norm = |name: &str| {
            add(format!("{name}.LayerNorm.weight"), vec![HIDDEN], 1.0, 0.2);
            add(format!("{name}.LayerNorm.bias"), vec![HIDDEN], 0.0, 0.2);
        };
        norm("embeddings");
        for layer in 0..LAYERS {
            norm(&format!("encoder.layer.{layer}.attention.output"));
            norm(&format!("encoder.layer.{layer}.output"));
        }
        for (name, out, inner) in linear_maps() {
            add(format!("{name}.weight"), vec![out, inner], 0.0, 0.4);
            add(format!("{name}.bias"), vec![out], 0.0, 0.2);
        }
        let ramp: Vec<u8> = (0..self.positions as i64).flat_map(i64::to_le_bytes).collect();
        let mut views: Vec<(String, TensorView<'_>)> = tensors
            .iter()
            .map(|(name, shape, bytes)| (name.clone(), view(Dtype::F32, shape.clone(), bytes)))
            .collect();
        let ramp_name = format!("{}embeddings.position_ids", self.weight_prefix);
        views.push((ramp_name, view(Dtype::I64, vec![1, self.positions], &ramp)));
        safetensors::serialize(views, None).expect("tensors can be written")
    }
}

fn view(dtype: Dtype, shape: Vec<usize>, bytes: &[u8]) -> TensorView<'_> {
    TensorView::new(dtype, shape, bytes).expect("bytes fill the shape")
}

/// Name, width out and width in of every linear map, a pooler included.
fn linear_maps() -> Vec<(String, usize, usize)> {
    let mut maps = vec![("pooler.dense".to_owned(), HIDDEN, HIDDEN)];
    for layer in 0..LAYERS {
        let at = |part: &str| format!("encoder.layer.{layer}.{part}");
        for part in
            ["attention.self.query", "attention.self.key", "attention.self.value", "attention.output.dense"]
        {
            maps.push((at(part), HIDDEN, HIDDEN));
        }
        maps.push((at("intermediate.dense"), INTERMEDIATE, HIDDEN));
        maps.push((at("output.dense"), HIDDEN, INTERMEDIATE));
    }
    maps
}

/// SplitMix64: the same weights everywhere, without a dependency.
struct Random(u64);

impl Random {
    /// Uniform in -1..1.
    fn next(&mut self) -> f32 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^= z >> 31;
        (z >> 40) as f32 / (1_u64 << 23) as f32 - 1.0
    }
}

/// Words that are one token in the WordPiece and Unigram vocabularies.
const WORDS: [&str; 12] = [
    "query",
    "passage",
    "represent",
    "this",
    "sentence",
    "refund",
    "invoice",
    "the",
    "my",
    "please",
    "start",
    "finish",
];

const MARKS: &str = ":,.?!-";

/// Tokens in the order of their ids.
fn vocabulary(splitter: Splitter) -> Vec<String> {
    let own = |tokens: &[&str]| tokens.iter().map(|token| (*token).to_owned()).collect::<Vec<_>>();
    let plain = || ('a'..='z').chain('0'..='9').map(String::from);
    let marks = MARKS.chars().map(String::from);
    match splitter {
        Splitter::WordPiece => {
            let mut tokens = own(&["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]);
            tokens.extend(plain().chain(plain().map(|c| format!("##{c}"))).chain(marks));
            tokens.extend(own(&WORDS));
            tokens
        }
        Splitter::Unigram => {
            let mut tokens = own(&["<s>", "<pad>", "</s>", "<unk>", "▁"]);
            tokens.extend(plain().chain(('A'..='Z').map(String::from)).chain(marks));
            tokens.extend(WORDS.iter().map(|word| format!("▁{word}")));
            tokens.push("<mask>".to_owned());
            tokens
        }
        Splitter::Bytes => {
            let mut tokens = own(&["<s>", "<pad>", "</s>", "<unk>"]);
            tokens.extend(byte_alphabet());
            tokens.extend(MERGES.iter().map(|merge| merge.replace(' ', "")));
            tokens
        }
    }
}

const MERGES: [&str; 4] = ["Ġ r", "e f", "Ġr ef", "u n"];

/// GPT-2's printable stand-ins for the 256 bytes.
fn byte_alphabet() -> Vec<String> {
    let printable = |byte: u32| matches!(byte, 0x21..=0x7e | 0xa1..=0xac | 0xae..=0xff);
    let mut others = 0x100..;
    (0..256_u32)
        .map(|byte| if printable(byte) { byte } else { others.next().unwrap_or_default() })
        .filter_map(char::from_u32)
        .map(String::from)
        .collect()
}

/// A `tokenizer.json`.
fn tokenizer(splitter: Splitter) -> Value {
    let tokens = vocabulary(splitter);
    let ids: Map<String, Value> =
        tokens.iter().enumerate().map(|(id, token)| (token.clone(), json!(id))).collect();
    let added: Vec<Value> = tokens
        .iter()
        .enumerate()
        .filter(|(_, token)| token.len() > 2 && (token.starts_with('<') || token.starts_with('[')))
        .map(|(id, token)| added_token(id, token))
        .collect();
    let (normalizer, pre_tokenizer, post_processor, model) = match splitter {
        Splitter::WordPiece => (
            json!({"type": "BertNormalizer", "clean_text": true, "handle_chinese_chars": true,
                   "strip_accents": null, "lowercase": true}),
            json!({"type": "BertPreTokenizer"}),
            frame(("[CLS]", 2), ("[SEP]", 3)),
            json!({"type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##",
                   "max_input_chars_per_word": 100, "vocab": ids}),
        ),
        Splitter::Unigram => (
            json!({"type": "NFKC"}),
            json!({"type": "Sequence", "pretokenizers": [
                {"type": "WhitespaceSplit"},
                {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "always", "split": true}]}),
            frame(("<s>", 0), ("</s>", 2)),
            json!({"type": "Unigram", "unk_id": 3, "byte_fallback": false, "vocab": scores(&tokens)}),
        ),
        Splitter::Bytes => (
            Value::Null,
            json!({"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true}),
            json!({"type": "RobertaProcessing", "sep": ["</s>", 2], "cls": ["<s>", 0], "trim_offsets": true,
                   "add_prefix_space": false}),
            json!({"type": "BPE", "dropout": null, "unk_token": null, "continuing_subword_prefix": null,
                   "end_of_word_suffix": null, "fuse_unk": false, "byte_fallback": false,
                   "vocab": ids, "merges": MERGES}),
        ),
    };
    json!({
        "version": "1.0",
        // Real files carry the truncation and padding of their authors' last run.
        "truncation": {"direction": "Right", "max_length": 8, "strategy": "LongestFirst", "stride": 0},
        "padding": {"strategy": {"Fixed": 8}, "direction": "Right", "pad_to_multiple_of": null, "pad_id": 0,
                    "pad_type_id": 0, "pad_token": tokens[0]},
        "added_tokens": added,
        "normalizer": normalizer,
        "pre_tokenizer": pre_tokenizer,
        "post_processor": post_processor,
        "decoder": null,
        "model": model,
    })
}

fn added_token(id: usize, token: &str) -> Value {
    json!({"id": id, "content": token, "special": true, "single_word": false, "lstrip": false,
           "rstrip": false, "normalized": false})
}

/// A post-processor that puts a token before and one after.
fn frame(before: (&str, u32), after: (&str, u32)) -> Value {
    let special = |(token, _): (&str, u32)| json!({"SpecialToken": {"id": token, "type_id": 0}});
    let entry = |(token, id): (&str, u32)| json!({"id": token, "ids": [id], "tokens": [token]});
    let text = json!({"Sequence": {"id": "A", "type_id": 0}});
    let second = json!({"Sequence": {"id": "B", "type_id": 0}});
    json!({
        "type": "TemplateProcessing",
        "single": [special(before), text, special(after)],
        "pair": [special(before), text, special(after), second, special(after)],
        "special_tokens": {before.0: entry(before), after.0: entry(after)},
    })
}

/// Log probabilities: a word beats its letters.
fn scores(tokens: &[String]) -> Vec<Value> {
    let score = |token: &String| match token.chars().count() {
        _ if token.starts_with('<') => 0.0,
        1 => -6.0,
        _ => -8.0,
    };
    tokens.iter().map(|token| json!([token, score(token)])).collect()
}
