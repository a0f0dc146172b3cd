//! What is configured, and whether it goes together.

use std::{net::SocketAddr, path::PathBuf};

use penstock_ingress::IngressConfig;
use penstock_shared::{config::Settings, telemetry::cloudwatch::CloudwatchConfig};
use penstock_worker::{EcsAgent, config::WorkerConfig};
use url::Url;

use super::Role;
use crate::{
    backends::BackendConfig,
    partner_file::PartnerFile,
    surroundings::{Plans, Surroundings},
};

/// Everything the settings say.
pub(super) struct Configured {
    /// Read once, for the checks here and for the service; judged after the settings.
    pub(super) partner: Option<PartnerFile>,
    /// The partner.toml whose registration mParticle has imported; ingress does not start with one that can't follow it.
    pub(super) registration_before: Option<PathBuf>,
    pub(super) partner_url: Option<Url>,
    pub(super) admin: SocketAddr,
    pub(super) backends: BackendConfig,
    pub(super) ingress: IngressConfig,
    pub(super) worker: WorkerConfig,
    pub(super) cloudwatch: Option<CloudwatchConfig>,
    surroundings: Surroundings,
    pub(super) ecs_agent: Option<EcsAgent>,
}

impl Configured {
    pub(super) fn read(settings: &mut Settings<'_>, role: Role) -> Self {
        let partner_url = settings.optional_text("partner_url");
        let parsed = partner_url.as_deref().map(Url::parse);
        if let Some(Err(error)) = &parsed {
            settings.disagree(format!("partner_url (PENSTOCK_PARTNER_URL) is no URL: {error}; write one like https://api.example.com"));
        }
        let backends = BackendConfig::read(settings, role.has_worker());
        let queues = backends.stated();
        let worker = WorkerConfig { queues, ..WorkerConfig::read(settings) };
        let configured = Self {
            partner: settings.optional_text("partner").map(PartnerFile::load),
            registration_before: settings.optional_text("registration_before").map(PathBuf::from),
            partner_url: parsed.and_then(Result::ok),
            admin: settings.address("admin", ([127, 0, 0, 1], 9090).into()),
            backends,
            ingress: IngressConfig::read(settings),
            ecs_agent: ecs_agent(settings, role.has_worker() && worker.scale_in_protection),
            worker,
            cloudwatch: CloudwatchConfig::read(settings),
            surroundings: Surroundings::read(settings, queues),
        };
        configured.check(settings, role);
        configured
    }

    /// What cannot be right together is told with the mistakes of single settings; a partner.toml that cannot be read
    /// is told by itself, after them.
    fn check(&self, settings: &mut Settings<'_>, role: Role) {
        let partner = self.partner.as_ref().and_then(PartnerFile::partner);
        let plans = Plans::of(role, &self.ingress, &self.worker, partner);
        self.surroundings.disagreements(plans).into_iter().for_each(|told| settings.disagree(told));
    }
}

/// The agent that ECS names to each of its tasks, if it is wanted. A worker elsewhere works without.
fn ecs_agent(settings: &mut Settings<'_>, is_wanted: bool) -> Option<EcsAgent> {
    const VARIABLE: &str = "ECS_AGENT_URI";
    let uri = is_wanted.then(|| settings.foreign_variable(VARIABLE))?;
    let agent = match uri.as_deref().map(EcsAgent::new) {
        Some(Ok(agent)) => return Some(agent),
        Some(Err(error)) => error.to_string(),
        None => format!("there is no {VARIABLE}, as ECS gives its tasks"),
    };
    settings.warn(format!("worker.scale_in_protection is off: {agent}"));
    None
}

#[cfg(test)]
mod tests {
    use penstock_shared::config::Sources;

    use super::*;

    #[test]
    fn the_docs_have_every_setting_with_its_default() {
        let docs = include_str!("../../../docs/configuration.md");
        let mut settings = Settings::new(Sources::default());
        Configured::read(&mut settings, Role::Both);
        for setting in settings.finish().unwrap().settings {
            let name = format!("`{}`", setting.name);
            let mut rows = docs.lines().filter(|line| line.starts_with("| `"));
            let row = rows.find(|row| row.split(" | ").next().is_some_and(|names| names.contains(&name)));
            let row: Vec<&str> = row.unwrap_or_else(|| panic!("no row for {name}")).split(" | ").collect();
            let default = if setting.value.is_empty() { "none" } else { &setting.value };
            assert_eq!(row[2].trim_matches('`'), default, "{name}");
        }
    }
}
