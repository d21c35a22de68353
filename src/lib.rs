//! undertone reads a night's export of LLM conversations and says what users come for, where it
//! breaks, and what happens to those users afterwards.
//!
//! The modules form rows; each imports only from rows below its own (`tests/house.rs` holds it):
//! `cli` > `pipeline` > `config` > `report` > `finding` > `outcome` > `signal`, `theme` > `read`,
//! `embed`, `tone`, `simulate` > `table`, `run`, `engine` > `conversation`,
//! `estimate`, `progress`.

pub mod cli;
pub mod config;
pub mod conversation;
pub mod embed;
pub mod engine;
pub mod estimate;
pub mod finding;
pub mod outcome;
pub mod pipeline;
pub mod progress;
pub mod read;
pub mod report;
pub mod run;
pub mod signal;
pub mod simulate;
pub mod table;
pub mod theme;
pub mod tone;
