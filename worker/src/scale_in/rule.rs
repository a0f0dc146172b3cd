//! When to be protected: pure.
//!
//! A worker that is told to stop finishes what it can within its drain deadline and hands back the rest. It is deep in
//! work when that rest would be large: when it holds more items than it finishes in that time at its pace, and not
//! just a few. One that keeps up holds what a few seconds bring, however much that is, and is not protected; so a
//! fleet under steady load can be scaled in. Items put back for later count as not finished: somebody has them to do.
//!
//! Protection holds up deployments as well, and a partner that is down for hours would hold up the one that mends it:
//! so it ends after a while whatever the work, and rests for long enough that ECS gets its way.

use std::time::Duration;

use tokio::time::Instant;

use crate::ledger::Counts;

/// The work is deep, or no longer, when it was so for this long.
const DEEP_FOR: Duration = Duration::from_secs(3);
const SHALLOW_FOR: Duration = Duration::from_secs(15);
/// Longest protection at a stretch, and the pause after it.
const STRETCH_MAX: Duration = Duration::from_secs(10 * 60);
const REST: Duration = Duration::from_secs(2 * 60);
/// A worker that dies is protected for no longer than this.
pub(super) const EXPIRES_MINUTES: u64 = 3;
const EXPIRES: Duration = Duration::from_secs(EXPIRES_MINUTES * 60);
const RENEW_EVERY: Duration = Duration::from_secs(60);
const TRY_AGAIN: Duration = Duration::from_secs(15);
/// Looks that the pace is a mean of.
const LOOKS: f64 = 30.0;

/// What is deep.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RuleConfig {
    /// Fewer items held than this are never deep.
    pub(crate) items_min: u64,
    /// How long a stop may take.
    pub(crate) drain_deadline: Duration,
}

/// Decides from look to look.
#[derive(Debug)]
pub(super) struct Rule {
    config: RuleConfig,
    looks: f64,
    finished_per_second: f64,
    /// When it was looked last, and what was finished by then.
    last: Option<(Instant, u64)>,
    /// Whether the work is deep, and since when.
    depth: Option<(bool, Instant)>,
    protected_since: Option<Instant>,
    rests_until: Option<Instant>,
}

impl Rule {
    pub(super) fn new(config: RuleConfig) -> Self {
        Self {
            config,
            looks: 0.0,
            finished_per_second: 0.0,
            last: None,
            depth: None,
            protected_since: None,
            rests_until: None,
        }
    }

    /// Whether to be protected.
    pub(super) fn wants(&mut self, counts: &Counts, now: Instant) -> bool {
        let is_deep = self.is_deep(counts, now);
        let since = match self.depth {
            Some((before, since)) if before == is_deep => since,
            _ => now,
        };
        self.depth = Some((is_deep, since));
        let lasts = now.duration_since(since);
        match self.protected_since {
            Some(_) if !is_deep && lasts >= SHALLOW_FOR => self.protected_since = None,
            Some(protected) if now.duration_since(protected) >= STRETCH_MAX => {
                self.protected_since = None;
                self.rests_until = Some(now + REST);
            }
            None if is_deep && lasts >= DEEP_FOR && self.rests_until.is_none_or(|until| until <= now) => {
                self.protected_since = Some(now);
            }
            _ => {}
        }
        self.protected_since.is_some()
    }

    #[expect(clippy::cast_precision_loss, reason = "items held and finished are far below 2^52")]
    fn is_deep(&mut self, counts: &Counts, now: Instant) -> bool {
        let finished = counts.finished();
        if let Some((then, before)) = self.last.replace((now, finished))
            && now > then
        {
            // The first looks weigh as much as they are, so that a worker that starts under load knows its pace soon.
            self.looks = (self.looks + 1.0).min(LOOKS);
            let pace = finished.saturating_sub(before) as f64 / now.duration_since(then).as_secs_f64();
            self.finished_per_second += (pace - self.finished_per_second) / self.looks;
        }
        let within_a_drain = self.finished_per_second * self.config.drain_deadline.as_secs_f64();
        counts.in_flight >= self.config.items_min && counts.in_flight as f64 > within_a_drain
    }
}

/// What ECS was told, and what it is to be told next.
#[derive(Debug, Default)]
pub(super) struct Said {
    /// When protection was last asked for with success and not given back since.
    protected_at: Option<Instant>,
    /// After a failure.
    not_before: Option<Instant>,
}

impl Said {
    /// As far as is known.
    pub(super) fn is_protected(&self, now: Instant) -> bool {
        self.protected_at.is_some_and(|at| now.duration_since(at) < EXPIRES)
    }

    pub(super) fn is_due(&self, wants: bool, now: Instant) -> bool {
        let has_to = if wants {
            self.protected_at.is_none_or(|at| now.duration_since(at) >= RENEW_EVERY)
        } else {
            self.is_protected(now)
        };
        has_to && self.not_before.is_none_or(|at| at <= now)
    }

    pub(super) fn answered(&mut self, protect: bool, is_taken: bool, now: Instant) {
        if is_taken {
            self.protected_at = protect.then_some(now);
            self.not_before = None;
        } else {
            self.not_before = Some(now + TRY_AGAIN);
        }
    }
}
