//! How many attributes a tag that does not end may already have.
//!
//! `html5ever` compares each new attribute of a tag with all before it and shows the tag only when
//! it ends, so the attributes are counted here, beside the tokenizer.
//!
//! Invariant: the count is at least that of the tag, since every tag that may have begun is
//! followed at the same time.

/// The place inside a tag (HTML Standard section 13.2.5).
#[derive(Clone, Copy)]
enum State {
    TagOpen,
    TagName,
    BeforeName,
    Name,
    AfterName,
    BeforeValue,
    DoubleQuoted,
    SingleQuoted,
    Unquoted,
}

const STATES: [State; 9] = [
    State::TagOpen,
    State::TagName,
    State::BeforeName,
    State::Name,
    State::AfterName,
    State::BeforeValue,
    State::DoubleQuoted,
    State::SingleQuoted,
    State::Unquoted,
];

/// All readings of the bytes so far: for each state, the most attributes of any tag that would
/// stand there.
pub(super) struct Flood {
    readings: [Option<u32>; STATES.len()],
}

impl Flood {
    /// Follows every tag that may have begun in `spoken`, the last piece in which the tokenizer had
    /// something to say, and not ended in it.
    pub(super) fn after(spoken: &str) -> Self {
        let mut flood = Self { readings: [None; STATES.len()] };
        for byte in spoken.bytes() {
            flood.step(byte);
            if byte == b'<' {
                flood.enter(State::TagOpen, 0);
            }
        }
        flood
    }

    /// Follows the tag that `text` consists of, the beginning of a page in which the tokenizer had
    /// nothing to say yet.
    pub(super) fn from_start(text: &str) -> Self {
        let mut flood = Self { readings: [None; STATES.len()] };
        if let Some(tag) = text.strip_prefix('<') {
            flood.enter(State::TagOpen, 0);
            flood.handle_bytes(tag.as_bytes());
        }
        flood
    }

    /// Follows the tags through `bytes`, in which none ended.
    pub(super) fn handle_bytes(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.step(*byte);
        }
    }

    /// The most attributes that any of the tags has.
    pub(super) fn attributes(&self) -> usize {
        self.readings.iter().flatten().max().map_or(0, |most| *most as usize)
    }

    fn enter(&mut self, state: State, attributes: u32) {
        let reading = &mut self.readings[state as usize];
        *reading = Some(reading.map_or(attributes, |most| most.max(attributes)));
    }

    fn step(&mut self, byte: u8) {
        let before = std::mem::replace(&mut self.readings, [None; STATES.len()]);
        for (state, reading) in STATES.into_iter().zip(before) {
            let Some(attributes) = reading else { continue };
            let Some(next) = next(state, byte) else { continue };
            let is_new = matches!(next, State::Name) && !matches!(state, State::Name);
            self.enter(next, attributes + u32::from(is_new));
        }
    }
}

/// The state after `byte`, or nothing where the tag has ended or was none.
fn next(state: State, byte: u8) -> Option<State> {
    let is_space = matches!(byte, b'\t' | b'\n' | b'\x0c' | b'\r' | b' ');
    let next = match (state, byte) {
        (State::TagOpen, b'/') => State::TagOpen,
        (State::TagOpen, _) if byte.is_ascii_alphabetic() => State::TagName,
        (State::TagOpen, _) => return None,
        (State::DoubleQuoted, b'"') | (State::SingleQuoted, b'\'') => State::BeforeName,
        (State::DoubleQuoted | State::SingleQuoted, _) => state,
        (_, b'>') => return None,
        (State::TagName | State::BeforeName | State::Unquoted, _) if is_space => State::BeforeName,
        (State::Name | State::AfterName, _) if is_space => State::AfterName,
        (State::BeforeValue, _) if is_space => State::BeforeValue,
        (State::TagName | State::BeforeName | State::Name | State::AfterName, b'/') => {
            State::BeforeName
        }
        (State::Name | State::AfterName, b'=') => State::BeforeValue,
        (State::BeforeName | State::Name | State::AfterName, _) => State::Name,
        (State::BeforeValue, b'"') => State::DoubleQuoted,
        (State::BeforeValue, b'\'') => State::SingleQuoted,
        (State::BeforeValue, _) => State::Unquoted,
        (State::TagName | State::Unquoted, _) => state,
    };
    Some(next)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(spoken: &str, then: &str, expected: usize) {
        let mut flood = Flood::after(spoken);
        flood.handle_bytes(then.as_bytes());
        assert_eq!(flood.attributes(), expected, "{spoken:?} {then:?}");
    }

    #[test]
    fn attributes_of_a_tag_without_end_are_counted() {
        check("<p>x</p><a", " b c d", 3);
        check("<a b", "c d/e/f='x'g=\"y\"h", 6);
        check("</a b", " c", 2);
        check("<", "a b c", 2);
        check("<a b = ", " 'c d' e = f g", 3);
        check("<a b='<i c d", " e f", 4);
    }

    #[test]
    fn a_page_may_be_one_tag_without_end() {
        let attributes = |text| Flood::from_start(text).attributes();
        assert_eq!(attributes("<a b c d"), 3);
        assert_eq!(attributes("<a href='x <b c d e f"), 1);
        assert_eq!(attributes("<!-- <b c d e f"), 0);
        assert_eq!(attributes(""), 0);
    }

    #[test]
    fn what_is_no_tag_or_one_long_value_counts_little() {
        check("<p>x</p><img src=\"data:", "a/b/c/d e f g", 1);
        check("<p>x</p><img src='", "{\"a\": \"b\", \"c\": \"d\"}", 1);
        check("<p>x</p><!-- ", "a b c d e f g", 0);
        check("<!-- <p> x", "a b c d e f g", 0);
        check("1 < 2", "a b c d e f g", 0);
    }
}
