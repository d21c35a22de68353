//! Models that are not computed here: each is refused with what was found and what would do.

use std::path::Path;

use serde_json::Value;

use super::{edit, write};
use crate::embed::bert::Bert;
use crate::embed::model::record::{Record, SUMS};
use crate::embed::model::{Hub, Layout, Model, ModelSource, Prompt, files};
use crate::embed::small::Small;
use crate::embed::tokens::TextTokenizer;
use crate::embed::{Backend, EmbedError, EncodeParams, Encoder};

/// What a small model's folder says after a change; the error of reading it.
fn refusal(small: &Small, change: impl FnOnce(&Path)) -> String {
    let folder = tempfile::tempdir().unwrap();
    small.write(folder.path());
    change(folder.path());
    let read = files::load(folder.path()).map_err(EmbedError::from).and_then(|model| {
        let layout = Layout::read(&model)?;
        TextTokenizer::load(&model, &layout)?;
        Bert::load(&model, &layout)
    });
    read.err().expect("the model is refused").to_string()
}

#[test]
fn models_of_other_kinds_are_refused_with_what_was_found() {
    let config = |name: &'static str, value: Value| {
        refusal(&Small::bge(), |folder| edit(folder, "config.json", |config| config[name] = value))
    };
    let pooling = |small: Small| refusal(&small, |_| {});
    let cases = [
        (
            config("model_type", "mpnet".into()),
            "config.json: model_type mpnet; supported: model_type bert, roberta, xlm-roberta or camembert",
        ),
        (
            config("position_embedding_type", "relative_key".into()),
            "config.json: position_embedding_type relative_key; supported: absolute positions",
        ),
        (
            config("hidden_act", "silu".into()),
            "config.json: hidden_act silu; supported: gelu, gelu_new, gelu_fast, gelu_pytorch_tanh and relu",
        ),
        (config("is_decoder", true.into()), "config.json: is_decoder true; supported: encoders"),
        (config("num_attention_heads", 5.into()), "config.json: hidden_size 32 is no multiple of 5 heads"),
        (config("num_hidden_layers", 0.into()), "config.json: num_hidden_layers is 0"),
        (
            config("vocab_size", 50.into()),
            "tokenizer.json: token \"finish\" has id 94, but config.json says vocab_size 50; is it another model's?",
        ),
        (
            config("num_hidden_layers", 3.into()),
            "model.safetensors: no tensor `encoder.layer.2.attention.self.query.weight`, which config.json promises",
        ),
        (
            config("intermediate_size", 65.into()),
            "model.safetensors: tensor `encoder.layer.0.intermediate.dense.weight` has shape [64, 32], by config.json it has [65, 32]",
        ),
        (
            pooling(Small { pooling: "max", ..Small::bge() }),
            "1_Pooling/config.json: pooling max; supported: one of mean and cls",
        ),
        (
            pooling(Small { pooling: "none", ..Small::bge() }),
            "1_Pooling/config.json: no pooling mode is on; supported: one of mean and cls",
        ),
    ];
    for (found, expected) in cases {
        assert_eq!(found, expected);
    }
}

#[test]
fn steps_past_pooling_and_ways_out_of_the_folder_are_refused() {
    let dense = refusal(&Small::bge(), |folder| {
        edit(folder, "modules.json", |modules| {
            let dense = serde_json::json!({"idx": 2, "name": "2", "path": "2_Dense", "type": "sentence_transformers.models.Dense"});
            modules[2] = dense;
        });
    });
    assert_eq!(
        dense,
        "modules.json: Transformer, Pooling, Dense; supported: Transformer, Pooling and, at the end, Normalize"
    );
    for path in ["../other", "/etc", "a/../../b"] {
        let out = refusal(&Small::bge(), |folder| {
            edit(folder, "modules.json", |modules| modules[1]["path"] = path.into());
        });
        assert_eq!(out, format!("modules.json: `{path}` is no folder of the model"));
    }
    let both = refusal(&Small::bge(), |folder| {
        edit(folder, "1_Pooling/config.json", |config| config["pooling_mode_mean_tokens"] = true.into());
    });
    assert_eq!(both, "1_Pooling/config.json: pooling cls + mean; supported: one of mean and cls");
    let width = refusal(&Small::bge(), |folder| {
        edit(folder, "1_Pooling/config.json", |config| config["word_embedding_dimension"] = 33.into());
    });
    assert_eq!(
        width,
        "1_Pooling/config.json: pools vectors of 33 values, but config.json says hidden_size 32"
    );
}

