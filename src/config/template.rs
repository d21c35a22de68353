//! The commented `undertone.toml` that `undertone init` writes.

/// Every key with its default and what it does.
pub const TEMPLATE: &str = include_str!("template.toml");

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    #[test]
    fn the_template_is_the_default_config() {
        let written = Config::parse(TEMPLATE).unwrap();
        let mut usual = Config::default();
        usual.input.conversations = vec!["export/*.jsonl.gz".to_owned()];
        assert_eq!(written, usual);
    }

    #[test]
    fn the_template_names_every_key() {
        let all = Config::default().to_toml().unwrap();
        for line in all.lines().filter(|line| line.contains('=')) {
            let key = line.split('=').next().unwrap_or_default().trim();
            assert!(TEMPLATE.contains(&format!("{key} =")), "{key} is not in the template");
        }
    }
}
