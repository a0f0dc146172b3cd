//! The promise, held against what is left of a run: every item of every request that was answered 200 ended once, and
//! nothing else did.

use std::collections::BTreeMap;

use penstock_shared::{
    ids::Address,
    pack::{Pack, PackedBody, Pending},
    subscription::SubscriptionState,
};

use crate::{
    messages::{Book, Change, Expected, Fate, Reply},
    partner_model::Seen,
    world::{Heard, World},
};

/// Reasons of dead letters, by request and address.
type Dead = BTreeMap<(String, String), Vec<String>>;

/// Everything that is not as it was promised.
pub(crate) fn problems(world: &World) -> Vec<String> {
    let mut problems = world.partner.problems();
    let is_exact = is_exact(world);
    world.happened.lock().unwrap().insert(if is_exact { "exactly once" } else { "at least once" });
    let dead = dead_letters(world, &mut problems);
    let evidence = Evidence {
        book: &world.book,
        heard: &world.heard.lock().unwrap().clone(),
        seen: &world.partner.seen(),
        dead: &dead,
        attempts_max: 12,
        is_exact,
    };
    for (marker, item) in &world.book.items {
        if let Err(problem) = evidence.judge(marker, item) {
            problems.push(format!("{marker} of {} ({:?}): {problem}", item.request, item.fate));
        }
    }
    nothing_else_is_dead(&evidence, &mut problems);
    messages_were_answered(&evidence, &mut problems);
    subscriptions(world, &dead, &mut problems);
    // Everything goes wrong here but the accounts' keys.
    for suspended in world.store.suspensions() {
        problems.push(format!("account {} is suspended", suspended.key.account));
    }
    counts(world, &evidence, &mut problems);
    if world.main.redriven() + world.retry.redriven() > 0 {
        problems.push("a message was received too often".to_owned());
    }
    problems
}

/// Whether nothing happened that may make a duplicate, so that at least once has to be exactly once.
fn is_exact(world: &World) -> bool {
    let queues = [&world.main, &world.retry, &world.dead];
    let repeats: u64 = queues.iter().map(|queue| queue.repeats()).sum();
    let sent_again = world.heard.lock().unwrap().values().any(|heard| heard.tries > 1);
    world.plan.is_honest && repeats + world.partner.doubts() == 0 && !sent_again
}

struct Evidence<'a> {
    book: &'a Book,
    heard: &'a BTreeMap<String, Heard>,
    seen: &'a BTreeMap<String, Seen>,
    dead: &'a Dead,
    attempts_max: u32,
    is_exact: bool,
}