#[test]
fn weights_and_tokenizers_in_other_forms_are_refused_with_a_way_out() {
    let without = |name: &'static str, other: &'static str| {
        refusal(&Small::bge(), |folder| {
            std::fs::rename(folder.join(name), folder.join(other)).unwrap();
        })
    };
    let pickled = without("model.safetensors", "pytorch_model.bin");
    assert!(
        pickled.contains(
            "no model.safetensors, only pytorch_model.bin; supported: model.safetensors; write one"
        ),
        "{pickled}"
    );
    let parts = without("model.safetensors", "model.safetensors.index.json");
    assert!(parts.contains("only model.safetensors.index.json; supported: weights in one"), "{parts}");
    let words = without("tokenizer.json", "vocab.txt");
    assert!(
        words.contains("no tokenizer.json, only vocab.txt; supported: tokenizer.json; write one"),
        "{words}"
    );
    let nothing = without("config.json", "elsewhere");
    assert!(
        nothing.contains("a model folder holds model.safetensors, tokenizer.json and config.json"),
        "{nothing}"
    );
}

#[test]
fn weights_of_something_else_are_refused() {
    let cut = refusal(&Small::bge(), |folder| {
        let path = folder.join("model.safetensors");
        let bytes = std::fs::read(&path).unwrap();
        std::fs::write(&path, &bytes[..100]).unwrap();
    });
    assert_eq!(cut, "model.safetensors: ends within its header; the file was cut off");
    let short = refusal(&Small::bge(), |folder| {
        let path = folder.join("model.safetensors");
        let bytes = std::fs::read(&path).unwrap();
        std::fs::write(&path, &bytes[..bytes.len() - 1]).unwrap();
    });
    assert!(short.starts_with("model.safetensors: "), "{short}");
    let rename = |from: &'static str, to: &'static str| {
        refusal(&Small::bge(), |folder| {
            let path = folder.join("model.safetensors");
            let bytes = std::fs::read(&path).unwrap();
            let at = bytes.windows(from.len()).position(|w| w == from.as_bytes()).unwrap();
            std::fs::write(&path, [&bytes[..at], to.as_bytes(), &bytes[at + from.len()..]].concat()).unwrap();
        })
    };
    let other = rename("encoder.layer.0.intermediate.dense.bias", "encoder.layer.0.intermediate.gates.bias");
    assert!(
        other.contains("`encoder.layer.0.intermediate.gates.bias` is no part of a BERT encoder"),
        "{other}"
    );
    let words = rename("embeddings.word_embeddings.weight", "embeddings.ward_embeddings.weight");
    assert!(
        words.contains("no tensor `embeddings.word_embeddings.weight`, with or without something"),
        "{words}"
    );
}

#[test]
fn prompts_that_cannot_be_used_are_refused() {
    let (_folder, model) = write(&Small::e5());
    let named = |name: &str| {
        Layout::read(&model.clone().with_prompt(Prompt::Named(name.into()))).unwrap_err().to_string()
    };
    assert_eq!(
        named("clustering"),
        "config_sentence_transformers.json: no prompt `clustering`; there is `query`, `passage`"
    );
    let (_folder, bare) = write(&Small::minilm());
    let none = Layout::read(&bare.with_prompt(Prompt::Named("query".into()))).unwrap_err().to_string();
    assert!(none.contains("the model's files name none; give its words instead"), "{none}");
    let long = model.with_prompt(Prompt::Text("refund ".repeat(30)));
    let layout = Layout::read(&long).unwrap();
    let error = TextTokenizer::load(&long, &layout).unwrap_err().to_string();
    assert_eq!(
        error,
        "tokenizer.json: windows of 48 tokens leave no room for a text: special tokens take 2, the prefix takes 30"
    );
    let unpooled = refusal(&Small::e5(), |folder| {
        edit(folder, "1_Pooling/config.json", |config| config["include_prompt"] = false.into());
    });
    assert!(unpooled.contains("stay out of the pooling (include_prompt: false)"), "{unpooled}");
}

