//! What the partner's answer means for each item of the call: the partner's documented meanings first, then the
//! general table. Pure.

use std::{collections::BTreeMap, time::Duration};

use bytes::Bytes;
use http::{HeaderMap, header};
use minijinja::Value;
use penstock_shared::partner::Verdict as Word;

use crate::{
    destination::Answer,
    gates::RETRY_AFTER_MAX,
    mapping::{
        CallProgram, EachProgram, FailedProgram, ItemAnswersProgram, MappedItem, MappingError, Record,
        from_json,
    },
    outcome::{Outcome, RejectReason, RetryReason, Verdict, classify},
};

/// Longest reason of the partner's that is kept, in characters.
const REASON_MAX: usize = 80;

/// What became of a call.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Judged {
    /// One outcome for each item, in order.
    Outcomes(Vec<Outcome>),
    /// Some item is at fault: halve the batch.
    Halve,
}

/// Reads an answer. `variables` are those of the call, to which the answer's are added.
pub(crate) fn judge(
    call: &CallProgram,
    answer: &Answer,
    mut variables: Record,
    items: &[&Bytes],
    now_ms: i64,
) -> (Judged, Value) {
    let retry_after = retry_after(&answer.headers, now_ms);
    add_answer(&mut variables, answer);
    let seen = variables.fork().into_value();
    let verdict = match documented(call, answer, &seen) {
        Ok(Some(word)) => {
            of_word(word, retry_after, &format!("the partner answered {}", answer.status.as_u16()))
        }
        Ok(None) => classify(answer.status, retry_after),
        Err(error) => unreadable(&error),
    };
    let judged = match verdict {
        Verdict::All(Outcome::Delivered) => match each(call, &variables, items, retry_after) {
            Ok(outcomes) => Judged::Outcomes(outcomes),
            Err(error) => all(unreadable(&error), items.len()),
        },
        verdict => all(verdict, items.len()),
    };
    (judged, seen)
}

/// The partner took the call, but its answer is not what `partner.toml` says: nobody knows what became of the items,
/// so they are tried again, within the bound on attempts.
fn unreadable(error: &MappingError) -> Verdict {
    tracing::warn!(%error, "cannot read the partner's answer as partner.toml says");
    Verdict::All(Outcome::retry(RetryReason::Busy))
}

fn all(verdict: Verdict, items: usize) -> Judged {
    match verdict {
        Verdict::All(outcome) => Judged::Outcomes(vec![outcome; items]),
        Verdict::Halve(reason) if items <= 1 => {
            let detail = match reason {
                RejectReason::TooLarge => "the partner finds it too large",
                _ => "the partner refuses it",
            };
            Judged::Outcomes(vec![Outcome::rejected(reason, detail); items])
        }
        Verdict::Halve(_) => Judged::Halve,
    }
}

fn add_answer(variables: &mut Record, answer: &Answer) {
    let mut headers = Record::default();
    for (name, value) in &answer.headers {
        headers.set(name.as_str(), value.to_str().map_or(Value::UNDEFINED, Value::from));
    }
    variables.set("status", Value::from(answer.status.as_u16()));
    variables.set("headers", headers.into_value());
    if !answer.is_cut
        && let Ok(json) = serde_json::from_slice::<serde_json::Value>(&answer.body)
    {
        variables.set("response", from_json(&json));
    }
}

/// What the partner documents for the call as a whole.
fn documented(call: &CallProgram, answer: &Answer, variables: &Value) -> Result<Option<Word>, MappingError> {
    if let Some(word) = call.statuses.get(&answer.status.as_u16()) {
        return Ok(Some(*word));
    }
    let Some(outcome) = &call.outcome else { return Ok(None) };
    word(&outcome.eval(variables)?)
}

/// A verdict's word; none and undefined are no verdict.
fn word(value: &Value) -> Result<Option<Word>, MappingError> {
    if value.is_undefined() || value.is_none() {
        return Ok(None);
    }
    let word = value.as_str().and_then(Word::from_word);
    word.map(Some)
        .ok_or_else(|| MappingError::new("an outcome is delivered, retry, reject, throttled or unauthorized"))
}

fn of_word(word: Word, after: Option<Duration>, detail: &str) -> Verdict {
    Verdict::All(item_outcome(word, after, detail))
}

fn item_outcome(word: Word, after: Option<Duration>, detail: &str) -> Outcome {
    let retry = |reason| Outcome::Retry { reason, after };
    match word {
        Word::Delivered => Outcome::Delivered,
        Word::Retry => retry(RetryReason::Busy),
        Word::Throttled => retry(RetryReason::Throttled),
        Word::Unauthorized => retry(RetryReason::Unauthorized),
        Word::Reject => Outcome::rejected(RejectReason::PartnerRejected, detail),
    }
}