impl Evidence<'_> {
    fn judge(&self, marker: &str, item: &Expected) -> Result<(), String> {
        let heard = self.heard.get(&item.request).copied().unwrap_or_default();
        let seen = self.seen.get(marker).cloned().unwrap_or_default();
        let none = Vec::new();
        let dead = self.dead.get(&(item.request.clone(), item.address.clone())).unwrap_or(&none);
        let acked = heard.successes > 0;
        if heard.tries == 0 && (seen.taken > 0 || !dead.is_empty()) {
            return Err("was never sent".to_owned());
        }
        for reason in dead {
            self.explain(reason, item, &seen)?;
        }
        let ends = seen.taken as usize + dead.len();
        if self.is_exact && ends > 1 {
            return Err(format!("ended {ends} times: taken {} times, dead {dead:?}", seen.taken));
        }
        let may_be_gone = item.audience.is_some() && self.is_removed_after(item);
        match item.fate {
            Fate::Dropped if ends > 0 && !dead.iter().all(|reason| reason == "too_old") => {
                Err(format!("should be nowhere: taken {} times, dead {dead:?}", seen.taken))
            }
            Fate::Refused | Fate::NoKey if seen.taken > 0 => Err("was taken".to_owned()),
            Fate::Delivered | Fate::Refused | Fate::NoKey if acked && ends == 0 && !may_be_gone => {
                Err("is lost".to_owned())
            }
            _ => Ok(()),
        }
    }

    /// Whether there is a cause for the dead letter.
    fn explain(&self, reason: &str, item: &Expected, seen: &Seen) -> Result<(), String> {
        let is_explained = match reason {
            "attempts_exhausted" => seen.failed >= self.attempts_max,
            "partner_rejected" | "refused" => item.fate == Fate::Refused && seen.refused > 0,
            "setting_missing" => item.fate == Fate::NoKey,
            // Whoever leaves an audience whose list never came to be.
            "too_old" => item.audience.is_some() && item.route == "members-remove",
            // Another copy of the message was done, and the body deleted, before this one was read.
            "spill_missing" => {
                !self.is_exact && (seen.taken > 0 || seen.refused > 0 || item.fate == Fate::Dropped)
            }
            _ => false,
        };
        if is_explained {
            Ok(())
        } else {
            Err(format!("is dead without a cause: {reason}, at the partner {seen:?}"))
        }
    }

    fn is_removed_after(&self, item: &Expected) -> bool {
        let removes = |change: &&Change| {
            change.is_remove && change.account == item.account && Some(change.audience) == item.audience
        };
        let was_sent =
            |change: &&Change| self.heard.get(&change.request).is_some_and(|heard| heard.tries > 0);
        let mut removals = self.book.changes.iter().filter(removes).filter(was_sent);
        removals.any(|removal| removal.message_ms >= item.message_ms)
    }
}

fn dead_letters(world: &World, problems: &mut Vec<String>) -> Dead {
    let mut dead = Dead::new();
    for body in world.dead.bodies() {
        let Ok(pack) = Pack::decode(&body) else {
            problems.push("a dead letter cannot be unpacked".to_owned());
            continue;
        };
        for request in pack.requests {
            let id = request.id.unwrap_or_default();
            let bytes = match &request.body {
                PackedBody::Inline(body) => Some(body.clone()),
                PackedBody::Spilled { key, .. } => world.spill.body(key),
            };
            let sent = world.book.messages.iter().find(|message| Some(&message.body) == bytes.as_ref());
            let is_missing = |reason: &str| reason == "spill_missing";
            match request.pending {
                Pending::SetAside(_) if sent.is_some_and(|message| message.reply == Reply::Unreadable) => {}
                Pending::Items(items) => {
                    for item in items {
                        let reason = item.dead.map(|dead| dead.code).unwrap_or_default();
                        if sent.is_none_or(|message| message.id != id) && !is_missing(&reason) {
                            problems.push(format!("the dead letter of {id} is not as it was sent"));
                        }
                        let of = addresses(&world.book, &id, item.address);
                        of.into_iter().for_each(|address| {
                            dead.entry((id.clone(), address)).or_default().push(reason.clone());
                        });
                    }
                }
                pending => problems.push(format!("{id} is dead as {pending:?}")),
            }
        }
    }
    dead
}

/// The items at an address: a request that was never divided stands for all of its own.
fn addresses(book: &Book, request: &str, address: Address) -> Vec<String> {
    let own = book.items.values().filter(|item| item.request == request).map(|item| item.address.clone());
    match address {
        Address::Whole if !book.changes.iter().any(|change| change.request == request) => own.collect(),
        address => vec![address.to_string()],
    }
}

fn nothing_else_is_dead(evidence: &Evidence<'_>, problems: &mut Vec<String>) {
    for ((request, address), reasons) in evidence.dead {
        let is_item =
            evidence.book.items.values().any(|item| item.request == *request && item.address == *address);
        let is_change = evidence.book.changes.iter().any(|change| change.request == *request);
        let is_implied = address.starts_with('i');
        if !is_item && !is_change && !is_implied {
            problems.push(format!("{request} {address} is dead and was never an item"));
        }
        let is_explained =
            |reason: &String| matches!(reason.as_str(), "attempts_exhausted" | "spill_missing");
        if !is_item && !reasons.iter().all(is_explained) {
            problems.push(format!("{request} {address} is dead without a cause: {reasons:?}"));
        }
    }
    for marker in evidence.seen.keys().filter(|marker| !marker.starts_with("list ")) {
        if !evidence.book.items.contains_key(marker) {
            problems.push(format!("{marker} is at the partner and was never sent"));
        }
    }
}

