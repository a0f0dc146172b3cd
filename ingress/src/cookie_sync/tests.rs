use std::time::Duration;

use http::HeaderName;
use penstock_shared::partner::HostRule;

use super::*;

const HOST: &str = "https://cookiesync.mparticle.com";
/// What the Web SDK's own test redirects to.
const REDIRECT: &str =
    "https://cookiesync.mparticle.com/v1/sync?esid=123456&MPID=-77&ID=${ACME_ID}&Key=mpApiKey&env=2";

fn sync() -> CookieSync {
    CookieSync {
        path: "/cookie-sync".to_owned(),
        cookie: "acme_id".to_owned(),
        max_age: Duration::from_hours(24 * 365),
        domain: None,
        redirect_parameter: "redirect".to_owned(),
        id_macro: "${ACME_ID}".to_owned(),
        allowed_hosts: vec![
            HostRule::Exactly("cookiesync.mparticle.com".to_owned()),
            HostRule::Below("sync.acme.example".to_owned()),
        ],
        opt_out_cookie: Some("acme_optout".to_owned()),
        opt_out_signals: vec![OptOutSignal::Gpc],
        without_id: WithoutId::Image,
    }
}

/// `encodeURIComponent`.
fn component(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => char::from(byte).to_string(),
            _ if b"-_.!~*'()".contains(&byte) => char::from(byte).to_string(),
            _ => format!("%{byte:02X}"),
        })
        .collect()
}

struct Said {
    response: Response<Bytes>,
    outcome: Outcome,
}

impl Said {
    fn header(&self, name: HeaderName) -> Option<&str> {
        let mut values = self.response.headers().get_all(name).iter();
        let value = values.next()?.to_str().unwrap();
        assert!(values.next().is_none(), "a header stands twice");
        Some(value)
    }

    fn location(&self) -> Option<&str> {
        self.header(header::LOCATION)
    }

    fn cookie(&self) -> Option<&str> {
        self.header(header::SET_COOKIE)
    }
}

