use http::{HeaderValue, StatusCode};
use serde_json::json;

use super::*;
use crate::testing::{compiled, partner_with};

const NOW: i64 = 1_792_567_680_000; // Wed, 21 Oct 2026 07:28:00 GMT

fn answer(status: u16, body: &str) -> Answer {
    Answer {
        status: StatusCode::from_u16(status).unwrap(),
        headers: HeaderMap::new(),
        body: body.to_owned().into(),
        is_cut: false,
    }
}

fn judged(route: &str, answer: &Answer, items: &[serde_json::Value]) -> Judged {
    let program = compiled(&partner_with(|text| text));
    let index = program.routes.iter().position(|each| each.name == route).unwrap();
    let items: Vec<Bytes> = items.iter().map(|item| item.to_string().into()).collect();
    let items: Vec<&Bytes> = items.iter().collect();
    judge(program.call(index).unwrap(), answer, Record::default(), &items, NOW).0
}

fn erasure(status: u16, body: &str) -> Outcome {
    match judged("erasures", &answer(status, body), &[json!({})]) {
        Judged::Outcomes(outcomes) if outcomes.len() == 1 => outcomes[0].clone(),
        other => panic!("{other:?}"),
    }
}

fn label(outcome: &Outcome) -> &'static str {
    match outcome {
        Outcome::Delivered => "delivered",
        Outcome::Filtered(reason) => reason.label(),
        Outcome::Retry { reason, .. } => reason.label(),
        Outcome::Rejected { reason, .. } => reason.label(),
    }
}

#[test]
fn the_partners_statuses_come_before_the_table() {
    assert_eq!(label(&erasure(409, "")), "delivered");
    assert_eq!(label(&erasure(418, "")), "throttled");
    assert_eq!(label(&erasure(451, "")), "unauthorized");
    assert_eq!(label(&erasure(404, "")), "gone");
}

