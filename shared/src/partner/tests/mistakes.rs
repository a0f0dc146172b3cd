//! Every kind of mistake, where it stands, and all of them at once.

use super::super::*;

/// A small file without mistakes.
const GOOD: &str = r#"[partner]
name = "Acme"
version = "1.0"

[registration]
account_settings = [{ type = "text", id = "apiKey", name = "Key", required = true }]

[registration.events]
supported_event_types = ["custom_event"]

[registration.audiences]

[api]
base_url = "https://api.example.com"

[auth]
kind = "bearer"
token = "settings.apiKey"

[[routes]]
name = "list"
takes = "subscription"
method = "POST"
path = "/lists"
item = { name = "subscription.name" }
capture = { list_id = "response.id" }

[[routes]]
name = "members"
takes = "membership"
group = "subscription.captured.list_id"
method = "POST"
path = "/lists/{{ group }}"
item = { id = "identity('email')" }

[[routes]]
name = "track"
takes = "event"
method = "POST"
path = "/track"
item = { name = "event.name" }
"#;

fn mistakes(text: &str) -> Vec<String> {
    match parse(text, "acme.toml") {
        Ok(_) => Vec::new(),
        Err(mistakes) => mistakes.to_string().lines().map(str::to_owned).collect(),
    }
}

/// What the good file says when `from` is replaced in it.
fn with(from: &str, to: &str) -> Vec<String> {
    assert!(GOOD.contains(from), "{from}");
    mistakes(&GOOD.replacen(from, to, 1))
}

#[track_caller]
fn says(found: &[String], wanted: &str) {
    assert!(found.iter().any(|line| line.contains(wanted)), "{wanted:?} is not in {found:#?}");
}

#[test]
fn the_good_file_is_good() {
    assert_eq!(mistakes(GOOD), Vec::<String>::new());
}

#[test]
fn all_mistakes_of_a_file_are_told_at_once_with_their_places() {
    let text = r#"[partner]
name = ""
versoin = "1.0"

[registration]
[registration.events]
supported_event_types = ["custom_evnet"]

[api]
base_url = "https://api.example.com"
timeout_ms = 5
retries = 3

[auth]
kind = "none"

[[routes]]
name = "Track"
takes = "event"
method = "POST"
path = "track"
batch = { items_max = 0 }
item = { a = "evnet.name", b = "1 +", c = "event.name | shout" }
"#;
    let expected = [
        "acme.toml:1:1: partner.version: `version` is missing; write the integration's version, like \"1.0\"",
        "acme.toml:2:8: partner.name: is empty; write the partner's name",
        "acme.toml:3:1: partner.versoin: unknown key `versoin`; did you mean `version`?",
        "acme.toml:7:26: registration.events.supported_event_types[0]: unknown word `custom_evnet`; did you mean \
         `custom_event`?",
        "acme.toml:11:14: api.timeout_ms: 5 is below 100; write how long a call may take, in milliseconds (100 to \
         120000)",
        "acme.toml:12:1: api.retries: unknown key `retries`; known here: base_url, base_urls, timeout_ms, \
         connect_timeout_ms, headers, allow_private_addresses, user_agent, idempotency_header, answer_bytes_max",
        "acme.toml:18:8: routes[0].name: must be 1 to 40 lower-case letters, digits and hyphens",
        "acme.toml:21:8: routes[0].path: must begin with a slash",
        "acme.toml:22:23: routes[0].batch.items_max: 0 is below 1; write how many items one call may carry (1 to \
         10000)",
        "acme.toml:23:15: routes[0].item.a: `evnet` is not there; did you mean `event`?",
        "acme.toml:23:33: routes[0].item.b: not an expression: unexpected end of input, expected expression",
        "acme.toml:23:44: routes[0].item.c: unknown filter `shout`; did you mean `sort`?",
    ];
    let found = mistakes(text);
    for (found, expected) in found.iter().zip(expected) {
        assert_eq!(found, expected);
    }
    assert_eq!(found.len(), expected.len(), "{found:#?}");
}

