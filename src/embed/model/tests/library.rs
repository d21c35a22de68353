//! Ids, states and vectors against tokenizers and candle's own models.

use candle_core::{DType, Device, Tensor};
use candle_nn::VarBuilder;
use candle_transformers::models::{bert, xlm_roberta};
use tokenizers::normalizers::{Lowercase, Sequence};
use tokenizers::{Tokenizer, TruncationParams};

use super::{edit, write};
use crate::embed::bert::Bert;
use crate::embed::model::{Activation, Layout, Model, Pooling, Prompt, files};
use crate::embed::small::{HIDDEN, LAYERS, Small};
use crate::embed::tokens::{MAX_WINDOWS, TextTokenizer};
use crate::embed::weights::Weights;
use crate::embed::{Backend, Embedder, EncodeParams, Encoder};

/// Tensors of a model as candle reads them, named as in the file.
fn tensors(model: &Model) -> VarBuilder<'static> {
    VarBuilder::from_buffered_safetensors(model.weights.to_vec(), DType::F32, &Device::Cpu).unwrap()
}

/// The last state by candle's own models, `(l, h)`.
fn by_candle(model: &Model, layout: &Layout, ids: &[u32]) -> Vec<Vec<f32>> {
    let input = Tensor::new(ids, &Device::Cpu).unwrap().unsqueeze(0).unwrap();
    let kinds = input.zeros_like().unwrap();
    let weights = tensors(model);
    let weights = if layout.weight_prefix.is_empty() {
        weights
    } else {
        weights.pp(layout.weight_prefix.trim_end_matches('.'))
    };
    let state = if layout.position_offset == 0 {
        let config: bert::Config = serde_json::from_slice(&model.config).unwrap();
        bert::BertModel::load(weights, &config).unwrap().forward(&input, &kinds, None).unwrap()
    } else {
        let config: xlm_roberta::Config = serde_json::from_slice(&model.config).unwrap();
        let mask = input.ones_like().unwrap();
        let net = xlm_roberta::XLMRobertaModel::new(&config, weights).unwrap();
        net.forward(&input, &mask, &kinds, None, None, None).unwrap()
    };
    state.squeeze(0).unwrap().to_vec2().unwrap()
}

/// sentence-transformers' way to a text's ids: prefix and text joined as they are, cut to the window.
pub(super) fn by_library(model: &Model, layout: &Layout, text: &str) -> Vec<u32> {
    let mut tokenizer = Tokenizer::from_bytes(&model.tokenizer).unwrap();
    let truncation = TruncationParams { max_length: layout.window_tokens, ..TruncationParams::default() };
    tokenizer.with_truncation(Some(truncation)).unwrap();
    tokenizer.with_padding(None);
    if layout.lower_case {
        let own = tokenizer.get_normalizer().cloned();
        let steps = std::iter::once(Lowercase.into()).chain(own).collect();
        tokenizer.with_normalizer(Some(Sequence::new(steps))).unwrap();
    }
    tokenizer.encode(format!("{}{text}", layout.prefix), true).unwrap().get_ids().to_vec()
}

fn close(found: &[f32], expected: &[f32]) {
    assert_eq!(found.len(), expected.len());
    for (f, e) in found.iter().zip(expected) {
        assert!((f - e).abs() < 1e-5, "{f} instead of {e}");
    }
}

fn mean(rows: &[Vec<f32>]) -> Vec<f32> {
    (0..rows[0].len()).map(|i| rows.iter().map(|row| row[i]).sum::<f32>() / rows.len() as f32).collect()
}

const TEXTS: [&str; 8] = [
    "please refund my invoice",
    "  The  refund, please! ",
    "",
    "x",
    "Überraschung: 日本 Refund\u{a0}42",
    "def refund():\n    my\tinvoice\r\n\n  ",
    "page\u{c}break, \u{b}line\u{85}break",
    "a text of a few more words than the others have, so that its positions go somewhat further",
];

/// Ids, states and vector of every text equal those of the model's own library.
fn equals_its_library(small: &Small, prompt: Prompt) {
    let (_folder, model) = write(small);
    equals(&model.with_prompt(prompt));
}

