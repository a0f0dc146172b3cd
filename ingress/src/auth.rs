//! The caller's token: `Authorization: Token <token>` (protocol.md 1.2).

use std::fmt;

use aws_lc_rs::{constant_time, digest};
use http::{HeaderMap, header};
use secrecy::{ExposeSecret as _, SecretString};

/// Who may send data.
pub struct Access {
    open: bool,
    bearer: Bearer,
    /// SHA-256 of each token: equally long, so comparing tells nothing of a token's length.
    tokens: Vec<digest::Digest>,
}

/// What a call with the scheme `Bearer` is taken for. mParticle sends it when the registration declares OAuth.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Bearer {
    /// As a missing token.
    #[default]
    Refuse,
    /// Its token is one of ours, or it is wrong.
    Compare,
    /// It is a customer's access token, which only the partner can judge: let it in.
    Accept,
}

/// What the header says of the caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Caller {
    /// May send data.
    Authentic,
    /// May ask for the registration document, nothing else.
    Stranger,
    /// No token is configured, so nobody can be told apart: as a stranger, but to be tried again.
    Unjudged,
}

impl Access {
    /// Checks tokens; several may be valid at once, for rotation.
    pub fn by_tokens(tokens: &[SecretString], bearer: Bearer) -> Self {
        let tokens = tokens.iter().map(|token| hash(token.expose_secret().as_bytes())).collect();
        Self { open: false, bearer, tokens }
    }

    /// Lets everyone in.
    pub fn open() -> Self {
        Self { open: true, bearer: Bearer::Refuse, tokens: Vec::new() }
    }

    /// True when data can be accepted from someone.
    pub fn can_judge(&self) -> bool {
        self.open || !self.tokens.is_empty() || self.bearer == Bearer::Accept
    }

    /// Judges a call by its header alone, before any of its body is read.
    pub fn judge(&self, headers: &HeaderMap) -> Caller {
        if self.open {
            return Caller::Authentic;
        }
        let presented = headers.get_all(header::AUTHORIZATION).iter();
        if presented.fold(false, |authentic, value| self.accepts(value.as_bytes()) | authentic) {
            return Caller::Authentic;
        }
        if self.can_judge() { Caller::Stranger } else { Caller::Unjudged }
    }

    fn accepts(&self, value: &[u8]) -> bool {
        let value = value.trim_ascii();
        let Some(blank) = value.iter().position(u8::is_ascii_whitespace) else { return false };
        let (scheme, token) = (&value[..blank], value[blank..].trim_ascii());
        if scheme.eq_ignore_ascii_case(b"bearer") {
            return match self.bearer {
                Bearer::Refuse => false,
                Bearer::Compare => self.is_known(token),
                Bearer::Accept => true,
            };
        }
        scheme.eq_ignore_ascii_case(b"token") && self.is_known(token)
    }

    /// Compares with every token, whichever fits, so that time tells nothing.
    fn is_known(&self, token: &[u8]) -> bool {
        let presented = hash(token);
        self.tokens.iter().fold(false, |known, token| {
            constant_time::verify_slices_are_equal(token.as_ref(), presented.as_ref()).is_ok() | known
        })
    }
}

impl fmt::Debug for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Access {{ open: {}, bearer: {:?}, tokens: {} }}",
            self.open,
            self.bearer,
            self.tokens.len()
        )
    }
}

fn hash(token: &[u8]) -> digest::Digest {
    digest::digest(&digest::SHA256, token)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn access(tokens: &[&str], bearer: Bearer) -> Access {
        let tokens: Vec<SecretString> = tokens.iter().map(|token| SecretString::from(*token)).collect();
        Access::by_tokens(&tokens, bearer)
    }

    fn judge(access: &Access, header: &str) -> Caller {
        let mut headers = HeaderMap::new();
        headers.insert(header::AUTHORIZATION, header.parse().unwrap());
        access.judge(&headers)
    }

    #[test]
    fn trap_3_no_token_or_a_wrong_one_is_a_stranger() {
        let access = access(&["abc"], Bearer::Refuse);
        assert_eq!(access.judge(&HeaderMap::new()), Caller::Stranger);
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
        assert_eq!(access.judge(&headers), Caller::Authentic);
    }

    #[test]
    fn trap_7_without_any_token_nobody_is_judged_and_open_lets_all_in() {
        assert_eq!(judge(&access(&[], Bearer::Refuse), "Token abc"), Caller::Unjudged);
        assert_eq!(judge(&access(&[], Bearer::Refuse), "Token "), Caller::Unjudged);
        assert_eq!(Access::open().judge(&HeaderMap::new()), Caller::Authentic);
    }

    #[test]
    fn trap_98_debug_shows_no_token() {
        assert!(!format!("{:?}", access(&["abc"], Bearer::Refuse)).contains("abc"));
    }
}
