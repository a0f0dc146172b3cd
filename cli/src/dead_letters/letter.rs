//! One message of the dead-letter queue, read.

use penstock_shared::{
    ids::hex,
    pack::{DeadReason, Pack, PackedRequest, Pending, PendingItem},
    queue::Message,
};

use super::Filter;

/// A dead letter: a pack whose items say why they were set aside, or a message that was received too often.
#[derive(Debug)]
pub(super) struct Letter {
    pub(super) message: Message,
    /// 12 hex digits of the body's hash.
    pub(super) id: String,
    /// `None` when the body is no pack.
    pub(super) pack: Option<Pack>,
    /// Deleted from the dead-letter queue by now.
    pub(super) is_gone: bool,
}

/// The reason of a message that the queue itself set aside: no worker settled it, time after time.
pub(super) const POISON: &str = "never_settled";

impl Letter {
    pub(super) fn read(message: Message) -> Self {
        let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &message.body);
        let id = hex(&digest.as_ref()[..6]);
        let pack = Pack::decode(&message.body).ok();
        Self { message, id, pack, is_gone: false }
    }

    pub(super) fn requests(&self) -> &[PackedRequest] {
        self.pack.as_ref().map_or(&[], |pack| &pack.requests)
    }

    pub(super) fn fits(&self, filter: &Filter) -> bool {
        self.requests().iter().any(|request| fits(request, filter))
            || (self.pack.is_none() && filter.reason.is_none() && filter.account.is_none())
    }
}

/// Why each part of a request was set aside: its code, how many items, and the detail of the first.
pub(super) fn reasons(request: &PackedRequest) -> Vec<(String, usize, String)> {
    let mut reasons: Vec<(String, usize, String)> = Vec::new();
    let mut add = |reason: Option<&DeadReason>| {
        let (code, detail) = reason
            .map_or((POISON, "received again and again without being settled"), |reason| {
                (reason.code.as_str(), reason.detail.as_str())
            });
        match reasons.iter_mut().find(|(known, _, _)| known == code) {
            Some((_, items, _)) => *items += 1,
            None => reasons.push((code.to_owned(), 1, detail.to_owned())),
        }
    };
    match &request.pending {
        Pending::All => add(None),
        Pending::SetAside(reason) => add(Some(reason)),
        Pending::Items(items) => items.iter().for_each(|item| add(item.dead.as_ref())),
    }
    reasons
}

/// Whether any part of a request fits.
pub(super) fn fits(request: &PackedRequest, filter: &Filter) -> bool {
    let account = filter.account.is_none_or(|account| i64::from(request.account) == account);
    let reason = |code: &str| filter.reason.as_deref().is_none_or(|reason| reason == code);
    account && reasons(request).iter().any(|(code, _, _)| reason(code))
}

/// Whether one item fits.
pub(super) fn item_fits(item: &PendingItem, filter: &Filter) -> bool {
    let code = item.dead.as_ref().map_or(POISON, |reason| reason.code.as_str());
    filter.reason.as_deref().is_none_or(|reason| reason == code)
}
