//! What of ingress can be set. `docs/configuration.md` shows every setting.

mod auth;

use std::{net::SocketAddr, time::Duration};

use penstock_shared::{config::Settings, ids::Pod, pack::CompressionLevel};

use crate::{endpoints::Endpoints, tls::TlsConfig};

pub use auth::{AuthConfig, TokensConfig};

const KIB: usize = 1024;
const MIB: usize = 1024 * KIB;

/// Every setting of ingress.
#[derive(Clone, Debug)]
pub struct IngressConfig {
    /// The data centre of every call that comes to none of `endpoints`: `pod`.
    pub pod: Pod,
    /// The hosts and paths that were given to other data centres.
    pub endpoints: Endpoints,
    /// Where mParticle's calls arrive.
    pub listen: SocketAddr,
    /// TLS of our own; without it, something in front ends it.
    pub tls: Option<TlsConfig>,
    /// Who may send data.
    pub auth: AuthConfig,
    /// What one call may be.
    pub calls: CallLimits,
    /// How requests are packed.
    pub packing: PackingConfig,
    /// How well it is known which accounts are suspended.
    pub suspension: SuspensionConfig,
    /// How the server ends.
    pub stopping: StoppingConfig,
}

/// What one call may be, and all of them together.
#[derive(Clone, Debug)]
pub struct CallLimits {
    /// Longest body, before and after unpacking, in bytes.
    pub body_bytes_max: usize,
    /// Bytes of bodies held at once, over all calls.
    pub bytes_in_flight_max: usize,
    /// Connections open at once; more wait in the listener's backlog.
    pub connections_max: usize,
    /// From the first byte of a header (or the connection's beginning) to its end; as long again for a TLS handshake
    /// before it. HTTP/2 is asked whether it lives after so long a quiet, and has so long to answer.
    pub header_deadline: Duration,
    /// How long a connection may rest between two calls; longer than any load balancer in front keeps it.
    pub idle_timeout: Duration,
    /// From the end of the header to the end of the body.
    pub body_deadline: Duration,
    /// From the end of the body to the answer.
    pub answer_budget: Duration,
    /// The same for a body larger than a pack, which may have to be spilled: late is better than never.
    pub spill_budget: Duration,
}

/// How requests are packed.
#[derive(Clone, Copy, Debug)]
pub struct PackingConfig {
    /// Longest wait for company under load; rare requests never wait.
    pub linger_max: Duration,
    /// Most requests in one pack.
    pub requests_max: usize,
    /// About how many bytes a pack is to have, compressed, to be sent before `linger_max`.
    pub bytes_enough: usize,
    /// About how many bytes a pack has, compressed, when it is closed before its time.
    pub bytes_max: usize,
    /// How long a queue may take before the other one is asked too, if there is one.
    pub fallback_after: Duration,
    /// Calls to the queue at once.
    pub sends_max: usize,
    /// Longest call to the queue.
    pub send_timeout: Duration,
    /// Requests that may wait to be packed.
    pub waiting_max: usize,
    /// zstd's level.
    pub level: CompressionLevel,
}

/// How well it is known which accounts are suspended.
#[derive(Clone, Copy, Debug)]
pub struct SuspensionConfig {
    /// How often the store is asked.
    pub refresh_every: Duration,
    /// How long its last word stands when it does not answer.
    pub stale_after: Duration,
}

/// How the server ends.
#[derive(Clone, Copy, Debug)]
pub struct StoppingConfig {
    /// Between "not ready" and the end of accepting, so that load balancers notice.
    pub deregistration_delay: Duration,
    /// From the end of accepting to the end of the process.
    pub drain_deadline: Duration,
}

impl Default for IngressConfig {
    fn default() -> Self {
        Self::read(&mut Settings::new(penstock_shared::config::Sources::default()))
    }
}

impl IngressConfig {
    /// Reads the settings `pod` and `ingress.…`.
    pub fn read(settings: &mut Settings<'_>) -> Self {
        let config = Self {
            pod: settings.parsed("pod", Pod::new("us1").expect("a pod's name"), Pod::new),
            endpoints: settings.checked("endpoints", Endpoints::parse).unwrap_or_default(),
            listen: settings.address("ingress.listen", ([0, 0, 0, 0], 8080).into()),
            tls: TlsConfig::read(settings),
            auth: AuthConfig::read(settings),
            calls: CallLimits::read(settings),
            packing: PackingConfig::read(settings),
            suspension: SuspensionConfig {
                refresh_every: settings.millis("ingress.suspension_refresh_ms", 5_000, 10..=600_000),
                stale_after: settings.millis("ingress.suspension_stale_ms", 900_000, 1_000..=86_400_000),
            },
            stopping: StoppingConfig {
                deregistration_delay: settings.millis("ingress.deregistration_delay_ms", 0, 0..=300_000),
                drain_deadline: settings.millis("ingress.drain_deadline_ms", 20_000, 100..=600_000),
            },
        };
        if config.packing.linger_max * 2 > config.calls.answer_budget {
            settings
                .disagree("ingress.linger_max_ms takes more than half of ingress.answer_budget_ms; lower it");
        }
        if config.calls.bytes_in_flight_max < config.calls.body_bytes_max * 2 {
            settings.disagree(
                "ingress.bytes_in_flight_max holds fewer than two bodies of ingress.body_bytes_max; raise it",
            );
        }
        if config.suspension.stale_after < config.suspension.refresh_every * 2 {
            settings.disagree(
                "ingress.suspension_stale_ms is less than twice ingress.suspension_refresh_ms; raise it",
            );
        }
        config
    }