fn each(
    call: &CallProgram,
    variables: &Record,
    items: &[&Bytes],
    after: Option<Duration>,
) -> Result<Vec<Outcome>, MappingError> {
    match &call.items {
        ItemAnswersProgram::Alike => Ok(vec![Outcome::Delivered; items.len()]),
        ItemAnswersProgram::Failed(lists) => failed(lists, variables, items, after),
        ItemAnswersProgram::Each(each) => {
            let EachProgram { list, outcome, reason } = &**each;
            let results = list.eval(&variables.fork().into_value())?;
            let results: Vec<Value> =
                results.try_iter().map_err(|e| MappingError::from_engine(&e))?.collect();
            if results.len() != items.len() {
                return Err(MappingError::new(
                    "the answer has another number of results than the call had items",
                ));
            }
            let outcomes = items.iter().zip(results).map(|(item, result)| {
                let mut variables = variables.fork();
                variables.set("result", result);
                variables.set("sent", MappedItem::value((*item).clone()));
                let variables = variables.into_value();
                let word = word(&outcome.eval(&variables)?)?.unwrap_or(Word::Delivered);
                let reason = reason.as_ref().map(|reason| reason.text(&variables)).transpose()?.flatten();
                Ok(item_outcome(word, after, &detail(reason.as_deref())))
            });
            outcomes.collect()
        }
    }
}

fn failed(
    lists: &[FailedProgram],
    variables: &Record,
    items: &[&Bytes],
    after: Option<Duration>,
) -> Result<Vec<Outcome>, MappingError> {
    let seen = variables.fork().into_value();
    // Without an answer that can be read, an absent list does not say that nobody failed; 204 says so.
    let is_read = seen.get_attr("response").is_ok_and(|response| !response.is_undefined());
    let is_no_content = seen.get_attr("status").is_ok_and(|status| status == Value::from(204));
    if !is_read && !is_no_content {
        return Err(MappingError::new("the answer is no JSON, or longer than answer_bytes_max"));
    }
    let mut outcomes = vec![Outcome::Delivered; items.len()];
    for list in lists {
        let named = list.list.eval(&seen)?;
        if named.is_undefined() || named.is_none() {
            continue;
        }
        let named = named.try_iter().map_err(|e| MappingError::from_engine(&e))?;
        let named: BTreeMap<String, ()> = named.map(|value| (value.to_string(), ())).collect();
        if named.is_empty() {
            continue;
        }
        for (item, outcome) in
            items.iter().zip(&mut outcomes).filter(|(_, outcome)| **outcome == Outcome::Delivered)
        {
            let mut variables = variables.fork();
            variables.set("sent", MappedItem::value((*item).clone()));
            if let Some(name) = list.matches.text(&variables.into_value())?
                && named.contains_key(&name)
            {
                *outcome = item_outcome(list.outcome, after, &detail(list.reason.as_deref()));
            }
        }
    }
    Ok(outcomes)
}

fn detail(reason: Option<&str>) -> String {
    match reason {
        Some(reason) => format!("the partner reports: {}", without_values(reason)),
        None => "the partner reports it as failed".to_owned(),
    }
}

/// The partner's reason with every word left out that may be a customer's: an address, or anything with more than
/// three digits. Dead letters hold no values of the message.
fn without_values(reason: &str) -> String {
    let is_value = |word: &str| word.contains('@') || word.bytes().filter(u8::is_ascii_digit).count() > 3;
    let words = reason.split_whitespace().map(|word| if is_value(word) { "…" } else { word });
    words.collect::<Vec<_>>().join(" ").chars().take(REASON_MAX).collect()
}

/// `Retry-After`, in seconds or as an HTTP date; `None` when absent, unreadable or past, at most an hour otherwise: a
/// partner that writes milliseconds must not hold an item for months.
pub(crate) fn retry_after(headers: &HeaderMap, now_ms: i64) -> Option<Duration> {
    let text = headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse::<u64>() {
        return Some(Duration::from_secs(seconds).min(RETRY_AFTER_MAX));
    }
    let at = jiff::fmt::rfc2822::parse(text).ok()?.timestamp().as_millisecond();
    u64::try_from(at.saturating_sub(now_ms)).ok().map(|ms| Duration::from_millis(ms).min(RETRY_AFTER_MAX))
}

#[cfg(test)]
mod tests;
