//! `answer`: what the partner's answers mean, where they differ from the general table.

use std::collections::BTreeMap;

use super::super::Expr;

/// How to read a partner's answer. Tried in the order of the fields; what none decides goes by the general table.
///
/// Expressions see `status` (a number), `response` (the JSON body, undefined when it is not JSON), `headers` (by
/// lower-case name), `group`, `settings`, `pod`, `account`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Answer {
    /// Statuses whose meaning the partner documents, for the whole call.
    pub statuses: BTreeMap<u16, Verdict>,
    /// Gives a [`Verdict`]'s word for the whole call, or none.
    pub outcome: Option<Expr>,
    /// How single items fared, when the call as a whole was accepted.
    pub items: ItemAnswers,
}

/// Where the answer to an accepted call tells of single items.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum ItemAnswers {
    /// Nowhere: all fared alike.
    #[default]
    Alike,
    /// A list of results in the order of the items.
    Each {
        /// Gives the list.
        list: Expr,
        /// Gives a [`Verdict`]'s word for one item; sees `result` and `sent`, the mapped item. None is delivered.
        outcome: Expr,
        /// Gives the reason that is kept with it; sees the same.
        reason: Option<Expr>,
    },
    /// Lists of those that failed; the others were delivered.
    Failed(Vec<FailedList>),
}

/// A list of values that names failed items.
#[derive(Clone, Debug, PartialEq)]
pub struct FailedList {
    /// Gives the list; absent means empty.
    pub list: Expr,
    /// Gives the value that names one item; sees `sent`, the mapped item. Compared as text.
    pub matches: Expr,
    /// What happened to those in the list.
    pub outcome: Verdict,
    /// The reason that is kept with it.
    pub reason: Option<String>,
}

/// What the partner did with a call or an item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Taken.
    Delivered,
    /// Not taken now; try again.
    Retry,
    /// Never to be taken.
    Reject,
    /// Too many calls; hold the lane.
    Throttled,
    /// Our credentials for this account are bad; hold the account.
    Unauthorized,
}

impl Verdict {
    /// All five.
    pub const ALL: [Self; 5] =
        [Self::Delivered, Self::Retry, Self::Reject, Self::Throttled, Self::Unauthorized];

    /// The word that the file and its expressions use.
    pub fn word(self) -> &'static str {
        match self {
            Self::Delivered => "delivered",
            Self::Retry => "retry",
            Self::Reject => "reject",
            Self::Throttled => "throttled",
            Self::Unauthorized => "unauthorized",
        }
    }

    /// Reads the word, exactly.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|verdict| verdict.word() == word)
    }
}