#[test]
fn text_that_is_not_toml_is_told_beside_other_mistakes_and_nothing_is_called_missing() {
    let text =
        GOOD.replacen("version = \"1.0\"", "version = ", 1).replacen("kind = \"bearer\"", "kind = bearer", 1);
    let text = text.replacen("\"POST\"", "\"SEND\"", 1);
    let found = mistakes(&text);
    says(&found, "acme.toml:3:");
    says(&found, "acme.toml:17:");
    says(&found, "routes[0].method: unknown word `SEND`");
    assert!(!found.iter().any(|line| line.contains("missing")), "{found:#?}");
}

#[test]
fn places_count_lines_and_characters() {
    let found =
        with("item = { name = \"event.name\" }", "item = { 'größe' = \"1\", x = '''\n  1 +\n  nope'''}");
    says(&found, "acme.toml:42:1: routes[2].item.x: `nope` is not there");
    let found = with("name = \"event.name\"", "'größe' = \"nope\"");
    says(&found, "acme.toml:41:21: routes[2].item.größe: `nope` is not there");
}

#[test]
fn trap_93_a_registration_mparticle_would_refuse_is_refused_here() {
    let long = format!("version = \"1.0\"\ndescription = \"{}\"", "ä".repeat(230));
    says(
        &with("version = \"1.0\"", &long),
        "partner.description: has 230 characters, 1 more than the 229 allowed",
    );
    let fits = format!("version = \"1.0\"\ndescription = \"{}\"", "ä".repeat(229));
    assert_eq!(with("version = \"1.0\"", &fits), Vec::<String>::new());
    says(&with("\"Acme\"", "\"  \""), "acme.toml:2:8: partner.name: is empty");
    let two = "[registration.permissions]\npartner_identities = [{ type = \"a\", encoding = \"raw\" }, \
               { type = \"b\", encoding = \"raw\" }]\n[registration.events]";
    says(&with("[registration.events]", two), "2 partner identities; only one may be registered");
    says(&with("[\"custom_event\"]", "[\"customEvent\"]"), "unknown word `customEvent`");
    says(&with("[\"custom_event\"]", "[]"), "is empty; name what is wanted");
    let web = "[\"custom_event\"]\nsupported_runtime_environments = [\"web\"]";
    says(&with("[\"custom_event\"]", web), "unknown word `web`; known here: unknown, android");
    let user = "[registration.permissions]\nuser_identities = [{ type = \"emial\", encoding = \"plain\" }]\n\
                [registration.events]";
    let found = with("[registration.events]", user);
    says(&found, "user_identities[0].type: unknown word `emial`; did you mean `email`?");
    says(&found, "user_identities[0].encoding: unknown word `plain`");
}

#[test]
fn trap_94_the_partner_identity_can_be_kept_but_not_renamed_or_removed() {
    let document = |name: Option<&str>| {
        let identities: Vec<_> = name.iter().map(|name| serde_json::json!({"type": name})).collect();
        let document = serde_json::json!({"permissions": {"partner_identities": identities}});
        document.as_object().unwrap().clone()
    };
    let (acme, other, none) = (document(Some("acme_id")), document(Some("other")), document(None));
    assert_eq!(check_succession(&acme, &acme), Ok(()));
    assert_eq!(check_succession(&none, &acme), Ok(()));
    let renamed = check_succession(&acme, &other).unwrap_err().to_string();
    assert!(renamed.contains("`acme_id`") && renamed.contains("renamed to `other`"), "{renamed}");
    let removed = check_succession(&acme, &none).unwrap_err().to_string();
    assert!(removed.contains("removed"), "{removed}");
}

