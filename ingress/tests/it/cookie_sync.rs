//! The cookie sync pixel beside mParticle's messages.

use crate::{
    client::TOKEN,
    harness::{EVENTS, Running, Setup, config, sandbox},
};

const REDIRECT: &str =
    "https%3A%2F%2Fcookiesync.mparticle.com%2Fv1%2Fsync%3Fesid%3D1%26ID%3D%24%7BSANDBOX_ID%7D%26env%3D2";

#[tokio::test]
async fn a_browser_is_redirected_with_the_id_that_its_cookie_then_holds() {
    let running = Running::start().await;
    let pixel = format!("GET /cookie-sync?src=mp&redirect={REDIRECT}");
    let first = running.call(&pixel, &[], b"").await;
    assert_eq!((first.status, first.body.len()), (302, 0));
    assert_eq!(first.headers["cache-control"], "no-store");
    let cookie = first.headers["set-cookie"].split(';').next().unwrap().to_owned();
    let id = cookie.strip_prefix("sandbox_id=").unwrap();
    let location = format!("https://cookiesync.mparticle.com/v1/sync?esid=1&ID={id}&env=2");
    assert_eq!((id.len(), first.headers["location"].as_str()), (32, location.as_str()));

    let again = running.call(&pixel, &[("cookie", &cookie)], b"").await;
    assert_eq!((again.status, again.headers["location"].as_str()), (302, location.as_str()));
    assert!(!again.headers.contains_key("set-cookie"));
    let other = running.call(&pixel, &[], b"").await;
    assert_ne!(other.headers["location"], location);
    assert!(running.has_metric("ingress_cookie_syncs_total{outcome=\"new_id\"} 2"));
    assert!(running.has_metric("ingress_cookie_syncs_total{outcome=\"known_id\"} 1"));
}

#[tokio::test]
async fn a_redirect_elsewhere_is_refused_and_is_no_image() {
    let running = Running::start().await;
    let pixel = "GET /cookie-sync?redirect=https%3A%2F%2Fcookiesync.mparticle.com%40evil.example%2F%24%7BSANDBOX_ID%7D";
    let answer = running.call(pixel, &[], b"").await;
    assert_eq!((answer.status, answer.code().as_str()), (400, "host_refused"));
    assert!(!answer.headers.contains_key("location") && !answer.headers.contains_key("set-cookie"));
    assert_eq!(answer.headers["cache-control"], "no-store");
    assert!(answer.headers["content-type"].starts_with("application/json"));
    assert!(running.has_metric("ingress_cookie_syncs_total{outcome=\"host_refused\"} 1"));
}

#[tokio::test]
async fn who_opted_out_gets_an_image_and_no_cookie() {
    let running = Running::start().await;
    let pixel = format!("GET /cookie-sync?redirect={REDIRECT}");
    for header in [("sec-gpc", "1"), ("cookie", "sandbox_id=known; sandbox_optout=1")] {
        let answer = running.call(&pixel, &[header], b"").await;
        assert_eq!((answer.status, answer.headers["content-type"].as_str()), (200, "image/gif"));
        assert!(answer.body.starts_with(b"GIF89a"));
        assert!(!answer.headers.contains_key("location") && !answer.headers.contains_key("set-cookie"));
    }
}

#[tokio::test]
async fn the_pixel_needs_no_token_and_disturbs_no_message_to_its_path() {
    let mut config = config();
    config.auth.tokens = penstock_ingress::config::TokensConfig::Nowhere;
    let without_tokens = Running::start_with(config).await;
    let pixel = format!("/cookie-sync?redirect={REDIRECT}");
    assert_eq!(without_tokens.call(&format!("HEAD {pixel}"), &[], b"").await.status, 302);

    let running = Running::start().await;
    assert_eq!(running.call(&format!("POST {pixel}"), &[TOKEN], EVENTS).await.status, 200);
    assert_eq!(running.call(&format!("POST {pixel}"), &[], EVENTS).await.status, 401);
    assert_eq!(running.stored().await.len(), 1);
    for line in ["PUT /cookie-sync", "GET /cookie-sync/", "GET /Cookie-Sync", "GET /"] {
        let answer = running.call(line, &[], b"").await;
        assert_eq!((answer.status, answer.headers["allow"].as_str()), (405, "POST"), "{line}");
    }
    assert!(running.has_metric("ingress_requests_total{kind=\"events\",status=\"200\"} 1"));
}

#[tokio::test]
async fn without_a_section_there_is_no_pixel() {
    let mut partner = sandbox();
    partner.cookie_sync = None;
    let running = Running::start_as(Setup { partner, ..Setup::new(config()) }).await;
    let answer = running.call(&format!("GET /cookie-sync?redirect={REDIRECT}"), &[], b"").await;
    assert_eq!((answer.status, answer.code().as_str()), (405, "not_post"));
}
