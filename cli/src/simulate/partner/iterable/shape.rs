//! Reading a body strictly: every member has its type, and the first that has not refuses the call.

use serde_json::{Map, Value};

/// A call that is not taken.
#[derive(Debug)]
pub(super) struct Refusal {
    pub(super) status: u16,
    /// Iterable's word for it.
    pub(super) code: &'static str,
    pub(super) msg: String,
}

impl Refusal {
    pub(super) fn new(status: u16, code: &'static str, msg: &str) -> Self {
        Self { status, code, msg: msg.to_owned() }
    }
}

/// Who something is about. At least one of the two is there.
#[derive(Debug, Default)]
pub(super) struct User {
    pub(super) email: Option<String>,
    pub(super) user_id: Option<String>,
}

impl User {
    pub(super) fn with_email(email: String) -> Self {
        Self { email: Some(email), user_id: None }
    }

    pub(super) fn with_id(user_id: String) -> Self {
        Self { email: None, user_id: Some(user_id) }
    }
}

/// A JSON object and where it stands in the body.
#[derive(Clone, Debug)]
pub(super) struct Object<'a> {
    members: &'a Map<String, Value>,
    place: String,
}

impl<'a> Object<'a> {
    pub(super) fn of(value: &'a Value, place: &str) -> Result<Self, Refusal> {
        match value {
            Value::Object(members) => Ok(Self { members, place: place.to_owned() }),
            _ => Err(Refusal::new(400, "BadJsonBody", &format!("{place} is no object"))),
        }
    }

    /// The refusal for a member.
    pub(super) fn wrong(&self, name: &str, why: &str) -> Refusal {
        Refusal::new(400, "BadJsonBody", &format!("{}: {name} {why}", self.place))
    }

    /// A null stands for no member, as in Iterable's reader.
    fn get(&self, name: &str) -> Option<&'a Value> {
        self.members.get(name).filter(|value| !value.is_null())
    }

    fn typed<T>(
        &self,
        name: &str,
        kind: &str,
        read: impl FnOnce(&'a Value) -> Option<T>,
    ) -> Result<Option<T>, Refusal> {
        let Some(value) = self.get(name) else { return Ok(None) };
        read(value).map(Some).ok_or_else(|| self.wrong(name, &format!("is no {kind}")))
    }

    pub(super) fn text(&self, name: &str) -> Result<Option<&'a str>, Refusal> {
        self.typed(name, "text", Value::as_str)
    }

    pub(super) fn required_text(&self, name: &str) -> Result<&'a str, Refusal> {
        self.text(name)?.filter(|text| !text.is_empty()).ok_or_else(|| self.wrong(name, "is missing"))
    }

    pub(super) fn boolean(&self, name: &str) -> Result<Option<bool>, Refusal> {
        self.typed(name, "boolean", Value::as_bool)
    }

    pub(super) fn integer(&self, name: &str) -> Result<Option<i64>, Refusal> {
        self.typed(name, "integer", Value::as_i64)
    }

    pub(super) fn required_number(&self, name: &str) -> Result<f64, Refusal> {
        self.typed(name, "number", Value::as_f64)?.ok_or_else(|| self.wrong(name, "is missing"))
    }

    pub(super) fn object(&self, name: &str) -> Result<Option<Self>, Refusal> {
        self.get(name).map(|value| Self::of(value, &format!("{}.{name}", self.place))).transpose()
    }

    pub(super) fn integers(&self, name: &str) -> Result<(), Refusal> {
        let integers = |value: &'a Value| {
            value.as_array().filter(|values| values.iter().all(|value| value.as_i64().is_some()))
        };
        self.typed(name, "array of integers", integers).map(|_| ())
    }

    /// A required array of 1 to `max` objects.
    pub(super) fn objects(&self, name: &str, max: usize) -> Result<Vec<Self>, Refusal> {
        let values =
            self.typed(name, "array", Value::as_array)?.ok_or_else(|| self.wrong(name, "is missing"))?;
        if values.is_empty() || values.len() > max {
            let why = format!("{}: {name} holds {} of 1 to {max}", self.place, values.len());
            return Err(Refusal::new(400, "BadParams", &why));
        }
        let place = |index: usize| format!("{}.{name}[{index}]", self.place);
        values.iter().enumerate().map(|(index, value)| Self::of(value, &place(index))).collect()
    }

    /// The user this object names.
    pub(super) fn user(&self) -> Result<User, Refusal> {
        let member = |name| Ok(self.text(name)?.filter(|text| !text.is_empty()).map(str::to_owned));
        let user = User { email: member("email")?, user_id: member("userId")? };
        if user.email.is_none() && user.user_id.is_none() {
            let why = format!("{}: email or userId is needed", self.place);
            return Err(Refusal::new(400, "BadParams", &why));
        }
        Ok(user)
    }
}
