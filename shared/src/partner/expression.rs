//! Expressions as the file holds them: text and place. Running them is the worker's.

use serde_json::Value;

use super::Mistake;

/// A minijinja expression (no braces around it) whose syntax and names have been checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expr {
    /// The expression.
    pub source: String,
    /// The key it stands at, `routes[0].item.email`.
    pub path: String,
    /// Line of its first character, from 1.
    pub line: usize,
    /// Column of its first character, from 1.
    pub column: usize,
}

impl Expr {
    /// A mistake at this expression, for whoever compiles it with more knowledge than the reader has.
    pub fn mistake(&self, message: impl Into<String>) -> Mistake {
        Mistake { line: self.line, column: self.column, path: self.path.clone(), message: message.into() }
    }
}

/// A minijinja text with `{{ }}` in it, each of which is percent-encoded when it is rendered. Same fields as an
/// expression's, with the text for the source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template(pub Expr);

/// The partner's JSON, with expressions where it varies.
#[derive(Clone, Debug, PartialEq)]
pub enum Mapping {
    /// An object, its members in the order of the file. A member whose value is undefined is left out.
    Object(Vec<(String, Mapping)>),
    /// An array. An element whose value is undefined is left out.
    Array(Vec<Mapping>),
    /// A string of the file: an expression, whose result keeps its type.
    Expr(Expr),
    /// A number or boolean of the file, which stands for itself.
    Literal(Value),
    /// `{ "$raw" = true }`: the item's original JSON, byte for byte. In `item` only.
    Raw,
    /// `{ "$each" = "event.products", "$as" = "product", "$item" = { … } }`: an array with one element for each
    /// element of a list. An undefined list is left out.
    Each {
        /// Gives the list.
        list: Expr,
        /// The name under which `item` sees the element; `element` unless the file says otherwise.
        name: String,
        /// What becomes of each element.
        item: Box<Mapping>,
    },
}

impl Mapping {
    /// Adds every expression in it to `found`.
    pub(super) fn collect<'a>(&'a self, found: &mut Vec<&'a Expr>) {
        match self {
            Self::Object(members) => members.iter().for_each(|(_, member)| member.collect(found)),
            Self::Array(elements) => elements.iter().for_each(|element| element.collect(found)),
            Self::Expr(expr) => found.push(expr),
            Self::Each { list, item, .. } => {
                found.push(list);
                item.collect(found);
            }
            Self::Literal(_) | Self::Raw => {}
        }
    }
}
