//! Mistakes in `[api]`, `[auth]`, `[limits]` and `[retry]`.

use super::{super::*, GOOD, says, with};

#[test]
fn the_address_of_the_api_must_be_public_and_bare() {
    let url = |url: &str| with("https://api.example.com", url);
    for address in [
        "https://127.0.0.1",
        "https://10.1.2.3",
        "https://[::1]",
        "https://[::ffff:192.168.0.1]",
        "https://169.254.169.254",
        "https://localhost",
        "https://[fd00::1]",
        "https://0.0.0.0",
    ] {
        says(&url(address), "is a private address");
    }
    says(&url("http://api.example.com"), "would send keys in the clear");
    says(&url("ftp://api.example.com"), "must begin with https://");
    says(&url("api.example.com"), "is not a URL");
    says(&url("https://me:secret@api.example.com"), "holds credentials");
    says(&url("https://api.example.com/?key=1"), "holds a query");
    assert!(!url("https://me:secret@api.example.com").concat().contains("secret"));
    let api = |text: &str| with("[auth]", &format!("{text}\n[auth]"));
    assert_eq!(api("base_urls = { eu1 = 'https://eu.example.com' }"), Vec::<String>::new());
    says(&api("base_urls = { EU = 'https://eu.example.com' }"), "pod `EU` is not");
    says(&api("timeout_ms = 500\nconnect_timeout_ms = 900"), "is above `timeout_ms`");
    says(&api("headers = { 'a b' = '1' }"), "`a b` is not a header's name");
    says(&api("headers = { Host = '1' }"), "is written by the engine");
    says(&api("headers = { Authorization = '1' }"), "write credentials in [auth]");
    says(&api("headers = { X-A = '1', x-a = '2' }"), "stands here twice");
    assert_eq!(
        with("https://api.example.com\"", "http://127.0.0.1\"\nallow_private_addresses = true"),
        Vec::<String>::new()
    );
}

#[test]
fn auth_takes_the_keys_of_its_kind_only() {
    let auth = |text: &str| with("kind = \"bearer\"\ntoken = \"settings.apiKey\"", text);
    says(&auth("kind = 'token'"), "unknown word `token`");
    says(&auth("kind = 'header'\nvalue = 'settings.apiKey'"), "`header` is missing");
    says(&auth("kind = 'header'\nheader = 'a b'\nvalue = 'settings.apiKey'"), "is not a header's name");
    says(
        &auth("kind = 'basic'\nuser = 'settings.apiKey'\npassword = '1'\ntoken = '1'"),
        "has no meaning with kind",
    );
    says(
        &auth("kind = 'bearer'\ntoken = 'event.name'"),
        "`event` is not there; known here: settings, pod, account",
    );
}

#[test]
fn limits_and_retries_agree_with_each_other() {
    let also = |text: &str| with("[auth]", &format!("{text}\n[auth]"));
    says(&also("[limits]\nburst = 5"), "needs `requests_per_second` beside it");
    says(&also("[limits]\nrequests_per_second = 0"), "0 is below 0.00001");
    says(&also("[limits]\nrequests_per_second = 1e9"), "is above 100000");
    says(
        &also("[limits]\nrequests_per_second = 5\nrequests_per_second_per_account = 6"),
        "6 is above `requests_per_second`, 5",
    );
    says(&also("[limits]\nconcurrency = 4\nconcurrency_per_account = 5"), "5 is above `concurrency`, 4");
    says(&also("[retry]\ndelay_base_ms = 5000\ndelay_max_ms = 100"), "is below `delay_base_ms`");
    says(&also("[retry]\nattempts_max = 101"), "101 is above 100");
    says(&also("[retry]\nage_max_hours = 99999999999999999999"), "is above 336");
    let limits = parse(&GOOD.replacen("[auth]", "[limits]\nrequests_per_second = 2.5\n[auth]", 1), "a")
        .unwrap()
        .limits;
    assert_eq!(limits.rate, Some(RateLimit { per_second: 2.5, burst: 3 }));
}