#[test]
fn tokenizers_without_special_tokens_are_refused() {
    let bare = refusal(&Small::bge(), |folder| {
        edit(folder, "tokenizer.json", |tokenizer| tokenizer["post_processor"] = Value::Null);
    });
    assert!(
        bare.starts_with("tokenizer.json: a post_processor that adds no special tokens; supported:"),
        "{bare}"
    );
    // A processor with a token before only, as GPT-like tokenizers have it, is fine.
    let (folder, _) = write(&Small::bge());
    edit(folder.path(), "tokenizer.json", |tokenizer| {
        let single = tokenizer["post_processor"]["single"].as_array_mut().unwrap();
        single.pop();
    });
    let model = files::load(folder.path()).unwrap();
    let tokenizer = TextTokenizer::load(&model, &Layout::read(&model).unwrap()).unwrap();
    assert_eq!(tokenizer.tokenize("").unwrap().windows, [vec![2]]);
    let long = tokenizer.tokenize(&"x ".repeat(60)).unwrap();
    assert_eq!(long.windows[0].len(), 48);
}

#[test]
fn weights_that_are_no_numbers_are_refused_by_name() {
    let name = "encoder.layer.1.output.dense.weight";
    for (value, said) in [(f32::NAN, "NaN"), (f32::NEG_INFINITY, "-inf")] {
        let (_folder, model) = write(&Small::bge());
        let mut weights = model.weights.to_vec();
        let at = {
            let file = safetensors::SafeTensors::deserialize(&weights).unwrap();
            let data = file.tensor(name).unwrap().data();
            data.as_ptr() as usize - weights.as_ptr() as usize + 4 * 70
        };
        weights[at..at + 4].copy_from_slice(&value.to_le_bytes());
        let broken = Model { weights: weights.into(), ..model };
        for backend in [Backend::Kernel, Backend::Candle] {
            let params = EncodeParams { backend, ..EncodeParams::default() };
            let error = Encoder::load(&broken, params).err().expect("the model is refused").to_string();
            let expected =
                format!("model.safetensors: tensor `{name}` has the value {said} at place 70 of 2048:");
            assert!(error.starts_with(&expected), "{error}");
        }
    }
}

#[test]
fn files_other_than_the_recorded_ones_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    Small::bge().write(folder.path());
    let source = ModelSource::Folder(folder.path().to_owned());
    let record = Record::to_text(&Model::load(&source).unwrap().verify());
    // As `sha256sum ./*` writes names.
    std::fs::write(folder.path().join(SUMS), record.replace("  ", "  ./")).unwrap();
    Model::load(&source).unwrap();
    edit(folder.path(), "tokenizer.json", |tokenizer| tokenizer["version"] = "1.1".into());
    std::fs::remove_file(folder.path().join("sentence_bert_config.json")).unwrap();
    std::fs::write(folder.path().join("sentence_roberta_config.json"), "{}").unwrap();
    let error = Model::load(&source).unwrap_err().to_string();
    let place = folder.path().display();
    assert!(
        error.starts_with(&format!(
            "{place}: not the model that was recorded: tokenizer.json is another file, \
             sentence_roberta_config.json was added, sentence_bert_config.json is missing; \
             `undertone model verify {place}` lists"
        )),
        "{error}"
    );
    Model::load_unchecked(&source, &Hub::from_env()).unwrap();
}