fn equals(model: &Model) {
    let layout = Layout::read(model).unwrap();
    let tokenizer = TextTokenizer::load(model, &layout).unwrap();
    let net = Bert::load(model, &layout).unwrap();
    for text in TEXTS {
        let tokens = tokenizer.tokenize(text).unwrap();
        assert_eq!(tokens.windows[0], by_library(model, &layout, text), "{text:?}");
        let pooled = net.pooled(&[&tokens.windows[0]]).unwrap().remove(0);
        let state = by_candle(model, &layout, &tokens.windows[0]);
        assert_eq!(pooled.states.len(), (LAYERS + 1) * HIDDEN);
        close(&pooled.states[LAYERS * HIDDEN..], &mean(&state));
        match layout.pooling {
            Pooling::Mean => close(&pooled.vector, &mean(&state)),
            Pooling::Cls => close(&pooled.vector, &state[0]),
        }
    }
}

#[test]
fn bge_small_pools_the_first_token_and_prefixes_queries_when_asked() {
    equals_its_library(&Small::bge(), Prompt::Default);
    equals_its_library(&Small::bge(), Prompt::Named("query".into()));
    let (_folder, model) = write(&Small::bge());
    let layout = Layout::read(&model).unwrap();
    assert_eq!((layout.pooling, layout.normalize, layout.prefix.as_str()), (Pooling::Cls, true, ""));
    assert_eq!((layout.window_tokens, layout.position_offset, layout.lower_case), (48, 0, true));
    let layout = Layout::read(&model.with_prompt(Prompt::Named("query".into()))).unwrap();
    assert_eq!(layout.prefix, "represent this sentence: ");
}

#[test]
fn e5_small_reads_bert_with_a_unigram_tokenizer_and_its_default_prompt() {
    equals_its_library(&Small::e5(), Prompt::Default);
    equals_its_library(&Small::e5(), Prompt::Named("passage".into()));
    equals_its_library(&Small::e5(), Prompt::Text(String::new()));
    let (_folder, model) = write(&Small::e5());
    let layout = Layout::read(&model).unwrap();
    assert_eq!(
        (layout.pooling, layout.prefix.as_str(), layout.position_offset),
        (Pooling::Mean, "query: ", 0)
    );
    let tokens = TextTokenizer::load(&model, &layout).unwrap().tokenize("refund").unwrap();
    let window = &tokens.windows[0];
    assert_eq!((window[0], *window.last().unwrap()), (0, 2), "<s> and </s>");
}

#[test]
fn roberta_positions_start_after_the_padding() {
    for small in [Small::xlm_roberta(), Small::roberta()] {
        equals_its_library(&small, Prompt::Default);
        equals_its_library(&small, Prompt::Text("query: ".into()));
        let (_folder, model) = write(&small);
        let layout = Layout::read(&model).unwrap();
        assert_eq!((layout.position_offset, layout.positions, layout.window_tokens), (2, 66, 48));
    }
}

#[test]
fn texts_are_put_in_lower_case_where_the_model_asks() {
    let (folder, model) = write(&Small::roberta());
    edit(folder.path(), "sentence_bert_config.json", |config| config["do_lower_case"] = true.into());
    let lower = files::load(folder.path()).unwrap().with_prompt(Prompt::Text("Query: ".into()));
    equals(&lower);
    let ids = |model: &Model, text: &str| {
        let layout = Layout::read(model).unwrap();
        TextTokenizer::load(model, &layout).unwrap().tokenize(text).unwrap().windows
    };
    assert_eq!(ids(&lower, "REFUND"), ids(&lower, "refund"));
    assert_ne!(ids(&model, "REFUND"), ids(&model, "refund"));
}

#[test]
fn names_may_stand_behind_a_prefix() {
    for weight_prefix in ["bert.", "model.", "0.auto_model."] {
        let small = Small { weight_prefix, ..Small::bge() };
        equals_its_library(&small, Prompt::Default);
        let (_folder, model) = write(&small);
        assert_eq!(Layout::read(&model).unwrap().weight_prefix, weight_prefix);
    }
}

#[test]
fn other_activations_are_candles() {
    for name in ["relu", "gelu_new", "gelu_pytorch_tanh"] {
        let folder = tempfile::tempdir().unwrap();
        Small::bge().write(folder.path());
        edit(folder.path(), "config.json", |config| config["hidden_act"] = name.into());
        let mut model = files::load(folder.path()).unwrap();
        let layout = Layout::read(&model).unwrap();
        assert_eq!(layout.activation, Activation::Other(name.into()));
        let found = Bert::load(&model, &layout).unwrap().pooled(&[&[2, 9, 3]]).unwrap().remove(0);
        // candle has a name of its own for the tanh approximation.
        let own = if name == "relu" { "relu" } else { "geluapproximate" };
        model.config = String::from_utf8_lossy(&model.config).replace(name, own).into_bytes().into();
        close(&found.vector, &by_candle(&model, &layout, &[2, 9, 3])[0]);
        let (_folder, gelu) = write(&Small::bge());
        let gelu = by_candle(&gelu, &layout, &[2, 9, 3]).remove(0);
        assert!(found.vector.iter().zip(&gelu).any(|(f, g)| (f - g).abs() > 1e-5));
    }
}

