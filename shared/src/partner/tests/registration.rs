//! Mistakes in `[partner]` and `[registration]`.

use super::{super::*, GOOD, mistakes, says, with};

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
