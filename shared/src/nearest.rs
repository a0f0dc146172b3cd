//! "Did you mean …?": the known name closest to one that is not known.

/// The candidate with the fewest edits from `word`, if they are few enough to be a slip: at most a third of its
/// letters, and at least one edit is always forgiven.
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let forgiven = (word.chars().count() / 3).max(1);
    candidates
        .into_iter()
        .map(|candidate| (edits(word, candidate), candidate))
        .filter(|(distance, _)| *distance <= forgiven)
        .min()
        .map(|(_, candidate)| candidate)
}

/// Letters to insert, delete or replace to turn one text into the other (Levenshtein).
pub(crate) fn edits(from: &str, to: &str) -> usize {
    let to: Vec<char> = to.chars().collect();
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (i, a) in from.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, b) in to.iter().enumerate() {
            let replaced = diagonal + usize::from(a != *b);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[to.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_finds_its_word_and_another_word_finds_none() {
        let known = ["linger_max_ms", "body_bytes_max", "pod"];
        assert_eq!(nearest("linger_max_m", known), Some("linger_max_ms"));
        assert_eq!(nearest("pid", known), Some("pod"));
        assert_eq!(nearest("completely_else", known), None);
        assert_eq!(nearest("x", []), None);
    }

    #[test]
    fn edits_are_counted_both_ways() {
        assert_eq!(edits("kitten", "sitting"), 3);
        assert_eq!(edits("", "abc"), 3);
        assert_eq!(edits("abc", ""), 3);
        assert_eq!(edits("same", "same"), 0);
    }
}
