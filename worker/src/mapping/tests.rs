use minijinja::context;
use proptest::prelude::*;

use super::*;
use crate::testing::partner_with;

fn expr(source: &str) -> Expr {
    Expr { source: source.into(), path: "routes[0].item.x".into(), line: 3, column: 9 }
}

fn eval(source: &str, variables: Value) -> Result<String, MappingError> {
    let compiled = Compiled::new(&expr(source)).unwrap_or_else(|mistake| panic!("{mistake:?}"));
    let value = to_json(&compiled.eval(&variables)?)?;
    Ok(value.map_or_else(|| "undefined".to_owned(), |value| value.to_string()))
}

fn ok(source: &str, variables: Value) -> String {
    eval(source, variables).unwrap_or_else(|error| panic!("{source}: {error}"))
}

#[test]
fn results_keep_their_types() {
    let event = || context! { event => from_json(&serde_json::json!({ "n": 5, "t": "5", "b": true, "z": null, "l": [1, "x"] })) };
    for (source, json) in [
        ("event.n", "5"),
        ("event.t", "\"5\""),
        ("event.b", "true"),
        ("event.z", "null"),
        ("event.l", "[1,\"x\"]"),
        ("event.n + 1", "6"),
        ("event.n == 5 and event.b", "true"),
        ("event.missing", "undefined"),
        ("event.missing.deeper.still", "undefined"),
        ("'x' if event.missing", "undefined"),
        ("event.missing or 'y'", "\"y\""),
    ] {
        assert_eq!(ok(source, event()), json, "{source}");
    }
}

#[test]
fn filters_give_what_the_documentation_says() {
    for (source, json) in [
        ("'abc' | sha256", "\"ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad\""),
        ("'' | sha256", "undefined"),
        ("event.none | sha256", "undefined"),
        ("1500 | seconds", "1"),
        ("1700000000123 | iso8601", "\"2023-11-14T22:13:20.123Z\""),
        ("'12.50' | number", "12.50"),
        ("' 7 ' | number", "7"),
        ("'7.9' | integer", "7"),
        ("-7.9 | integer", "-7"),
        ("'TRUE' | boolean", "true"),
        ("'0' | boolean", "false"),
        ("'+44 (0)20' | digits", "\"44020\""),
        ("'+44 (0)20' | digits('+')", "\"+44020\""),
        ("event.none | digits", "undefined"),
        ("'{\"a\":[1]}' | fromjson", "{\"a\":[1]}"),
        ("event.none | fromjson", "undefined"),
        (
            "dict(a='1', b='007', c='true', d='1e5', e='x', f='-0.50', g='True') | scalars",
            "{\"a\":1,\"b\":\"007\",\"c\":true,\"d\":\"1e5\",\"e\":\"x\",\"f\":-0.50,\"g\":\"True\"}",
        ),
        ("dict(a=1, b=2, c=3) | without('a', 'c')", "{\"b\":2}"),
        ("event.none | without('a')", "undefined"),
        ("event.none | scalars", "undefined"),
        ("event.none | integer", "undefined"),
        ("event.none | boolean", "undefined"),
    ] {
        assert_eq!(ok(source, context! { event => context! {} }), json, "{source}");
    }
}

#[test]
fn filters_refuse_what_they_can_not_read() {
    for source in [
        "'x' | number",
        "'NaN' | number",
        "'Infinity' | integer",
        "'12d' | integer",
        "'maybe' | boolean",
        "'x' | seconds",
        "9999999999999999 | iso8601",
        "'{' | fromjson",
        "'x' | scalars",
        "1 | without('a')",
        "event | sha256",
    ] {
        let error = eval(source, context! { event => context! {} }).expect_err(source);
        assert!(error.to_string().starts_with("routes[0].item.x (line 3, column 9): "), "{error}");
    }
}

