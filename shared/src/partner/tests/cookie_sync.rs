//! `[cookie_sync]`: what it means, and mistakes in it.

use std::time::Duration;

use super::{super::*, GOOD, mistakes, says};

const SECTION: &str = r#"[cookie_sync]
cookie = "acme_id"
redirect_parameter = "redirect"
macro = "${ACME_ID}"
"#;

/// The good file with this section and the permission that goes with it.
fn file(section: &str) -> String {
    let permission = "[registration.permissions]\npartner_identities = [{ type = \"$cookie_sync_id\", encoding = \"raw\" }]";
    GOOD.replacen("[api]", &format!("{permission}\n\n{section}\n[api]"), 1)
}

/// What the section says when `more` stands in it.
fn also(more: &str) -> Vec<String> {
    mistakes(&file(&format!("{SECTION}{more}\n")))
}

#[test]
fn without_a_section_there_is_no_cookie_sync() {
    assert_eq!(parse(GOOD, "a").unwrap().cookie_sync, None);
}

#[test]
fn a_short_section_has_the_defaults_of_the_docs() {
    let sync = parse(&file(SECTION), "a").unwrap().cookie_sync.unwrap();
    let hosts = ["", "us1.", "us2.", "eu1.", "au1."];
    assert_eq!(
        sync,
        CookieSync {
            path: "/cookie-sync".to_owned(),
            cookie: "acme_id".to_owned(),
            max_age: Duration::from_hours(24 * 365),
            domain: None,
            redirect_parameter: "redirect".to_owned(),
            id_macro: "${ACME_ID}".to_owned(),
            allowed_hosts: hosts
                .map(|pod| HostRule::Exactly(format!("cookiesync.{pod}mparticle.com")))
                .to_vec(),
            opt_out_cookie: None,
            opt_out_signals: vec![OptOutSignal::Gpc],
            without_id: WithoutId::Image,
        }
    );
}

#[test]
fn every_key_is_read() {
    let more = r#"path = "/px/sync"
cookie_max_age_days = 30
cookie_domain = "acme.example"
allowed_hosts = ["cookiesync.mparticle.com", "*.acme.example"]
opt_out_cookie = "acme_optout"
opt_out_signals = ["dnt", "gpc"]
without_id = "no_content""#;
    let sync = parse(&file(&format!("{SECTION}{more}\n")), "a").unwrap().cookie_sync.unwrap();
    assert_eq!((sync.path.as_str(), sync.max_age), ("/px/sync", Duration::from_hours(24 * 30)));
    assert_eq!(sync.domain.as_deref(), Some("acme.example"));
    assert_eq!(sync.opt_out_cookie.as_deref(), Some("acme_optout"));
    assert_eq!(sync.opt_out_signals, [OptOutSignal::Dnt, OptOutSignal::Gpc]);
    assert_eq!(sync.without_id, WithoutId::NoContent);
    assert_eq!(
        sync.allowed_hosts,
        [
            HostRule::Exactly("cookiesync.mparticle.com".to_owned()),
            HostRule::Below("acme.example".to_owned())
        ]
    );
}

#[test]
fn a_suffix_covers_what_is_below_it_and_nothing_else() {
    let below = HostRule::Below("acme.example".to_owned());
    for (host, allowed) in [
        ("a.acme.example", true),
        ("a.b.acme.example", true),
        ("acme.example", false),
        (".acme.example", false),
        ("evilacme.example", false),
        ("acme.example.evil.example", false),
    ] {
        assert_eq!(below.allows(host), allowed, "{host}");
    }
}

#[test]
fn mistakes_of_the_cookie_sync_are_told_with_what_was_meant() {
    let section =
        "[cookie_sync]\ncookie = \"a b\"\nmarco = \"x\"\npath = \"sync\"\nredirect_parameter = \"a&b\"";
    let found = mistakes(&file(section));
    let line = file(section).lines().position(|line| line == "[cookie_sync]").unwrap() + 1;
    for (line, told) in [
        (line, "cookie_sync.macro: `macro` is missing; write what stands for the id"),
        (line + 1, "cookie_sync.cookie: is not a cookie's name"),
        (line + 2, "cookie_sync.marco: unknown key `marco`; did you mean `macro`?"),
        (line + 3, "cookie_sync.path: must begin with a slash"),
        (line + 4, "cookie_sync.redirect_parameter: may hold letters, digits and -_.~ only"),
    ] {
        assert!(
            found.iter().any(|it| it.starts_with(&format!("acme.toml:{line}:")) && it.contains(told)),
            "{told} {found:#?}"
        );
    }
    assert_eq!(found.len(), 5, "{found:#?}");

    says(&also("path = '/a?b'"), "may hold a path's characters only");
    says(&also("cookie_max_age_days = 401"), "401 is above 400");
    says(&also("cookie_domain = '.acme.example'"), "is not a domain's name in lower case");
    says(&also("opt_out_cookie = 'acme_id'"), "is the cookie of the id");
    says(&also("opt_out_signals = ['gcp']"), "unknown word `gcp`; known here: gpc, dnt");
    says(&also("without_id = 'pixel'"), "unknown word `pixel`; known here: image, no_content");
    says(&also("allowed_hosts = []"), "allows no host");
    for host in [
        "https://a.example",
        "A.example",
        "*",
        "*.com",
        "*a.example",
        "127.0.0.1",
        "a.example.",
        "localhost",
        "a.example:443",
        "a..example",
    ] {
        says(
            &also(&format!("allowed_hosts = ['{host}']")),
            "cookie_sync.allowed_hosts[0]: is not a host's name",
        );
    }
    let with = |from: &str, to: &str| mistakes(&file(&SECTION.replacen(from, to, 1)));
    says(&with("${ACME_ID}", "%%MPID%%"), "is mParticle's macro for its own id");
    says(&with("${ACME_ID}", "ID"), "is too short");
    says(&with("${ACME_ID}", "$ {ID}"), "may hold visible ASCII only");
    says(&with("\"acme_id\"", "\"__Host-id\"\ncookie_domain = \"acme.example\""), "`__Host-` for a domain");
}

#[test]
fn what_is_synced_needs_the_permission_to_come_back() {
    let text = GOOD.replacen("[api]", &format!("{SECTION}\n[api]"), 1);
    let found = mistakes(&text);
    says(&found, "acme.toml:13:2: cookie_sync: what is synced is never sent");
    assert_eq!(found.len(), 1, "{found:#?}");
    let other = file(SECTION).replacen("$cookie_sync_id", "Acme_Id", 1);
    says(&mistakes(&other), "what is synced is never sent");
}
