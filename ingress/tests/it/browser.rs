//! The cookie sync as a browser does it: redirects, cookies between sites, images, over the ingress' own TLS.

use std::{path::Path, time::Duration};

use penstock_ingress::tls::{PairFiles, TlsConfig};
use penstock_testkit::{Browser, browser};

use crate::{
    harness::{Running, config},
    sites::{ELSEWHERE, MPARTICLE, OPT_OUT, PARTNER, SHOP, Sites},
};

/// A browser, and the sites of this test.
struct Visitor {
    browser: &'static Browser,
    running: Running,
    sites: Sites,
    _certificate: tempfile::TempDir,
}

impl Visitor {
    async fn new() -> Self {
        let browser = tokio::task::spawn_blocking(browser).await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        let made = rcgen::generate_simple_self_signed([PARTNER.to_owned()]).unwrap();
        let files = PairFiles { cert: folder.path().join("cert.pem"), key: folder.path().join("key.pem") };
        std::fs::write(&files.cert, made.cert.pem()).unwrap();
        std::fs::write(&files.key, made.signing_key.serialize_pem()).unwrap();
        let mut config = config();
        config.tls = Some(TlsConfig { files, listen: None, reload_every: Duration::from_mins(1) });
        let running = Running::start_with(config).await;
        let sites = Sites::start(running.address).await;
        Self { browser, running, sites, _certificate: folder }
    }

    async fn visit(&self, profile: &Path, url: &str) -> String {
        self.browser.visit(profile, &self.sites.hosts(), url).await.unwrap()
    }

    /// What a customer's page says of its pixel: `loaded` or `failed`.
    async fn pixel(&self, profile: &Path, path: &str) -> String {
        let page = self.visit(profile, &format!("https://{SHOP}{path}")).await;
        let said = page.split_once("data-pixel=\"").and_then(|(_, rest)| rest.split_once('"'));
        said.unwrap_or_else(|| panic!("nothing was said of the pixel: {page}")).0.to_owned()
    }

    /// The ids that mParticle was told, each in a call that is otherwise as it was configured.
    fn told(&self) -> Vec<String> {
        let id = |call: String| {
            let rest = call.strip_prefix("/v1/sync?esid=123456&MPID=-5418363127896183456&ID=");
            let id = rest.and_then(|rest| rest.strip_suffix("&Key=mpApiKey&env=2"));
            id.unwrap_or_else(|| panic!("{call}")).to_owned()
        };
        self.sites.asked(MPARTICLE).into_iter().map(id).collect()
    }
}

#[tokio::test]
async fn a_browser_tells_mparticle_the_partners_id_and_the_same_one_at_the_next_visit() {
    let visitor = Visitor::new().await;
    let [profile, other] = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    assert_eq!(visitor.pixel(profile.path(), "/").await, "loaded");
    let told = visitor.told();
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].len() == 32 && told[0].bytes().all(|byte| byte.is_ascii_hexdigit()), "{told:?}");

    assert_eq!(visitor.pixel(profile.path(), "/").await, "loaded");
    assert_eq!(visitor.told(), [told[0].clone(), told[0].clone()]);
    assert!(visitor.running.has_metric("ingress_cookie_syncs_total{outcome=\"known_id\"} 1"));

    assert_eq!(visitor.pixel(other.path(), "/").await, "loaded");
    assert_ne!(visitor.told()[2], told[0]);
    assert!(visitor.running.has_metric("ingress_cookie_syncs_total{outcome=\"new_id\"} 2"));
}

#[tokio::test]
async fn a_browser_that_opted_out_tells_mparticle_nothing_and_still_loads_an_image() {
    let visitor = Visitor::new().await;
    let profile = tempfile::tempdir().unwrap();
    visitor.visit(profile.path(), &format!("https://{OPT_OUT}/opt-out")).await;
    assert_eq!(visitor.pixel(profile.path(), "/").await, "loaded");
    assert_eq!(visitor.told(), Vec::<String>::new());
    assert!(visitor.running.has_metric("ingress_cookie_syncs_total{outcome=\"opted_out\"} 1"));
}

#[tokio::test]
async fn a_browser_is_not_sent_elsewhere_and_takes_the_refusal_for_an_error() {
    let visitor = Visitor::new().await;
    let profile = tempfile::tempdir().unwrap();
    // The Web SDK then calls again at the next page, so a mended list works at once.
    assert_eq!(visitor.pixel(profile.path(), "/misconfigured").await, "failed");
    assert_eq!(visitor.sites.asked(ELSEWHERE), Vec::<String>::new());
    assert!(visitor.running.has_metric("ingress_cookie_syncs_total{outcome=\"host_refused\"} 1"));
}