#[test]
fn half_precision_and_old_names_of_norms_are_read() {
    let (_folder, model) = write(&Small::bge());
    let layout = Layout::read(&model).unwrap();
    let file = safetensors::SafeTensors::deserialize(&model.weights).unwrap();
    let halves: Vec<(String, Vec<usize>, Vec<u8>)> = file
        .iter()
        .filter(|(_, view)| view.dtype() == safetensors::Dtype::F32)
        .map(|(name, view)| {
            let name = name
                .replace("LayerNorm.weight", "LayerNorm.gamma")
                .replace("LayerNorm.bias", "LayerNorm.beta");
            let value =
                |b: &[u8]| half::bf16::from_f32(f32::from_le_bytes(b.try_into().unwrap())).to_le_bytes();
            (name, view.shape().to_vec(), view.data().chunks_exact(4).flat_map(value).collect())
        })
        .collect();
    let views = halves.iter().map(|(name, shape, bytes)| {
        (name, safetensors::tensor::TensorView::new(safetensors::Dtype::BF16, shape.clone(), bytes).unwrap())
    });
    let half = Model { weights: safetensors::serialize(views, None).unwrap().into(), ..model.clone() };
    let name = "encoder.layer.1.output.LayerNorm.weight";
    let exact = Weights::load(&model, &layout).unwrap().take(name, &[HIDDEN]).unwrap();
    let mut weights = Weights::load(&half, &layout).unwrap();
    let rounded = weights.take(name, &[HIDDEN]).unwrap();
    let mut weights = Weights::load(&half, &layout).unwrap();
    assert!(exact.iter().zip(&rounded).all(|(e, r)| (e - r).abs() < 0.01 && e.abs() > 0.5));
    let error = weights.take(name, &[HIDDEN, 1]).unwrap_err().to_string();
    assert_eq!(
        error,
        "model.safetensors: tensor `encoder.layer.1.output.LayerNorm.weight` has shape [32], by config.json it has [32, 1]"
    );
    let gone = weights.take(name, &[HIDDEN]).unwrap_err().to_string();
    assert!(gone.contains("no tensor `encoder.layer.1.output.LayerNorm.weight`"), "{gone}");
}

#[test]
fn every_window_of_a_long_text_is_an_input_the_model_knows() {
    for small in [Small::e5(), Small::bge(), Small::roberta()] {
        let (_folder, model) = write(&small);
        let bare = model.clone().with_prompt(Prompt::Text(String::new()));
        let model = model.with_prompt(Prompt::Text("query: ".into()));
        let layout = Layout::read(&model).unwrap();
        let tokenizer = TextTokenizer::load(&model, &layout).unwrap();
        let middle = "refund my invoice ".repeat(100);
        let text = format!("start {middle} finish");
        let tokens = tokenizer.tokenize(&text).unwrap();
        assert_eq!((tokens.windows.len(), tokens.shortened), (MAX_WINDOWS, true));
        assert_eq!(tokens.windows[0], by_library(&model, &layout, &text));
        let bare = TextTokenizer::load(&bare, &Layout { prefix: String::new(), ..layout.clone() }).unwrap();
        let alone = bare.tokenize("query:").unwrap().windows.remove(0);
        let prefix = &alone[..alone.len() - 1];
        for window in &tokens.windows {
            assert_eq!(window.len(), layout.window_tokens);
            assert!(window.starts_with(prefix), "{window:?} after {prefix:?}");
            assert_eq!(window.last(), alone.last());
        }
        let finish = bare.tokenize(" finish").unwrap().windows.remove(0);
        assert!(tokens.windows[3].ends_with(&finish[finish.len() - 2..]), "the tail is read");
    }
}

