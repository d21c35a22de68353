//! The plain types everything else speaks of: a conversation, its turns, who said them and when.

pub mod cue;

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// Who said a turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// The person using the product.
    User,
    /// The product's model.
    Assistant,
    /// Instructions the product gave the model.
    System,
    /// What a tool answered the model.
    Tool,
}

impl Role {
    /// The role's name as written in every table.
    pub fn as_str(self) -> &'static str {
        match self {
            Role::User => "user",
            Role::Assistant => "assistant",
            Role::System => "system",
            Role::Tool => "tool",
        }
    }

    /// Reads a role as exports spell it; `None` for a word that names no role.
    pub fn parse(word: &str) -> Option<Role> {
        Some(match word.trim().to_ascii_lowercase().as_str() {
            "user" | "human" | "prompter" | "customer" => Role::User,
            "assistant" | "gpt" | "bot" | "model" | "chatgpt" | "ai" | "agent" => Role::Assistant,
            "system" | "developer" => Role::System,
            "tool" | "function" | "observation" => Role::Tool,
            _ => return None,
        })
    }
}

/// One utterance of a conversation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Turn {
    /// Who said it.
    pub role: Role,
    /// What was said. May be empty.
    pub text: String,
    /// When, if the export says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<DateTime<Utc>>,
}

impl Turn {
    /// True when the turn is the user's.
    pub fn is_user(&self) -> bool {
        self.role == Role::User
    }
}

/// A conversation as undertone understands it, whatever format it came in.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Conversation {
    /// Unique in the run.
    #[serde(rename = "conversation_id")]
    pub id: String,
    /// Who held it, if known.
    #[serde(default)]
    pub user_id: Option<String>,
    /// When it began: as given, else the first turn's time.
    #[serde(default)]
    pub started_at: Option<DateTime<Utc>>,
    /// Its turns, in order.
    pub turns: Vec<Turn>,
    /// Free columns such as release, model, locale, platform.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub metadata: BTreeMap<String, String>,
}

impl Conversation {
    /// Indices of the user's turns, in order.
    pub fn user_turns(&self) -> impl Iterator<Item = (usize, &Turn)> {
        self.turns.iter().enumerate().filter(|(_, turn)| turn.is_user())
    }
}