#[test]
fn trap_53_the_first_raw_identity_is_taken_and_a_hashed_one_is_never() {
    let identity = |kind: &str, encoding: &str, value: &str| context! { type => kind, encoding, value };
    let user = context! { user => context! { user_identities => [
        identity("email", "sha256", "cafe"), identity("email", "raw", " "), identity("email", "raw", "a@x"), identity("email", "raw", "b@x"),
    ] } };
    assert_eq!(ok("identity('email')", user.clone()), "\"a@x\"");
    assert_eq!(ok("identity('email', encoding='sha256')", user.clone()), "\"cafe\"");
    assert_eq!(ok("identity('email', 'sha256')", user.clone()), "\"cafe\"");
    assert_eq!(ok("identity('customer')", user.clone()), "undefined");
    assert_eq!(ok("device_identity('android_id')", user.clone()), "undefined");
    assert_eq!(ok("partner_identity()", user), "undefined");
    assert_eq!(ok("identity('email')", context! {}), "undefined");
}

#[test]
fn an_expression_without_end_is_stopped() {
    for source in ["range(100000) | map('string') | join | length", "range(90000) | map('upper') | list"] {
        let error = eval(source, context! {}).expect_err(source).to_string();
        assert!(error.contains("fuel"), "{source}: {error}");
    }
}

#[test]
fn trap_98_no_error_quotes_a_value() {
    let variables = || context! { event => context! { name => "hunter2", list => vec!["hunter2"], o => context! { hunter2 => 1 } }, settings => context! { apiKey => "hunter2" } };
    for source in [
        "event.name | number",
        "event.name | integer",
        "event.name | boolean",
        "event.name | seconds",
        "event.name | iso8601",
        "event.name | fromjson",
        "event.name | scalars",
        "event.list | sha256",
        "event.name + 1",
        "event.name - 1",
        "event.name / 0",
        "event.name // 2",
        "1 in 5",
        "-event.name",
        "event.name()",
        "event.name | sum",
        "event.name | round",
        "event.name | int",
        "event.name | float",
        "event.name.hunter2()",
        "event.list | join(event.o) | abs",
        "event.name | abs",
        "range(event.name)",
        "dict(event.name)",
        "event.o | dictsort(by=event.name)",
        "event.list | batch(event.name)",
        "event.name | format(event.name, 1)",
        "identity(event.name, nonsense=event.name)",
        "identity('email', encoding=1)",
        "event.list | min | abs",
        "event.list | map(event.name) | list",
        "event.list | select(event.name) | list",
        "event.list | selectattr('a', event.name) | list",
        "event.name | attr(event.list)",
        "event.list | groupby(event.name) | abs",
        "event.name | indent(event.name)",
        "event.name < event.o",
    ] {
        let Ok(compiled) = Compiled::new(&expr(source)) else { continue };
        if let Err(error) = compiled.eval(&variables()) {
            assert!(!error.to_string().contains("hunter2"), "{source}: {error}");
        }
    }
}

#[test]
fn every_mistake_is_reported_at_once_at_its_line() {
    let mut partner = partner_with(|text| text);
    let broken: Vec<Expr> = ["event.", "event.name |", "1 +"]
        .iter()
        .zip(10..)
        .map(|(source, line)| Expr { line, ..expr(source) })
        .collect();
    let penstock_shared::partner::RouteAction::Call(call) = &mut partner.routes[1].action else { panic!() };
    call.item = Some(penstock_shared::partner::Mapping::Object(
        broken
            .into_iter()
            .map(|expr| (format!("l{}", expr.line), penstock_shared::partner::Mapping::Expr(expr)))
            .collect(),
    ));
    let mistakes = Program::compile(&partner).unwrap_err().mistakes;
    let lines: Vec<_> = mistakes.iter().map(|mistake| mistake.line).collect();
    assert_eq!(lines, [10, 11, 12]);
}

#[test]
fn the_partners_that_ship_compile() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../fixtures/partners");
    let mut read = 0;
    for file in std::fs::read_dir(folder).unwrap() {
        let path = file.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "toml") {
            let partner = penstock_shared::partner::load(&path).unwrap_or_else(|error| panic!("{error}"));
            Program::compile(&partner).unwrap_or_else(|mistakes| panic!("{mistakes}"));
            read += 1;
        }
    }
    assert!(read >= 3);
}

proptest! {
    #[test]
    fn any_text_passes_through_an_expression_unchanged(text in any::<String>()) {
        let json = ok("event.name", context! { event => context! { name => text.clone() } });
        prop_assert_eq!(serde_json::from_str::<String>(&json).unwrap(), text);
    }
}
