//! Columns of block characters: a curve on a terminal, no wider than 80 cells.

const BLOCKS: [char; 9] = [' ', '▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
/// Cells of a column at its highest.
const HEIGHT: usize = 8;
/// Cells of all columns together; with the labels at the left they fit into 80.
const WIDTH: usize = 70;

/// One column for each value, those below 0 empty; the best one is marked with `best`'s words.
///
/// `ends` stand under the first and the last column. Empty without a value above 0.
pub fn columns(values: &[f64], best: Option<(usize, &str)>, ends: (&str, &str)) -> Vec<String> {
    let largest = values.iter().copied().fold(0.0, f64::max);
    if largest <= 0.0 {
        return Vec::new();
    }
    let shown = values.len().min(WIDTH);
    let wide = (WIDTH / shown).min(5);
    let place = |value: usize| value * shown / values.len();
    // Of values that share a column the greatest is shown.
    let mut heights = vec![0.0_f64; shown];
    values.iter().enumerate().for_each(|(at, &value)| heights[place(at)] = heights[place(at)].max(value));
    let eighths: Vec<usize> =
        heights.iter().map(|value| (value / largest * (HEIGHT * 8) as f64).round() as usize).collect();
    let mut lines: Vec<String> = (0..HEIGHT)
        .rev()
        .map(|level| {
            let cell = |&eighths: &usize| BLOCKS[eighths.saturating_sub(level * 8).min(8)];
            // A gap between columns that are wide enough for one.
            let column = |eighths: &usize| {
                let block = cell(eighths).to_string();
                block.repeat(wide.saturating_sub(1).max(1)) + if wide > 1 { " " } else { "" }
            };
            let label = if level == HEIGHT - 1 { format!("{largest:.2}") } else { String::new() };
            format!("{label:>6} │{}", eighths.iter().map(column).collect::<String>()).trim_end().to_owned()
        })
        .collect();
    let width = shown * wide;
    lines.push(format!("{:>6} └{}", "0", "─".repeat(width)));
    let gap = width.saturating_sub(ends.0.chars().count() + ends.1.chars().count());
    lines.push(format!("{:>6}  {}{}{}", "", ends.0, " ".repeat(gap), ends.1));
    if let Some((at, words)) = best {
        let at = place(at) * wide;
        let words = format!("▲ {words}");
        // Near the right edge the words stand before the mark's column ends.
        let start = at.min((WIDTH + 2).saturating_sub(words.chars().count()));
        let shown = if start < at { format!("{} ▲", words.trim_start_matches("▲ ")) } else { words };
        let start = if start < at { (at + 1).saturating_sub(shown.chars().count()) } else { at };
        lines.insert(HEIGHT + 1, format!("{:>6}  {}{shown}", "", " ".repeat(start)));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_rise_with_their_values_and_the_best_is_marked() {
        let lines = columns(&[0.1, 0.4, -0.2], Some((1, "k = 3")), ("2", "4"));
        assert_eq!(lines.len(), HEIGHT + 3);
        assert_eq!(lines[0], "  0.40 │     ████");
        assert_eq!(lines[HEIGHT - 1], "       │████ ████");
        assert_eq!(lines[HEIGHT + 1], "             ▲ k = 3");
        assert_eq!(lines[HEIGHT + 2], "        2             4");
    }

    #[test]
    fn nothing_is_wider_than_eighty_cells() {
        for count in [1, 2, 11, 40, 62, 70, 71, 500] {
            let values: Vec<f64> = (0..count).map(|place| place as f64 + 1.0).collect();
            for best in [0, count / 2, count - 1] {
                let lines = columns(&values, Some((best, "min_cluster_size = 1000")), ("0.1", "2000"));
                assert!(lines.iter().all(|line| line.chars().count() <= 80), "{count}: {lines:#?}");
                assert_eq!(lines.iter().filter(|line| line.contains('▲')).count(), 1);
            }
        }
        assert!(columns(&[], None, ("", "")).is_empty() && columns(&[-1.0, 0.0], None, ("", "")).is_empty());
    }
}
