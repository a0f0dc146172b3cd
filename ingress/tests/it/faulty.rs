//! A queue that fails on demand.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use penstock_shared::{
    ids::AccountId,
    pack::Pack,
    queue::{Depth, Message, Outgoing, Queue, QueueError, QueueLimits, Receipt},
};
use tokio::sync::Semaphore;

/// What is wrong with sending.
#[derive(Clone, Debug, Default)]
pub(crate) enum Fault {
    #[default]
    None,
    Unavailable,
    Hang,
    Panic,
    /// No word of the packs that hold a request of this account; the others are stored.
    NoWordOf(AccountId),
    /// Each call waits for a permit, and says that it has begun.
    Gate {
        begun: Arc<Semaphore>,
        open: Arc<Semaphore>,
    },
}

impl Fault {
    pub(crate) fn gate() -> Self {
        Self::Gate { begun: Arc::new(Semaphore::new(0)), open: Arc::new(Semaphore::new(0)) }
    }
}

/// Passes all on to the queue within, except what the fault says.
#[derive(Debug)]
pub(crate) struct Faulty {
    pub(crate) within: Arc<dyn Queue>,
    pub(crate) fault: Mutex<Fault>,
}

impl Faulty {
    pub(crate) fn set(&self, fault: Fault) {
        *self.fault.lock().unwrap() = fault;
    }

    async fn send_but(&self, messages: &[Outgoing], account: AccountId) -> Vec<Result<(), QueueError>> {
        let is_out = |message: &&Outgoing| {
            Pack::decode(&message.body).unwrap().requests.iter().any(|request| request.account == account)
        };
        let stored: Vec<Outgoing> = messages.iter().filter(|message| !is_out(message)).cloned().collect();
        let mut stored = self.within.send(&stored).await.into_iter();
        let no_word = || Err(QueueError::OutcomeUnknown("on demand".into()));
        let word = |message: &Outgoing| if is_out(&message) { no_word() } else { stored.next().unwrap() };
        messages.iter().map(word).collect()
    }
}

#[async_trait]
impl Queue for Faulty {
    async fn send(&self, messages: &[Outgoing]) -> Vec<Result<(), QueueError>> {
        let fault = self.fault.lock().unwrap().clone();
        match fault {
            Fault::None => {}
            Fault::Unavailable => {
                return messages.iter().map(|_| Err(QueueError::Unavailable("on demand".into()))).collect();
            }
            Fault::Hang => std::future::pending().await,
            Fault::Panic => panic!("on demand"),
            Fault::NoWordOf(account) => return self.send_but(messages, account).await,
            Fault::Gate { begun, open } => {
                begun.add_permits(1);
                open.acquire().await.unwrap().forget();
            }
        }
        self.within.send(messages).await
    }
    async fn receive(&self, max: usize, wait: Duration, lease: Duration) -> Result<Vec<Message>, QueueError> {
        self.within.receive(max, wait, lease).await
    }
    async fn renew(&self, receipt: &Receipt, lease: Duration) -> Result<(), QueueError> {
        self.within.renew(receipt, lease).await
    }
    async fn delete(&self, receipts: &[Receipt]) -> Vec<Result<(), QueueError>> {
        self.within.delete(receipts).await
    }
    async fn depth(&self) -> Result<Depth, QueueError> {
        self.within.depth().await
    }
    fn limits(&self) -> QueueLimits {
        self.within.limits()
    }
}
