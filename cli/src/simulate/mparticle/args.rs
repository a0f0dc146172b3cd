//! The arguments of the verb.

use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use secrecy::SecretString;
use url::Url;

use super::kind::Mix;
use super::sender::Burst;

/// The highest rate that can be asked for; what comes of it depends on the machine.
const RATE_MAX: f64 = 100_000.0;
/// The longest run, ramp, pause and time of resumption, in seconds.
const SECONDS_MAX: f64 = 7.0 * 86_400.0;
/// Tries of one message at most.
const PAUSES_MAX: usize = 20;
/// The members that an audience may have at the start: as many as turns may wait in the load's line.
const PROFILES_MAX: u32 = 1_000_000;

/// Play mParticle: send what it sends, at the rate it sends it, and treat answers as it does.
#[derive(Debug, clap::Args)]
pub(crate) struct MparticleArgs {
    /// Where the ingress listens, for example `https://mparticle.acme.example/` or `http://127.0.0.1:8080/`. The host's
    /// name is looked up once, and one of its addresses is called all the time.
    #[arg(long, value_name = "URL", env = "PENSTOCK_SEND_URL")]
    pub(super) url: Url,

    /// PEM file of the authorities that the server's certificate may be of, instead of those this machine trusts; or of
    /// that certificate itself, unless it is marked as an authority.
    #[arg(long, value_name = "FILE.pem")]
    pub(super) ca: Option<PathBuf>,

    /// The token mParticle would send. Better given in the environment than on a command line others can see.
    #[arg(long, value_name = "TOKEN", env = "PENSTOCK_TOKEN", hide_env_values = true)]
    pub(super) token: Option<SecretString>,

    /// The ingress's own list of tokens, comma separated: its first is sent if no other is given.
    #[arg(long, value_name = "TOKENS", env = "PENSTOCK_TOKENS", hide = true, hide_env_values = true)]
    pub(super) tokens: Option<SecretString>,

    /// Messages a second on average, at random times, however slowly they are answered. Bursts and retries come on top.
    #[arg(long, value_name = "N", default_value = "100", value_parser = rate)]
    pub(super) rate: f64,

    /// How long messages are made; retries may take longer.
    #[arg(long, value_name = "SECONDS", default_value = "10", value_parser = seconds)]
    pub(super) seconds: Duration,

    /// How long the rate grows from nothing, at the start.
    #[arg(long, value_name = "SECONDS", default_value = "0", value_parser = seconds)]
    pub(super) ramp: Duration,

    /// Connect an audience: at that second its subscription is sent, and all its present members at once when that is
    /// answered. May be given several times.
    #[arg(long, value_name = "connect:SECOND:PROFILES")]
    pub(super) burst: Vec<Burst>,

    /// What is sent, how often relative to each other: `events=80,membership=15,…`, of events, profile, membership,
    /// subscription, dsr, registration, noop-events, noop-membership. What is not named is not sent.
    #[arg(long, value_name = "KIND=WEIGHT,…")]
    pub(super) mix: Option<Mix>,

    /// Customers; the n-th largest sends an n-th of what the largest does.
    #[arg(long, value_name = "N", default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(super) accounts: u32,

    /// Users of each customer.
    #[arg(long, value_name = "N", default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub(super) users: u32,

