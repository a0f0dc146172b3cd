//! A list of tokens: its written form, and what is kept of it, which is hashes.

use std::{collections::BTreeMap, fmt};

use aws_lc_rs::{constant_time, digest};
use penstock_shared::ids::Pod;
use serde_json::Value;

/// More than any rotation in any number of pods needs. Each call is compared with every token of its pod.
const TOKENS_MAX: usize = 100;
/// As long as a secret of Secrets Manager can be.
pub(super) const TEXT_BYTES_MAX: usize = 64 * 1024;

/// Tokens that are valid together. Holds the SHA-256 of each: equally long, so comparing tells nothing of a token's
/// length, and nothing here can show a token.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct TokenList {
    /// Valid for every pod. Sorted, each once, so that the same tokens make the same list.
    shared: Vec<Hash>,
    /// Valid for that pod alone; no entry is empty.
    of_pods: BTreeMap<Pod, Vec<Hash>>,
}

type Hash = [u8; digest::SHA256_OUTPUT_LEN];

/// Why a text is no list of tokens. Says where, and never what stands there.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokensError {
    /// There is nothing in it, or nothing for a pod that it names.
    #[error("holds no token, or none for a pod it names")]
    Empty,
    /// It begins as JSON does, and is none.
    #[error("begins as JSON and is broken in line {line}, column {column}")]
    BrokenJson {
        /// Counted from 1.
        line: usize,
        /// Counted from 1.
        column: usize,
    },
    /// It is JSON of another form.
    #[error("is JSON, but neither a list of texts nor an object with a text or a list of texts for each pod")]
    OtherJson,
    /// A member of the object is named like no pod. It may be a token in the wrong place, so it is not shown.
    #[error("is an object whose member {0} is named like no pod: write 1 to 16 of a-z, 0-9 and -")]
    NoPod(usize),
    /// A token is empty, or holds what no header can carry.
    #[error("holds a token that no header can carry (token {0}): write printable ASCII without blanks")]
    NoHeader(usize),
    /// There are too many.
    #[error("holds more than {TOKENS_MAX} tokens; drop the old ones")]
    TooMany,
    /// It is too long to be meant.
    #[error("is longer than {TEXT_BYTES_MAX} bytes")]
    TooLong,
}

impl TokenList {
    /// Reads a list in any of its forms: tokens with line breaks, blanks or commas between them; a JSON list of texts;
    /// or a JSON object that gives each pod a text or a list of texts.
    ///
    /// # Errors
    /// When it is of no such form, or holds no token.
    pub fn parse(text: &str) -> Result<Self, TokensError> {
        if text.len() > TEXT_BYTES_MAX {
            return Err(TokensError::TooLong);
        }
        let text = text.trim_start_matches('\u{feff}').trim();
        let mut reading = Reading::default();
        if text.starts_with(['[', '{']) {
            reading.json(text)?;
        } else {
            let between = |c: char| c.is_whitespace() || c == ',';
            for token in text.split(between).filter(|token| !token.is_empty()) {
                reading.token(None, token)?;
            }
        }
        if reading.read == 0 { Err(TokensError::Empty) } else { Ok(reading.list.sorted()) }
    }

    /// The tokens of both.
    #[must_use]
    pub fn with(mut self, other: Self) -> Self {
        self.shared.extend(other.shared);
        for (pod, hashes) in other.of_pods {
            self.of_pods.entry(pod).or_default().extend(hashes);
        }
        self.sorted()
    }

    fn sorted(mut self) -> Self {
        for hashes in self.of_pods.values_mut().chain([&mut self.shared]) {
            hashes.sort_unstable();
            hashes.dedup();
        }
        self
    }

    /// How many tokens there are; one that several pods have counts for each.
    pub fn len(&self) -> usize {
        self.shared.len() + self.of_pods.values().map(Vec::len).sum::<usize>()
    }

