//! How the function starts, or says why not.

use std::process::Output;

use penstock_testkit::{QueueUrls, lambda_emulator};

use crate::function::{program, settings};

fn refused(env: &[(&'static str, String)]) -> (Option<i32>, String) {
    let Output { status, stderr, .. } = program(env).output().unwrap();
    (status.code(), String::from_utf8(stderr).unwrap())
}

fn complete() -> Vec<(&'static str, String)> {
    let queues =
        QueueUrls { main: "http://q/m".into(), retry: "http://q/r".into(), dead: "http://q/d".into() };
    [settings(&queues), lambda_emulator().env("never").into()].concat()
}

#[test]
fn outside_lambda_it_says_so() {
    let mut env = complete();
    env.retain(|(name, _)| *name != "AWS_LAMBDA_RUNTIME_API");
    let (code, words) = refused(&env);
    assert_eq!(code, Some(69));
    assert!(words.contains("AWS_LAMBDA_RUNTIME_API is not set"), "{words}");
}

#[test]
fn every_wrong_setting_is_told_at_once() {
    let mut env = complete();
    env.retain(|(name, _)| *name != "PENSTOCK_S3_BUCKET");
    env.push(("PENSTOCK_QUEUE", "embedded".into()));
    env.push(("PENSTOCK_INGRESS_SENDS_MAX", "many".into()));
    let (code, words) = refused(&env);
    assert_eq!(code, Some(78));
    for wrong in ["PENSTOCK_QUEUE", "PENSTOCK_S3_BUCKET", "PENSTOCK_INGRESS_SENDS_MAX"] {
        assert!(words.contains(wrong), "{wrong} is not in: {words}");
    }
    assert!(!words.contains("sesame"));
}

#[test]
fn without_a_partner_toml_it_says_where_to_put_one() {
    let mut env = complete();
    env.retain(|(name, _)| *name != "PENSTOCK_PARTNER");
    let (code, words) = refused(&env);
    assert_eq!(code, Some(78));
    assert!(words.contains("/opt/partner.toml"), "{words}");
}

#[test]
fn a_wrong_partner_toml_is_told_with_its_mistakes() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("partner.toml");
    std::fs::write(&path, "[partner]\nname = \"Acme\"\n").unwrap();
    let mut env = complete();
    env.retain(|(name, _)| *name != "PENSTOCK_PARTNER");
    env.push(("PENSTOCK_PARTNER", path.display().to_string()));
    let (code, words) = refused(&env);
    assert_eq!(code, Some(78));
    assert!(words.contains("partner.version"), "{words}");
}
