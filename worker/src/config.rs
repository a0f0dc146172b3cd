//! The worker's settings.

use std::time::Duration;

use penstock_shared::{config::Settings, queue::QueueSetup};

use crate::{
    credentials::SuspendConfig, intake::IntakeConfig, lanes::LaneConfig, lease::LeaseConfig,
    scale_in::RuleConfig,
};

/// How a worker works. What concerns the partner is in `partner.toml`, not here.
#[derive(Clone, Copy, Debug)]
pub struct WorkerConfig {
    /// Messages of the main queue held at once; a quarter as many again of the retry queue.
    pub messages_max: usize,
    /// Bytes that held messages may take, unpacked; as many again for spilled bodies, and for mapped items.
    pub in_flight_bytes_max: usize,
    /// Items waiting in lanes at once.
    pub items_max: usize,
    /// Items waiting in one lane at once; what comes beyond goes to the retry queue.
    pub lane_items_max: usize,
    /// How long an item may wait behind a closed gate before it goes to the retry queue.
    pub hold_max: Duration,
    /// Messages split at once.
    pub split_jobs: usize,
    /// How long one receive waits for messages.
    pub receive_wait: Duration,
    /// How long a message is hidden at each renewal.
    pub lease: Duration,
    /// How long one message is renewed at most.
    pub lease_held_max: Duration,
    /// How long a membership waits before its subscription is made up from it.
    pub subscription_wait: Duration,
    /// How long a connected audience is believed without asking the store.
    pub subscription_cache: Duration,
    /// After how many refused calls in a row an account's credentials are taken for bad; 0 for never.
    pub suspend_after: usize,
    /// And not sooner than this after the first of them.
    pub suspend_after_time: Duration,
    /// How long after the stop signal what still waits is handed back.
    pub drain_deadline: Duration,
    /// How often the queues' depths are looked at.
    pub watch_every: Duration,
    /// Whether ECS is asked not to stop this worker while it is deep in work.
    pub scale_in_protection: bool,
    /// Fewer items held than this are never deep.
    pub scale_in_protection_items: usize,
    /// Attempts in all; the same number as in `partner.toml`, or in its place when that says none.
    pub attempts_max: Option<u32>,
    /// What is said of the queues: compared with themselves at the start.
    pub queues: QueueSetup,
}

impl Default for WorkerConfig {
    fn default() -> Self {
        Self::read(&mut Settings::new(penstock_shared::config::Sources::default()))
    }
}

impl WorkerConfig {
    /// Reads the settings of `[worker]`, and checks those that must agree.
    pub fn read(settings: &mut Settings<'_>) -> Self {
        let config = Self {
            messages_max: settings.count("worker.messages_max", 2_000, 1..=20_000),
            in_flight_bytes_max: settings.bytes("worker.in_flight_bytes_max", 128 << 20, 1 << 20..=16 << 30),
            items_max: settings.count("worker.items_max", 20_000, 1..=1_000_000),
            lane_items_max: settings.count("worker.lane_items_max", 5_000, 1..=1_000_000),
            hold_max: settings.millis("worker.hold_max_ms", 5_000, 0..=300_000),
            split_jobs: settings.count("worker.split_jobs", 4, 1..=64),
            receive_wait: settings.millis("worker.receive_wait_ms", 5_000, 0..=20_000),
            lease: settings.millis("worker.lease_ms", 60_000, 2_000..=43_200_000),
            lease_held_max: settings.millis("worker.lease_held_max_ms", 600_000, 2_000..=43_200_000),
            subscription_wait: settings.millis("worker.subscription_wait_ms", 30_000, 0..=86_400_000),
            subscription_cache: settings.millis("worker.subscription_cache_ms", 5_000, 0..=600_000),
            suspend_after: settings.count("worker.suspend_after", 3, 0..=1_000),
            suspend_after_time: settings.millis("worker.suspend_after_ms", 60_000, 0..=86_400_000),
            drain_deadline: settings.millis("worker.drain_deadline_ms", 20_000, 0..=600_000),
            watch_every: settings.millis("worker.watch_every_ms", 15_000, 1_000..=600_000),
            scale_in_protection: settings.flag("worker.scale_in_protection", false),
            scale_in_protection_items: settings.count(
                "worker.scale_in_protection_items",
                1_000,
                1..=1_000_000,
            ),
            attempts_max: settings
                .optional_count("worker.attempts_max", 1..=100)
                .and_then(|attempts| u32::try_from(attempts).ok()),
            queues: QueueSetup::default(),
        };
        if config.hold_max >= config.lease_held_max {
            settings.disagree("worker.hold_max_ms must be below worker.lease_held_max_ms, or a held message is lost to its lease");
        }
        if config.receive_wait >= config.drain_deadline && !config.drain_deadline.is_zero() {
            settings.disagree("worker.receive_wait_ms must be below worker.drain_deadline_ms: a stop waits for the receive under way");
        }
        config
    }

    /// What intake needs of it.
    pub fn intake(&self, messages_max: usize) -> IntakeConfig {
        let lease = LeaseConfig { lease: self.lease, held_max: self.lease_held_max };
        IntakeConfig { messages_max, receive_wait: self.receive_wait, lease }
    }

    /// What watching credentials needs of it.
    pub(crate) fn suspend(&self) -> SuspendConfig {
        SuspendConfig { refusals: self.suspend_after, over: self.suspend_after_time }
    }

    /// What deciding about protection needs of it.
    pub(crate) fn scale_in(&self) -> RuleConfig {
        RuleConfig { items_min: self.scale_in_protection_items as u64, drain_deadline: self.drain_deadline }
    }

    /// What lanes need of it.
    pub fn lanes(&self) -> LaneConfig {
        LaneConfig { hold_max: self.hold_max, lane_items_max: self.lane_items_max }
    }
}
