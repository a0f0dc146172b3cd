//! Bodies that nobody would send on purpose: the fixtures' messages, damaged by a seed. The same seed gives the same
//! body, so a test that names the seed can be replayed.

use std::{collections::BTreeMap, fmt, path::Path};

use fastrand::Rng;
use serde_json::value::RawValue;

/// What is pieced together stops growing here, in bytes.
const GROWN_MAX: usize = 256 * 1024;

/// A body and how it came to be.
pub struct Mutant {
    /// From which seed.
    pub seed: u64,
    /// The file it was.
    pub from: String,
    /// What was done to it, in order.
    pub how: Vec<&'static str>,
    /// What it is now.
    pub bytes: Vec<u8>,
}

impl fmt::Debug for Mutant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = String::from_utf8_lossy(&self.bytes[..self.bytes.len().min(2000)]);
        write!(f, "seed {} of {} by {:?}: {shown}", self.seed, self.from, self.how)
    }
}

/// Every file of `fixtures/messages` with its name, in the order of the names.
///
/// # Panics
/// When the folder cannot be read.
pub fn corpus() -> Vec<(String, Vec<u8>)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/messages");
    let (mut files, mut folders) = (Vec::new(), vec![root.clone()]);
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("the fixtures are there") {
            let path = entry.expect("the fixtures can be listed").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "json") {
                let name = path.strip_prefix(&root).expect("it is below").display().to_string();
                files.push((name, std::fs::read(&path).expect("the fixtures can be read")));
            }
        }
    }
    files.sort();
    files
}

/// The mutant of this seed: a file of the corpus in turn, with one to four things done to it; each twentieth is noise.
pub fn mutant(corpus: &[(String, Vec<u8>)], seed: u64) -> Mutant {
    let rng = &mut Rng::with_seed(seed);
    let turn = usize::try_from(seed).unwrap_or(usize::MAX) % corpus.len();
    let (from, bytes) = &corpus[turn];
    let mut mutant = Mutant { seed, from: from.clone(), how: Vec::new(), bytes: bytes.clone() };
    if seed % 20 == 19 {
        mutant.how.push("noise");
        mutant.bytes = noise(rng);
        return mutant;
    }
    // Every other one is changed in ways that mostly leave it JSON.
    let (kinds, times) = if seed.is_multiple_of(2) {
        (&MUTATIONS[GENTLE..], [1, 1, 2, 3])
    } else {
        (&MUTATIONS[..], [1, 1, 2, 4])
    };
    for _ in 0..times[rng.usize(..4)] {
        let (name, change) = kinds[rng.usize(..kinds.len())];
        mutant.how.push(name);
        change(&mut mutant.bytes, rng, corpus);
    }
    mutant
}

/// Damages bytes of any kind, as transport or storage might: flips, cuts, copies and swaps.
pub fn damage(bytes: &mut Vec<u8>, rng: &mut Rng) {
    for _ in 0..rng.usize(1..=3) {
        let change = [flip, cut_end, cut_middle, copy_chunk, swap_chunks, insert_noise][rng.usize(..6)];
        change(bytes, rng, &[]);
    }
}

