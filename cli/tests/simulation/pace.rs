//! Whether one worker keeps to the limits of `partner.toml`: rates, calls at once, Retry-After.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use penstock_shared::partner::{Partner, RateLimit, RouteAction};
use penstock_worker::destination::Call;
use tokio::time::Instant;

/// A call for a subscription asks the store first, after the gates, and tells it the outcome before the gates hear of it:
/// so much later than they let it pass, at most, it is made, and so much later than it came an answer is heard.
const DETOUR: Duration = Duration::from_millis(40);

/// One incarnation of a worker, as its limits see it.
#[derive(Debug)]
pub(crate) struct Pace {
    rates: Vec<(Rate, RateLimit)>,
    concurrency: usize,
    concurrency_per_account: usize,
    state: Arc<Mutex<State>>,
}

#[derive(Clone, Debug)]
enum Rate {
    Global,
    Account,
    RouteAccount(String),
    Route(String),
}

#[derive(Debug, Default)]
struct State {
    /// GCRA's theoretical arrival times.
    arrivals: BTreeMap<(usize, Option<i64>), Instant>,
    under_way: BTreeMap<i64, usize>,
    /// When the partner asked for it, and until when.
    closed: BTreeMap<i64, (Instant, Instant)>,
}

/// A call under way.
#[derive(Debug)]
pub(crate) struct UnderWay(Arc<Mutex<State>>, i64);

impl Drop for UnderWay {
    fn drop(&mut self) {
        *self.0.lock().unwrap().under_way.entry(self.1).or_default() -= 1;
    }
}

impl Pace {
    pub(crate) fn new(partner: &Partner) -> Self {
        let mut rates = Vec::new();
        let limits = &partner.limits;
        rates.extend(limits.rate.map(|limit| (Rate::Global, limit)));
        rates.extend(limits.rate_per_account.map(|limit| (Rate::Account, limit)));
        for route in &partner.routes {
            let RouteAction::Call(call) = &route.action else { continue };
            rates.extend(call.limits.rate.map(|limit| (Rate::Route(route.name.clone()), limit)));
            rates.extend(
                call.limits.rate_per_account.map(|limit| (Rate::RouteAccount(route.name.clone()), limit)),
            );
        }
        Self {
            rates,
            concurrency: limits.concurrency as usize,
            concurrency_per_account: limits.concurrency_per_account.unwrap_or(limits.concurrency) as usize,
            state: Arc::default(),
        }
    }

    /// A call begins. It is under way until the result is dropped, or for good if it should not have begun.
    pub(crate) fn begin(&self, call: &Call) -> Result<UnderWay, String> {
        let (account, now) = (i64::from(call.account), Instant::now());
        let mut state = self.state.lock().unwrap();
        *state.under_way.entry(account).or_default() += 1;
        let under_way = UnderWay(self.state.clone(), account);
        let verdict = self.judge(&mut state, call, account, now);
        drop(state);
        verdict.map(|()| under_way)
    }

    fn judge(&self, state: &mut State, call: &Call, account: i64, now: Instant) -> Result<(), String> {
        for (index, (rate, limit)) in self.rates.iter().enumerate() {
            let by = match rate {
                Rate::Global => None,
                Rate::Account => Some(account),
                Rate::Route(route) if *route == call.route => None,
                Rate::RouteAccount(route) if *route == call.route => Some(account),
                Rate::Route(_) | Rate::RouteAccount(_) => continue,
            };
            let interval = Duration::from_secs_f64(1.0 / limit.per_second);
            let arrival = state.arrivals.get(&(index, by)).copied().unwrap_or(now).max(now);
            if arrival > now + interval * (limit.burst - 1) + DETOUR {
                return Err(format!("{rate:?}: more than {limit:?} for account {account}"));
            }
            state.arrivals.insert((index, by), arrival + interval);
        }
        let (all, of_account) = (state.under_way.values().sum::<usize>(), state.under_way[&account]);
        if all > self.concurrency || of_account > self.concurrency_per_account {
            return Err(format!("{all} calls at once, {of_account} of account {account}"));
        }
        match state.closed.get(&account) {
            Some((since, until)) if now > *since + DETOUR && *until > now + DETOUR => {
                Err(format!("called account {account} {:?} too soon", *until - now))
            }
            _ => Ok(()),
        }
    }

    /// The partner has asked for so much time.
    pub(crate) fn close(&self, call: &Call, after: Duration, now: Instant) {
        let until = now + after;
        let mut state = self.state.lock().unwrap();
        let closed = state.closed.entry(i64::from(call.account)).or_insert((now, until));
        if until > closed.1 {
            // One that was heard before goes on.
            *closed = (if closed.1 > now { closed.0 } else { now }, until);
        }
    }
}
