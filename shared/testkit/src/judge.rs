//! An independent reader of JSON, to judge by: it says what a body is without a line of the product's own reading.
//!
//! Strict but for one thing: a raw control character in the name of a member of the outermost object passes, as
//! nothing depends on it.

const TYPES: [&str; 5] = [
    "module_registration_request",
    "event_processing_request",
    "audience_subscription_request",
    "audience_membership_change_request",
    "dsr_processing_request",
];

/// The type of message that a body is; `None` for what is not one JSON object with the `type` of a request. A byte order
/// mark before it, and what is not UTF-8 inside texts, do no harm. Of several `type`s the first that is not null counts.
pub fn judge(body: &[u8]) -> Option<&'static str> {
    let text = String::from_utf8_lossy(body.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(body));
    let mut reader = Reader { text: text.as_bytes(), at: 0 };
    let kind = reader.message()?;
    reader.space();
    let kind = decoded(kind?)?;
    let known = TYPES.into_iter().find(|known| *known == kind);
    known.filter(|_| reader.at == reader.text.len())
}

/// The text that a JSON string holds; `None` when it is none, or can't be text.
fn decoded(raw: &[u8]) -> Option<String> {
    serde_json::from_slice(raw).ok()
}

struct Reader<'a> {
    text: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    /// An object: the text of its `type`, if it has one that is not null. `None` when it is no object.
    fn message(&mut self) -> Option<Option<&'a [u8]>> {
        let mut kind = None;
        self.space();
        self.token(b'{')?;
        self.space();
        if self.token(b'}').is_some() {
            return Some(None);
        }
        loop {
            let name = self.string(true)?;
            self.colon()?;
            let from = self.at;
            self.value()?;
            let value = &self.text[from..self.at];
            if kind.is_none() && value != b"null" && decoded(name).as_deref() == Some("type") {
                kind = Some(value);
            }
            self.space();
            if self.token(b'}').is_some() {
                return Some(kind);
            }
            self.token(b',')?;
            self.space();
        }
    }

    /// One value of any depth.
    fn value(&mut self) -> Option<()> {
        let mut open = Vec::new();
        loop {
            match *self.text.get(self.at)? {
                b'{' => {
                    self.at += 1;
                    self.space();
                    if self.token(b'}').is_none() {
                        self.string(false)?;
                        self.colon()?;
                        open.push(b'}');
                        continue;
                    }
                }
                b'[' => {
                    self.at += 1;
                    self.space();
                    if self.token(b']').is_none() {
                        open.push(b']');
                        continue;
                    }
                }
                b'"' => drop(self.string(false)?),
                b'-' | b'0'..=b'9' => self.number()?,
                _ => self.word()?,
            }
            if self.closed(&mut open)? {
                return Some(());
            }
        }
    }

    /// Goes on behind a value to the next one; true when all that was open is closed.
    fn closed(&mut self, open: &mut Vec<u8>) -> Option<bool> {
        while let Some(close) = open.last().copied() {
            self.space();
            if self.token(close).is_some() {
                open.pop();
                continue;
            }
            self.token(b',')?;
            self.space();
            if close == b'}' {
                self.string(false)?;
                self.colon()?;
            }
            return Some(false);
        }
        Some(true)
    }

    fn space(&mut self) {
        while matches!(self.text.get(self.at), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn token(&mut self, byte: u8) -> Option<()> {
        let found = self.text.get(self.at) == Some(&byte);
        self.at += usize::from(found);
        found.then_some(())
    }

    fn colon(&mut self) -> Option<()> {
        self.space();
        self.token(b':')?;
        self.space();
        Some(())
    }

    fn word(&mut self) -> Option<()> {
        let rest = &self.text[self.at..];
        let word = [&b"null"[..], b"true", b"false"].into_iter().find(|word| rest.starts_with(word))?;
        self.at += word.len();
        Some(())
    }

    fn digits(&mut self) -> Option<()> {
        let from = self.at;
        while self.text.get(self.at).is_some_and(u8::is_ascii_digit) {
            self.at += 1;
        }
        (self.at > from).then_some(())
    }

    fn number(&mut self) -> Option<()> {
        self.token(b'-');
        if self.token(b'0').is_none() {
            self.digits()?;
        }
        if self.token(b'.').is_some() {
            self.digits()?;
        }
        if self.token(b'e').or_else(|| self.token(b'E')).is_some() {
            self.token(b'+').or_else(|| self.token(b'-'));
            self.digits()?;
        }
        Some(())
    }

    /// A string with its quotes.
    fn string(&mut self, control: bool) -> Option<&'a [u8]> {
        let from = self.at;
        self.token(b'"')?;
        loop {
            let byte = *self.text.get(self.at)?;
            self.at += 1;
            match byte {
                b'"' => return Some(&self.text[from..self.at]),
                b'\\' => self.escape()?,
                0..0x20 if !control => return None,
                _ => {}
            }
        }
    }

    fn escape(&mut self) -> Option<()> {
        let byte = *self.text.get(self.at)?;
        self.at += 1;
        match byte {
            b'u' => {
                let digits = self.text.get(self.at..self.at + 4)?;
                self.at += 4;
                digits.iter().all(u8::is_ascii_hexdigit).then_some(())
            }
            _ => b"\"\\/bfnrt".contains(&byte).then_some(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::mutations::{corpus, mutant};

    #[test]
    fn what_is_a_message_is_told_from_what_is_none() {
        let yes = [
            "{\"type\":\"dsr_processing_request\"}",
            "\u{feff} {\"a\":[{},[],{\"b\":[1,-0.5e+7,true,null]}],\"ty\\u0070e\":\"dsr_processing_request\"}\n",
            "{\"type\":null,\"type\":\"dsr_processing_request\",\"type\":5}",
            "{\"a\":\"\\ud800\",\"type\":\"dsr_processing_request\"}",
        ];
        for body in yes {
            assert_eq!(judge(body.as_bytes()), Some("dsr_processing_request"), "{body}");
        }
        let no = [
            "",
            "[]",
            "{}",
            "{\"type\":\"dsr_processing_response\"}",
            "{\"type\":\"dsr_processing_request\"} x",
            "{\"type\":\"dsr_processing_request\",}",
            "{\"type\":\"dsr_processing_request\",\"a\":01}",
            "{\"type\":\"dsr_processing_request\",\"a\":[1,]}",
            "{\"type\":\"dsr_processing_request\",\"a\":[1}}",
            "{\"type\":\"dsr_processing_request\",\"a\":\"\\x\"}",
            "{\"type\":\"dsr_processing_request\",\"a\":{\"\n\":1}}",
            "{\"type\":5,\"type\":\"dsr_processing_request\"}",
        ];
        for body in no {
            assert_eq!(judge(body.as_bytes()), None, "{body}");
        }
    }

    #[test]
    fn it_agrees_with_serde_json_on_what_that_can_parse() {
        let corpus = corpus();
        let (mut parsed, mut messages) = (0, 0);
        for seed in 0..4000 {
            let body = mutant(&corpus, seed).bytes;
            let text = String::from_utf8_lossy(body.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(&body));
            let Ok(value) = serde_json::from_str::<Value>(&text) else { continue };
            parsed += 1;
            let kind = value.as_object().and_then(|members| members.get("type")?.as_str());
            let kind = TYPES.into_iter().find(|known| kind == Some(known));
            messages += usize::from(kind.is_some());
            // Of several types serde_json keeps the last.
            let several = text.matches("\"type\"").count() > 1;
            assert!(several || judge(&body) == kind, "seed {seed}: {text}");
        }
        assert!(parsed > 500 && messages > 300, "{messages} of {parsed}");
    }
}
