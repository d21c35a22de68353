//! What a model's files say of it, checked once: sizes, pooling, prefix, longest text.

use std::fmt;

use serde::Deserialize;
use serde_json::{Map, Value};

use super::files::{CONFIG, SENTENCE_CONFIGS, TOKENIZER_CONFIG};
use super::modules::Head;
use super::{Model, ModelError, Pooling, prompt, tensors};

/// The function between the two halves of a feed-forward block.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Activation {
    /// x Phi(x), exact (erf).
    Gelu,
    /// `relu`, or `gelu_new` and its other names for the tanh approximation.
    Other(String),
}

/// A BERT-family encoder and how its token vectors become a text's vector.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct Layout {
    /// Width `h` of a token's state, and of a vector.
    pub hidden: usize,
    /// Transformer layers.
    pub layers: usize,
    /// Attention heads; they divide `hidden`.
    pub heads: usize,
    /// Width of the feed-forward block.
    pub intermediate: usize,
    /// Its activation.
    pub activation: Activation,
    /// What layer normalisation adds to the variance.
    pub norm_eps: f64,
    /// Rows of the word embedding; every token id is below.
    pub vocab: usize,
    /// Rows of the position embedding.
    pub positions: usize,
    /// Row of the first token: 0 for BERT, the padding id + 1 for RoBERTa and XLM-R. The n-th token
    /// takes the n-th row from there; a literal `<pad>` in a text counts as a token.
    pub position_offset: usize,
    /// Rows of the token type embedding; a text is of type 0.
    pub token_types: usize,
    /// How a text's vector is made of its tokens'.
    pub pooling: Pooling,
    /// Whether the model's own library scales vectors to unit length.
    pub normalize: bool,
    /// Words put before every text; often none.
    pub prefix: String,
    /// Whether prefix and text are put in lower case before the tokenizer sees them.
    pub lower_case: bool,
    /// Tokens a window may have, special ones and prefix included.
    pub window_tokens: usize,
    /// What stands before each tensor's name in the weights: empty, or `bert.` and the like.
    pub weight_prefix: String,
}

/// `config.json`, as far as it changes vectors.
#[derive(Deserialize)]
struct Config {
    hidden_size: usize,
    num_hidden_layers: usize,
    num_attention_heads: usize,
    intermediate_size: usize,
    vocab_size: usize,
    max_position_embeddings: usize,
    #[serde(default = "gelu")]
    hidden_act: String,
    #[serde(default = "norm_eps")]
    layer_norm_eps: f64,
    #[serde(default = "token_types")]
    type_vocab_size: usize,
    pad_token_id: Option<usize>,
}

fn gelu() -> String {
    "gelu".to_owned()
}

fn norm_eps() -> f64 {
    1e-12
}

fn token_types() -> usize {
    2
}

impl Layout {
    /// Reads and checks everything the model's files say.
    pub fn read(model: &Model) -> Result<Layout, ModelError> {
        Ok(Layout { weight_prefix: tensors::name_prefix(model)?, ..Layout::read_small(model)? })
    }

    /// The same without the weights: enough to refuse a model before its weights are downloaded.
    pub(super) fn read_small(model: &Model) -> Result<Layout, ModelError> {
        let file = format!("{}{CONFIG}", model.folder);
        let malformed = |error: serde_json::Error| ModelError::malformed(&file, error);
        let fields: Map<String, Value> = serde_json::from_slice(&model.config).map_err(malformed)?;
        let has_offset = check_architecture(&file, &fields)?;
        let config: Config = serde_json::from_value(Value::Object(fields)).map_err(malformed)?;
        check_sizes(&file, &config)?;
        let position_offset = if has_offset { config.pad_token_id.unwrap_or(1) + 1 } else { 0 };
        let head = Head::read(model, config.hidden_size)?;
        let (window_tokens, lower_case) =
            limits(model, &file, config.max_position_embeddings, position_offset)?;
        let prefix = prompt::prefix(model)?;
        if !prefix.is_empty() && !head.include_prompt {
            return Err(ModelError::unsupported(
                prompt::PROMPTS,
                format!("prompt {prefix:?} whose tokens stay out of the pooling (include_prompt: false)"),
                "prompts that are pooled with the text, or none",
            ));
        }
        Ok(Layout {
            hidden: config.hidden_size,
            layers: config.num_hidden_layers,
            heads: config.num_attention_heads,
            intermediate: config.intermediate_size,
            activation: activation(&file, &config.hidden_act)?,
            norm_eps: config.layer_norm_eps,
            vocab: config.vocab_size,
            positions: config.max_position_embeddings,
            position_offset,
            token_types: config.type_vocab_size,
            pooling: head.pooling,
            normalize: head.normalize,
            prefix,
            lower_case,
            window_tokens,
            weight_prefix: String::new(),
        })
    }
}

/// One line: `384 dimensions, 6 layers, mean, unit length, windows of 256 tokens, no prefix`.
impl fmt::Display for Layout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let length = if self.normalize { "unit length" } else { "own length" };
        write!(f, "{} dimensions, {} layers, {}, {length}", self.hidden, self.layers, self.pooling)?;
        write!(f, ", windows of {} tokens", self.window_tokens)?;
        match self.prefix.as_str() {
            "" => f.write_str(", no prefix"),
            prefix => write!(f, ", prefix {prefix:?}"),
        }
    }
}

