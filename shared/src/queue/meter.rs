//! Counts what SQS is asked, and what that costs.
//!
//! SQS bills each call, and each further 64 KiB that a call carries as one more.
//! <https://aws.amazon.com/sqs/pricing/>

use std::sync::atomic::{AtomicU64, Ordering};

/// What is billed as one request.
pub const BILLED_BYTES: usize = 64 * 1024;
/// US dollars for a million billed requests to a standard queue: the list price of the first tier in most regions.
pub const DOLLARS_PER_MILLION: f64 = 0.40;

/// What a queue is asked to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// Storing messages.
    Send,
    /// Handing out messages.
    Receive,
    /// Deleting messages.
    Delete,
    /// Leases and depths.
    Other,
}

impl Operation {
    /// Every operation.
    pub const ALL: [Self; 4] = [Self::Send, Self::Receive, Self::Delete, Self::Other];

    /// The word in metrics.
    pub fn word(self) -> &'static str {
        match self {
            Self::Send => "send",
            Self::Receive => "receive",
            Self::Delete => "delete",
            Self::Other => "other",
        }
    }
}

/// Counts calls. One for all queues of a process.
#[derive(Debug, Default)]
pub struct Meter {
    counts: [Count; 4],
}

#[derive(Debug, Default)]
struct Count {
    calls: AtomicU64,
    billed: AtomicU64,
}

impl Meter {
    /// Counts a call that carried so many bytes of messages.
    pub fn count(&self, operation: Operation, bytes: usize) {
        let count = &self.counts[operation as usize];
        count.calls.fetch_add(1, Ordering::Relaxed);
        count.billed.fetch_add(bytes.div_ceil(BILLED_BYTES).max(1) as u64, Ordering::Relaxed);
    }

    /// Calls so far.
    pub fn calls(&self, operation: Operation) -> u64 {
        self.counts[operation as usize].calls.load(Ordering::Relaxed)
    }

    /// Requests that are billed for these calls.
    pub fn billed(&self, operation: Operation) -> u64 {
        self.counts[operation as usize].billed.load(Ordering::Relaxed)
    }

    /// Requests that are billed for all calls.
    pub fn billed_in_all(&self) -> u64 {
        Operation::ALL.iter().map(|operation| self.billed(*operation)).sum()
    }
}

/// What so many billed requests cost for each million of `requests`, in US dollars; 0 without any.
#[expect(clippy::cast_precision_loss, reason = "money for a person; counts are far below 2^52")]
pub fn dollars_per_million(billed: u64, requests: u64) -> f64 {
    if requests == 0 { 0.0 } else { billed as f64 * DOLLARS_PER_MILLION / requests as f64 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_call_and_each_further_64_kib_are_billed() {
        let meter = Meter::default();
        for bytes in [0, 1, BILLED_BYTES, BILLED_BYTES + 1, 1 << 20] {
            meter.count(Operation::Send, bytes);
        }
        meter.count(Operation::Delete, 0);
        assert_eq!((meter.calls(Operation::Send), meter.billed(Operation::Send)), (5, 1 + 1 + 1 + 2 + 16));
        assert_eq!(meter.billed_in_all(), 22);
    }

    #[test]
    fn one_call_a_request_costs_the_list_price() {
        assert!((dollars_per_million(5, 5) - 0.40).abs() < 1e-9);
        assert!(dollars_per_million(5, 0).abs() < 1e-9);
    }
}