#[test]
fn settings_are_checked_for_their_kind_and_their_use() {
    let setting = |text: &str| with("required = true }]", &format!("required = true }}, {{ {text} }}]"));
    says(&setting("type = 'text', id = 'apiKey', name = 'K'"), "the setting `apiKey` is declared twice");
    says(&setting("type = 'string', id = 'a', name = 'A'"), "unknown word `string`");
    says(
        &setting("type = 'text', id = 'a', name = 'A', min_value = 1"),
        "a setting of type text has no such member",
    );
    says(
        &setting("type = 'integer', id = 'a', name = 'A', default_value = 'x'"),
        "expected a whole number, found text",
    );
    says(&setting("type = 'integer', id = 'a', name = 'A', default_value = 9, max_value = 5"), "is outside");
    says(
        &setting("type = 'float', id = 'a', name = 'A', min_value = 2.5, max_value = 1"),
        "is above `max_value`",
    );
    says(
        &setting("type = 'text', id = 'a', name = 'A', visible = false, mint = true"),
        "only audience subscription",
    );
    says(&setting("type = 'text', id = 'a', name = 'A', visible = false, required = true"), "can't fill in");
    says(
        &setting("type = 'text', id = 'a', name = 'A', required = true"),
        "acme.toml:6:86: registration: customers \
         must fill in `a`, but no expression uses `settings.a`",
    );
    let found = with(
        "[registration.audiences]",
        "[registration.audiences]\naudience_subscription_settings = \
                     [{ type = 'text', id = 'a', name = 'A', mint = true }]",
    );
    says(&found, "write `visible = false` beside `mint`");
    says(
        &with("settings.apiKey", "settings.apikey"),
        "no account setting `apikey` is registered; did you mean `apiKey`?",
    );
}

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

#[test]
fn routes_agree_with_each_other_and_with_the_registration() {
    let end = |text: &str| mistakes(&format!("{GOOD}\n{text}"));
    let route = |name: &str, rest: &str| {
        end(&format!("[[routes]]\nname = '{name}'\nmethod = 'POST'\npath = '/x'\nitem = {{}}\n{rest}"))
    };
    says(
        &route("track", "takes = 'event'"),
        "acme.toml:43:1: routes[3]: the name `track` is routes[2]'s already",
    );
    says(&route("more", "takes = 'event'"), "is never reached: `track` takes every event before it");
    says(&route("gone", "takes = 'erasure'"), "takes what is never sent: [registration.erasure] is missing");
    says(&route("q", "takes = 'profile'\ndrop = 'no'"), "routes[3].method: can't stand beside `drop`");
    assert_eq!(end("[[routes]]\nname = 'q'\ntakes = 'profile'\ndrop = 'no place'"), Vec::<String>::new());
    says(&route("q", "takes = 'profile'\nneeds_subscription = true"), "memberships only");
    says(&route("q", "takes = 'profile'\ncapture = { id = 'response.id' }"), "subscriptions only");
    says(&with("capture = {", "batch = { items_max = 2 }\ncapture = {"), "needs batch.items_max = 1");
    says(
        &with("captured.list_id", "captured.listid"),
        "no subscription route captures `listid`; did you mean `list_id`?",
    );
    says(
        &with("group = \"subscription.captured.list_id\"\n", ""),
        "`group` is only there when the route has a `group`",
    );
    says(
        &with("\"event.name\"", "\"event.name ~ user.mpid\""),
        "`user.mpid` is never sent; write `allow_access_mpid = true`",
    );
    says(&with("\"event.name\"", "\"user.email\""), "`user` has no `email`");
    says(&with("\"event.name\"", "\"event.name is nothing\""), "unknown test `is nothing`");
    says(&with("\"event.name\"", "1979-05-27"), "a date can't be sent as such");
    says(
        &with("path = \"/track\"\nitem = { name = \"event.name\" }", "path = '/track'"),
        "`item` is missing",
    );
    let erasure = "[registration.erasure]\n[registration.audiences]";
    says(
        &with("[registration.audiences]", erasure),
        "[registration.erasure] is there, but no route takes erasure items",
    );
}

#[test]
fn paths_stay_below_the_base_url() {
    let path = |path: &str| with("\"/track\"", &format!("'{path}'"));
    assert_eq!(path("/a/{{ account.id }}?pod={{ pod | lower }}"), Vec::<String>::new());
    says(&path("/a/../b"), "can't go up");
    says(&path("/a b"), "can't stand in a URL");
    says(&path("/a#b"), "can't stand in a URL");
    says(&path("/{% if pod %}a{% endif %}"), "may hold {{ expressions }} only");
    says(&path("/{{ event.id }}"), "`event` is not there");
    says(&path("/{{ pod "), "not an expression");
}

