use std::time::SystemTime;

use penstock_shared::config::Sources;
use penstock_testkit::Lines;
use rcgen::{CertifiedKey, KeyPair, generate_simple_self_signed};

use super::*;

fn pair() -> CertifiedKey<KeyPair> {
    generate_simple_self_signed(["localhost".to_owned()]).unwrap()
}

/// What is said of these lines in the settings file.
fn mistakes(lines: &str) -> String {
    let file = format!("[ingress]\n{lines}");
    let mut settings = Settings::new(Sources { file: Some(("p.toml", &file)), ..Sources::default() });
    TlsConfig::read(&mut settings);
    settings.finish().err().map(|errors| errors.to_string()).unwrap_or_default()
}

#[test]
fn a_wrong_pair_is_a_mistake_of_the_settings_that_names_the_file_and_the_reason() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let (one, other) = (pair(), pair());
    let cert = write("cert.pem", &one.cert.pem());
    let key = write("key.pem", &one.signing_key.serialize_pem());
    let other_key = write("other.pem", &other.signing_key.serialize_pem());
    let empty = write("empty.pem", "");
    let cut = write("cut.pem", &one.signing_key.serialize_pem()[..80]);
    let line = write("line.pem", &one.signing_key.serialize_pem().replace('\n', ""));
    let text = write("text.pem", "sesame");
    let broken = write("broken.pem", &one.cert.pem().replacen('M', "!", 1));
    let broken_key = write("broken_key.pem", &one.signing_key.serialize_pem().replacen('M', "!", 1));
    let both = |cert: &str, key: &str| mistakes(&format!("tls_cert = \"{cert}\"\ntls_key = \"{key}\"\n"));

    assert_eq!(both(&cert, &key), "");
    let cases = [
        (both("nowhere.pem", &key), "nowhere.pem cannot be read: "),
        (both(&empty, &key), "empty.pem holds no certificate in PEM form: it is empty"),
        (
            both(&text, &key),
            "text.pem holds no certificate in PEM form: no line of it begins with -----BEGIN",
        ),
        (both(&key, &key), "key.pem holds no certificate in PEM form: its sections are of another kind"),
        (both(&broken, &key), "broken.pem holds no certificate in PEM form: a section is not base64"),
        (
            both(&cert, &empty),
            "empty.pem holds no private key in PEM form that is not encrypted: it is empty",
        ),
        (
            both(&cert, &text),
            "text.pem holds no private key in PEM form that is not encrypted: no line of it",
        ),
        (both(&cert, &cert), "cert.pem holds no private key in PEM form that is not encrypted: its sections"),
        (
            both(&cert, &broken_key),
            "broken_key.pem holds no private key in PEM form that is not encrypted: a s",
        ),
        (both(&cert, &cut), "that is not encrypted: a section has no line of its own that ends it"),
        (both(&cert, &line), "that is not encrypted: a section has no line of its own that ends it"),
        (both(&cert, &other_key), "other.pem cannot be used: "),
        (mistakes(&format!("tls_cert = \"{cert}\"\n")), "only one of ingress.tls_cert and ingress.tls_key"),
        (mistakes("tls_listen = \"127.0.0.1:0\"\n"), "ingress.tls_listen is given without"),
        (mistakes("tls_listen = \"nowhere\"\n"), "ingress.tls_listen"),
    ];
    let secret = one.signing_key.serialize_pem().lines().nth(1).unwrap().to_owned();
    for (told, expected) in cases {
        assert!(told.contains(expected), "{expected}: {told}");
        assert!(!told.contains(&secret[..20]), "{told}");
    }
}

/// The lines that are logged on this thread while the guard lives.
fn logged() -> (tracing::subscriber::DefaultGuard, Lines) {
    let lines = Lines::default();
    let writer = lines.clone();
    let subscriber = tracing_subscriber::fmt().with_writer(move || writer.clone()).finish();
    (tracing::subscriber::set_default(subscriber), lines)
}

