//! From bytes to answer, whatever brought the bytes: the one core under every transport.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use bytes::Bytes;
use penstock_shared::{
    clock::Clock,
    firehose::{
        RequestKind, SortError, Sorted,
        response::{self, Envelope, id_for},
        sort,
    },
    ids::Pod,
    mint::mint,
    pack::{PackedBody, PackedRequest, Pending},
    partner::{CookieSync, Partner},
    telemetry::IngressMetrics,
};
use serde_json::{Map, Value};
use tokio::time::Instant;

use crate::{
    answer::{Answer, Situation, Unreadable},
    auth::Caller,
    body::BytesPermit,
    config::CallLimits,
    packer,
    quarantine::{Copy, Quarantine},
    suspension::Suspensions,
};

/// What ingress takes from `partner.toml`.
#[derive(Clone, Debug, Default)]
pub struct PartnerAnswers {
    /// The registration document, without its envelope.
    pub registration: Map<String, Value>,
    /// The ids of the hidden subscription settings whose values are made here.
    pub minted: Vec<String>,
    /// The cookie sync pixel, if there is one.
    pub cookie_sync: Option<CookieSync>,
}

impl From<&Partner> for PartnerAnswers {
    fn from(partner: &Partner) -> Self {
        let minted = partner.subscription_settings.iter().filter(|setting| setting.mint);
        Self {
            registration: partner.registration.clone(),
            minted: minted.map(|setting| setting.id.clone()).collect(),
            cookie_sync: partner.cookie_sync.clone(),
        }
    }
}

/// Answers messages. Shared by all calls.
#[derive(Debug)]
pub(crate) struct Core {
    /// Of a call that came to no other pod's endpoint.
    pub(crate) pod: Pod,
    pub(crate) partner: PartnerAnswers,
    pub(crate) limits: CallLimits,
    pub(crate) packer: packer::Handle,
    pub(crate) quarantine: Quarantine,
    pub(crate) suspensions: Arc<Suspensions>,
    pub(crate) metrics: Arc<IngressMetrics>,
    pub(crate) clock: Clock,
    /// For the ids of answers to requests that have none, and of browsers.
    pub(crate) rng: Mutex<fastrand::Rng>,
}

/// One message as it was received.
#[derive(Debug)]
pub(crate) struct Received<'a> {
    /// The pod whose endpoint it came to.
    pub(crate) pod: &'a Pod,
    pub(crate) bytes: Bytes,
    pub(crate) permit: BytesPermit,
    pub(crate) caller: Caller,
    /// W3C `traceparent`.
    pub(crate) trace: Option<String>,
}

impl Core {
    /// Answers a message, within its budget counted from now.
    ///
    /// # Cancel safety
    /// When dropped, the message is either stored or not; one that was handed to the packer is stored.
    pub(crate) async fn answer(&self, received: Received<'_>) -> Answer {
        let sorted = match (sort(&received.bytes), received.caller) {
            (Ok(sorted), Caller::Authentic) => sorted,
            (Ok(sorted), _) if sorted.kind == RequestKind::Registration => sorted,
            (Err(error), Caller::Authentic) => {
                let (bytes, trace) = (received.bytes.clone(), received.trace.clone());
                let (pod, reason) = (received.pod, (&error).into());
                return self.unreadable(pod, bytes, reason, detail(&error), trace).await;
            }
            (_, caller) => return turned_away(caller),
        };
        let pod = received.pod;
        let suspend = sorted.kind == RequestKind::Membership
            && self.suspensions.includes(pod, sorted.account, &received.bytes);
        let situation = match sorted {
            Sorted { kind: RequestKind::Registration, .. } => Situation::Registration,
            Sorted { deliverable: false, kind, .. } => {
                self.metrics.noops.of([kind.label()]).increment(1);
                Situation::Noop
            }
            _ => self.store(&sorted, received).await,
        };
        match situation {
            Situation::Stored | Situation::Noop | Situation::Registration => {
                Answer::with_body(situation, sorted.kind, self.response(pod, &sorted, suspend))
            }
            problem => Answer::problem(problem, Some(sorted.kind)),
        }
    }

