//! The one integration binary: what the program promises, seen from outside.

mod broken_input;
mod cache;
mod command_line;
mod common;
mod containers;
mod determinism;
mod embed_command;
mod embedding;
mod exports;
mod formats;
mod house;
mod nights;
mod planted_truth;
mod real_data;
mod resume;
mod tune;