    /// True when there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The pods that have tokens of their own.
    pub(crate) fn pods(&self) -> impl Iterator<Item = &Pod> {
        self.of_pods.keys()
    }

    /// True when a call for this pod can be judged.
    pub(crate) fn serves(&self, pod: &Pod) -> bool {
        !self.shared.is_empty() || self.of_pods.contains_key(pod)
    }

    /// True when some token is valid for this pod in both.
    pub(super) fn shares(&self, other: &Self, pod: &Pod) -> bool {
        self.of(pod).any(|token| other.of(pod).any(|of_other| token == of_other))
    }

    /// What is valid for these pods, and for no others.
    #[must_use]
    pub(super) fn only(&self, pods: &[&Pod]) -> Self {
        let of_pods = pods.iter().map(|pod| ((*pod).clone(), self.of(pod).copied().collect()));
        Self { shared: Vec::new(), of_pods: of_pods.collect() }.sorted()
    }

    fn of(&self, pod: &Pod) -> impl Iterator<Item = &Hash> {
        self.shared.iter().chain(self.of_pods.get(pod).into_iter().flatten())
    }

    /// True when the token is valid for this pod. Compares with every token there is for it, whichever fits, so that
    /// time tells nothing.
    pub(crate) fn knows(&self, pod: &Pod, token: &[u8]) -> bool {
        let presented = hash(token);
        self.of(pod).fold(false, |known, token| {
            constant_time::verify_slices_are_equal(token, &presented).is_ok() | known
        })
    }
}

impl fmt::Debug for TokenList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Not even the pods' names: where names and tokens were mixed up, one may be a token.
        let of_pods: Vec<usize> = self.of_pods.values().map(Vec::len).collect();
        write!(f, "TokenList {{ shared: {}, of_pods: {of_pods:?} }}", self.shared.len())
    }
}

fn hash(token: &[u8]) -> Hash {
    let digest = digest::digest(&digest::SHA256, token);
    digest.as_ref().try_into().expect("SHA-256 is as long as it says")
}

/// A list while it is read.
#[derive(Default)]
struct Reading {
    list: TokenList,
    read: usize,
}

impl Reading {
    fn json(&mut self, text: &str) -> Result<(), TokensError> {
        // The parser's own words may quote the text.
        let value: Value = serde_json::from_str(text)
            .map_err(|error| TokensError::BrokenJson { line: error.line(), column: error.column() })?;
        match value {
            Value::Array(tokens) => self.array(None, &tokens),
            Value::Object(pods) => pods.iter().enumerate().try_for_each(|(n, (name, tokens))| {
                let pod = Pod::new(name).map_err(|_| TokensError::NoPod(n + 1))?;
                match tokens {
                    Value::String(token) => self.token(Some(&pod), token.trim()),
                    Value::Array(tokens) => self.array(Some(&pod), tokens),
                    _ => Err(TokensError::OtherJson),
                }
            }),
            _ => Err(TokensError::OtherJson),
        }
    }

    fn array(&mut self, pod: Option<&Pod>, tokens: &[Value]) -> Result<(), TokensError> {
        if tokens.is_empty() {
            return Err(TokensError::Empty);
        }
        tokens.iter().try_for_each(|token| match token {
            Value::String(token) => self.token(pod, token.trim()),
            _ => Err(TokensError::OtherJson),
        })
    }

    fn token(&mut self, pod: Option<&Pod>, token: &str) -> Result<(), TokensError> {
        self.read += 1;
        if self.read > TOKENS_MAX {
            return Err(TokensError::TooMany);
        }
        if token.is_empty() || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(TokensError::NoHeader(self.read));
        }
        let hashes = match pod {
            None => &mut self.list.shared,
            Some(pod) => self.list.of_pods.entry(pod.clone()).or_default(),
        };
        hashes.push(hash(token.as_bytes()));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pod(name: &str) -> Pod {
        Pod::new(name).unwrap()
    }

