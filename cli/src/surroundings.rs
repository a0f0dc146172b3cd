//! What is said of the container and the queues, and whether the settings and partner.toml go with it. Whoever sets up
//! a deployment knows each number once and hands it over; where two of them cannot both be right, nothing starts.

use std::time::Duration;

use penstock_ingress::IngressConfig;
use penstock_shared::{config::Settings, partner::Partner, queue::QueueSetup};
use penstock_worker::config::WorkerConfig;

use crate::service::Role;

/// From the end of the drain to the end of the process: messages are given back, refused credentials noted, the last
/// metrics written. `infra/modules/pipeline` adds the same.
const END: Duration = Duration::from_secs(5);
/// What a process takes beside its budgets: code, connections, what it knows of accounts.
const BASE_BYTES: u64 = 64 << 20;
/// The worker's budget counts thrice: messages unpacked, spilled bodies, mapped items.
const WORKER_BUDGETS: u64 = 3;

/// What is said of the surroundings; each may be left unsaid.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Surroundings {
    /// From the container's stop signal to its end by force.
    stop_timeout: Option<Duration>,
    /// The container's memory.
    memory_bytes: Option<u64>,
    /// The main and retry queues.
    queues: QueueSetup,
}

/// What must go with the surroundings.
#[derive(Clone, Copy)]
pub(crate) struct Plans<'a> {
    pub(crate) ingress: Option<&'a IngressConfig>,
    pub(crate) worker: Option<&'a WorkerConfig>,
    /// `None` when partner.toml could not be read, which is told by itself.
    pub(crate) partner: Option<&'a Partner>,
}

impl<'a> Plans<'a> {
    /// Of a role.
    pub(crate) fn of(
        role: Role,
        ingress: &'a IngressConfig,
        worker: &'a WorkerConfig,
        partner: Option<&'a Partner>,
    ) -> Self {
        let (ingress, worker) = (Some(ingress), Some(worker));
        Self {
            ingress: ingress.filter(|_| role.has_ingress()),
            worker: worker.filter(|_| role.has_worker()),
            partner,
        }
    }
}

impl Surroundings {
    /// Reads `container.…`; `queues` was read with the queues.
    pub(crate) fn read(settings: &mut Settings<'_>, queues: QueueSetup) -> Self {
        Self {
            stop_timeout: settings.optional_millis("container.stop_timeout_ms", 1_000..=3_600_000),
            memory_bytes: settings.optional_bytes("container.memory_bytes", 64 << 20..=1 << 42),
            queues,
        }
    }

    /// Everything that cannot be right together, with the numbers and what would be right; one sentence each.
    pub(crate) fn disagreements(&self, plans: Plans<'_>) -> Vec<String> {
        let ingress = plans.ingress.and_then(|ingress| self.ingress_stop(ingress));
        let worker = plans.worker.zip(plans.partner);
        [
            ingress,
            worker.and_then(|(worker, partner)| self.worker_stop(worker, partner)),
            self.memory(plans),
            plans.worker.and_then(|worker| self.lease(worker)),
            worker.and_then(|(_, partner)| self.retention(partner)),
            worker.and_then(|(worker, partner)| attempts(worker, partner)),
        ]
        .into_iter()
        .flatten()
        .collect()
    }

    fn ingress_stop(&self, config: &IngressConfig) -> Option<String> {
        let (delay, drain) = (config.stopping.deregistration_delay, config.stopping.drain_deadline);
        let (has, needs) = (self.stop_timeout?, delay + drain + END);
        (needs > has).then(|| {
            format!(
                "container.stop_timeout_ms is {}, and ingress may take {} ms to stop: ingress.deregistration_delay_ms {} + \
                 ingress.drain_deadline_ms {} + {}; raise the first to {} at least, or lower the others by {}",
                has.as_millis(),
                needs.as_millis(),
                delay.as_millis(),
                drain.as_millis(),
                END.as_millis(),
                needs.as_millis(),
                (needs - has).as_millis()
            )
        })
    }