    /// Audiences of each customer.
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..=100))]
    pub(super) audiences: u32,

    /// User profiles in one membership message at most, as with a bulk configuration; 1 without one.
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(super) bulk: u32,

    /// An account setting that every customer has typed; `{account}` stands for the customer's number. May be given
    /// several times; without any, `apiKey=key-{account}`, `sendReceipts=True` and `defaultCountryCode=44`.
    #[arg(long = "setting", value_name = "NAME=VALUE", value_parser = setting)]
    pub(super) settings: Vec<(String, String)>,

    /// Connections, each with one call at a time.
    #[arg(long, value_name = "N", default_value_t = 128, value_parser = clap::value_parser!(u16).range(1..=2_048))]
    pub(super) connections: u16,

    /// How long an answer is waited for, in milliseconds. mParticle's own limit is not published; this is what others
    /// believe.
    #[arg(long, value_name = "MS", default_value_t = 10_000, value_parser = clap::value_parser!(u64).range(1..=600_000))]
    pub(super) timeout_ms: u64,

    /// The pauses before each further try after 408, 429, 500, 502, 503, 504 or no answer, in milliseconds; `none` for
    /// no further try. How often mParticle tries, and when, is not published.
    #[arg(long, value_name = "MS,…", default_value = "1000,2000,4000")]
    pub(super) retry_pauses_ms: Pauses,

    /// When a customer resumes what was faulted or suspended; never if left out.
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    pub(super) resume_after: Option<Duration>,

    /// Seed for messages and times, to have the same again; told at the end. Drawn if left out.
    #[arg(long, value_name = "N")]
    pub(super) seed: Option<u64>,

    /// Write one JSON line for each message that was taken: its id, its type, and how many items are in it.
    #[arg(long, value_name = "FILE.jsonl")]
    pub(super) record: Option<PathBuf>,

    /// Write the report as JSON to this file, too; `-` for standard output instead of the table.
    #[arg(long, value_name = "FILE|-")]
    pub(super) json: Option<PathBuf>,
}

/// The pauses between the tries of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pauses(pub(super) Vec<Duration>);

impl FromStr for Pauses {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "none" {
            return Ok(Self(Vec::new()));
        }
        let pause =
            |text: &str| text.trim().parse().ok().filter(|ms| *ms <= 3_600_000).map(Duration::from_millis);
        let pauses: Option<Vec<Duration>> = text.split(',').map(pause).collect();
        match pauses {
            Some(pauses) if pauses.len() <= PAUSES_MAX => Ok(Self(pauses)),
            _ => Err(format!(
                "write up to {PAUSES_MAX} numbers of milliseconds with commas between, or `none`"
            )),
        }
    }
}

impl FromStr for Burst {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parts: Vec<&str> = text.split(':').collect();
        let ["connect", at, profiles] = parts[..] else {
            return Err("write connect:SECOND:PROFILES, such as connect:10:50000".to_owned());
        };
        let at = seconds(at.trim_end_matches('s'))?;
        let profiles = profiles.parse().ok().filter(|profiles| (1..=PROFILES_MAX).contains(profiles));
        let profiles = profiles.ok_or_else(|| format!("the profiles are 1 to {PROFILES_MAX}"))?;
        Ok(Self { at, profiles })
    }
}

fn rate(text: &str) -> Result<f64, String> {
    let rate = text.parse().ok().filter(|rate: &f64| *rate > 0.0 && *rate <= RATE_MAX);
    rate.ok_or_else(|| format!("write a number above 0, up to {RATE_MAX}"))
}

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds = text.parse().ok().filter(|seconds: &f64| (0.0..=SECONDS_MAX).contains(seconds));
    seconds.map(Duration::from_secs_f64).ok_or_else(|| format!("write seconds, from 0 to {SECONDS_MAX}"))
}

fn setting(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("write NAME=VALUE")?;
    if name.is_empty() {
        Err("the name is empty".to_owned())
    } else {
        Ok((name.to_owned(), value.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bursts_pauses_and_numbers_are_read_as_written() {
        let burst = Burst { at: Duration::from_millis(1_500), profiles: 50_000 };
        assert_eq!("connect:1.5s:50000".parse(), Ok(burst));
        let pauses = [10, 20].map(Duration::from_millis).to_vec();
        assert_eq!("10, 20".parse(), Ok(Pauses(pauses)));
        assert_eq!("none".parse(), Ok(Pauses(Vec::new())));
        assert_eq!(rate("0.5"), Ok(0.5));
        assert_eq!(setting("a=b=c"), Ok(("a".to_owned(), "b=c".to_owned())));
    }

    #[test]
    fn what_cannot_be_meant_is_refused() {
        for text in ["connect:1", "send:1:1", "connect:-1:5", "connect:1:0", "connect:1:2000000"] {
            assert!(text.parse::<Burst>().is_err(), "{text}");
        }
        for text in ["", "1,,2", "-1", "99999999"] {
            assert!(text.parse::<Pauses>().is_err(), "{text}");
        }
        for text in ["0", "-1", "NaN", "inf", "1e9"] {
            assert!(rate(text).is_err(), "{text}");
        }
        assert!(seconds("NaN").is_err() && seconds("-1").is_err() && setting("=x").is_err());
    }
}
