//! undertone: how people really use a chatbot, copilot or agent.
pub mod conversation;
pub mod embed;
pub mod engine;
pub mod progress;
pub mod table;