    fn worker_stop(&self, config: &WorkerConfig, partner: &Partner) -> Option<String> {
        let (drain, call) = (config.drain_deadline, partner.api.timeout);
        let (has, needs) = (self.stop_timeout?, drain + call + END);
        (needs > has).then(|| {
            format!(
                "container.stop_timeout_ms is {}, and the worker may take {} ms to stop: worker.drain_deadline_ms {} + \
                 partner.toml's [api] timeout_ms {} + {}; raise the first to {} at least, or lower the others by {}",
                has.as_millis(),
                needs.as_millis(),
                drain.as_millis(),
                call.as_millis(),
                END.as_millis(),
                needs.as_millis(),
                (needs - has).as_millis()
            )
        })
    }

    fn memory(&self, plans: Plans<'_>) -> Option<String> {
        let bytes = |bytes: usize| bytes as u64;
        let front = plans.ingress.map(|ingress| bytes(ingress.calls.bytes_in_flight_max));
        let back = plans.worker.map(|worker| bytes(worker.in_flight_bytes_max));
        let needs = BASE_BYTES + front.unwrap_or(0) + WORKER_BUDGETS * back.unwrap_or(0);
        let has = self.memory_bytes.filter(|has| *has < needs)?;
        let front = front.map(|bytes| format!("ingress.bytes_in_flight_max {bytes}"));
        let back = back.map(|bytes| format!("{WORKER_BUDGETS} times worker.in_flight_bytes_max {bytes}"));
        let budgets: Vec<String> = front.into_iter().chain(back).collect();
        Some(format!(
            "container.memory_bytes is {has}, and {needs} may be needed: {} + {BASE_BYTES} for the process; raise the first to \
             {needs} at least, or lower the budgets",
            budgets.join(" + ")
        ))
    }

    fn lease(&self, config: &WorkerConfig) -> Option<String> {
        let (said, lease) = (self.queues.visibility_timeout?.as_millis(), config.lease.as_millis());
        (said != lease).then(|| {
            format!("sqs.visibility_timeout_ms is {said}, and worker.lease_ms {lease}; set both, and the queues' own, to the same")
        })
    }

    fn retention(&self, partner: &Partner) -> Option<String> {
        let (kept, age) = (self.queues.retention?, partner.retry.age_max);
        (age >= kept).then(|| {
            format!(
                "sqs.retention_ms is {}, and partner.toml's [retry] age_max_hours {} ({} ms): SQS would drop what is still to \
                 be tried; keep messages longer (at most 1209600000, 14 days), or write fewer hours than {}",
                kept.as_millis(),
                age.as_secs() / 3600,
                age.as_millis(),
                kept.as_secs().div_ceil(3600)
            )
        })
    }
}

fn attempts(config: &WorkerConfig, partner: &Partner) -> Option<String> {
    let (said, stated) = (config.attempts_max?, partner.retry.attempts_max);
    (partner.retry.attempts_stated && said != stated).then(|| {
        format!(
            "worker.attempts_max is {said}, and partner.toml's [retry] attempts_max {stated}; write the same number, or one of \
             them alone"
        )
    })
}

#[cfg(test)]
mod tests {
    use penstock_shared::{config::Sources, partner};

    use super::*;

    fn partner_with(retry: &str) -> Partner {
        let text = include_str!("../../fixtures/partners/webhook.toml");
        assert!(!text.contains("[retry]") && text.contains("timeout_ms = 10_000"));
        partner::parse(&format!("{text}\n[retry]\n{retry}\n"), "partner.toml")
            .unwrap_or_else(|e| panic!("{e}"))
    }

