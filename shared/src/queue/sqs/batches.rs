//! Batch calls: which messages go together, and whose result is whose. Pure.

use super::{ENTRIES_MAX, QueueError};

/// Puts the messages at these places into batches, in order, each of at most [`ENTRIES_MAX`] messages and
/// `bytes_max` bytes together. `bytes` is by place; one message alone always fits.
pub(super) fn split(
    places: impl Iterator<Item = usize>,
    bytes: &[usize],
    bytes_max: usize,
) -> Vec<Vec<usize>> {
    let mut batches: Vec<Vec<usize>> = Vec::new();
    let mut held = 0;
    for place in places {
        match batches.last_mut() {
            Some(batch) if batch.len() < ENTRIES_MAX && held + bytes[place] <= bytes_max => {
                batch.push(place);
                held += bytes[place];
            }
            _ => {
                batches.push(vec![place]);
                held = bytes[place];
            }
        }
    }
    batches
}

/// Gives each entry its own result, by the id it was sent under: its place. An entry that the answer does not name,
/// or names in both lists, has an unknown outcome.
pub(super) fn results<'a>(
    count: usize,
    successful: impl Iterator<Item = &'a str>,
    failed: impl Iterator<Item = (&'a str, QueueError)>,
) -> Vec<Result<(), QueueError>> {
    let place = |id: &str| id.parse::<usize>().ok().filter(|place| *place < count);
    let mut results = vec![None; count];
    for place in successful.filter_map(place) {
        results[place] = Some(Ok(()));
    }
    for (place, error) in failed.filter_map(|(id, error)| Some((place(id)?, error))) {
        results[place] = if results[place].is_none() { Some(Err(error)) } else { None };
    }
    let unknown = || Err(QueueError::OutcomeUnknown("the answer does not say".to_owned()));
    results.into_iter().map(|result| result.unwrap_or_else(unknown)).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn batches_lose_repeat_and_overfill_nothing(bytes in prop::collection::vec(1usize..=100, 0..60)) {
            let batches = split(0..bytes.len(), &bytes, 100);
            prop_assert_eq!(batches.concat(), (0..bytes.len()).collect::<Vec<_>>());
            for batch in batches {
                prop_assert!((1..=ENTRIES_MAX).contains(&batch.len()));
                prop_assert!(batch.iter().map(|&place| bytes[place]).sum::<usize>() <= 100);
            }
        }
    }

    #[test]
    fn trap_100_each_entry_has_its_own_result_and_a_forgotten_one_is_unknown() {
        let refused = QueueError::Refused("too long".to_owned());
        let results = results(4, ["3", "0", "9", "x"].into_iter(), [("2", refused)].into_iter());
        assert!(matches!(
            results[..],
            [Ok(()), Err(QueueError::OutcomeUnknown(_)), Err(QueueError::Refused(_)), Ok(())]
        ));
    }

    #[test]
    fn an_entry_in_both_lists_is_unknown() {
        let unavailable = QueueError::Unavailable(String::new());
        let results = results(1, ["0"].into_iter(), [("0", unavailable)].into_iter());
        assert!(matches!(results[..], [Err(QueueError::OutcomeUnknown(_))]));
    }
}
