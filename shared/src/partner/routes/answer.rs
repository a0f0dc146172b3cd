//! `answer`: what the partner's answers mean, where they differ from the general table.

use std::collections::BTreeMap;

use super::super::{
    Expr,
    field::Field,
    scope::{Place, Scope},
};

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

impl Answer {
    /// Adds every expression in it to `found`.
    pub(in crate::partner) fn collect<'a>(&'a self, found: &mut Vec<&'a Expr>) {
        found.extend(&self.outcome);
        match &self.items {
            ItemAnswers::Alike => {}
            ItemAnswers::Each { list, outcome, reason } => {
                found.extend([list, outcome].into_iter().chain(reason))
            }
            ItemAnswers::Failed(lists) => {
                found.extend(lists.iter().flat_map(|list| [&list.list, &list.matches]))
            }
        }
    }
}

/// Reads `answer`; `group` says whether the route groups its items.
pub(super) fn read(field: &Field<'_>, grouped: bool) -> Option<Answer> {
    let table = field.table(&["statuses", "outcome", "each", "failed"])?;
    let own = grouped.then_some("group");
    let scope = |place| Scope::new(place).with(own);
    let statuses = table.get("statuses").map(|it| read_statuses(&it)).unwrap_or_default();
    let outcome = table.get("outcome").and_then(|it| it.expr(&scope(Place::Answer)));
    let (each, failed) = (table.get("each"), table.get("failed"));
    if let Some(failed) = failed.as_ref().filter(|_| each.is_some()) {
        failed.wrong_key("can't stand beside `answer.each`: results come in one way or the other");
    }
    let items = match (each, failed) {
        (Some(each), _) => read_each(&each, &scope(Place::Answer), &scope(Place::Result)),
        (None, Some(failed)) => {
            let lists = failed.list().unwrap_or_default();
            let (answer, sent) = (scope(Place::Answer), scope(Place::Sent));
            Some(ItemAnswers::Failed(lists.iter().filter_map(|it| read_failed(it, &answer, &sent)).collect()))
        }
        (None, None) => None,
    };
    Some(Answer { statuses, outcome, items: items.unwrap_or_default() })
}

fn read_statuses(field: &Field<'_>) -> BTreeMap<u16, Verdict> {
    let mut statuses = BTreeMap::new();
    for (key, field) in field.free_table().map(|table| table.fields()).unwrap_or_default() {
        let status = key.parse::<u16>().ok().filter(|status| key.len() == 3 && (200..=599).contains(status));
        if status.is_none() {
            field.wrong_key(format!("`{key}` is no status; write one from 200 to 599"));
        }
        if let Some((status, verdict)) = status.zip(verdict(&field)) {
            statuses.insert(status, verdict);
        }
    }
    statuses
}

fn verdict(field: &Field<'_>) -> Option<Verdict> {
    field.word(&Verdict::ALL.map(|verdict| (verdict.word(), verdict)))
}

fn read_each(field: &Field<'_>, answer: &Scope, result: &Scope) -> Option<ItemAnswers> {
    let table = field.table(&["list", "outcome", "reason"])?;
    let list = table.required("list", "the list of results").and_then(|it| it.expr(answer));
    let outcome = table
        .required("outcome", "an expression like \"'delivered' if result.ok else 'reject'\"")
        .and_then(|it| it.expr(result));
    let reason = table.get("reason").and_then(|it| it.expr(result));
    Some(ItemAnswers::Each { list: list?, outcome: outcome?, reason })
}

fn read_failed(field: &Field<'_>, answer: &Scope, sent: &Scope) -> Option<FailedList> {
    let table = field.table(&["list", "match", "outcome", "reason"])?;
    let list = table.required("list", "the list of what failed").and_then(|it| it.expr(answer));
    let matches = table
        .required("match", "what names an item in the list, like \"sent.email\"")
        .and_then(|it| it.expr(sent));
    let outcome = table.required("outcome", "reject, retry or another outcome").and_then(|it| verdict(&it));
    let reason = table.get("reason").and_then(|it| it.filled_text(100, "why")).map(str::to_owned);
    Some(FailedList { list: list?, matches: matches?, outcome: outcome?, reason })
}