type Corpus<'a> = &'a [(String, Vec<u8>)];
type Mutation = fn(&mut Vec<u8>, &mut Rng, Corpus<'_>);

/// The gentle ones come last.
const MUTATIONS: [(&str, Mutation); 19] = [
    ("flip", flip),
    ("cut end", cut_end),
    ("cut middle", cut_middle),
    ("copy chunk", copy_chunk),
    ("swap chunks", swap_chunks),
    ("insert noise", insert_noise),
    ("punctuation", punctuation),
    ("crossover", crossover),
    ("control", control),
    ("tail", tail),
    ("word", word),
    ("number", number),
    ("nest", nest),
    ("invalid utf-8", invalid_utf_8),
    ("surrogate", surrogate),
    ("byte order mark", byte_order_mark),
    ("duplicate member", duplicate_member),
    ("shuffle members", shuffle_members),
    ("null member", null_member),
];
const GENTLE: usize = 10;

fn noise(rng: &mut Rng) -> Vec<u8> {
    let length = rng.usize(..400);
    if rng.bool() {
        return (0..length).map(|_| rng.u8(..)).collect();
    }
    const SOUP: [&[u8]; 14] =
        [b"{", b"}", b"[", b"]", b":", b",", b"\"", b"\\", b"1", b"-", b"null", b"true", b"\"type\":", b" "];
    (0..length / 4).flat_map(|_| SOUP[rng.usize(..SOUP.len())]).copied().collect()
}

/// A place in the bytes, their end included.
fn place(bytes: &[u8], rng: &mut Rng) -> usize {
    rng.usize(..=bytes.len())
}

/// A stretch of the bytes, mostly short.
fn stretch(bytes: &[u8], rng: &mut Rng) -> std::ops::Range<usize> {
    let from = place(bytes, rng);
    let longest = if rng.u8(..4) == 0 { bytes.len() } else { 40 };
    from..(from + rng.usize(..=longest)).min(bytes.len())
}

fn insert(bytes: &mut Vec<u8>, at: usize, new: &[u8]) {
    if bytes.len() + new.len() <= GROWN_MAX {
        bytes.splice(at..at, new.iter().copied());
    }
}

#[expect(clippy::ptr_arg, reason = "the signature of all of them")]
fn flip(bytes: &mut Vec<u8>, rng: &mut Rng, _: Corpus<'_>) {
    for _ in 0..rng.usize(1..=8) {
        if !bytes.is_empty() {
            let at = rng.usize(..bytes.len());
            bytes[at] ^= 1 << rng.u8(..8);
        }
    }
}

fn cut_end(bytes: &mut Vec<u8>, rng: &mut Rng, _: Corpus<'_>) {
    let at = place(bytes, rng);
    if rng.u8(..4) == 0 {
        bytes.drain(..at);
    } else {
        bytes.truncate(at);
    }
}

fn cut_middle(bytes: &mut Vec<u8>, rng: &mut Rng, _: Corpus<'_>) {
    let cut = stretch(bytes, rng);
    bytes.drain(cut);
}

fn copy_chunk(bytes: &mut Vec<u8>, rng: &mut Rng, _: Corpus<'_>) {
    let chunk = bytes[stretch(bytes, rng)].to_vec();
    let at = place(bytes, rng);
    insert(bytes, at, &chunk);
}

fn swap_chunks(bytes: &mut Vec<u8>, rng: &mut Rng, _: Corpus<'_>) {
    let (one, other) = (stretch(bytes, rng), stretch(bytes, rng));
    let (first, second) = if one.start <= other.start { (one, other) } else { (other, one) };
    if first.end <= second.start {
        let swapped = [
            &bytes[..first.start],
            &bytes[second.clone()],
            &bytes[first.end..second.start],
            &bytes[first],
            &bytes[second.end..],
        ]
        .concat();
        *bytes = swapped;
    }
}

fn insert_noise(bytes: &mut Vec<u8>, rng: &mut Rng, _: Corpus<'_>) {
    let new: Vec<u8> = (0..rng.usize(1..=8)).map(|_| rng.u8(..)).collect();
    let at = place(bytes, rng);
    insert(bytes, at, &new);
}

/// A place behind one of the bytes that `is` picks, if there are any.
fn behind(bytes: &[u8], rng: &mut Rng, is: impl Fn(u8) -> bool) -> Option<usize> {
    let places: Vec<usize> = (0..bytes.len()).filter(|at| is(bytes[*at])).collect();
    (!places.is_empty()).then(|| places[rng.usize(..places.len())] + 1)
}

/// A place that is within a text, but for `true`, `false` and `null`: behind a letter.
fn within_text(bytes: &[u8], rng: &mut Rng) -> Option<usize> {
    behind(bytes, rng, |byte| byte.is_ascii_lowercase())
}

fn punctuation(bytes: &mut Vec<u8>, rng: &mut Rng, _: Corpus<'_>) {
    const MARKS: &[u8] = b"{}[]:,\"\\";
    let mark = MARKS[rng.usize(..MARKS.len())];
    match behind(bytes, rng, |byte| MARKS.contains(&byte)) {
        Some(at) if rng.bool() => drop(bytes.remove(at - 1)),
        Some(at) => bytes[at - 1] = mark,
        None => bytes.push(mark),
    }
}

fn word(bytes: &mut Vec<u8>, rng: &mut Rng, _: Corpus<'_>) {
    const WORDS: [&str; 12] = [
        "module_registration_request",
        "event_processing_request",
        "audience_subscription_request",
        "audience_membership_change_request",
        "dsr_processing_request",
        "event_processing_response",
        "\"type\"",
        "\"account_id\"",
        "\"events\"",
        "\"user_profiles\"",
        "\"id\"",
        "null",
    ];
    let text = bytes.clone();
    let here = |word: &&str| text.windows(word.len()).position(|at| at == word.as_bytes());
    let found: Vec<(usize, &str)> =
        WORDS.iter().filter_map(|word| here(word).map(|at| (at, *word))).collect();
    if let Some((at, old)) = (!found.is_empty()).then(|| found[rng.usize(..found.len())]) {
        let new = WORDS[rng.usize(..WORDS.len())];
        bytes.splice(at..at + old.len(), new.bytes());
    }
}

fn number(bytes: &mut Vec<u8>, rng: &mut Rng, _: Corpus<'_>) {
    let digits = "9".repeat(rng.usize(1..=3000));
    let odd = [
        "-0",
        "01",
        "1.",
        ".5",
        "1e999",
        "-1E-999",
        "0x1",
        "NaN",
        "Infinity",
        "1e",
        "+1",
        "--1",
        "1_000",
        "9223372036854775807",
        "9223372036854775808",
        "-9223372036854775809",
        "18446744073709551616",
        "0.1e1",
        &digits,
    ];
    let Some(end) = behind(bytes, rng, |byte| byte.is_ascii_digit()) else { return };
    let from = bytes[..end].iter().rposition(|byte| !byte.is_ascii_digit()).map_or(0, |at| at + 1);
    bytes.splice(from..end, odd[rng.usize(..odd.len())].bytes());
}

fn nest(bytes: &mut Vec<u8>, rng: &mut Rng, _: Corpus<'_>) {
    let depth = [3, 126, 127, 128, 129, 500, 20_000][rng.usize(..7)];
    let (open, close) = if rng.bool() { ("[", "]") } else { ("{\"a\":", "}") };
    let (open, close) = (open.repeat(depth), close.repeat(if rng.u8(..8) == 0 { depth - 1 } else { depth }));
    let Some(end) = behind(bytes, rng, |byte| byte.is_ascii_digit() || byte == b'}' || byte == b']') else {
        return insert(bytes, 0, open.as_bytes());
    };
    // Around a number; a bracket is left as it is, and what stands before it is nested, right or wrong.
    let from = bytes[..end].iter().rposition(|byte| !byte.is_ascii_digit()).map_or(0, |at| at + 1);
    insert(bytes, end, close.as_bytes());
    insert(bytes, from, open.as_bytes());
}

fn invalid_utf_8(bytes: &mut Vec<u8>, rng: &mut Rng, _: Corpus<'_>) {
    const ODD: [&[u8]; 6] =
        [b"\xff", b"\xc3", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xc0\xaf", b"\xfe\xff"];
    let at = if rng.u8(..4) > 0 { within_text(bytes, rng) } else { None };
    let at = at.unwrap_or_else(|| place(bytes, rng));
    insert(bytes, at, ODD[rng.usize(..ODD.len())]);
}

fn surrogate(bytes: &mut Vec<u8>, rng: &mut Rng, _: Corpus<'_>) {
    const ODD: [&str; 7] =
        ["\\ud83d", "\\ude00", "\\uD83D\\uD83D", "\\ud83d\\u0041", "\\u0000", "\\uffff", "\\ud83"];
    let at = within_text(bytes, rng).unwrap_or(0);
    insert(bytes, at, ODD[rng.usize(..ODD.len())].as_bytes());
}

fn byte_order_mark(bytes: &mut Vec<u8>, rng: &mut Rng, _: Corpus<'_>) {
    const MARKS: [&[u8]; 4] = [b"\xEF\xBB\xBF", b"\xEF\xBB\xBF\xEF\xBB\xBF", b"\xFF\xFE", b"\xFE\xFF"];
    let at = if rng.u8(..4) == 0 { place(bytes, rng) } else { 0 };
    insert(bytes, at, MARKS[rng.usize(..MARKS.len())]);
}

fn control(bytes: &mut Vec<u8>, rng: &mut Rng, _: Corpus<'_>) {
    let at = place(bytes, rng);
    insert(bytes, at, &[[0, 1, b'\n', b'\t', 0x1f, 0x7f][rng.usize(..6)]]);
}

fn crossover(bytes: &mut Vec<u8>, rng: &mut Rng, corpus: Corpus<'_>) {
    let (_, other) = &corpus[rng.usize(..corpus.len())];
    let (mine, theirs) = (place(bytes, rng), place(other, rng));
    bytes.truncate(mine);
    insert(bytes, mine, &other[theirs..]);
}

fn tail(bytes: &mut Vec<u8>, rng: &mut Rng, _: Corpus<'_>) {
    const TAILS: [&[u8]; 7] = [b" \r\n\t", b"\0", b"{}", b"]", b"x", b"\x0c", b"\xEF\xBB\xBF"];
    bytes.extend_from_slice(TAILS[rng.usize(..TAILS.len())]);
}

/// Writes the members of the object anew, by name or as `change` has them; nothing happens to what is no object.
fn rewrite(bytes: &mut Vec<u8>, change: impl FnOnce(&mut Vec<(String, String)>)) {
    let Ok(members) = serde_json::from_slice::<BTreeMap<String, &RawValue>>(bytes) else { return };
    let mut members: Vec<(String, String)> = members
        .into_iter()
        .map(|(name, value)| (serde_json::Value::from(name).to_string(), value.get().to_owned()))
        .collect();
    if !members.is_empty() {
        change(&mut members);
        let members: Vec<String> = members.iter().map(|(name, value)| format!("{name}:{value}")).collect();
        let new = format!("{{{}}}", members.join(",")).into_bytes();
        if new.len() <= GROWN_MAX {
            *bytes = new;
        }
    }
}

fn duplicate_member(bytes: &mut Vec<u8>, rng: &mut Rng, _: Corpus<'_>) {
    rewrite(bytes, |members| {
        let (name, value) = members[rng.usize(..members.len())].clone();
        let value = if rng.bool() { value } else { members[rng.usize(..members.len())].1.clone() };
        members.insert(rng.usize(..=members.len()), (name, value));
    });
}

fn shuffle_members(bytes: &mut Vec<u8>, rng: &mut Rng, _: Corpus<'_>) {
    rewrite(bytes, |members| rng.shuffle(members));
}

fn null_member(bytes: &mut Vec<u8>, rng: &mut Rng, _: Corpus<'_>) {
    const ODD: [&str; 8] = ["null", "[]", "{}", "\"\"", "[null]", "0", "true", "[[[]]]"];
    rewrite(bytes, |members| {
        let at = rng.usize(..members.len());
        ODD[rng.usize(..ODD.len())].clone_into(&mut members[at].1);
    });
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_body_and_every_mutation_is_used() {
        let corpus = corpus();
        assert!(corpus.len() > 250);
        let mut used = BTreeSet::new();
        let largest = corpus.iter().map(|(_, bytes)| bytes.len()).max().unwrap_or(0);
        for seed in 0..2000 {
            let mutant = mutant(&corpus, seed);
            used.extend(mutant.how.clone());
            assert!(mutant.bytes.len() <= largest.max(GROWN_MAX) + 20_000, "{mutant:?}");
            assert_eq!(mutant.bytes, super::mutant(&corpus, seed).bytes);
        }
        assert_eq!(used.len(), MUTATIONS.len() + 1);
    }
}