    /// What is told to a role with these settings.
    fn told(role: Role, file: &str, partner: &Partner) -> Vec<String> {
        let settings = &mut Settings::new(Sources { file: Some(("p.toml", file)), ..Sources::default() });
        let queues = QueueSetup::read(settings);
        let surroundings = Surroundings::read(settings, queues);
        let (ingress, worker) = (IngressConfig::read(settings), WorkerConfig::read(settings));
        surroundings.disagreements(Plans::of(role, &ingress, &worker, Some(partner)))
    }

    #[test]
    fn what_is_not_said_disagrees_with_nothing() {
        assert_eq!(told(Role::Both, "", &partner_with("attempts_max = 12")), Vec::<String>::new());
    }

    #[test]
    fn the_stop_timeout_holds_the_drain_of_each_role() {
        let partner = partner_with("");
        let file = |stop: u32| {
            format!(
                "[container]\nstop_timeout_ms = {stop}\n[ingress]\nderegistration_delay_ms = 15000\n\
                 drain_deadline_ms = 20000\n[worker]\ndrain_deadline_ms = 30000\n"
            )
        };
        // 15 + 20 + 5, and 30 + 10 of a call + 5.
        assert!(told(Role::Ingress, &file(40_000), &partner).is_empty());
        let ingress = told(Role::Ingress, &file(39_999), &partner);
        assert!(
            ingress.len() == 1 && ingress[0].contains("39999") && ingress[0].contains("to 40000 at least")
        );
        assert!(told(Role::Worker, &file(45_000), &partner).is_empty());
        let worker = told(Role::Worker, &file(44_999), &partner);
        assert!(worker.len() == 1 && worker[0].contains("44999") && worker[0].contains("to 45000 at least"));
        assert_eq!(told(Role::Both, &file(35_000), &partner).len(), 2);
    }

    #[test]
    fn the_memory_holds_the_budgets_of_the_role() {
        let partner = partner_with("");
        let file = |mib: u64| {
            format!(
                "[container]\nmemory_bytes = {}\n[ingress]\nbytes_in_flight_max = 268435456\n\
                 [worker]\nin_flight_bytes_max = 134217728\n",
                mib << 20
            )
        };
        for (role, needs) in
            [(Role::Ingress, 64 + 256), (Role::Worker, 64 + 3 * 128), (Role::Both, 64 + 256 + 384)]
        {
            assert!(told(role, &file(needs), &partner).is_empty(), "{role:?}");
            let told = told(role, &file(needs - 1), &partner);
            let numbers = [(needs << 20).to_string(), ((needs - 1) << 20).to_string()];
            assert!(told.len() == 1 && numbers.iter().all(|number| told[0].contains(number)), "{told:?}");
        }
    }

    #[test]
    fn what_is_said_of_the_queues_goes_with_the_lease_and_the_age() {
        let partner = partner_with("age_max_hours = 72");
        let file = "[sqs]\nvisibility_timeout_ms = 30000\nretention_ms = 259200000\n";
        let both = told(Role::Worker, file, &partner);
        assert!(both.len() == 2, "{both:?}");
        assert!(both[0].contains("30000") && both[0].contains("60000"));
        assert!(both[1].contains("259200000") && both[1].contains("age_max_hours 72"));
        assert!(told(Role::Ingress, file, &partner).is_empty(), "no concern of ingress");
        let right = "[sqs]\nvisibility_timeout_ms = 60000\nretention_ms = 262800000\n";
        assert!(told(Role::Worker, right, &partner).is_empty());
    }

    #[test]
    fn attempts_are_said_once_or_alike() {
        let file = "[worker]\nattempts_max = 30\n";
        assert!(told(Role::Worker, file, &partner_with("")).is_empty());
        assert!(told(Role::Worker, file, &partner_with("attempts_max = 30")).is_empty());
        let told_both = told(Role::Worker, file, &partner_with("attempts_max = 12"));
        assert!(
            told_both.len() == 1
                && told_both[0].contains("is 30")
                && told_both[0].contains("attempts_max 12")
        );
        assert!(told(Role::Ingress, file, &partner_with("attempts_max = 12")).is_empty());
    }
}
