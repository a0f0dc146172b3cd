//! "Did you mean …?"

/// A sentence that helps someone who wrote `word` where one of `known` was meant: the nearest, or all of them.
pub(super) fn suggest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    let known: Vec<&str> = known.into_iter().collect();
    let nearest = known.iter().map(|candidate| (distance(word, candidate), *candidate)).min();
    match nearest {
        Some((distance, candidate)) if distance <= 1 + candidate.chars().count() / 4 => {
            format!("did you mean `{candidate}`?")
        }
        Some(_) => format!("known here: {}", known.join(", ")),
        None => "nothing is known here".to_owned(),
    }
}

/// How many letters must be added, dropped or replaced to make one word of the other, whatever their case.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) =
        (a.to_lowercase().chars().collect(), b.to_lowercase().chars().collect());
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, left) in a.iter().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, right) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(left != right);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
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
