//! Finds the filters and tests in an expression, which minijinja itself only looks up when it runs.

/// A word whose meaning must be known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Word<'s> {
    /// After a `|`.
    Filter(&'s str),
    /// After `is` or `is not`.
    Test(&'s str),
}

/// The filters and tests of an expression, or of what stands between the braces of a template.
pub(super) fn words(source: &str, is_template: bool) -> Vec<Word<'_>> {
    if is_template {
        source.split("{{").skip(1).flat_map(in_expression).collect()
    } else {
        in_expression(source)
    }
}

fn in_expression(source: &str) -> Vec<Word<'_>> {
    #[derive(PartialEq)]
    enum Expects {
        Anything,
        Filter,
        Test,
    }
    let (mut found, mut expects, mut rest) = (Vec::new(), Expects::Anything, source);
    while let Some(first) = rest.chars().next() {
        let length = token_length(rest, first);
        let (token, after) = rest.split_at(length);
        rest = after;
        let is_name = first.is_alphabetic() || first == '_';
        expects = match (&expects, token) {
            (_, "}}") => break,
            (_, "|") => Expects::Filter,
            (Expects::Filter, name) if is_name => {
                found.push(Word::Filter(name));
                Expects::Anything
            }
            (Expects::Test, "not") => Expects::Test,
            (Expects::Test, name) if is_name => {
                found.push(Word::Test(name));
                Expects::Anything
            }
            (Expects::Anything, "is") => Expects::Test,
            (_, blank) if blank.trim().is_empty() => continue,
            _ => Expects::Anything,
        };
    }
    found
}

/// The length in bytes of the token that `rest` begins with: a string, a word (with what follows a dot), `}}`, or
/// one character.
fn token_length(rest: &str, first: char) -> usize {
    match first {
        '"' | '\'' => {
            let mut escaped = false;
            let end = rest.char_indices().skip(1).find(|(_, c)| {
                let ends = *c == first && !escaped;
                escaped = *c == '\\' && !escaped;
                ends
            });
            end.map_or(rest.len(), |(at, _)| at + 1)
        }
        '}' if rest.starts_with("}}") => 2,
        '.' => 1 + name_length(&rest[1..]),
        c if c.is_alphanumeric() || c == '_' => name_length(rest),
        c => c.len_utf8(),
    }
}

fn name_length(rest: &str) -> usize {
    rest.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(rest.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_and_tests_are_found_outside_strings_only() {
        let source =
            "a.is | lower|join('|x is y') if b is not defined and c is startingwith 'q' else d['x|z']";
        let expected =
            [Word::Filter("lower"), Word::Filter("join"), Word::Test("defined"), Word::Test("startingwith")];
        assert_eq!(words(source, false), expected);
    }

    #[test]
    fn templates_are_searched_between_their_braces() {
        let source = "/it's|odd/{{ group | lower }}/x|y/{{ pod | upper }}";
        assert_eq!(words(source, true), [Word::Filter("lower"), Word::Filter("upper")]);
    }
}