#[test]
fn mappings_take_raw_and_each_in_their_places_only() {
    let item = |text: &str| with("{ name = \"event.name\" }", text);
    assert_eq!(item("{ '$raw' = true }"), Vec::<String>::new());
    says(&item("{ '$raw' = true, a = '1' }"), "can't stand beside a key with `$`");
    says(&item("{ '$raw' = false }"), "`$raw` stands alone");
    says(&item("{}\nbody = { a = { '$raw' = true } }"), "in `item` only");
    assert_eq!(item("{ a = { '$each' = 'event.products', '$item' = 'element.id' } }"), Vec::<String>::new());
    says(
        &item("{ a = { '$each' = 'event.products', '$as' = 'event', '$item' = '1' } }"),
        "is not a free name",
    );
    says(&item("{ a = { '$each' = 'event.products' } }"), "`$item` is missing");
    says(&item("{ a = 'element' }"), "`element` is not there");
    says(&item("{ a = '' }"), "is empty; write an expression");
}

#[test]
fn answers_are_read_one_way() {
    let answer = |text: &str| mistakes(&format!("{GOOD}{text}\n"));
    assert_eq!(answer("answer.statuses = { 404 = 'delivered' }"), Vec::<String>::new());
    says(&answer("answer.statuses = { 4xx = 'delivered' }"), "`4xx` is no status");
    says(&answer("answer.statuses = { 404 = 'ok' }"), "unknown word `ok`; known here: delivered");
    let both = "answer.each = { list = 'response.r', outcome = 'result.o' }\n\
                answer.failed = [{ list = 'response.f', match = 'sent.id', outcome = 'reject' }]";
    says(&answer(both), "can't stand beside `answer.each`");
    says(&answer("answer.outcome = 'result.o'"), "`result` is not there");
    says(
        &answer("answer.failed = [{ list = 'response.f', match = 'item.id', outcome = 'reject' }]"),
        "`item` is not there",
    );
}

#[test]
fn values_see_those_before_them_and_take_no_taken_name() {
    let values = |text: &str| with("[auth]", &format!("[values]\n{text}\n[auth]"));
    assert_eq!(values("b = \"identity('email')\"\na = 'b | lower'"), Vec::<String>::new());
    says(&values("b = 'a'\na = '1'"), "`a` is not there");
    says(&values("event = '1'"), "`event` is not a free name");
    says(&values("a-b = '1'"), "`a-b` is not a free name");
}

#[test]
fn oauth_is_written_as_the_wire_has_it() {
    let oauth = |rest: &str| {
        GOOD.replacen("[registration.audiences]", &format!("[registration.events.authentication]\n\
            authorization_url = 'https://a.example.com'\ntoken_url = 'https://t.example.com'\nclient_id = 'c'\n\
            {rest}\n[registration.audiences]"), 1)
    };
    let good = oauth(
        "access_token_type = 'custom_header'\ncustom_header_name = 'X-T'\ndefault_expires_in_seconds = 60",
    );
    let partner = parse(&good, "acme.toml").unwrap();
    let written = &partner.registration["event_processing_registration"]["authentication"];
    let expected = serde_json::json!({
        "type": "oauth2", "authorization_url": "https://a.example.com", "token_url": "https://t.example.com",
        "grant_type": "authorization_code", "default_expires_in": 60, "client_id": "c",
        "access_token_type": "custom_header", "custom_header_name": "X-T",
    });
    assert_eq!(written.to_string(), expected.to_string());
    says(&mistakes(&oauth("access_token_type = 'custom_header'")), "`custom_header_name` is missing");
    says(
        &mistakes(&oauth("access_token_type = 'bearer'\nscopes = [{ name = 's' }]")),
        "`description` is missing",
    );
}

#[test]
fn a_file_that_is_not_there_is_no_mistake_of_its_text() {
    let error = load(Path::new("/nowhere/acme.toml")).unwrap_err();
    assert!(matches!(&error, LoadError::Io { .. }));
    assert_eq!(error.to_string(), "can't read /nowhere/acme.toml");
}
