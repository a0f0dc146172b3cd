//! "Did you mean …?"

use crate::nearest::edits;

/// A sentence that helps someone who wrote `word` where one of `known` was meant: the nearest, whatever its
/// case, or all of them.
pub(super) fn suggest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    let known: Vec<&str> = known.into_iter().collect();
    let nearest = known
        .iter()
        .map(|candidate| (edits(&word.to_lowercase(), &candidate.to_lowercase()), *candidate))
        .min();
    match nearest {
        Some((distance, candidate)) if distance <= 1 + candidate.chars().count() / 4 => {
            format!("did you mean `{candidate}`?")
        }
        Some(_) => format!("known here: {}", known.join(", ")),
        None => "nothing is known here".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_finds_its_word_and_nonsense_the_list() {
        assert_eq!(suggest("bacth", ["batch", "body"]), "did you mean `batch`?");
        assert_eq!(suggest("ApiKey", ["apiKey"]), "did you mean `apiKey`?");
        assert_eq!(suggest("items_maxx", ["items_max"]), "did you mean `items_max`?");
        assert_eq!(suggest("zebra", ["batch", "body"]), "known here: batch, body");
        assert_eq!(suggest("zebra", []), "nothing is known here");
    }
}