    /// Quarantines an authentic body that is no message, and answers it.
    pub(crate) async fn unreadable(
        &self,
        pod: &Pod,
        bytes: Bytes,
        reason: Unreadable,
        detail: String,
        trace: Option<String>,
    ) -> Answer {
        let received_at_ms = self.clock.now_ms();
        self.keep(Copy { pod, bytes, code: reason.word(), detail, received_at_ms, trace }).await;
        Answer::problem(Situation::Unreadable(reason), None)
    }

    /// Quarantines the beginning of an authentic body that is too large, and answers it.
    pub(crate) async fn too_large(&self, pod: &Pod, first: Bytes, trace: Option<String>) -> Answer {
        let detail =
            format!("longer than {} bytes; these are its first {}", self.limits.body_bytes_max, first.len());
        let received_at_ms = self.clock.now_ms();
        self.keep(Copy { pod, bytes: first, code: "too_large", detail, received_at_ms, trace }).await;
        Answer::problem(Situation::TooLarge, None)
    }

    async fn keep(&self, copy: Copy<'_>) {
        self.quarantine.keep(copy, Instant::now() + self.limits.answer_budget).await;
    }

    async fn store(&self, sorted: &Sorted, received: Received<'_>) -> Situation {
        let large = received.bytes.len() > self.packer.pack_bytes_max();
        let budget = if large { self.limits.spill_budget } else { self.limits.answer_budget };
        let request = PackedRequest {
            pod: received.pod.clone(),
            kind: Some(sorted.kind),
            id: sorted.id.clone(),
            account: sorted.account,
            received_at_ms: self.clock.now_ms(),
            trace: received.trace,
            body: PackedBody::Inline(received.bytes),
            pending: Pending::All,
        };
        match self.packer.store(request, received.permit, Instant::now() + budget).await {
            Ok(()) => Situation::Stored,
            Err(shed) => Situation::NotNow(shed),
        }
    }

    /// `suspend`: whether the answer to a membership request says that mParticle is to stop.
    fn response(&self, pod: &Pod, sorted: &Sorted, suspend: bool) -> Vec<u8> {
        let id = {
            let mut rng = self.rng.lock().expect("nothing panics while it is held");
            id_for(sorted.id.as_deref(), &mut rng)
        };
        let envelope = Envelope { kind: sorted.kind, id: &id, now_ms: self.clock.now_ms() };
        match sorted.kind {
            RequestKind::Registration => response::registration(envelope, &self.partner.registration),
            RequestKind::Events => response::events(envelope),
            RequestKind::Membership => response::membership(envelope, suspend),
            RequestKind::Subscription => response::subscription(envelope, &self.hidden_settings(pod, sorted)),
            RequestKind::Dsr => response::dsr(envelope),
        }
    }

    fn hidden_settings(&self, pod: &Pod, sorted: &Sorted) -> BTreeMap<String, String> {
        let Some(audience_id) = sorted.audience_id else { return BTreeMap::new() };
        let minted = |id: &String| (id.clone(), mint(pod, sorted.account, audience_id, id));
        self.partner.minted.iter().map(minted).collect()
    }
}

/// The answer to someone who may not send data.
pub(crate) fn turned_away(caller: Caller) -> Answer {
    let situation = match caller {
        Caller::Unjudged => Situation::TokensMissing,
        Caller::Stranger | Caller::Authentic => Situation::TokenWrong,
    };
    Answer::problem(situation, None)
}

/// What a person reads beside the copy; the unknown type itself stands in the copy alone.
fn detail(error: &SortError) -> String {
    match error {
        SortError::UnknownType(_) => "`type` is none of the five requests".to_owned(),
        other => other.to_string(),
    }
}
