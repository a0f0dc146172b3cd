//! Rows of suspensions that cannot be read: one of them must not hide the others, and all of them are not none.

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
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] when there are rows and none can be read: an empty list would lift every suspension.
    pub(super) fn leave_out(
        &self,
        pod: &Pod,
        rows: impl IntoIterator<Item = Result<Suspension, StoreError>>,
    ) -> Result<Vec<Suspension>, StoreError> {
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
        let is_news = self.is_news(pod, unreadable);
        match first {
            None if is_news => tracing::info!(%pod, "all stored suspensions can be read again"),
            None => {}
            // Whoever asked tells of it.
            Some(error) if found.is_empty() => return Err(error),
            Some(error) if is_news => {
                tracing::warn!(%pod, rows = unreadable, %error, "stored suspensions that cannot be read count for nothing: {unreadable}");
            }
            Some(_) => {}
        }
        Ok(found)
    }

    fn is_news(&self, pod: &Pod, rows: usize) -> bool {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.insert(pod.clone(), rows).unwrap_or(0) != rows
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        ids::AccountId,
        suspension::{CredentialsKey, Fingerprint},
        telemetry::logged,
    };

    #[test]
    fn it_is_told_when_their_number_changes() {
        let (unreadable, us, eu) =
            (Unreadable::default(), Pod::new("us1").unwrap(), Pod::new("eu1").unwrap());
        assert!(!unreadable.is_news(&us, 0));
        assert!(unreadable.is_news(&us, 1));
        assert!(!unreadable.is_news(&us, 1) && !unreadable.is_news(&eu, 0));
        assert!(unreadable.is_news(&us, 2) && unreadable.is_news(&us, 0));
    }

    fn row(account: i64) -> Suspension {
        let fingerprint = Fingerprint::from_stored(&"0".repeat(32)).unwrap();
        let key =
            CredentialsKey { pod: Pod::new("us1").unwrap(), account: AccountId::from(account), fingerprint };
        Suspension { key, since_ms: 1, confirmed_ms: 1, received_ms: 1, refusals: 1 }
    }

    fn corrupt() -> Result<Suspension, StoreError> {
        Err(StoreError::Corrupt("no fingerprint".to_owned()))
    }

    #[test]
    fn rows_of_which_none_can_be_read_are_not_an_empty_list() {
        let (unreadable, us) = (Unreadable::default(), Pod::new("us1").unwrap());
        assert_eq!(unreadable.leave_out(&us, []).unwrap(), []);
        assert!(matches!(unreadable.leave_out(&us, [corrupt(), corrupt()]), Err(StoreError::Corrupt(_))));
        assert_eq!(unreadable.leave_out(&us, [corrupt(), Ok(row(7))]).unwrap(), [row(7)]);
    }

    #[test]
    fn it_is_no_warning_that_they_can_be_read_again() {
        let (_guard, lines) = logged();
        let (unreadable, us) = (Unreadable::default(), Pod::new("us1").unwrap());
        for _ in 0..3 {
            unreadable.leave_out(&us, [corrupt(), Ok(row(7))]).unwrap();
        }
        let told = lines();
        assert!(
            told.lines().count() == 1 && told.contains("WARN") && told.contains("no fingerprint"),
            "{told}"
        );
        for _ in 0..3 {
            unreadable.leave_out(&us, [Ok(row(8)), Ok(row(7))]).unwrap();
        }
        let told = lines();
        let last = told.lines().last().unwrap();
        assert!(
            told.lines().count() == 2 && last.contains("INFO") && last.contains("can be read again"),
            "{told}"
        );
    }
}