/// Whether positions start after the padding id, as RoBERTa's do; an error for other architectures.
fn check_architecture(file: &str, config: &Map<String, Value>) -> Result<bool, ModelError> {
    let text = |name: &str| config.get(name).and_then(Value::as_str);
    let refuse = |found: String, supported: &str| Err(ModelError::unsupported(file, found, supported));
    const FAMILY: &str = "model_type bert, roberta, xlm-roberta or camembert";
    let has_offset = match text("model_type") {
        Some("bert") => false,
        Some("roberta" | "xlm-roberta" | "camembert") => true,
        Some(other) => return refuse(format!("model_type {other}"), FAMILY),
        // Configs of the first years do not say; their class does.
        None => match config.get("architectures").and_then(|list| list.get(0)).and_then(Value::as_str) {
            Some(class) if class.starts_with("Bert") => false,
            Some(class) if class.starts_with("Roberta") || class.starts_with("XLMRoberta") => true,
            Some(class) => return refuse(format!("no model_type, architecture {class}"), FAMILY),
            None => return refuse("no model_type".to_owned(), FAMILY),
        },
    };
    if let Some(positions) = text("position_embedding_type").filter(|kind| *kind != "absolute") {
        return refuse(format!("position_embedding_type {positions}"), "absolute positions");
    }
    if config.get("is_decoder").and_then(Value::as_bool) == Some(true) {
        return refuse("is_decoder true".to_owned(), "encoders");
    }
    if let Some(code) = config.get("auto_map").and_then(|map| map.get("AutoModel")) {
        return refuse(
            format!("a model computed by code of its own ({code})"),
            "BERT as transformers has it",
        );
    }
    Ok(has_offset)
}

fn check_sizes(file: &str, config: &Config) -> Result<(), ModelError> {
    let sizes = [
        ("hidden_size", config.hidden_size),
        ("num_hidden_layers", config.num_hidden_layers),
        ("num_attention_heads", config.num_attention_heads),
        ("intermediate_size", config.intermediate_size),
        ("vocab_size", config.vocab_size),
        ("max_position_embeddings", config.max_position_embeddings),
        ("type_vocab_size", config.type_vocab_size),
    ];
    // 2^24 is past any BERT, and no product of two sizes overflows below it.
    if let Some((name, size)) = sizes.iter().find(|(_, size)| !(1..=1 << 24).contains(size)) {
        return Err(ModelError::malformed(file, format!("{name} is {size}")));
    }
    if !config.hidden_size.is_multiple_of(config.num_attention_heads) {
        let (hidden, heads) = (config.hidden_size, config.num_attention_heads);
        return Err(ModelError::malformed(
            file,
            format!("hidden_size {hidden} is no multiple of {heads} heads"),
        ));
    }
    if !(config.layer_norm_eps > 0.0 && config.layer_norm_eps < 1.0) {
        return Err(ModelError::malformed(file, format!("layer_norm_eps is {}", config.layer_norm_eps)));
    }
    Ok(())
}

/// The activation by transformers' names (`ACT2FN`).
fn activation(file: &str, name: &str) -> Result<Activation, ModelError> {
    match name {
        "gelu" | "gelu_python" => Ok(Activation::Gelu),
        "relu" | "gelu_new" | "gelu_fast" | "gelu_pytorch_tanh" => Ok(Activation::Other(name.to_owned())),
        other => Err(ModelError::unsupported(
            file,
            format!("hidden_act {other}"),
            "gelu, gelu_new, gelu_fast, gelu_pytorch_tanh and relu",
        )),
    }
}

/// Tokens of a window, and whether texts are put in lower case first.
///
/// The window is the smallest of what the position embedding has rows for, `max_seq_length` of
/// sentence-transformers, and the tokenizer's `model_max_length`.
fn limits(model: &Model, file: &str, positions: usize, offset: usize) -> Result<(usize, bool), ModelError> {
    let mut window = positions.saturating_sub(offset);
    if window == 0 {
        let reason =
            format!("{positions} positions, of which padding takes {offset}: none is left for tokens");
        return Err(ModelError::malformed(file, reason));
    }
    let mut lower_case = false;
    if let Some((file, bytes)) = SENTENCE_CONFIGS.iter().find_map(|name| model.beside(name)) {
        let config = object(&file, bytes)?;
        window = window.min(length(&file, &config, "max_seq_length")?.unwrap_or(window));
        lower_case = config.get("do_lower_case").and_then(Value::as_bool).unwrap_or(false);
    }
    if let Some((file, bytes)) = model.beside(TOKENIZER_CONFIG) {
        let config = object(&file, bytes)?;
        window = window.min(length(&file, &config, "model_max_length")?.unwrap_or(window));
    }
    Ok((window, lower_case))
}

fn object(file: &str, bytes: &[u8]) -> Result<Map<String, Value>, ModelError> {
    serde_json::from_slice(bytes).map_err(|error| ModelError::malformed(file, error))
}

/// A length in tokens; transformers writes 1e30 where a tokenizer knows no limit.
fn length(file: &str, config: &Map<String, Value>, name: &str) -> Result<Option<usize>, ModelError> {
    match config.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => match value.as_f64() {
            Some(tokens) if tokens >= 1.0 => Ok(Some(tokens as usize)),
            _ => Err(ModelError::malformed(file, format!("{name} is {value}, not a number of tokens"))),
        },
    }
}
