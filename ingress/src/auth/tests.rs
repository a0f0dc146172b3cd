use super::*;

fn us1() -> Pod {
    Pod::new("us1").unwrap()
}

fn tokens(text: &str) -> Tokens {
    Tokens::new(if text.is_empty() { TokenList::default() } else { TokenList::parse(text).unwrap() })
}

fn access(known: &[&str], bearer: Bearer) -> Access {
    Access::by_tokens(tokens(&known.join(" ")), bearer, None)
}

fn judge(access: &Access, header: &str) -> Caller {
    judge_headers(access, &us1(), &[("authorization", header)])
}

fn judge_headers(access: &Access, pod: &Pod, given: &[(&str, &str)]) -> Caller {
    let mut headers = HeaderMap::new();
    for (name, value) in given {
        headers.append(name.parse::<HeaderName>().unwrap(), value.parse().unwrap());
    }
    access.judge(pod, &headers)
}

#[test]
fn trap_3_no_token_or_a_wrong_one_is_a_stranger() {
    let access = access(&["abc"], Bearer::Refuse);
    assert_eq!(access.judge(&us1(), &HeaderMap::new()), Caller::Stranger);
    for wrong in
        ["", "Token", "Token ", "Token abd", "Token ab", "Token abcd", "abc", "Basic abc", "Token abc x"]
    {
        assert_eq!(judge(&access, wrong), Caller::Stranger, "{wrong:?}");
    }
}

#[test]
fn trap_4_case_of_the_scheme_and_blanks_do_not_matter() {
    let access = access(&["abc"], Bearer::Refuse);
    for right in ["Token abc", "token abc", "TOKEN abc", "Token  abc ", " Token\tabc"] {
        assert_eq!(judge(&access, right), Caller::Authentic, "{right:?}");
    }
    assert_eq!(judge(&access, "Token ABC"), Caller::Stranger);
}

#[test]
fn trap_5_two_tokens_are_both_valid() {
    let access = access(&["old", "new"], Bearer::Refuse);
    assert_eq!(judge(&access, "Token old"), Caller::Authentic);
    assert_eq!(judge(&access, "Token new"), Caller::Authentic);
    assert_eq!(judge(&access, "Token oldnew"), Caller::Stranger);
}

#[test]
fn trap_6_bearer_is_judged_as_configured() {
    let expected = [
        (Bearer::Refuse, Caller::Stranger),
        (Bearer::Compare, Caller::Authentic),
        (Bearer::Accept, Caller::Authentic),
    ];
    for (bearer, caller) in expected {
        assert_eq!(judge(&access(&["abc"], bearer), "Bearer abc"), caller, "{bearer:?}");
    }
    assert_eq!(judge(&access(&["abc"], Bearer::Compare), "Bearer customer"), Caller::Stranger);
    assert_eq!(judge(&access(&["abc"], Bearer::Accept), "Bearer customer"), Caller::Authentic);
}

#[test]
fn any_of_several_headers_will_do() {
    let access = access(&["abc"], Bearer::Refuse);
    let mut headers = HeaderMap::new();
    headers.append(header::AUTHORIZATION, "Bearer of-a-customer".parse().unwrap());
    headers.append(header::AUTHORIZATION, "Token abc".parse().unwrap());
    assert_eq!(access.judge(&us1(), &headers), Caller::Authentic);
}

#[test]
fn trap_7_without_any_token_nobody_is_judged_and_open_lets_all_in() {
    assert_eq!(judge(&access(&[], Bearer::Refuse), "Token abc"), Caller::Unjudged);
    assert_eq!(judge(&access(&[], Bearer::Refuse), "Token "), Caller::Unjudged);
    assert_eq!(Access::open().judge(&us1(), &HeaderMap::new()), Caller::Authentic);
}

#[test]
fn trap_98_debug_shows_no_token() {
    assert!(!format!("{:?}", access(&["abc"], Bearer::Refuse)).contains("abc"));
}

#[test]
fn a_token_of_one_pod_is_not_valid_for_another() {
    let access = Access::by_tokens(tokens(r#"{"us1": "a", "eu1": "b"}"#), Bearer::Compare, None);
    let (us, eu, au) = (us1(), Pod::new("eu1").unwrap(), Pod::new("au1").unwrap());
    for scheme in ["Token", "Bearer"] {
        let judge =
            |pod, token| judge_headers(&access, pod, &[("authorization", &format!("{scheme} {token}"))]);
        assert_eq!((judge(&us, "a"), judge(&us, "b")), (Caller::Authentic, Caller::Stranger));
        assert_eq!((judge(&eu, "a"), judge(&eu, "b")), (Caller::Stranger, Caller::Authentic));
        assert_eq!((judge(&au, "a"), judge(&au, "b")), (Caller::Unjudged, Caller::Unjudged));
    }
}

#[test]
fn trap_6_the_oauth_header_is_judged_as_configured() {
    let with = |accept| {
        let header = OAuthHeader { name: HeaderName::from_static("x-acme-token"), accept };
        Access::by_tokens(tokens("abc"), Bearer::Refuse, Some(header))
    };
    let custom = |value| [("x-acme-token", value)];
    for right in ["abc", " abc ", "Bearer abc", "token  abc"] {
        assert_eq!(judge_headers(&with(false), &us1(), &custom(right)), Caller::Authentic, "{right:?}");
    }
    for (value, accepted) in
        [("of-a-customer", Caller::Authentic), ("", Caller::Stranger), ("  ", Caller::Stranger)]
    {
        assert_eq!(judge_headers(&with(false), &us1(), &custom(value)), Caller::Stranger, "{value:?}");
        assert_eq!(judge_headers(&with(true), &us1(), &custom(value)), accepted, "{value:?}");
        assert_eq!(
            judge_headers(&access(&["abc"], Bearer::Accept), &us1(), &custom(value)),
            Caller::Stranger,
            "no such header is configured"
        );
    }
    let both = [("x-acme-token", "of-a-customer"), ("authorization", "Token abc")];
    assert_eq!(judge_headers(&with(false), &us1(), &both), Caller::Authentic, "the Token suffices");
}

#[test]
fn whoever_accepts_customers_tokens_can_judge_without_any_of_our_own() {
    let header = |accept| Some(OAuthHeader { name: HeaderName::from_static("x-acme-token"), accept });
    let accepting = Access::by_tokens(tokens(""), Bearer::Refuse, header(true));
    assert!(accepting.can_judge());
    assert_eq!(judge(&accepting, "Token abc"), Caller::Stranger);
    let comparing = Access::by_tokens(tokens(""), Bearer::Refuse, header(false));
    assert!(!comparing.can_judge());
    assert_eq!(judge(&comparing, "Token abc"), Caller::Unjudged);
}