#[test]
fn the_partners_expression_comes_between_and_none_of_it_goes_on() {
    assert_eq!(label(&erasure(200, r#"{"state":"locked"}"#)), "busy");
    assert_eq!(label(&erasure(404, r#"{"state":"locked"}"#)), "busy");
    assert_eq!(label(&erasure(409, r#"{"state":"locked"}"#)), "delivered", "statuses are asked first");
    for open in [r#"{"state":"free"}"#, "{}", "", "<html>", "[1]", "null"] {
        assert_eq!(label(&erasure(200, open)), "delivered", "{open}");
        assert_eq!(label(&erasure(500, open)), "server_error", "{open}");
    }
}

#[test]
fn a_batch_is_halved_only_while_there_is_something_to_halve() {
    for status in [400, 413, 422] {
        assert_eq!(judged("events", &answer(status, ""), &[json!(1), json!(2)]), Judged::Halve);
        let Judged::Outcomes(alone) = judged("events", &answer(status, ""), &[json!(1)]) else { panic!() };
        assert!(matches!(alone[..], [Outcome::Rejected { .. }]));
    }
}

#[test]
fn results_in_order_are_the_items_own() {
    let body = r#"{"results":[{"ok":true},{"ok":false,"why":"no such plan"},{"busy":true},{}]}"#;
    let items = [json!(1), json!(2), json!(3), json!(4)];
    let Judged::Outcomes(outcomes) = judged("profiles", &answer(200, body), &items) else { panic!() };
    assert_eq!(
        outcomes.iter().map(label).collect::<Vec<_>>(),
        ["delivered", "partner_rejected", "busy", "partner_rejected"]
    );
    let Outcome::Rejected { detail, .. } = &outcomes[1] else { panic!() };
    assert_eq!(detail, "the partner reports: no such plan");
}

#[test]
fn results_that_do_not_fit_the_items_are_tried_again() {
    for body in [
        r#"{"results":[]}"#,
        r#"{"results":[{"ok":true},{"ok":true},{"ok":true}]}"#,
        "{}",
        "",
        "<html>",
        r#"{"results":7}"#,
    ] {
        let Judged::Outcomes(outcomes) = judged("profiles", &answer(200, body), &[json!(1), json!(2)]) else {
            panic!()
        };
        assert_eq!(outcomes.iter().map(label).collect::<Vec<_>>(), ["busy", "busy"], "{body}");
    }
}

#[test]
fn results_are_not_looked_for_when_the_call_failed() {
    let body = r#"{"results":[{"ok":true},{"ok":true}]}"#;
    let Judged::Outcomes(outcomes) = judged("profiles", &answer(503, body), &[json!(1), json!(2)]) else {
        panic!()
    };
    assert_eq!(outcomes.iter().map(label).collect::<Vec<_>>(), ["server_error", "server_error"]);
}

#[test]
fn lists_of_failures_name_items_and_the_first_list_wins() {
    let user = |name: &str| json!({ "email": name });
    let items = [user("a"), user("b"), user("c"), json!({})];
    let body = r#"{"unknown":["b","z"],"later":["c","b"]}"#;
    let Judged::Outcomes(outcomes) = judged("members", &answer(200, body), &items) else { panic!() };
    assert_eq!(
        outcomes.iter().map(label).collect::<Vec<_>>(),
        ["delivered", "partner_rejected", "busy", "delivered"]
    );
    for (status, body) in [(200, "{}"), (204, ""), (200, r#"{"unknown":null,"later":[]}"#)] {
        let Judged::Outcomes(outcomes) = judged("members", &answer(status, body), &items) else { panic!() };
        assert_eq!(outcomes, vec![Outcome::Delivered; 4], "{body}");
    }
}

#[test]
fn an_answer_that_can_not_be_read_does_not_say_that_nobody_failed() {
    let items = [json!({ "email": "a" })];
    let cut = Answer { is_cut: true, ..answer(200, r#"{"unknown":["a"]}"#) };
    for answer in [answer(200, ""), answer(200, "<html>"), answer(202, "{\"unknown\":[\"a\""), cut] {
        let Judged::Outcomes(outcomes) = judged("members", &answer, &items) else { panic!() };
        assert_eq!(outcomes.iter().map(label).collect::<Vec<_>>(), ["busy"]);
    }
}

#[test]
fn trap_98_a_reason_of_the_partners_is_kept_without_the_customers_values() {
    let reason = "user ada@example.com (+44 7700 900123) is unknown, code 404";
    let body = json!({ "results": [{ "why": reason }] }).to_string();
    let Judged::Outcomes(outcomes) = judged("profiles", &answer(200, &body), &[json!(1)]) else { panic!() };
    let Outcome::Rejected { detail, .. } = &outcomes[0] else { panic!() };
    assert_eq!(detail, "the partner reports: user … (+44 … … is unknown, code 404");
}

#[test]
fn a_reason_of_the_partners_is_kept_short() {
    let why = "é".repeat(1000);
    let body = json!({ "results": [{ "why": why }] }).to_string();
    let Judged::Outcomes(outcomes) = judged("profiles", &answer(200, &body), &[json!(1)]) else { panic!() };
    let Outcome::Rejected { detail, .. } = &outcomes[0] else { panic!() };
    assert!(detail.chars().count() <= REASON_MAX + 30);
}

#[test]
fn retry_after_is_read_in_both_forms_and_believed_for_an_hour_at_most() {
    let read = |text: &str| {
        let headers = HeaderMap::from_iter([(header::RETRY_AFTER, HeaderValue::from_str(text).unwrap())]);
        retry_after(&headers, NOW)
    };
    assert_eq!(read("7"), Some(Duration::from_secs(7)));
    assert_eq!(read(" 0 "), Some(Duration::ZERO));
    assert_eq!(read("Wed, 21 Oct 2026 07:28:30 GMT"), Some(Duration::from_secs(30)));
    assert_eq!(read("Wed, 21 Oct 2026 07:27:30 GMT"), None, "past");
    for rubbish in ["", "soon", "-5", "1.5", "Wed, 99 Oct 2026"] {
        assert_eq!(read(rubbish), None, "{rubbish}");
    }
    for endless in ["18446744073709551615", "60000000", "Thu, 21 Oct 2027 07:28:00 GMT"] {
        assert_eq!(read(endless), Some(Duration::from_secs(3600)), "{endless}");
    }
    assert_eq!(retry_after(&HeaderMap::new(), NOW), None);
}