const EVERY: Duration = Duration::from_secs(5);

/// A good pair in two files that are looked at, and what is logged meanwhile.
struct Watched {
    files: PairFiles,
    one: CertifiedKey<KeyPair>,
    certificates: Arc<Certificates>,
    lines: Lines,
    stop: tokio_util::sync::CancellationToken,
    task: tokio::task::JoinSet<()>,
    _guard: tracing::subscriber::DefaultGuard,
    _folder: tempfile::TempDir,
}

impl Watched {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let files = PairFiles { cert: folder.path().join("cert.pem"), key: folder.path().join("key.pem") };
        let one = pair();
        std::fs::write(&files.cert, one.cert.pem()).unwrap();
        std::fs::write(&files.key, one.signing_key.serialize_pem()).unwrap();
        let certificates = Certificates::open(files.clone()).await.unwrap();
        let (_guard, lines) = logged();
        let stop = tokio_util::sync::CancellationToken::new();
        let mut task = tokio::task::JoinSet::new();
        task.spawn(certificates.clone().keep_up(EVERY, stop.clone()));
        Self { files, one, certificates, lines, stop, task, _guard, _folder: folder }
    }

    fn told(&self, word: &str) -> usize {
        self.lines.text().matches(word).count()
    }

    async fn end(mut self) {
        self.stop.cancel();
        self.task.join_next().await.unwrap().unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn a_bad_new_pair_is_told_once_and_the_last_good_one_stays() {
    let (watched, two) = (Watched::new().await, pair());
    let (files, told) = (&watched.files, |word| watched.told(word));
    let first = watched.certificates.current();

    // A line break more, because the clock of the file system may be coarse.
    std::fs::write(&files.cert, two.cert.pem() + "\n").unwrap();
    tokio::time::sleep(EVERY * 10).await;
    assert_eq!((told("ERROR"), told("the last one stays"), told("renewed")), (1, 1, 0));
    assert!(Arc::ptr_eq(&first, &watched.certificates.current()));

    std::fs::write(&files.key, two.signing_key.serialize_pem() + "\n").unwrap();
    tokio::time::sleep(EVERY * 10).await;
    assert_eq!((told("ERROR"), told("renewed")), (1, 1));
    assert!(!Arc::ptr_eq(&first, &watched.certificates.current()));
    watched.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_pair_that_failed_is_tried_again_though_its_files_look_the_same() {
    let (watched, two) = (Watched::new().await, pair());
    let (files, told) = (&watched.files, |word| watched.told(word));
    let first = watched.certificates.current();
    // Between two looks, so that none sees half of what is written.
    tokio::time::sleep(EVERY / 2).await;

    // Always of one length and one time: what hinders passes, and the files tell nothing of it.
    let written = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000);
    let write_key = |text: &str| {
        std::fs::write(&files.key, format!("{text:\n<1000}")).unwrap();
        std::fs::File::options().write(true).open(&files.key).unwrap().set_modified(written).unwrap();
    };
    std::fs::write(&files.cert, two.cert.pem() + "\n").unwrap();
    write_key("");
    tokio::time::sleep(EVERY * 10).await;
    assert_eq!((told("ERROR"), told("holds no private key"), told("renewed")), (1, 1, 0));
    // Another reason is told, once again.
    write_key(&watched.one.signing_key.serialize_pem());
    tokio::time::sleep(EVERY * 10).await;
    assert_eq!((told("ERROR"), told("cannot be used: "), told("renewed")), (2, 1, 0));
    assert!(Arc::ptr_eq(&first, &watched.certificates.current()));

    write_key(&two.signing_key.serialize_pem());
    tokio::time::sleep(EVERY * 10).await;
    assert_eq!((told("ERROR"), told("renewed")), (2, 1));
    assert!(!Arc::ptr_eq(&first, &watched.certificates.current()));
    watched.end().await;
}