/// Without faults that would excuse it, every message is heard out in the end.
fn messages_were_answered(evidence: &Evidence<'_>, problems: &mut Vec<String>) {
    let unanswered = evidence.book.messages.iter().filter(|message| message.reply == Reply::Stored);
    let unanswered = unanswered.filter(|message| {
        evidence.heard.get(&message.id).is_none_or(|heard| heard.successes == 0 && heard.tries < 3)
    });
    let unanswered = unanswered.count();
    if evidence.is_exact && unanswered > 0 {
        problems.push(format!("{unanswered} messages were never answered 200"));
    }
}

/// What the store has at the end is the last change, and the partner's list is kept with it.
fn subscriptions(world: &World, dead: &Dead, problems: &mut Vec<String>) {
    let (heard, lists) = (world.heard.lock().unwrap(), world.partner.lists());
    let is_acked = |change: &&Change| heard.get(&change.request).is_some_and(|heard| heard.successes > 0);
    let mut newest: BTreeMap<(i64, i64), &Change> = BTreeMap::new();
    for change in world.book.changes.iter().filter(is_acked) {
        let last = newest.entry((change.account, change.audience)).or_insert(change);
        if change.message_ms > last.message_ms {
            *last = change;
        }
    }
    let stored = world.store.all();
    for (of, change) in newest {
        let found =
            stored.iter().find(|stored| (i64::from(stored.key.account), stored.key.audience_id) == of);
        let Some(found) = found else {
            problems.push(format!("the subscription {of:?} is lost"));
            continue;
        };
        let state = if change.is_remove { SubscriptionState::Removed } else { SubscriptionState::Active };
        let is_last = found.changed_at_ms == change.message_ms;
        if found.changed_at_ms < change.message_ms || (is_last && found.state != state) {
            problems.push(format!("the subscription {of:?} is {:?}, not as last changed", found.state));
        }
        let list = found.captured.get("list_id").and_then(|list| list.as_str());
        let is_dead = dead.keys().any(|(_, address)| address.starts_with(['w', 'i']));
        if is_last && state == SubscriptionState::Active && list.is_none() && !is_dead {
            problems.push(format!("the subscription {of:?} has no list"));
        }
        if list.is_some_and(|list| lists.get(list) != Some(&of)) {
            problems.push(format!("the subscription {of:?} has the list {list:?}: {lists:?}"));
        }
    }
}

/// What the workers have counted.
fn counts(world: &World, evidence: &Evidence<'_>, problems: &mut Vec<String>) {
    let mut sum = [0u64; 4];
    for incarnation in world.incarnations.lock().unwrap().iter() {
        let counts = incarnation.ledger.counts();
        if incarnation.is_drained && (counts.in_flight, counts.unaccounted()) != (0, 0) {
            problems.push(format!("a worker ended with items in flight: {counts:?}"));
        }
        let ended = [counts.first_seen, counts.delivered, counts.filtered, counts.dead_lettered];
        sum.iter_mut().zip(ended).for_each(|(sum, count)| *sum += count);
    }
    let [first_seen, delivered, filtered, dead] = sum;
    if !evidence.is_exact {
        return;
    }
    if first_seen != delivered + filtered + dead {
        problems.push(format!(
            "{first_seen} items were seen; {delivered} delivered, {filtered} filtered, {dead} dead"
        ));
    }
    let taken: u64 = evidence.seen.values().map(|seen| u64::from(seen.taken)).sum();
    let changes = evidence.book.changes.len() as u64;
    if taken > delivered || delivered > taken + changes + evidence.book.items.len() as u64 {
        problems.push(format!("{taken} items were taken, {delivered} counted as delivered"));
    }
}
