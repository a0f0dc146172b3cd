//! The faults of `--fail`: which requests and items go wrong, and how.

use std::ops::Range;
use std::str::FromStr;
use std::time::Duration;

/// What is written when a rule cannot be read.
const RULE_HELP: &str = "write WHAT:WHEN, where WHAT is a status (300 to 599), reset, lost, hang, down or items, \
    and WHEN is a share (5%), the first of them (first=20) or a time after start (10s..20s)";

/// What is done to a request instead of treating it well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Answered with this status, not handled.
    Status(u16),
    /// Not handled; the connection is reset.
    Reset,
    /// Handled, but the connection is reset before the answer: the caller cannot know.
    Lost,
    /// Not handled, not answered for two minutes.
    Hang,
}

impl Fault {
    /// Its word in the record.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Status(_) => "status",
            Self::Reset => "reset",
            Self::Lost => "lost",
            Self::Hang => "hang",
        }
    }
}

#[derive(Clone, Debug, PartialEq)]
enum When {
    /// This share of all, in `(0, 1]`.
    Share(f64),
    /// The first so many.
    First(u64),
    /// This time after start.
    Window(Range<Duration>),
}

/// The rules of `--fail`, comma separated. Without any, nothing fails.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct FailRules {
    requests: Vec<(Fault, When)>,
    items: Vec<When>,
}

impl FailRules {
    /// Whether single items fail, which only the sandbox can report.
    pub(crate) fn names_items(&self) -> bool {
        !self.items.is_empty()
    }

    /// What to do with request number `number` (from 1), `since_start` after the start.
    ///
    /// Draws once whatever the rules are, so that adding one does not shift the fate of all later requests. Windows
    /// and `first` go before shares; shares are parts of one whole, so `503:10%,429:5%` fails 15 of 100.
    pub(crate) fn request(
        &self,
        number: u64,
        since_start: Duration,
        rng: &mut fastrand::Rng,
    ) -> Option<Fault> {
        choose(&self.requests, |(_, when)| when, number, since_start, rng).map(|(fault, _)| *fault)
    }

    /// Whether item number `number` (from 1) fails, `since_start` after the start.
    pub(crate) fn item(&self, number: u64, since_start: Duration, rng: &mut fastrand::Rng) -> bool {
        choose(&self.items, |when| when, number, since_start, rng).is_some()
    }
}

fn choose<'a, T>(
    rules: &'a [T],
    when: impl Fn(&T) -> &When,
    number: u64,
    since_start: Duration,
    rng: &mut fastrand::Rng,
) -> Option<&'a T> {
    let drawn = rng.f64();
    let certain = rules.iter().find(|rule| match when(rule) {
        When::First(count) => number <= *count,
        When::Window(window) => window.contains(&since_start),
        When::Share(_) => false,
    });
    let mut reached = 0.0;
    certain.or_else(|| {
        rules.iter().find(|rule| {
            let When::Share(share) = when(rule) else { return false };
            reached += share;
            drawn < reached
        })
    })
}

impl FromStr for FailRules {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut rules = Self::default();
        for rule in text.split(',').map(str::trim).filter(|rule| !rule.is_empty()) {
            let (what, when) = rule.split_once(':').ok_or_else(|| format!("`{rule}`: {RULE_HELP}"))?;
            let when = parse_when(when).ok_or_else(|| format!("`{rule}`: {RULE_HELP}"))?;
            match what {
                "items" => rules.items.push(when),
                "down" if !matches!(when, When::Window(_)) => {
                    return Err(format!("`{rule}`: down takes a time, for example `down:10s..20s`"));
                }
                // A partner that is down answers no connection; a reset is as near as a bound port can come.
                "down" | "reset" => rules.requests.push((Fault::Reset, when)),
                "lost" => rules.requests.push((Fault::Lost, when)),
                "hang" => rules.requests.push((Fault::Hang, when)),
                status => match status.parse() {
                    Ok(status @ 300..=599) => rules.requests.push((Fault::Status(status), when)),
                    _ => return Err(format!("`{rule}`: {RULE_HELP}")),
                },
            }
        }
        let whole = |shares: &mut dyn Iterator<Item = &When>| {
            shares.map(|when| if let When::Share(share) = when { *share } else { 0.0 }).sum::<f64>()
        };
        // A hair above one is the rounding of shares that add up to it.
        if whole(&mut rules.requests.iter().map(|(_, when)| when)) > 1.000_001
            || whole(&mut rules.items.iter()) > 1.000_001
        {
            return Err(format!("`{text}`: the shares add up to more than 100%"));
        }
        Ok(rules)
    }
}