    /// Every pod that calls may belong to, each once: `pod`, then those of `endpoints`.
    pub fn pods(&self) -> Vec<Pod> {
        let mut pods = vec![self.pod.clone()];
        for pod in self.endpoints.pods() {
            if !pods.contains(pod) {
                pods.push(pod.clone());
            }
        }
        pods
    }
}

impl CallLimits {
    fn read(settings: &mut Settings<'_>) -> Self {
        Self {
            body_bytes_max: settings.bytes("ingress.body_bytes_max", 16 * MIB, 64 * KIB..=32 * MIB),
            bytes_in_flight_max: settings.bytes(
                "ingress.bytes_in_flight_max",
                256 * MIB,
                128 * KIB..=64 * KIB * MIB,
            ),
            connections_max: settings.count("ingress.connections_max", 10_000, 1..=1_000_000),
            header_deadline: settings.millis("ingress.header_deadline_ms", 5_000, 10..=60_000),
            idle_timeout: settings.millis("ingress.idle_timeout_ms", 180_000, 100..=3_600_000),
            body_deadline: settings.millis("ingress.body_deadline_ms", 10_000, 10..=120_000),
            answer_budget: settings.millis("ingress.answer_budget_ms", 80, 5..=10_000),
            spill_budget: settings.millis("ingress.spill_budget_ms", 3_000, 5..=60_000),
        }
    }
}

impl PackingConfig {
    fn read(settings: &mut Settings<'_>) -> Self {
        let level = settings.count("ingress.compression_level", 1, 1..=19);
        // The queue bills by 64 KiB. Most of that is nearly as cheap as all of it, and sooner full.
        let (linger_ms, enough) = settings.choice(
            "ingress.mode",
            "latency",
            &[("latency", (5, 46 * KIB)), ("thrift", (25, 448 * KIB))],
        );
        Self {
            linger_max: settings.millis("ingress.linger_max_ms", linger_ms, 0..=1_000),
            requests_max: settings.count("ingress.pack_requests_max", 512, 1..=4_096),
            bytes_enough: settings.bytes("ingress.pack_bytes_enough", enough, KIB..=16 * MIB),
            bytes_max: settings.bytes("ingress.pack_bytes_max", 448 * KIB, KIB..=16 * MIB),
            fallback_after: settings.millis("ingress.fallback_after_ms", 40, 1..=10_000),
            sends_max: settings.count("ingress.sends_max", 8, 1..=256),
            send_timeout: settings.millis("ingress.send_timeout_ms", 1_000, 10..=60_000),
            waiting_max: settings.count("ingress.waiting_max", 8_192, 1..=1_000_000),
            level: CompressionLevel(i32::try_from(level).expect("19 at most")),
        }
    }
}

#[cfg(test)]
mod tests {
    use penstock_shared::config::Sources;

    use super::*;

    #[test]
    fn the_defaults_agree_with_each_other() {
        let mut settings = Settings::new(Sources::default());
        let config = IngressConfig::read(&mut settings);
        assert_eq!(config.calls.answer_budget, Duration::from_millis(80));
        settings.finish().unwrap();
    }

    #[test]
    fn the_docs_have_every_setting_with_its_default() {
        let docs = include_str!("../../docs/configuration.md");
        let mut settings = Settings::new(Sources::default());
        IngressConfig::read(&mut settings);
        for setting in settings.finish().unwrap().settings {
            let row = docs.lines().find(|line| line.starts_with(&format!("| `{}` |", setting.name)));
            let row: Vec<&str> =
                row.unwrap_or_else(|| panic!("no row for {}", setting.name)).split(" | ").collect();
            let default = if setting.value.is_empty() { "none" } else { &setting.value };
            assert_eq!(row[2].trim_matches('`'), default, "{}", setting.name);
            if let Some((min, max)) = row[1].split_once(" to ") {
                let value: u64 = setting.value.parse().unwrap();
                assert!((min.parse().unwrap()..=max.parse().unwrap()).contains(&value), "{}", setting.name);
            }
        }
    }

    #[test]
    fn settings_that_disagree_are_refused_together() {
        let file = "tokens = [\"t\"]\nno_auth = true\n[ingress]\nanswer_budget_ms = 8\nbytes_in_flight_max = 1000000\nsuspension_stale_ms = 9000\n";
        let mut settings = Settings::new(Sources { file: Some(("p.toml", file)), ..Sources::default() });
        IngressConfig::read(&mut settings);
        assert_eq!(settings.finish().unwrap_err().0.len(), 4);
    }
}
