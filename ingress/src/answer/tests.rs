use std::collections::BTreeSet;

use super::*;

/// The statuses of protocol.md 1.5, written down apart from the table.
const EXPECTED: [(&str, u16, Then, Kept); 21] = [
    ("Stored", 200, Then::Done, Kept::Queued),
    ("Noop", 200, Then::Done, Kept::Nothing),
    ("Registration", 200, Then::Done, Kept::Nothing),
    ("TokensMissing", 503, Then::TriesAgain, Kept::Nothing),
    ("TokenWrong", 401, Then::Lost, Kept::Nothing),
    ("NotPost", 405, Then::Lost, Kept::Nothing),
    ("SlowBody", 408, Then::TriesAgain, Kept::Nothing),
    ("EnvelopeUnreadable", 503, Then::TriesAgain, Kept::Nothing),
    ("Unreadable(Empty)", 400, Then::Lost, Kept::Quarantined),
    ("Unreadable(NotJson)", 400, Then::Lost, Kept::Quarantined),
    ("Unreadable(NotAnObject)", 400, Then::Lost, Kept::Quarantined),
    ("Unreadable(TrailingBytes)", 400, Then::Lost, Kept::Quarantined),
    ("Unreadable(TypeMissing)", 400, Then::Lost, Kept::Quarantined),
    ("Unreadable(UnknownType)", 400, Then::Lost, Kept::Quarantined),
    ("Unreadable(Encoding)", 400, Then::Lost, Kept::Quarantined),
    ("TooLarge", 413, Then::Lost, Kept::Beginning),
    ("NotNow(BytesInFlight)", 503, Then::TriesAgain, Kept::Nothing),
    ("NotNow(PackerFull)", 503, Then::TriesAgain, Kept::Nothing),
    ("NotNow(QueueFailed)", 503, Then::TriesAgain, Kept::Unknown),
    ("NotNow(QueueSlow)", 503, Then::TriesAgain, Kept::Unknown),
    ("Panicked", 500, Then::TriesAgain, Kept::Unknown),
];

#[test]
fn every_situation_has_the_status_of_the_protocol() {
    let rows: Vec<_> = Situation::all()
        .into_iter()
        .map(|situation| {
            let row = situation.row();
            (format!("{situation:?}"), row.status.as_u16(), row.then(), row.kept)
        })
        .collect();
    let expected: Vec<_> =
        EXPECTED.map(|(name, status, then, kept)| (name.to_owned(), status, then, kept)).into();
    assert_eq!(rows, expected);
}

#[test]
fn success_is_said_only_of_what_is_stored_or_needs_no_storing() {
    for situation in Situation::all() {
        let row = situation.row();
        let told_truly = matches!(row.kept, Kept::Queued | Kept::Nothing);
        assert!(row.then() != Then::Done || told_truly, "{situation:?}");
        assert_eq!(row.kept == Kept::Queued, situation == Situation::Stored, "{situation:?}");
    }
}

#[test]
fn nothing_is_lost_but_what_would_be_no_better_the_next_time() {
    let lost = |situation: &Situation| situation.row().then() == Then::Lost;
    for situation in Situation::all().into_iter().filter(lost) {
        let hopeless = matches!(
            situation,
            Situation::TokenWrong | Situation::NotPost | Situation::TooLarge | Situation::Unreadable(_)
        );
        assert!(hopeless, "{situation:?}");
    }
}

#[test]
fn every_status_is_followed_by_what_the_protocol_says() {
    let of = |status: u16| Then::of(StatusCode::from_u16(status).unwrap());
    let done: Vec<u16> = (100..1000).filter(|status| of(*status) == Then::Done).collect();
    let again: Vec<u16> = (100..1000).filter(|status| of(*status) == Then::TriesAgain).collect();
    assert_eq!((done, again), (vec![200, 202], vec![408, 429, 500, 502, 503, 504]));
}

#[test]
fn the_metrics_know_every_status_and_reason() {
    let docs = include_str!("../../../docs/telemetry.md");
    let words = |metric: &str, label: &str| -> BTreeSet<&str> {
        let line = docs.lines().find(|line| line.starts_with(&format!("| `{metric}` |"))).unwrap();
        let list = line.split_once(&format!("`{label}`: ")).unwrap().1;
        list.split([';', '|']).next().unwrap().split(',').map(str::trim).collect()
    };
    let statuses = words("ingress_requests_total", "status");
    let unreadable = words("ingress_quarantined_total", "reason");
    let shed = words("ingress_shed_total", "reason");
    for situation in Situation::all() {
        assert!(statuses.contains(situation.status().as_str()), "{situation:?}");
        assert!(situation.shed_word().is_none_or(|word| shed.contains(word)), "{situation:?}");
        let kept = matches!(situation.row().kept, Kept::Quarantined | Kept::Beginning);
        assert!(!kept || unreadable.contains(situation.problem().0), "{situation:?}");
    }
}

/// The table as ARCHITECTURE.md is to show it.
fn shown() -> String {
    let mut lines =
        vec!["| situation | status | mParticle | kept |".to_owned(), "|---|---|---|---|".to_owned()];
    for row in Situation::all().into_iter().map(Situation::row) {
        let then = match row.then() {
            Then::Done => "is done",
            Then::TriesAgain => "tries again",
            Then::Lost => "never sends it again",
        };
        let kept = match row.kept {
            Kept::Queued => "on the queue",
            Kept::Quarantined => "a copy",
            Kept::Beginning => "its beginning",
            Kept::Nothing => "nothing",
            Kept::Unknown => "perhaps: then it comes twice",
        };
        let line = format!("| {} | {} | {then} | {kept} |", row.situation, row.status.as_u16());
        if !lines.contains(&line) {
            lines.push(line);
        }
    }
    lines.join("\n")
}

#[test]
fn the_table_in_the_docs_is_this_one() {
    let docs = include_str!("../../../ARCHITECTURE.md");
    let (_, section) = docs.split_once("\n## What mParticle hears\n").unwrap();
    let (section, _) = section.split_once("\n## ").unwrap();
    let table: Vec<&str> = section.lines().filter(|line| line.starts_with('|')).collect();
    assert_eq!(table.join("\n"), shown(), "ARCHITECTURE.md is to say:\n{}", shown());
}

#[test]
fn a_problem_has_a_code_for_programs() {
    let answer = Answer::problem(Situation::NotNow(Shed::QueueSlow), None);
    let body: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
    assert_eq!(body["code"], "queue_slow");
}
