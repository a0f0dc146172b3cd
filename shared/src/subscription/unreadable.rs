//! Rows of suspensions that cannot be read: one of them must not hide the others.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
};

use super::StoreError;
use crate::{ids::Pod, suspension::Suspension};

/// How many were found last, by pod.
#[derive(Debug, Default)]
pub(super) struct Unreadable(Mutex<BTreeMap<Pod, usize>>);

impl Unreadable {
    /// What can be read. The rest is told of when it becomes more or less: the list is read every few seconds.
    pub(super) fn leave_out(
        &self,
        pod: &Pod,
        rows: impl IntoIterator<Item = Result<Suspension, StoreError>>,
    ) -> Vec<Suspension> {
        let (mut found, mut unreadable, mut first) = (Vec::new(), 0, None);
        for row in rows {
            match row {
                Ok(suspension) => found.push(suspension),
                Err(error) => {
                    unreadable += 1;
                    first.get_or_insert(error);
                }
            }
        }
        if self.is_news(pod, unreadable) {
            let error = first.map(|error| error.to_string()).unwrap_or_default();
            tracing::warn!(%pod, rows = unreadable, error, "stored suspensions that cannot be read count for nothing: {unreadable}");
        }
        found
    }

    fn is_news(&self, pod: &Pod, rows: usize) -> bool {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.insert(pod.clone(), rows).unwrap_or(0) != rows
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_told_when_their_number_changes() {
        let (unreadable, us, eu) =
            (Unreadable::default(), Pod::new("us1").unwrap(), Pod::new("eu1").unwrap());
        assert!(!unreadable.is_news(&us, 0));
        assert!(unreadable.is_news(&us, 1));
        assert!(!unreadable.is_news(&us, 1) && !unreadable.is_news(&eu, 0));
        assert!(unreadable.is_news(&us, 2) && unreadable.is_news(&us, 0));
    }
}
