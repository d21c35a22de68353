//! The model compiled into the binary.

#[cfg(feature = "bundled-model")]
pub(super) use inside::load;

#[cfg(feature = "bundled-model")]
mod inside {
    use std::borrow::Cow;

    use crate::embed::model::record::Record;
    use crate::embed::model::{BUNDLED, Model, ModelError, Prompt};

    /// sha256 of the bundled files as `models/convert.py` wrote them.
    const RECORD: &str = include_str!("../../../models/all-MiniLM-L6-v2/SHA256SUMS");

    const WEIGHTS: &[u8] = include_bytes!("../../../models/all-MiniLM-L6-v2/model.safetensors");
    const TOKENIZER: &[u8] = include_bytes!("../../../models/all-MiniLM-L6-v2/tokenizer.json");
    const CONFIG: &[u8] = include_bytes!("../../../models/all-MiniLM-L6-v2/config.json");

    /// What sentence-transformers reads, under the names the files have in their folder.
    const EXTRAS: [(&str, &[u8]); 3] = [
        ("modules.json", include_bytes!("../../../models/all-MiniLM-L6-v2/modules.json")),
        ("1_Pooling/config.json", include_bytes!("../../../models/all-MiniLM-L6-v2/1_Pooling/config.json")),
        (
            "sentence_bert_config.json",
            include_bytes!("../../../models/all-MiniLM-L6-v2/sentence_bert_config.json"),
        ),
    ];

    /// The bundled model, borrowed from the binary.
    pub fn load() -> Result<Model, ModelError> {
        Ok(Model {
            name: BUNDLED.to_owned(),
            weights: Cow::Borrowed(WEIGHTS),
            tokenizer: Cow::Borrowed(TOKENIZER),
            config: Cow::Borrowed(CONFIG),
            extras: EXTRAS.into_iter().map(|(name, bytes)| (name.to_owned(), Cow::Borrowed(bytes))).collect(),
            folder: String::new(),
            prompt: Prompt::Default,
            record: Some(Record::parse(RECORD)),
        })
    }
}

/// There is none in this binary.
#[cfg(not(feature = "bundled-model"))]
pub(super) fn load() -> Result<super::Model, super::ModelError> {
    Err(super::ModelError::NotBundled)
}
