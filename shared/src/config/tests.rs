use secrecy::ExposeSecret as _;

use super::*;

fn variables(pairs: &'static [(&str, &str)]) -> impl Fn(&str) -> Option<String> {
    move |name| pairs.iter().find(|(n, _)| *n == name).map(|(_, value)| (*value).to_owned())
}

fn listed(text: &str) -> Result<Vec<String>, &'static str> {
    Ok(text.split(' ').map(str::to_owned).collect())
}

fn names(pairs: &[(&str, &str)]) -> Vec<String> {
    pairs.iter().map(|(name, _)| (*name).to_owned()).collect()
}

#[test]
fn a_flag_wins_over_a_variable_over_the_file_over_the_default() {
    let file = "[a]\nx = 1\ny = 1\nz = 1\n";
    let lookup = variables(&[("PENSTOCK_A_X", "2"), ("PENSTOCK_A_Y", "2")]);
    let mut settings = Settings::new(Sources {
        file: Some(("p.toml", file)),
        variable: Some(&lookup),
        flags: BTreeMap::from([("a.x".into(), "3".into())]),
        ..Sources::default()
    });
    let values = ["a.x", "a.y", "a.z", "a.w"].map(|name| settings.count(name, 9, 0..=9));
    assert_eq!(values, [3, 2, 1, 9]);
    let origins: Vec<Origin> = settings.finish().unwrap().settings.into_iter().map(|s| s.origin).collect();
    assert_eq!(
        origins,
        [
            Origin::Flag,
            Origin::Environment("PENSTOCK_A_Y".into()),
            Origin::File("p.toml:4".into()),
            Origin::Default
        ]
    );
}

#[test]
fn every_mistake_is_reported_at_once_with_its_place() {
    let file = "pod = \"us1\"\n[a]\nwait_ms = 5000\nport = \"x\"\nwait_sm = 1\nwhen = 1979-05-27\n[b]\nanything = 1\n";
    let lookup = variables(&[("PENSTOCK_A_FLAG", "maybe")]);
    let mut settings = Settings::new(Sources {
        file: Some(("p.toml", file)),
        variable: Some(&lookup),
        ..Sources::default()
    });
    settings.leave("b");
    assert_eq!(settings.text("pod", "eu1"), "us1");
    assert_eq!(settings.millis("a.wait_ms", 10, 0..=1000), Duration::from_millis(10));
    settings.address("a.port", ([127, 0, 0, 1], 80).into());
    settings.flag("a.flag", false);
    settings.disagree("a.wait_ms is above a.port");
    let report = settings.finish().unwrap_err().to_string();
    assert_eq!(
        report.lines().collect::<Vec<_>>(),
        [
            "p.toml:6: a.when is neither text, number, true, false nor a list of them",
            "p.toml:3: a.wait_ms is \"5000\"; write 0 to 1000 (milliseconds)",
            "p.toml:4: a.port is \"x\"; write an address with its port, such as 0.0.0.0:8080",
            "PENSTOCK_A_FLAG: a.flag is \"maybe\"; write true or false",
            "settings: a.wait_ms is above a.port",
            "p.toml:5: a.wait_sm is no setting; did you mean a.wait_ms?",
        ]
    );
}

#[test]
fn a_file_that_is_no_toml_says_where() {
    let mut settings =
        Settings::new(Sources { file: Some(("p.toml", "a = 1\nb = = 2\n")), ..Sources::default() });
    assert_eq!(settings.count("a", 0, 0..=9), 1);
    let report = settings.finish().unwrap_err().to_string();
    assert!(report.starts_with("p.toml:2: no TOML: "), "{report}");
}

#[test]
fn an_unread_variable_of_ours_is_a_warning_and_others_are_not() {
    let pairs = [("PENSTOCK_POT", "us1"), ("PENSTOCK_WORKER_X", "1"), ("PATH", "/bin")];
    let mut settings = Settings::new(Sources { variable_names: names(&pairs), ..Sources::default() });
    settings.leave("worker");
    settings.text("pod", "us1");
    let warnings = settings.finish().unwrap().warnings;
    assert_eq!(warnings, ["nothing reads the variable PENSTOCK_POT; did you mean PENSTOCK_POD?"]);
}

#[test]
fn trap_98_a_secret_is_never_shown() {
    let lookup = variables(&[("PENSTOCK_TOKENS", "sesame, open"), ("PENSTOCK_KEY", " ")]);
    let mut settings = Settings::new(Sources { variable: Some(&lookup), ..Sources::default() });
    assert_eq!(settings.checked_secret("tokens", listed).unwrap(), ["sesame,", "open"]);
    assert!(!format!("{settings:?}").contains("sesame"));
    assert!(settings.secret("key").is_none());
    let report = settings.finish().unwrap_err();
    assert_eq!(report.to_string(), "PENSTOCK_KEY: key is given but holds nothing");

    let mut settings = Settings::new(Sources { variable: Some(&lookup), ..Sources::default() });
    settings.checked_secret("tokens", listed);
    assert_eq!(settings.finish().unwrap().to_string(), "tokens = [redacted]  # PENSTOCK_TOKENS\n");

    let mut settings = Settings::new(Sources { variable: Some(&lookup), ..Sources::default() });
    assert!(settings.checked_secret("tokens", |_| Err::<(), _>("no list")).is_none());
    let report = settings.finish().unwrap_err();
    assert_eq!(report.to_string(), "PENSTOCK_TOKENS: tokens is wrong: no list");
}

#[test]
fn a_secret_is_read_from_the_file_its_variable_names() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("token");
    std::fs::write(&path, "sesame\n").unwrap();
    let path = path.to_str().unwrap().to_owned();
    let lookup = move |name: &str| (name == "PENSTOCK_TOKEN_FILE").then(|| path.clone());
    let mut settings = Settings::new(Sources { variable: Some(&lookup), ..Sources::default() });
    assert_eq!(settings.secret("token").unwrap().expose_secret(), "sesame");
    settings.finish().unwrap();
}

#[test]
fn a_list_of_the_file_reaches_its_check_with_blanks_between() {
    let file = "names = [\"a\", \"b=/c\"]";
    let mut settings = Settings::new(Sources { file: Some(("p.toml", file)), ..Sources::default() });
    assert_eq!(settings.checked("names", listed).unwrap(), ["a", "b=/c"]);
    assert_eq!(settings.checked("others", listed), None);
    assert_eq!(settings.finish().unwrap().to_string(), "names = a b=/c  # p.toml:1\nothers =   # default\n");
}

#[test]
fn words_numbers_and_checked_values_are_read() {
    let file = "mode = \"b\"\nshare = 0.5\npod = \"EU\"\nbig = 0xff\n";
    let mut settings = Settings::new(Sources { file: Some(("p.toml", file)), ..Sources::default() });
    assert_eq!(settings.choice("mode", "a", &[("a", 1), ("b", 2)]), 2);
    assert!((settings.decimal("share", 0.1, 0.0..=1.0) - 0.5).abs() < f64::EPSILON);
    assert_eq!(settings.bytes("big", 0, 0..=300), 255);
    assert_eq!(settings.optional_text("nothing"), None);
    let pod = crate::ids::Pod::new("us1").unwrap();
    assert_eq!(settings.parsed("pod", pod.clone(), crate::ids::Pod::new), pod);
    let report = settings.finish().unwrap_err().to_string();
    assert!(report.starts_with("p.toml:3: pod is wrong: pod `EU` is not"), "{report}");
}