#[test]
fn no_token_is_lost_or_read_twice_between_windows() {
    let (_folder, model) = write(&Small::e5());
    let layout = Layout::read(&model).unwrap();
    let tokenizer = TextTokenizer::load(&model, &layout).unwrap();
    let bare = TextTokenizer::load(&model, &Layout { prefix: String::new(), ..layout.clone() }).unwrap();
    let wide = Layout { prefix: String::new(), window_tokens: 4000, ..layout };
    let wide = TextTokenizer::load(&model, &wide).unwrap();
    let prefix = tokenizer.tokenize("").unwrap().windows[0].len() - 1;
    for words in [1, 40, 41, 42, 43, 44, 45, 46, 47, 48, 84, 90, 92, 100, 130] {
        let text = vec!["refund"; words].join(" ");
        let whole = wide.tokenize(&text).unwrap().windows.remove(0);
        let join = |tokenizer: &TextTokenizer, skip: usize| {
            let tokens = tokenizer.tokenize(&text).unwrap();
            assert!(!tokens.shortened);
            tokens.windows.iter().flat_map(|w| w[skip..w.len() - 1].to_vec()).collect::<Vec<u32>>()
        };
        assert_eq!(join(&bare, 1), &whole[1..whole.len() - 1]);
        assert_eq!(join(&tokenizer, prefix), &whole[1..whole.len() - 1]);
    }
}

#[test]
fn the_encoder_takes_any_of_them_on_either_path() {
    for small in [Small::bge(), Small::e5(), Small::xlm_roberta(), Small::roberta(), Small::minilm()] {
        let (_folder, model) = write(&small);
        let layout = Layout::read(&model).unwrap();
        let encode = |backend| {
            let encoder = Encoder::load(&model, EncodeParams { backend, ..EncodeParams::default() }).unwrap();
            encoder.encode(&["please refund", "my invoice"]).unwrap().remove(1)
        };
        let state = by_candle(&model, &layout, &by_library(&model, &layout, "my invoice"));
        let mut expected = if layout.pooling == Pooling::Cls { state[0].clone() } else { mean(&state) };
        let norm = expected.iter().map(|v| v * v).sum::<f32>().sqrt();
        expected.iter_mut().for_each(|v| *v /= norm);
        close(&encode(Backend::Candle).vector, &expected);
        // The kernel's products have 16 bits; what it may lose is its own tests' affair.
        let found = encode(Backend::Kernel);
        let cosine: f32 = found.vector.iter().zip(&expected).map(|(f, e)| f * e).sum();
        assert!(cosine > 0.9999, "{}: cosine {cosine}", small.model_type);
        assert_eq!(found.states.len(), (LAYERS + 1) * HIDDEN);
    }
}

/// What the encoder makes of one text.
fn encoded(model: &Model, params: EncodeParams, text: &str) -> Vec<f32> {
    Encoder::load(model, params).unwrap().encode(&[text]).unwrap().remove(0).vector
}

#[test]
fn vectors_keep_their_own_length_where_the_model_has_no_normalize() {
    let (_folder, model) = write(&Small { normalize: false, ..Small::minilm() });
    let layout = Layout::read(&model).unwrap();
    let net = Bert::load(&model, &layout).unwrap();
    let tokenizer = TextTokenizer::load(&model, &layout).unwrap();
    let length = |vector: &[f32]| vector.iter().map(|v| v * v).sum::<f32>().sqrt();
    for text in ["my invoice", &"refund my invoice ".repeat(40)] {
        let windows = tokenizer.tokenize(text).unwrap().windows;
        let tokens: usize = windows.iter().map(Vec::len).sum();
        // Every window counts by its tokens.
        let mut expected = vec![0.0; HIDDEN];
        for window in &windows {
            let pooled = net.pooled(&[window]).unwrap().remove(0).vector;
            let share = window.len() as f32 / tokens as f32;
            expected.iter_mut().zip(&pooled).for_each(|(sum, value)| *sum += share * value);
        }
        let own = EncodeParams { backend: Backend::Candle, ..EncodeParams::default() };
        close(&encoded(&model, own, text), &expected);
        let (kernel, unit) = (EncodeParams::default(), EncodeParams { unit_length: true, ..own });
        assert!((length(&encoded(&model, kernel, text)) / length(&expected) - 1.0).abs() < 1e-3);
        assert!((length(&expected) - 1.0).abs() > 0.1, "a length that could be told from 1");
        let scale = length(&expected);
        expected.iter_mut().for_each(|v| *v /= scale);
        close(&encoded(&model, unit, text), &expected);
    }
    // Where the model normalises, asking for it changes no bit.
    let (_folder, model) = write(&Small::minilm());
    let asked = EncodeParams { unit_length: true, ..EncodeParams::default() };
    assert_eq!(encoded(&model, asked, "my invoice"), encoded(&model, EncodeParams::default(), "my invoice"));
}
