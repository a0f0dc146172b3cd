//! How a message is written down. The documented samples leave out what is empty and begin with the envelope; traffic
//! seen in the field has explicit nulls, empty objects and lists, and the envelope at the end (protocol.md 3.0).

use super::json::Object;

/// How empty members are written, and where the envelope stands.
#[derive(Clone, Copy, Debug)]
pub(super) struct Style {
    /// What is absent is `null`, `{}` or `[]` instead of left out.
    pub(super) nulls: bool,
    /// `type`, `id` and `timestamp_ms` come last.
    pub(super) envelope_last: bool,
    /// The `firehose_version`.
    pub(super) version: &'static str,
}

impl Style {
    /// One that occurs.
    pub(super) fn draw(rng: &mut fastrand::Rng) -> Self {
        let captured = rng.u8(..10) < 3;
        let version = ["3.2.0", "3.2.0", "3.2.0", "3.1.0", "2.2.0"][rng.usize(..5)];
        Self { nulls: captured, envelope_last: captured, version }
    }

    /// A member that has no value.
    pub(super) fn absent(self, o: &mut Object<'_>, name: &str) {
        if self.nulls {
            o.null(name);
        }
    }

    /// An object without members.
    pub(super) fn empty_object(self, o: &mut Object<'_>, name: &str) {
        if self.nulls {
            o.raw(name, "{}");
        }
    }

    /// A list without elements.
    pub(super) fn empty_list(self, o: &mut Object<'_>, name: &str) {
        if self.nulls {
            o.raw(name, "[]");
        }
    }
}
