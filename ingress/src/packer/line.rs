//! What waits to be sent, sorted into packs as it comes. Pure.

use std::collections::VecDeque;

use tokio::time::Instant;

use super::bell::Amount;

/// Most packs in one call of the queue; SQS's batch.
pub(super) const PACKS_PER_SEND: usize = 10;

/// Packs in the making. Keeps the order of arrival.
#[derive(Debug)]
pub(super) struct Line<T> {
    requests_max: usize,
    alone_above: usize,
    fill_to: usize,
    full: VecDeque<Vec<T>>,
    open: Vec<T>,
    open_bytes: usize,
    open_since: Option<Instant>,
    large: VecDeque<T>,
}

impl<T> Line<T> {
    /// Packs of at most so many requests; a request of more than `alone_above` bytes stands alone.
    pub(super) fn new(requests_max: usize, alone_above: usize) -> Self {
        Self {
            requests_max,
            alone_above,
            fill_to: alone_above,
            full: VecDeque::new(),
            open: Vec::new(),
            open_bytes: 0,
            open_since: None,
            large: VecDeque::new(),
        }
    }

    /// From now on packs are closed before they hold more bytes than this, unless one request alone does.
    pub(super) fn fill_to(&mut self, bytes: usize) {
        self.fill_to = bytes;
        self.close_if_full();
    }

    /// Adds a request of so many bytes that has waited since then.
    pub(super) fn push(&mut self, bytes: usize, request: T, since: Instant) {
        if bytes > self.alone_above {
            self.large.push_back(request);
            return;
        }
        if self.open_bytes + bytes > self.fill_to {
            self.close();
        }
        self.open_since.get_or_insert(since);
        self.open_bytes += bytes;
        self.open.push(request);
        self.close_if_full();
    }

    fn close_if_full(&mut self) {
        if self.open.len() >= self.requests_max || self.open_bytes >= self.fill_to {
            self.close();
        }
    }

    fn close(&mut self) {
        if !self.open.is_empty() {
            self.full.push_back(std::mem::take(&mut self.open));
        }
        self.open_bytes = 0;
        self.open_since = None;
    }

    /// The packs of one call: the full ones, and the open one if it is `due`. One that is not fills up first: each
    /// costs a call on the way back.
    pub(super) fn take(&mut self, due: bool) -> Option<Vec<Vec<T>>> {
        if due && self.full.len() < PACKS_PER_SEND {
            self.close();
        }
        let packs: Vec<Vec<T>> = self.full.drain(..self.full.len().min(PACKS_PER_SEND)).collect();
        (!packs.is_empty()).then_some(packs)
    }

    /// A request that stands alone.
    pub(super) fn take_large(&mut self) -> Option<T> {
        self.large.pop_front()
    }

    /// Since when the first of the open pack has waited; `None` when it is empty.
    pub(super) fn open_since(&self) -> Option<Instant> {
        self.open_since
    }

    /// How much more makes the open pack full, the one or the other; more than none, as one that is full is not open.
    pub(super) fn until_full(&self) -> Amount {
        Amount {
            requests: self.requests_max.saturating_sub(self.open.len()) as u64,
            bytes: self.fill_to.saturating_sub(self.open_bytes) as u64,
        }
    }

    /// False when two calls' worth of full packs wait: then requests are left in the channel.
    pub(super) fn has_room(&self) -> bool {
        self.full.len() < 2 * PACKS_PER_SEND
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[tokio::test]
    async fn a_pack_closes_by_requests_and_by_bytes() {
        let now = Instant::now();
        let mut line = Line::new(3, 100);
        for (n, bytes) in [10, 10, 10, 60, 50, 101].into_iter().enumerate() {
            line.push(bytes, n, now);
        }
        assert_eq!(line.take_large(), Some(5));
        assert_eq!(line.take(false), Some(vec![vec![0, 1, 2], vec![3]]));
        assert_eq!(line.take(false), None, "the open pack is neither full nor due");
        assert_eq!(line.take(true), Some(vec![vec![4]]));
        assert_eq!(line.take(true), None);
    }

    #[tokio::test]
    async fn packs_fill_to_what_is_asked_and_a_request_beyond_that_has_one_for_itself() {
        let now = Instant::now();
        let mut line = Line::new(10, 100);
        line.fill_to(50);
        [30, 30, 80, 20, 10].into_iter().enumerate().for_each(|(n, bytes)| line.push(bytes, n, now));
        assert_eq!(line.take(true), Some(vec![vec![0], vec![1], vec![2], vec![3, 4]]));
    }

    #[tokio::test]
    async fn a_pack_that_has_become_full_without_a_further_request_is_closed() {
        let now = Instant::now();
        let mut line = Line::new(10, 100);
        line.push(60, 'a', now);
        line.fill_to(50);
        assert_eq!(
            (line.take(false), line.until_full()),
            (Some(vec![vec!['a']]), Amount { requests: 10, bytes: 50 })
        );
    }

    #[tokio::test]
    async fn an_open_pack_goes_when_it_is_due() {
        let now = Instant::now();
        let mut line = Line::new(3, 100);
        line.push(1, 'a', now);
        assert_eq!(line.until_full(), Amount { requests: 2, bytes: 99 });
        assert_eq!((line.take(false), line.open_since()), (None, Some(now)));
        assert_eq!((line.take(true), line.open_since()), (Some(vec![vec!['a']]), None));
    }

    proptest! {
        #[test]
        fn packs_lose_repeat_and_overfill_nothing(
            sizes in prop::collection::vec(0usize..150, 0..400),
            due_after in prop::collection::vec(any::<bool>(), 400),
        ) {
            let now = tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async { Instant::now() });
            let mut line = Line::new(8, 100);
            let mut seen = Vec::new();
            let mut check = |packs: Option<Vec<Vec<usize>>>| {
                let packs = packs.unwrap_or_default();
                assert!(packs.len() <= PACKS_PER_SEND);
                for pack in packs {
                    assert!(!pack.is_empty() && pack.len() <= 8);
                    assert!(pack.iter().map(|n| sizes[*n]).sum::<usize>() <= 100);
                    seen.extend(pack);
                }
            };
            let mut large = Vec::new();
            for (n, bytes) in sizes.iter().enumerate() {
                line.push(*bytes, n, now);
                if due_after[n] {
                    check(line.take(n % 2 == 0));
                    large.extend(line.take_large());
                }
            }
            while let Some(packs) = line.take(true) {
                check(Some(packs));
            }
            large.extend(std::iter::from_fn(|| line.take_large()));
            let (expected_large, expected): (Vec<usize>, Vec<usize>) =
                (0..sizes.len()).partition(|n| sizes[*n] > 100);
            prop_assert_eq!(large, expected_large);
            prop_assert_eq!(seen, expected);
        }
    }
}
