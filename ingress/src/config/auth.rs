//! The settings that say who may send data.

use std::{
    convert::Infallible,
    path::{Path, PathBuf},
    time::Duration,
};

use http::{HeaderName, header};
use penstock_shared::{aws::secret::StoredSecret, config::Settings};

use crate::{
    auth::{Access, Bearer, OAuthHeader},
    tokens::{Pace, TokenList, TokenSource, Tokens},
};

/// Headers that mean something else in any call.
const TAKEN: [HeaderName; 5] = [
    header::AUTHORIZATION,
    header::HOST,
    header::CONTENT_LENGTH,
    header::CONTENT_ENCODING,
    header::CONTENT_TYPE,
];

/// Who may send data.
#[derive(Clone, Debug)]
pub struct AuthConfig {
    /// Where the tokens are that mParticle was given.
    pub tokens: TokensConfig,
    /// From one reading of the tokens to the next.
    pub reload: Duration,
    /// How long the tokens before stay valid beside a list that has none of them.
    pub grace: Duration,
    /// Let everyone in.
    pub no_auth: bool,
    /// What the scheme `Bearer` is taken for.
    pub bearer: Bearer,
    /// The header with a customer's access token, if one is declared.
    pub oauth_header: Option<OAuthHeader>,
}

/// Where the tokens are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum TokensConfig {
    /// Nowhere: data is answered 503.
    #[default]
    Nowhere,
    /// In the settings: `tokens`.
    Given(TokenList),
    /// In a file: `tokens_file`.
    File(PathBuf),
    /// In Secrets Manager, under this name or ARN: `tokens_secret`.
    Secret(String),
}

impl AuthConfig {
    /// The check these settings ask for, by these tokens.
    pub fn access(&self, tokens: Tokens) -> Access {
        if self.no_auth {
            return Access::open();
        }
        Access::by_tokens(tokens, self.bearer, self.oauth_header.clone())
    }

    /// How often tokens are read, and what becomes of those before.
    pub(crate) fn pace(&self) -> Pace {
        Pace { every: self.reload, grace: self.grace }
    }

    /// Where to read tokens; `secret` is what `tokens_secret` names, and counts only then.
    pub fn source(&self, secret: Option<StoredSecret>) -> TokenSource {
        match (&self.tokens, secret) {
            _ if self.no_auth => TokenSource::Nowhere,
            (TokensConfig::Given(list), _) => TokenSource::Given(list.clone()),
            (TokensConfig::File(path), _) => TokenSource::File(path.clone()),
            (TokensConfig::Secret(_), Some(secret)) => TokenSource::Secret(secret),
            (TokensConfig::Secret(_), None) | (TokensConfig::Nowhere, _) => TokenSource::Nowhere,
        }
    }

    pub(super) fn read(settings: &mut Settings<'_>) -> Self {
        let tokens = TokensConfig::read(settings);
        let by_file = settings.millis("tokens_reload_ms", 10_000, 100..=3_600_000);
        let by_secret = settings.millis("tokens_secret_reload_ms", 60_000, 1_000..=3_600_000);
        let grace = settings.millis("tokens_grace_ms", 600_000, 0..=86_400_000);
        let oauth_header = settings.checked("ingress.oauth_header", header_name);
        let accept =
            settings.choice("ingress.oauth_header_is", "compare", &[("compare", false), ("accept", true)]);
        let config = Self {
            reload: if matches!(tokens, TokensConfig::Secret(_)) { by_secret } else { by_file },
            grace,
            tokens,
            no_auth: settings.flag("no_auth", false),
            bearer: settings.choice(
                "ingress.bearer",
                "refuse",
                &[("refuse", Bearer::Refuse), ("compare", Bearer::Compare), ("accept", Bearer::Accept)],
            ),
            oauth_header: oauth_header.map(|name| OAuthHeader { name, accept }),
        };
        if config.no_auth && config.tokens != TokensConfig::Nowhere {
            settings.disagree("no_auth lets everyone in although tokens are given; drop one of the two");
        }
        if accept && config.oauth_header.is_none() {
            settings
                .disagree("ingress.oauth_header_is = accept needs ingress.oauth_header, the header's name");
        }
        config
    }
}

