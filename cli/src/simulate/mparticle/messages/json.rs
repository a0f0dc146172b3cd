//! Writes JSON straight into a text: a tree of values in between would cost more than all the rest of a message.

use std::fmt::{Display, Write as _};

use super::ids;

/// An object that is being written.
#[derive(Debug)]
pub(super) struct Object<'a> {
    out: &'a mut String,
    begun: bool,
}

/// An array that is being written.
#[derive(Debug)]
pub(super) struct List<'a> {
    out: &'a mut String,
    begun: bool,
}

/// Writes one object.
pub(super) fn object(out: &mut String, members: impl FnOnce(&mut Object<'_>)) {
    out.push('{');
    members(&mut Object { out, begun: false });
    out.push('}');
}

fn list(out: &mut String, elements: impl FnOnce(&mut List<'_>)) {
    out.push('[');
    elements(&mut List { out, begun: false });
    out.push(']');
}

impl Object<'_> {
    fn name(&mut self, name: &str) -> &mut String {
        if std::mem::replace(&mut self.begun, true) {
            self.out.push(',');
        }
        quoted(self.out, name);
        self.out.push(':');
        self.out
    }

    /// A text.
    pub(super) fn text(&mut self, name: &str, value: &str) {
        quoted(self.name(name), value);
    }

    /// What its `Display` shows, as it is: a number, a flag, `null`, or JSON that is written already.
    pub(super) fn bare(&mut self, name: &str, value: impl Display) {
        write!(self.name(name), "{value}").expect("a text takes whatever is written to it");
    }

    /// A number as text, the way identifiers of 64 bits travel.
    pub(super) fn digits(&mut self, name: &str, value: i64) {
        write!(self.name(name), "\"{value}\"").expect("a text takes whatever is written to it");
    }

    /// `null`.
    pub(super) fn null(&mut self, name: &str) {
        self.name(name).push_str("null");
    }

    /// JSON that is written already.
    pub(super) fn raw(&mut self, name: &str, json: &str) {
        self.name(name).push_str(json);
    }

    /// A new random UUID.
    pub(super) fn uuid(&mut self, name: &str, rng: &mut fastrand::Rng) {
        let id = ids::uuid(rng);
        quoted(self.name(name), ids::text(&id));
    }

    /// An object.
    pub(super) fn object(&mut self, name: &str, members: impl FnOnce(&mut Object<'_>)) {
        object(self.name(name), members);
    }

    /// An array.
    pub(super) fn list(&mut self, name: &str, elements: impl FnOnce(&mut List<'_>)) {
        list(self.name(name), elements);
    }
}

impl List<'_> {
    fn element(&mut self) -> &mut String {
        if std::mem::replace(&mut self.begun, true) {
            self.out.push(',');
        }
        self.out
    }

    /// A text.
    pub(super) fn text(&mut self, value: &str) {
        quoted(self.element(), value);
    }

    /// An object.
    pub(super) fn object(&mut self, members: impl FnOnce(&mut Object<'_>)) {
        object(self.element(), members);
    }

    /// The length of the whole text so far, in bytes.
    pub(super) fn written(&self) -> usize {
        self.out.len()
    }
}

fn quoted(out: &mut String, text: &str) {
    out.push('"');
    let plain = |byte: u8| byte >= 0x20 && byte != b'"' && byte != b'\\';
    if text.bytes().all(plain) {
        out.push_str(text);
    } else {
        for c in text.chars() {
            match c {
                '"' => out.push_str("\\\""),
                '\\' => out.push_str("\\\\"),
                '\r' => out.push_str("\\r"),
                '\n' => out.push_str("\\n"),
                '\t' => out.push_str("\\t"),
                c if u32::from(c) < 0x20 => {
                    write!(out, "\\u{:04x}", u32::from(c)).expect("a text takes whatever is written to it");
                }
                c => out.push(c),
            }
        }
    }
    out.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_json_and_says_the_same() {
        let mut out = String::new();
        let odd = "\"quoted\\\" \u{1}\t\r\n\u{fc}\u{1F600}";
        object(&mut out, |o| {
            o.text("text", odd);
            o.bare("number", -7);
            o.digits("mpid", i64::MIN);
            o.null("nothing");
            o.object("empty", |_| {});
            o.list("list", |l| {
                l.text(odd);
                l.object(|o| o.raw("raw", "[1,2]"));
            });
        });
        let read: serde_json::Value = serde_json::from_str(&out).unwrap();
        let expected = serde_json::json!({
            "text": odd, "number": -7, "mpid": "-9223372036854775808", "nothing": null, "empty": {},
            "list": [odd, { "raw": [1, 2] }],
        });
        assert_eq!(read, expected);
    }
}
