//! The caller's token: `Authorization: Token <token>` (protocol.md 1.2), and what OAuth makes of it.

use http::{HeaderMap, HeaderName, header};
use penstock_shared::ids::Pod;

use crate::tokens::{TokenList, Tokens};

/// Who may send data. Clones share the tokens.
#[derive(Clone, Debug)]
pub struct Access {
    open: bool,
    bearer: Bearer,
    oauth_header: Option<OAuthHeader>,
    tokens: Tokens,
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

/// The header that brings a customer's access token when the registration declares OAuth with `custom_header`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OAuthHeader {
    /// As `custom_header_name` has it.
    pub name: HeaderName,
    /// Lets in whoever sends any value; else the value is one of our tokens, or it counts for nothing.
    pub accept: bool,
}

/// What the header says of the caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Caller {
    /// May send data.
    Authentic,
    /// May ask for the registration document, nothing else.
    Stranger,
    /// No token is known for the pod, so nobody can be told apart: as a stranger, but to be tried again.
    Unjudged,
}

impl Access {
    /// Checks tokens; several may be valid at once, for rotation. A valid `Token` always suffices.
    pub fn by_tokens(tokens: Tokens, bearer: Bearer, oauth_header: Option<OAuthHeader>) -> Self {
        Self { open: false, bearer, oauth_header, tokens }
    }

    /// Lets everyone in.
    pub fn open() -> Self {
        Self { open: true, bearer: Bearer::Refuse, oauth_header: None, tokens: Tokens::default() }
    }

    /// True when data can be accepted from someone.
    pub fn can_judge(&self) -> bool {
        self.accepts_unknown() || !self.tokens.current().is_empty()
    }

    /// Judges a call to an endpoint of `pod` by its headers alone, before any of its body is read.
    pub fn judge(&self, pod: &Pod, headers: &HeaderMap) -> Caller {
        if self.open {
            return Caller::Authentic;
        }
        let tokens = self.tokens.current();
        let presented = headers.get_all(header::AUTHORIZATION).iter();
        let authentic = presented
            .fold(false, |authentic, value| self.accepts(&tokens, pod, value.as_bytes()) | authentic);
        if authentic || self.accepts_oauth(&tokens, pod, headers) {
            return Caller::Authentic;
        }
        if self.accepts_unknown() || tokens.serves(pod) { Caller::Stranger } else { Caller::Unjudged }
    }

    /// True when there are callers who need none of our tokens.
    fn accepts_unknown(&self) -> bool {
        self.open
            || self.bearer == Bearer::Accept
            || self.oauth_header.as_ref().is_some_and(|header| header.accept)
    }

    fn accepts(&self, tokens: &TokenList, pod: &Pod, value: &[u8]) -> bool {
        match split(value) {
            Some((Scheme::Token, token)) => tokens.knows(pod, token),
            Some((Scheme::Bearer, token)) => match self.bearer {
                Bearer::Refuse => false,
                Bearer::Compare => tokens.knows(pod, token),
                Bearer::Accept => true,
            },
            None => false,
        }
    }

    fn accepts_oauth(&self, tokens: &TokenList, pod: &Pod, headers: &HeaderMap) -> bool {
        let Some(OAuthHeader { name, accept }) = &self.oauth_header else { return false };
        headers.get_all(name).iter().fold(false, |accepted, value| {
            let value = value.as_bytes().trim_ascii();
            // Unpublished whether a scheme stands before the token.
            let token = split(value).map_or(value, |(_, token)| token);
            let accepts = if *accept { !token.is_empty() } else { tokens.knows(pod, token) };
            accepts | accepted
        })
    }
}

#[derive(Clone, Copy)]
enum Scheme {
    Token,
    Bearer,
}

/// The scheme and the token after it; `None` when it is no scheme that is known, or nothing follows.
fn split(value: &[u8]) -> Option<(Scheme, &[u8])> {
    let value = value.trim_ascii();
    let blank = value.iter().position(u8::is_ascii_whitespace)?;
    let (scheme, token) = (&value[..blank], value[blank..].trim_ascii());
    if scheme.eq_ignore_ascii_case(b"token") {
        Some((Scheme::Token, token))
    } else if scheme.eq_ignore_ascii_case(b"bearer") {
        Some((Scheme::Bearer, token))
    } else {
        None
    }
}

#[cfg(test)]
mod tests;