impl TokensConfig {
    fn read(settings: &mut Settings<'_>) -> Self {
        let given = settings.checked_secret("tokens", TokenList::parse).map(Self::Given);
        let file = settings.checked("tokens_file", file).map(Self::File);
        let secret =
            settings.checked("tokens_secret", |name| Ok::<_, Infallible>(name.to_owned())).map(Self::Secret);
        let mut all = [given, file, secret].into_iter().flatten();
        let first = all.next().unwrap_or_default();
        if all.next().is_some() {
            settings.disagree(
                "tokens, tokens_file and tokens_secret are several places for tokens; keep one of them",
            );
        }
        first
    }
}

/// Holds the file to its form, so that a slip is told at the start. It is read again as soon as ingress runs.
fn file(path: &str) -> Result<PathBuf, String> {
    let text = std::fs::read_to_string(path).map_err(|error| format!("the file cannot be read: {error}"))?;
    TokenList::parse(&text).map_err(|error| format!("the file {error}"))?;
    Ok(Path::new(path).to_owned())
}

fn header_name(text: &str) -> Result<HeaderName, &'static str> {
    let name = HeaderName::try_from(text).map_err(|_| "write the name of a header, such as X-Acme-Token")?;
    if TAKEN.contains(&name) {
        return Err("this header means something else; for `Authorization: Bearer` there is ingress.bearer");
    }
    Ok(name)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use penstock_shared::config::Sources;

    use super::*;

    fn read(flags: &[(&str, &str)]) -> Result<AuthConfig, String> {
        let flags: BTreeMap<String, String> =
            flags.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let mut settings = Settings::new(Sources { flags, ..Sources::default() });
        let config = AuthConfig::read(&mut settings);
        settings.finish().map(|_| config).map_err(|errors| errors.to_string())
    }

    #[test]
    fn tokens_come_from_one_place() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tokens");
        std::fs::write(&path, "sesame\n").unwrap();
        let file = path.to_str().unwrap();
        assert_eq!(read(&[]).unwrap().tokens, TokensConfig::Nowhere);
        let given = TokensConfig::Given(TokenList::parse("a b").unwrap());
        assert_eq!(read(&[("tokens", "a, b")]).unwrap().tokens, given);
        assert_eq!(read(&[("tokens_file", file)]).unwrap().tokens, TokensConfig::File(path.clone()));
        let secret = read(&[("tokens_secret", "penstock/tokens")]).unwrap();
        assert_eq!(secret.tokens, TokensConfig::Secret("penstock/tokens".to_owned()));
        assert_eq!(secret.reload, Duration::from_secs(60));
        let all = read(&[("tokens", "a"), ("tokens_file", file), ("tokens_secret", "s")]).unwrap_err();
        assert!(all.contains("keep one of them"), "{all}");
    }

    #[test]
    fn trap_98_a_bad_file_is_told_at_the_start_without_what_is_in_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tokens");
        let missing = read(&[("tokens_file", path.to_str().unwrap())]).unwrap_err();
        assert!(missing.contains("tokens_file is wrong: the file cannot be read"), "{missing}");
        std::fs::write(&path, "{\"sesame\": 5, \"SESAME\": 1}").unwrap();
        let bad = read(&[("tokens_file", path.to_str().unwrap())]).unwrap_err();
        assert!(bad.contains("the file is JSON, but neither") && !bad.contains("sesame"), "{bad}");
        let given = read(&[("tokens", "[\"sesame\"")]).unwrap_err();
        assert!(given.contains("broken in line 1") && !given.contains("sesame"), "{given}");
    }

    #[test]
    fn the_oauth_header_is_a_header_of_its_own() {
        let set = read(&[("ingress.oauth_header", "X-Acme-Token"), ("ingress.oauth_header_is", "accept")]);
        let header = set.unwrap().oauth_header.unwrap();
        assert_eq!((header.name.as_str(), header.accept), ("x-acme-token", true));
        for wrong in ["Authorization", "no header", "content-type"] {
            assert!(read(&[("ingress.oauth_header", wrong)]).is_err(), "{wrong}");
        }
        assert!(
            read(&[("ingress.oauth_header_is", "accept")])
                .unwrap_err()
                .contains("needs ingress.oauth_header")
        );
    }
}
