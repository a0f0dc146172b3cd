//! From the command line, the environment and the settings file to a configuration that was checked whole.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use penstock_shared::{
    config::{Effective, Settings, Sources},
    partner::{self, LoadError, Mistakes, Partner, check_succession},
    telemetry::{LogConfig, start_logs},
};
use penstock_worker::mapping::Program;
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

/// Reads, checks and compiles a partner.toml; mistakes of both the file and its expressions are told at once.
pub(crate) fn partner(path: &Path) -> Result<(Partner, Program), Refused> {
    let refused = |mistakes: &Mistakes| {
        eprintln!("{mistakes}");
        let count = mistakes.mistakes.len();
        eprintln!("error: {} has {count} mistake{}", mistakes.file, if count == 1 { "" } else { "s" });
        Refused(ExitStatus::Config)
    };
    let partner = match partner::load(path) {
        Ok(partner) => partner,
        Err(LoadError::Mistakes(mistakes)) => return Err(refused(&mistakes)),
        Err(LoadError::Io { path, source }) => {
            eprintln!("error: cannot read {}: {source}", path.display());
            return Err(Refused(ExitStatus::Config));
        }
    };
    let program = Program::compile(&partner).map_err(|mistakes| refused(&mistakes))?;
    Ok((partner, program))
}

/// Reads a partner.toml like [`partner()`], and the one whose registration mParticle has imported before, if there is
/// one: refused as well is what changes of it what may not change. The mistakes of both files are told.
pub(crate) fn partner_after(path: &Path, before: Option<&Path>) -> Result<(Partner, Program), Refused> {
    // Both are read before either is judged.
    let now = partner(path);
    let before = before.map(|before| (before, partner(before)));
    let now = now?;
    let Some((before_path, before)) = before else { return Ok(now) };
    if let Err(broken) = check_succession(&before?.0.registration, &now.0.registration) {
        eprintln!("{}: {broken}", path.display());
        eprintln!("error: {} can't follow {}", path.display(), before_path.display());
        return Err(Refused(ExitStatus::Config));
    }
    Ok(now)
}

/// Sends everything to another base URL, for tests and staging. An address of the own network or plain HTTP is then
/// meant: whoever sets the variable runs the process.
pub(crate) fn override_url(partner: &mut Partner, url: url::Url) {
    partner.api.allow_private_addresses = true;
    partner.api.base_urls.clear();
    partner.api.base_url = url;
}
