use super::*;
use crate::{outcome::RejectReason, testing::partner_with};

fn judged(outcomes: &[Outcome]) -> Judged {
    Judged::Outcomes(outcomes.to_vec())
}

fn of(status: u16, outcomes: &[Outcome]) -> Option<Evidence> {
    evidence(StatusCode::from_u16(status).unwrap(), &judged(outcomes))
}

#[test]
fn trap_86_only_a_call_refused_as_a_whole_for_its_credentials_is_a_refusal() {
    let unauthorized = Outcome::retry(RetryReason::Unauthorized);
    for status in [401, 402, 403, 200] {
        assert_eq!(of(status, &[unauthorized.clone(), unauthorized.clone()]), Some(Evidence::Refused));
    }
    assert_eq!(of(407, std::slice::from_ref(&unauthorized)), None, "a proxy of ours");
    assert_eq!(of(200, &[unauthorized.clone(), Outcome::Delivered]), Some(Evidence::Accepted));
    let rejected = Outcome::rejected(RejectReason::Refused, "");
    assert_eq!(of(200, &[unauthorized, rejected.clone()]), None);
    assert_eq!(of(400, &[rejected]), None);
    for reason in RetryReason::ALL.iter().filter(|reason| **reason != RetryReason::Unauthorized) {
        assert_eq!(of(503, &[Outcome::retry(*reason)]), None, "{reason:?}");
    }
    assert_eq!(evidence(StatusCode::BAD_REQUEST, &Judged::Halve), None);
    assert_eq!(of(200, &[]), None);
}

#[test]
fn credentials_are_the_accounts_only_where_they_are_made_of_its_settings() {
    let is_theirs = |auth: &str| {
        are_the_accounts(&partner_with(|text| {
            let text =
                text.replace("X-Tier\" = \"settings.tier", "X-Key\" = \"settings.apiKey ~ settings.tier");
            text.replace("kind = \"bearer\"\ntoken = \"settings.apiKey\"", auth)
        }))
    };
    assert!(is_theirs("kind = \"bearer\"\ntoken = \"settings.apiKey\""));
    assert!(is_theirs("kind = \"basic\"\nuser = \"'us'\"\npassword = \"settings['apiKey']\""));
    assert!(is_theirs("kind = \"header\"\nheader = \"X-A\"\nvalue = \"'k ' ~ settings.apiKey | trim\""));
    assert!(is_theirs("kind = \"none\""), "a header that holds settings is what proves who calls");
    assert!(!is_theirs("kind = \"bearer\"\ntoken = \"'settings.apiKey'\""));
    assert!(!is_theirs("kind = \"basic\"\nuser = \"'us'\"\npassword = \"'ours ' ~ pod\""));
    let plain = partner_with(|text| {
        let text = text.replace("headers = { \"X-Tier\" = \"settings.tier\" }", "");
        let text = text.replace("name = \"event.name\"", "name = \"event.name ~ settings.apiKey\"");
        text.replace("kind = \"bearer\"\ntoken = \"settings.apiKey\"", "kind = \"none\"")
    });
    assert!(!are_the_accounts(&plain));
}