fn parse_when(text: &str) -> Option<When> {
    if let Some(percent) = text.strip_suffix('%') {
        let share = percent.trim().parse::<f64>().ok()? / 100.0;
        return (share > 0.0 && share <= 1.0).then_some(When::Share(share));
    }
    if let Some(count) = text.strip_prefix("first=") {
        return count.parse().ok().filter(|count| *count > 0).map(When::First);
    }
    let (from, to) = text.split_once("..")?;
    let window = parse_duration(from)?..parse_duration(to)?;
    (!window.is_empty()).then_some(When::Window(window))
}

/// Reads `1500ms`, `10s` or `2m`.
fn parse_duration(text: &str) -> Option<Duration> {
    let digits = text.trim_end_matches(|unit: char| unit.is_ascii_alphabetic());
    let count: u64 = digits.parse().ok()?;
    match &text[digits.len()..] {
        "ms" => Some(Duration::from_millis(count)),
        "s" => Some(Duration::from_secs(count)),
        "m" => count.checked_mul(60).map(Duration::from_secs),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fates(rules: &str, seed: u64) -> Vec<Option<Fault>> {
        let rules: FailRules = rules.parse().unwrap();
        let mut rng = fastrand::Rng::with_seed(seed);
        (1..=10_000).map(|number| rules.request(number, Duration::ZERO, &mut rng)).collect()
    }

    #[test]
    fn shares_are_parts_of_one_whole() {
        let fates = fates("503:10%,429:5%,reset:1%", 7);
        let count = |fault| fates.iter().filter(|fate| **fate == Some(fault)).count();
        assert!((900..1_100).contains(&count(Fault::Status(503))));
        assert!((430..570).contains(&count(Fault::Status(429))));
        assert!((60..140).contains(&count(Fault::Reset)));
    }

    #[test]
    fn one_seed_gives_one_fate() {
        assert_eq!(fates("hang:20%,lost:20%", 3), fates("hang:20%,lost:20%", 3));
        assert_ne!(fates("hang:20%,lost:20%", 3), fates("hang:20%,lost:20%", 4));
    }

    #[test]
    fn first_and_windows_are_certain() {
        let rules: FailRules = "500:first=20, down:10s..20s".parse().unwrap();
        let mut rng = fastrand::Rng::with_seed(1);
        let mut at = |number, seconds| rules.request(number, Duration::from_secs(seconds), &mut rng);
        assert_eq!(at(1, 0), Some(Fault::Status(500)));
        assert_eq!(at(20, 0), Some(Fault::Status(500)));
        assert_eq!(at(21, 9), None);
        assert_eq!(at(22, 10), Some(Fault::Reset));
        assert_eq!(at(23, 19), Some(Fault::Reset));
        assert_eq!(at(24, 20), None);
    }

    #[test]
    fn item_rules_leave_requests_alone() {
        let rules: FailRules = "items:100%".parse().unwrap();
        let mut rng = fastrand::Rng::with_seed(1);
        assert!(rules.item(1, Duration::ZERO, &mut rng));
        assert_eq!(rules.request(1, Duration::ZERO, &mut rng), None);
    }

    #[test]
    fn bad_rules_are_named() {
        for rule in [
            "503",
            "503:",
            "503:0%",
            "503:101%",
            "200:1%",
            "boom:1%",
            "hang:first=0",
            "down:5%",
            "down:20s..10s",
            "down:10..20",
            "reset:x%",
        ] {
            let reason = rule.parse::<FailRules>().unwrap_err();
            assert!(reason.contains(&format!("`{rule}`")), "{reason}");
        }
        assert!("503:60%,429:60%".parse::<FailRules>().unwrap_err().contains("more than 100%"));
        assert!("503:60%,items:60%".parse::<FailRules>().is_ok());
    }
}