fn ask(sync: &CookieSync, query: &str, headers: &[(&'static str, &str)]) -> Said {
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        map.append(*name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
    }
    let (response, outcome) = respond(sync, query, &map, || "fresh".to_owned());
    Said { response, outcome }
}

/// The answer to someone with the cookie `acme_id=known` who is to be redirected to `url`.
fn to(url: &str) -> Said {
    ask(&sync(), &format!("src=mp&redirect={}", component(url)), &[("cookie", "acme_id=known")])
}

#[test]
fn the_macro_becomes_the_id_and_every_other_byte_stays() {
    let said = to(REDIRECT);
    assert_eq!((said.response.status(), said.outcome), (StatusCode::FOUND, Outcome::KnownId));
    assert_eq!(said.location(), Some(REDIRECT.replace("${ACME_ID}", "known").as_str()));
    assert_eq!(said.header(header::CACHE_CONTROL), Some("no-store"));
    assert_eq!(said.cookie(), None);
    for (url, expected) in [
        // Only the first place, in any spelling.
        ("/?a=${ACME_ID}&b=${ACME_ID}", "/?a=known&b=${ACME_ID}"),
        ("/?a=%24%7BACME_ID%7D&b=${ACME_ID}", "/?a=known&b=${ACME_ID}"),
        ("/?a=$%7bACME%5FID%7d", "/?a=known"),
        ("/${ACME_ID}/sync#x", "/known/sync#x"),
        ("?${ACME_ID}", "?known"),
        ("#${ACME_ID}", "#known"),
        (":443/?i=${ACME_ID}", ":443/?i=known"),
        // What looks encoded stays so: it is decoded once.
        ("/?i=${ACME_ID}&u=https%3A%2F%2Fa%26b%2525+c", "/?i=known&u=https%3A%2F%2Fa%26b%2525+c"),
        ("/?i=${ACME_ID}&%zz=\"<>|^`'", "/?i=known&%zz=\"<>|^`'"),
        ("/a/../b//./?i=${ACME_ID}&&=", "/a/../b//./?i=known&&="),
        ("/?i=${acme_id}${ACME_ID}", "/?i=${acme_id}known"),
    ] {
        assert_eq!(
            to(&format!("{HOST}{url}")).location(),
            Some(format!("{HOST}{expected}").as_str()),
            "{url}"
        );
    }
    let upper = "HTTPS://CookieSync.mParticle.com/?i=${ACME_ID}";
    assert_eq!(to(upper).location(), Some("HTTPS://CookieSync.mParticle.com/?i=known"));
    let below = "https://eu.sync.acme.example/?i=${ACME_ID}";
    assert_eq!(to(below).location(), Some("https://eu.sync.acme.example/?i=known"));
}

#[test]
fn a_macro_of_percent_signs_is_found_in_both_spellings() {
    let sync = CookieSync { id_macro: "%%ACME_ID%%".to_owned(), ..sync() };
    for text in ["%%ACME_ID%%", "%25%25ACME_ID%25%25"] {
        let query = format!("redirect={}", component(&format!("{HOST}/?a=%25&i={text}&b=1")));
        let said = ask(&sync, &query, &[]);
        assert_eq!(said.location(), Some(format!("{HOST}/?a=%25&i=fresh&b=1").as_str()), "{text}");
    }
}

#[test]
fn a_redirect_to_anywhere_else_is_refused() {
    for url in [
        "https://evil.example/?i=${ACME_ID}",
        "https://cookiesync.mparticle.com@evil.example/?i=${ACME_ID}",
        "https://cookiesync.mparticle.com:443@evil.example/?i=${ACME_ID}",
        "https://user@cookiesync.mparticle.com/?i=${ACME_ID}",
        "https://@cookiesync.mparticle.com/?i=${ACME_ID}",
        "https://:@cookiesync.mparticle.com/?i=${ACME_ID}",
        "https://cookiesync.mparticle.com.evil.example/?i=${ACME_ID}",
        "https://evilcookiesync.mparticle.com/?i=${ACME_ID}",
        "https://mparticle.com/?i=${ACME_ID}",
        "https://cookiesync.mparticle.com./?i=${ACME_ID}",
        "https://cookiesync.mparticle.com:8443/?i=${ACME_ID}",
        "https://cookiesync.mparticle.com:0443/?i=${ACME_ID}",
        "https://cookiesync.mparticle.com:/?i=${ACME_ID}",
        "https://cookiesync%2emparticle.com/?i=${ACME_ID}",
        "https://cookiesync.mparticle.com%00.evil.example/?i=${ACME_ID}",
        "https://sync.acme.example/?i=${ACME_ID}",
        "https://evilsync.acme.example/?i=${ACME_ID}",
        "https://${ACME_ID}.evil.example/",
        // The list has a suffix, too.
        "https://evil.example@eu.sync.acme.example/?i=${ACME_ID}",
        "https://evil.example:443@eu.sync.acme.example/?i=${ACME_ID}",
        "https://evil.example%2f.sync.acme.example/?i=${ACME_ID}",
        "https://evil.example%23.sync.acme.example/?i=${ACME_ID}",
        "https://eu%2esync.acme.example/?i=${ACME_ID}",
        "https://127.0.0.1/?i=${ACME_ID}",
        "https://[::1]/?i=${ACME_ID}",
    ] {
        let said = to(url);
        assert!(
            matches!(said.outcome, Outcome::Refused(Refusal::HostRefused | Refusal::RedirectUnreadable)),
            "{url}: {:?}",
            said.outcome
        );
        assert_eq!(
            (said.response.status(), said.location(), said.cookie()),
            (StatusCode::BAD_REQUEST, None, None)
        );
    }
    assert_eq!(to("https://evil.example/?i=${ACME_ID}").outcome, Outcome::Refused(Refusal::HostRefused));
}

#[test]
fn an_id_never_names_a_host() {
    let said = to("https://${ACME_ID}.sync.acme.example/");
    assert_eq!((said.outcome, said.location()), (Outcome::Refused(Refusal::MacroMissing), None));
    let said = to("https://${ACME_ID}.sync.acme.example/?i=${ACME_ID}");
    assert_eq!(said.location(), Some("https://${ACME_ID}.sync.acme.example/?i=known"));
}

#[test]
fn what_two_parsers_could_read_differently_is_refused() {
    for url in [
        "http://cookiesync.mparticle.com/?i=${ACME_ID}",
        "//cookiesync.mparticle.com/?i=${ACME_ID}",
        "/v1/sync?i=${ACME_ID}",
        "https:/cookiesync.mparticle.com/?i=${ACME_ID}",
        "https:cookiesync.mparticle.com/?i=${ACME_ID}",
        "https:///cookiesync.mparticle.com/?i=${ACME_ID}",
        "https:\\\\cookiesync.mparticle.com/?i=${ACME_ID}",
        "https://evil.example\\@cookiesync.mparticle.com/?i=${ACME_ID}",
        "https://cookiesync.mparticle.com\\.evil.example/?i=${ACME_ID}",
        "https://cookiesync.mparticle.com/\\evil?i=${ACME_ID}",
        " https://cookiesync.mparticle.com/?i=${ACME_ID}",
        "https://cookiesync.mparticle.com\t.evil.example/?i=${ACME_ID}",
        "https://cookiesync.mparticle.com/?i=${ACME_ID}\r\nset-cookie: a=b",
        "https://cookiesync.mparticle.com/?i=${ACME_ID}\0",
        "https://cookiesync。mparticle。com/?i=${ACME_ID}",
        "https://cookiesync.mparticle.com/ü?i=${ACME_ID}",
        "javascript:alert('${ACME_ID}')",
        "data:text/html,${ACME_ID}",
        "https://",
        "",
    ] {
        let said = to(url);
        assert_eq!(said.outcome, Outcome::Refused(Refusal::RedirectUnreadable), "{url:?}");
        assert_eq!(
            (said.response.status(), said.location(), said.cookie()),
            (StatusCode::BAD_REQUEST, None, None)
        );
    }
}

#[test]
fn the_redirect_is_decoded_once() {
    // Encoded twice it is no URL; not encoded at all its end is lost.
    let twice = component(&component(REDIRECT));
    for (query, refusal) in [
        (format!("redirect={twice}"), Refusal::RedirectUnreadable),
        (format!("redirect={REDIRECT}"), Refusal::RedirectUnreadable),
        ("redirect=https%3A%2F%2Fcookiesync.mparticle.com%2F%".to_owned(), Refusal::RedirectUnreadable),
        ("redirect=https%3A%2F%2Fcookiesync.mparticle.com%2F%4".to_owned(), Refusal::RedirectUnreadable),
        ("redirect=https%3A%2F%2Fcookiesync.mparticle.com%2F%+4".to_owned(), Refusal::RedirectUnreadable),
        (format!("Redirect={}", component(REDIRECT)), Refusal::RedirectMissing),
        (format!("xredirect={}", component(REDIRECT)), Refusal::RedirectMissing),
        ("redirect".to_owned(), Refusal::RedirectMissing),
        (String::new(), Refusal::RedirectMissing),
        (format!("redirect={}", component(&format!("{HOST}/?i=1"))), Refusal::MacroMissing),
        (
            format!("redirect={}&redirect={}", component(REDIRECT), component("https://evil.example")),
            Refusal::HostRefused,
        ),
    ] {
        assert_eq!(ask(&sync(), &query, &[]).outcome, Outcome::Refused(refusal), "{query}");
    }
    let first =
        format!("redirect={}&redirect={}&x=1", component("https://evil.example"), component(REDIRECT));
    assert_eq!(ask(&sync(), &first, &[]).location(), Some(REDIRECT.replace("${ACME_ID}", "fresh").as_str()));
}

#[test]
fn a_query_is_bounded() {
    let query = |length: usize| {
        let start = format!("redirect={}&x=", component(REDIRECT));
        format!("{start}{}", "y".repeat(length - start.len()))
    };
    assert_eq!(ask(&sync(), &query(QUERY_BYTES_MAX), &[]).outcome, Outcome::NewId);
    let longer = ask(&sync(), &query(QUERY_BYTES_MAX + 1), &[]);
    assert_eq!(longer.outcome, Outcome::Refused(Refusal::TooLong));
    assert_eq!(longer.response.status(), StatusCode::BAD_REQUEST);
}

#[test]
fn an_id_of_the_cookie_is_kept_and_encoded_and_anything_else_is_replaced() {
    let long = "x".repeat(128);
    let query = format!("redirect={}", component(&format!("{HOST}/?i=${{ACME_ID}}&z=1")));
    for (cookies, id) in [
        (&["acme_id=AZaz09-._~"][..], Some("AZaz09-._~")),
        (&["a=1; acme_id=k%3D+/=:@|; b=2"], Some("k%253D%2B%2F%3D%3A%40%7C")),
        (&["a=1", "  acme_id = 7 ;"], Some("7")),
        (&["acme_id=a b; acme_id=second"], Some("second")),
        (&["naïve=ü; acme_id=7"], Some("7")),
        (&[&format!("acme_id={long}")], Some(&long)),
        (&[&format!("acme_id={long}x")], None),
        (&["acme_id="], None),
        (&["acme_id"], None),
        (&["ACME_ID=7"], None),
        (&["xacme_id=7"], None),
        (&["acme_id=\"7\""], None),
        (&["acme_id=7&admin=1"], None),
        (&["acme_id=<b>"], None),
        (&["acme_id=ü"], None),
        (&["acme_id=7\t7"], None),
        (&[], None),
    ] {
        let headers: Vec<_> = cookies.iter().map(|cookie| ("cookie", *cookie)).collect();
        let said = ask(&sync(), &query, &headers);
        let location = format!("{HOST}/?i={}&z=1", id.unwrap_or("fresh"));
        assert_eq!(said.location(), Some(location.as_str()), "{cookies:?}");
        assert_eq!(said.outcome, if id.is_some() { Outcome::KnownId } else { Outcome::NewId });
        assert_eq!(said.cookie().is_some(), id.is_none(), "{cookies:?}");
    }
}

#[test]
fn a_new_cookie_reaches_us_from_customers_pages_and_no_script() {
    let query = format!("redirect={}", component(REDIRECT));
    let cookie = "acme_id=fresh; Path=/; Max-Age=31536000; Secure; HttpOnly; SameSite=None";
    assert_eq!(ask(&sync(), &query, &[]).cookie(), Some(cookie));
    let sync = CookieSync { domain: Some("acme.example".to_owned()), ..sync() };
    assert_eq!(ask(&sync, &query, &[]).cookie(), Some(format!("{cookie}; Domain=acme.example").as_str()));
}

#[test]
fn who_opted_out_is_neither_redirected_nor_marked() {
    let query = format!("redirect={}", component(REDIRECT));
    let dnt = CookieSync { opt_out_signals: vec![OptOutSignal::Dnt], ..sync() };
    let out = |sync: &CookieSync, headers: &[(&'static str, &str)]| {
        let said = ask(sync, &query, headers);
        if said.outcome == Outcome::OptedOut {
            assert_eq!((said.location(), said.cookie()), (None, None));
            assert_eq!(
                (said.response.status(), said.header(header::CONTENT_TYPE)),
                (StatusCode::OK, Some("image/gif"))
            );
            assert_eq!(said.header(header::CACHE_CONTROL), Some("no-store"));
        }
        said.outcome == Outcome::OptedOut
    };
    assert!(out(&sync(), &[("cookie", "acme_id=known; acme_optout=1")]));
    assert!(out(&sync(), &[("cookie", "acme_optout=")]));
    assert!(out(&sync(), &[("sec-gpc", "1")]));
    assert!(out(&dnt, &[("dnt", "1"), ("cookie", "acme_id=known")]));
    assert!(!out(&sync(), &[("sec-gpc", "0"), ("dnt", "1"), ("cookie", "acme_optout2=1")]));
    assert!(!out(&dnt, &[("sec-gpc", "1")]));
    // Whatever else is wrong with the call.
    assert_eq!(ask(&sync(), "", &[("sec-gpc", "1")]).outcome, Outcome::OptedOut);

    let sync = CookieSync { without_id: WithoutId::NoContent, ..sync() };
    let said = ask(&sync, &query, &[("sec-gpc", "1")]);
    assert_eq!((said.response.status(), said.header(header::CONTENT_TYPE)), (StatusCode::NO_CONTENT, None));
    assert_eq!((said.location(), said.cookie()), (None, None));
}

#[test]
fn ids_are_128_bits_that_depend_on_generator_and_time() {
    let id = cookie::mint(1, 1_700_000_000_000);
    assert!(id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit()), "{id}");
    assert_eq!(id, cookie::mint(1, 1_700_000_000_000));
    assert_ne!(id, cookie::mint(2, 1_700_000_000_000));
    assert_ne!(id, cookie::mint(1, 1_700_000_000_001));
}

#[test]
fn every_outcome_has_a_word_of_its_own() {
    let outcomes = [
        Outcome::KnownId,
        Outcome::NewId,
        Outcome::OptedOut,
        Outcome::Refused(Refusal::RedirectMissing),
        Outcome::Refused(Refusal::RedirectUnreadable),
        Outcome::Refused(Refusal::HostRefused),
        Outcome::Refused(Refusal::MacroMissing),
        Outcome::Refused(Refusal::TooLong),
    ];
    let table = penstock_shared::telemetry::METRICS;
    let metric = table.iter().find(|metric| metric.name == "ingress_cookie_syncs_total").unwrap();
    let words: Vec<_> = outcomes.iter().map(|outcome| outcome.word()).chain(["other"]).collect();
    assert_eq!(metric.labels[0].words, words);
}
