//! From the command line, the environment and the settings file to a configuration that was checked whole.

use std::{collections::BTreeMap, path::PathBuf};

use penstock_shared::{
    config::{Effective, Settings, Sources},
    partner::Partner,
    telemetry::{LogConfig, start_logs},
};
use std::io::IsTerminal as _;

use crate::exit::ExitStatus;

/// Flags every verb that reads settings has.
#[derive(Debug, Clone, Default, clap::Args)]
pub(crate) struct ConfigArgs {
    /// A TOML file with settings; docs/configuration.md lists them all. A variable wins over it, a flag over both
    /// [also PENSTOCK_CONFIG].
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
}

/// What makes a verb end before it began; already told on standard error.
#[derive(Debug)]
pub(crate) struct Refused(pub(crate) ExitStatus);

/// Reads settings with `read`, from all sources, and reports every mistake at once.
pub(crate) fn settings<T>(
    args: &ConfigArgs,
    flags: BTreeMap<String, String>,
    read: impl FnOnce(&mut Settings<'_>) -> T,
) -> Result<(T, LogConfig, Effective), Refused> {
    // Read here and not by the parser of arguments, as an empty variable counts as not given.
    let set = || variable("PENSTOCK_CONFIG").filter(|text| !text.is_empty()).map(PathBuf::from);
    let file = match args.config.clone().or_else(set) {
        None => None,
        Some(path) => match std::fs::read_to_string(&path) {
            Ok(text) => Some((path.display().to_string(), text)),
            Err(error) => {
                eprintln!("error: cannot read the settings file {}: {error}", path.display());
                return Err(Refused(ExitStatus::Config));
            }
        },
    };
    let mut settings = Settings::new(Sources {
        file: file.as_ref().map(|(name, text)| (name.as_str(), text.as_str())),
        variable: Some(&variable),
        variable_names: std::env::vars_os().filter_map(|(name, _)| name.into_string().ok()).collect(),
        flags,
    });
    let log = LogConfig::read(&mut settings);
    let value = read(&mut settings);
    match settings.finish() {
        Ok(effective) => Ok((value, log, effective)),
        Err(errors) => {
            eprintln!("error: the settings are wrong\n{errors}");
            Err(Refused(ExitStatus::Config))
        }
    }
}

/// The one place that reads the environment.
#[expect(clippy::disallowed_methods, reason = "this is what hands the environment to the settings")]
pub(crate) fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// Starts logging on standard error.
pub(crate) fn logs(config: &LogConfig) {
    let terminal = std::io::stderr().is_terminal();
    let color = terminal && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    if let Err(error) = start_logs(config, terminal, color) {
        eprintln!("warning: logging did not start: {error}");
    }
}

/// Sends everything to another base URL, for tests and staging. An address of the own network or plain HTTP is then
/// meant: whoever sets the variable runs the process.
pub(crate) fn override_url(partner: &mut Partner, url: url::Url) {
    partner.api.allow_private_addresses = true;
    partner.api.base_urls.clear();
    partner.api.base_url = url;
}
