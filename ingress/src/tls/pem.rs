//! What PEM files hold, and what is wrong with those that do not hold it.

use rustls_pki_types::{
    CertificateDer, PrivateKeyDer,
    pem::{self, PemObject},
};

/// What begins the first line of a section.
const BEGIN: &[u8] = b"-----BEGIN ";

/// Why a PEM file does not give what is asked of it. Tells nothing of its content, which may be a key: the parser's own
/// errors quote lines, and a key that has lost its line breaks is one line.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PemError {
    /// Nothing stands in it.
    #[error("it is empty")]
    Empty,
    /// Something does, but no PEM.
    #[error("no line of it begins with -----BEGIN")]
    NoSection,
    /// There is PEM of something else.
    #[error("its sections are of another kind")]
    OtherSections,
    /// A line that begins a section goes on after its label, such as when line breaks are lost.
    #[error("a line that begins a section is not only that")]
    Begin,
    /// A section begins and does not end: it is cut, or line breaks are lost.
    #[error("a section has no line of its own that ends it")]
    End,
    /// What stands in a section is damaged.
    #[error("a section is not base64")]
    Base64,
    /// The key is encrypted: nobody is there to ask for its password.
    #[error("its key is encrypted")]
    Encrypted,
    /// Anything else.
    #[error("a section is too large, or otherwise no PEM")]
    Other,
}

/// All certificates, at least one.
///
/// # Errors
/// [`PemError`] when there is none, or a section is damaged.
pub fn certificates(file: &[u8]) -> Result<Vec<CertificateDer<'static>>, PemError> {
    let all: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(file).collect();
    match all {
        Ok(all) if all.is_empty() => Err(nothing_in(file)),
        all => all.map_err(|error| fault(&error, file)),
    }
}

/// The first private key that is not encrypted.
///
/// # Errors
/// [`PemError`] when there is none, or a section before it is damaged.
pub fn private_key(file: &[u8]) -> Result<PrivateKeyDer<'static>, PemError> {
    PrivateKeyDer::from_pem_slice(file)
        .map_err(|error| if is_encrypted(file) { PemError::Encrypted } else { fault(&error, file) })
}

fn fault(error: &pem::Error, file: &[u8]) -> PemError {
    match error {
        pem::Error::NoItemsFound => nothing_in(file),
        pem::Error::IllegalSectionStart { .. } => PemError::Begin,
        pem::Error::MissingSectionEnd { .. } => PemError::End,
        pem::Error::Base64Decode(_) => PemError::Base64,
        _ => PemError::Other,
    }
}

/// As PKCS #8 says it of a section, and the older form in a line of one.
fn is_encrypted(file: &[u8]) -> bool {
    lines(file).any(|line| line.starts_with(b"-----BEGIN ENCRYPTED ") || line.starts_with(b"Proc-Type:"))
}

fn lines(file: &[u8]) -> impl Iterator<Item = &[u8]> {
    file.split(|byte| matches!(byte, b'\n' | b'\r'))
}

fn nothing_in(file: &[u8]) -> PemError {
    if file.trim_ascii().is_empty() {
        PemError::Empty
    } else if lines(file).any(|line| line.starts_with(BEGIN)) {
        PemError::OtherSections
    } else {
        PemError::NoSection
    }
}

#[cfg(test)]
mod tests {
    use rcgen::generate_simple_self_signed;

    use super::*;

    #[test]
    fn what_is_wrong_is_told_of_each_kind_of_file() {
        let pair = generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let (cert, key) = (pair.cert.pem(), pair.signing_key.serialize_pem());
        let broken = |pem: &str| pem.replacen("M", "!", 1);
        let cut = |pem: &str| pem.lines().next().unwrap().to_owned() + "\n";
        let encrypted = key.replace("PRIVATE KEY", "ENCRYPTED PRIVATE KEY");
        let older = key.replacen('\n', "\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00\n\n", 1);
        for (file, expected) in [
            ("", PemError::Empty),
            (" \r\n\n", PemError::Empty),
            ("not a certificate\n", PemError::NoSection),
            (&format!("  {cert}"), PemError::NoSection),
            (&key, PemError::OtherSections),
            (&broken(&cert), PemError::Base64),
            (&(cert.clone() + &broken(&cert)), PemError::Base64),
            (&cut(&cert), PemError::End),
            (&cert.replace('\n', ""), PemError::End),
            (&cert.replacen('\n', "", 1), PemError::Begin),
        ] {
            assert_eq!(certificates(file.as_bytes()), Err(expected), "{file}");
        }
        for (file, expected) in [
            ("", PemError::Empty),
            ("sesame", PemError::NoSection),
            (&cert, PemError::OtherSections),
            (&encrypted, PemError::Encrypted),
            (&older, PemError::Encrypted),
            (&broken(&key), PemError::Base64),
            (&cut(&key), PemError::End),
        ] {
            assert_eq!(private_key(file.as_bytes()).unwrap_err(), expected, "{file}");
        }
        assert_eq!(certificates((cert.clone() + &key + &cert).as_bytes()).unwrap().len(), 2);
        assert!(private_key((cert + &key).as_bytes()).is_ok());
    }

    #[test]
    fn nothing_of_a_key_is_told_though_it_stands_in_one_line() {
        let key = generate_simple_self_signed(["localhost".to_owned()]).unwrap().signing_key.serialize_pem();
        let first = key.lines().nth(1).unwrap();
        let cases = [
            (key.replace('\n', ""), PemError::End),
            (key.replace('\n', " "), PemError::End),
            (key.replacen('\n', " ", 1), PemError::Begin),
        ];
        for (file, expected) in cases {
            let error = private_key(file.as_bytes()).unwrap_err();
            // Its parts as numbers would be the parser's way to quote them.
            let quoted = format!("{:?}", &first.as_bytes()[..8]);
            for told in [error.to_string(), format!("{error:?}")] {
                assert!(
                    !told.contains(&first[..8]) && !told.contains(quoted.trim_matches(['[', ']'])),
                    "{told}"
                );
            }
            assert_eq!(error, expected);
        }
    }
}