    /// Which of `a` to `d` a list knows, for a pod.
    fn known(text: &str, name: &str) -> String {
        let list = TokenList::parse(text).unwrap();
        ["a", "b", "c", "d"].into_iter().filter(|token| list.knows(&pod(name), token.as_bytes())).collect()
    }

    #[test]
    fn every_written_form_is_read() {
        for text in ["a\nb", "a\r\nb\r\n", " a,b ", "a b", "a,\n b", "\u{feff}a\nb", "a\na\nb"] {
            assert_eq!(known(text, "us1"), "ab", "{text:?}");
        }
        for text in [r#"["a","b"]"#, "\n[\"a\",\n \" b \"]\n"] {
            assert_eq!((known(text, "us1"), known(text, "eu1")), ("ab".into(), "ab".into()), "{text:?}");
        }
        let of_pods = r#"{"us1": ["a", "b"], "eu1": "c"}"#;
        assert_eq!(known(of_pods, "us1"), "ab");
        assert_eq!(known(of_pods, "eu1"), "c");
        assert_eq!(known(of_pods, "au1"), "");
    }

    #[test]
    fn a_list_of_json_holds_tokens_with_commas() {
        assert!(TokenList::parse(r#"["a,b"]"#).unwrap().knows(&pod("us1"), b"a,b"));
    }

    #[test]
    fn what_is_no_list_says_where_and_never_what() {
        let long = "sesame,".repeat(10_000);
        let many = "sesame\n".repeat(101);
        let cases = [
            ("", TokensError::Empty),
            (" \n,", TokensError::Empty),
            ("[]", TokensError::Empty),
            ("{}", TokensError::Empty),
            (r#"{"us1":[]}"#, TokensError::Empty),
            (r#"{"us1":["a"],"eu1":[]}"#, TokensError::Empty),
            ("[\"sesame\",\n\"sesame]", TokensError::BrokenJson { line: 2, column: 8 }),
            (r#"["sesame", 5]"#, TokensError::OtherJson),
            (r#"["sesame", ["sesame"]]"#, TokensError::OtherJson),
            (r#"{"us1": {"sesame": "sesame"}}"#, TokensError::OtherJson),
            (r#"{"us1": "a", "Sesame": "sesame"}"#, TokensError::NoPod(2)),
            (r#"["a", ""]"#, TokensError::NoHeader(2)),
            (r#"["sesame street"]"#, TokensError::NoHeader(1)),
            ("a sésame", TokensError::NoHeader(2)),
            (&many, TokensError::TooMany),
            (&long, TokensError::TooLong),
        ];
        for (text, error) in cases {
            let told = TokenList::parse(text).unwrap_err();
            assert_eq!(told, error, "{:?}", text.chars().take(40).collect::<String>());
            let shown = format!("{told} {told:?}").to_lowercase();
            assert!(!shown.contains("sesame") && !shown.contains("sésame"), "{shown}");
        }
    }

    #[test]
    fn the_same_tokens_in_any_order_are_the_same_list() {
        let list = |text| TokenList::parse(text).unwrap();
        assert_eq!(list("a b"), list("b\na\na"));
        assert_eq!(list("a").with(list("b")), list("a b"));
        assert_ne!(list("a"), list(r#"{"us1":"a"}"#));
    }

    #[test]
    fn trap_98_debug_shows_no_token_and_no_hash() {
        let list = TokenList::parse(r#"{"us1": ["a", "b"]}"#).unwrap();
        assert_eq!(format!("{list:?}"), "TokenList { shared: 0, of_pods: [2] }");
    }

    #[test]
    fn a_pod_without_tokens_is_not_served_unless_some_are_for_all() {
        let list = TokenList::parse(r#"{"us1": ["a"]}"#).unwrap();
        assert!(list.serves(&pod("us1")) && !list.serves(&pod("eu1")));
        assert!(list.with(TokenList::parse("b").unwrap()).serves(&pod("eu1")));
    }
}
