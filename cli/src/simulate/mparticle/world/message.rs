//! A message, and how it comes to be: a request of mParticle around what there is to say.

use bytes::Bytes;

use super::{Kind, World};
use crate::simulate::mparticle::messages::{self, Customer, Envelope, Written};

/// A message, made and not sent yet.
#[derive(Clone, Debug)]
pub(crate) struct Message {
    pub(crate) kind: Kind,
    pub(crate) id: String,
    pub(crate) body: Bytes,
    /// What a receiver finds in it to deliver.
    pub(crate) items: u32,
    /// Beside events: it says something of the user, too.
    pub(crate) user_data: bool,
    pub(super) account: usize,
    /// The places of the audiences it is about.
    pub(super) audiences: Vec<usize>,
    pub(super) action: Option<&'static str>,
}

/// What there is to do when a message is due.
#[derive(Debug)]
pub(crate) enum Turn {
    /// Send it.
    Send(Message),
    /// Nothing: what happened was in audiences whose connections are faulted.
    Withheld,
}

impl World {
    pub(super) fn message(
        &mut self,
        kind: Kind,
        account: usize,
        now_ms: i64,
        write: impl FnOnce(&Envelope<'_>, &mut fastrand::Rng) -> Written,
    ) -> Message {
        let id = messages::request_id(&mut self.rng);
        let customer = &self.accounts[account];
        let customer = Customer { account_id: customer.id, settings: &customer.settings };
        let envelope = Envelope {
            kind: kind.request(),
            id: &id,
            now_ms,
            account: (kind != Kind::Registration).then_some(customer),
        };
        let Written { body, items, user_data } = write(&envelope, &mut self.rng);
        let (audiences, action) = (Vec::new(), None);
        Message { kind, id, body: body.into(), items, user_data, account, audiences, action }
    }
}
