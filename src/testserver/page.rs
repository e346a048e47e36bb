//! Generated HTML pages: any number of them, and cheap to make.
//!
//! Invariant: the same number and host make the same bytes, in every process and on every machine.

use std::sync::LazyLock;

use crate::testserver::stream::mix;

/// Pages link to pages below this number only, so that following links comes to an end.
const LINKED_PAGES: u64 = 10_000;
/// How many virtual hosts a family has; pages of one link to all of them.
const LINKED_HOSTS: u64 = 100;
/// How many different paragraphs all pages are made of.
const PARAGRAPHS: usize = 256;
/// LIMIT: longest host that a page repeats.
const HOST_BYTES_MAX: usize = 255;

/// Sixteen equally frequent sizes, in bytes: mean 10 KB, median 6 KB, and a long tail, about as the
/// HTML documents of the web are distributed (logarithmic normal).
const SIZES: [usize; 16] = [
    1_000, 1_800, 2_400, 3_000, 3_600, 4_300, 5_000, 5_900, 6_900, 8_000, 9_400, 11_200, 13_700,
    17_500, 25_000, 42_000,
];

const WORDS: [&str; 64] = [
    "a",
    "about",
    "after",
    "all",
    "and",
    "at",
    "back",
    "blue",
    "bread",
    "but",
    "by",
    "caf\u{e9}",
    "city",
    "cold",
    "day",
    "deep",
    "door",
    "early",
    "evening",
    "every",
    "far",
    "field",
    "fire",
    "for",
    "from",
    "garden",
    "glass",
    "green",
    "harbour",
    "has",
    "high",
    "house",
    "in",
    "into",
    "is",
    "kernel",
    "lantern",
    "letter",
    "light",
    "long",
    "market",
    "morning",
    "mountain",
    "near",
    "night",
    "of",
    "old",
    "on",
    "over",
    "paper",
    "quiet",
    "ring",
    "river",
    "road",
    "sea",
    "sky",
    "stone",
    "street",
    "the",
    "to",
    "water",
    "wind",
    "window",
    "with",
];

/// The paragraphs, written once.
static TEXTS: LazyLock<Vec<String>> =
    LazyLock::new(|| (0..PARAGRAPHS as u64).map(paragraph).collect());

/// Appends page `number` of `host` to `out`.
pub(super) fn write(out: &mut Vec<u8>, number: u64, host: &[u8]) {
    let host = Host::of(host);
    let mut dice = Dice(mix(number));
    let start = out.len();
    let wanted = *dice.one_of(&SIZES);
    let title = dice.one_of(&TITLES);
    let number = Decimal::of(number);
    let lines = [
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<title>",
        title,
        " &amp; page ",
        number.text(),
        if host.name.is_empty() { "" } else { " of " },
        host.name,
        "</title>\n</head>\n<body>\n<h1>Page ",
        number.text(),
        "</h1>\n<nav><a href=\"/\">all routes</a> <a href=\"#text\">text</a></nav>\n",
        "<main id=\"text\">\n",
    ];
    lines.iter().for_each(|line| out.extend_from_slice(line.as_bytes()));
    while out.len() - start < wanted {
        let text = dice.one_of(&TEXTS);
        out.extend_from_slice(text.as_bytes());
        write_link(out, &host, &mut dice);
    }
    out.extend_from_slice(b"</main>\n</body>\n</html>\n");
}

const TITLES: [&str; 4] =
    ["The quiet harbour", "Every window", "Notes from the road", "Caf\u{e9}s"];

/// Appends a link to another page, in one of the forms that links have.
fn write_link(out: &mut Vec<u8>, host: &Host<'_>, dice: &mut Dice) {
    let page = Decimal::of(dice.below(LINKED_PAGES));
    let other = Decimal::of(dice.below(LINKED_HOSTS));
    let page = page.text();
    let kind = dice.below(8);
    let parts: &[&str] = match (kind, host.family) {
        (0, Some((front, back))) => &["http://", front, other.text(), back, "/page/", page],
        (0 | 1, _) if !host.name.is_empty() => &["http://", host.name, "/page/", page],
        (2, _) => &[page],
        (3, _) => &["../page/", page, "#text"],
        (4, _) => &["/page/", page, "?from=here&amp;again=1"],
        _ => &["/page/", page],
    };
    out.extend_from_slice(b"<p>See <a href=\"");
    parts.iter().for_each(|part| out.extend_from_slice(part.as_bytes()));
    out.extend_from_slice(b"\">page ");
    out.extend_from_slice(page.as_bytes());
    out.extend_from_slice(b"</a>.</p>\n");
}

/// The host of the request, if a page can repeat it.
struct Host<'a> {
    /// With its port. Empty where no URL could have such a host.
    name: &'a str,
    /// The text before and behind the number of a host such as `site12.test:8080`. Its family is
    /// `site0.test:8080` to `site99.test:8080`.
    family: Option<(&'a str, &'a str)>,
}

impl<'a> Host<'a> {
    fn of(host: &'a [u8]) -> Self {
        let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || b".-:[]_".contains(byte);
        let name = match host {
            host if host.len() > HOST_BYTES_MAX || !host.iter().all(is_plain) => "",
            host => std::str::from_utf8(host).unwrap_or(""),
        };
        let label_bytes = name.find(['.', ':']).unwrap_or(name.len());
        let (label, back) = name.split_at(label_bytes);
        let front = label.trim_end_matches(|c: char| c.is_ascii_digit());
        let is_family = front.len() < label.len() && front.contains(|c: char| c.is_alphabetic());
        Self { name, family: is_family.then_some((front, back)) }
    }
}

/// A number in decimal digits, without an allocation.
struct Decimal {
    digits: [u8; 20],
    start: usize,
}

impl Decimal {
    fn of(mut number: u64) -> Self {
        let (mut digits, mut start) = ([b'0'; 20], 20);
        loop {
            start -= 1;
            digits[start] = b'0' + (number % 10) as u8;
            number /= 10;
            if number == 0 {
                return Self { digits, start };
            }
        }
    }

    fn text(&self) -> &str {
        std::str::from_utf8(&self.digits[self.start..]).expect("digits are ASCII")
    }
}

/// Pseudo-random numbers that depend on their start alone.
struct Dice(u64);

impl Dice {
    /// The next number, from 0 to `limit` - 1.
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(1);
        let wide = u128::from(mix(self.0)) * u128::from(limit);
        u64::try_from(wide >> 64).expect("the upper half of 128 bits has 64")
    }

    /// One of `choices`, each as likely as the others.
    fn one_of<'a, T>(&mut self, choices: &'a [T]) -> &'a T {
        let idx = self.below(choices.len() as u64);
        &choices[usize::try_from(idx).expect("an index fits")]
    }
}

/// A paragraph of a few sentences.
fn paragraph(seed: u64) -> String {
    let mut dice = Dice(mix(!seed));
    let mut text = String::from("<p>");
    for sentence in 0..=dice.below(5) {
        if sentence > 0 {
            text.push(' ');
        }
        for word_idx in 0..4 + dice.below(16) {
            let word = dice.one_of(&WORDS);
            if word_idx == 0 {
                let (first, rest) = word.split_at(1);
                text.push_str(&first.to_ascii_uppercase());
                text.push_str(rest);
                continue;
            }
            text.push(' ');
            match dice.below(20) {
                0 => text.extend(["<em>", word, "</em>"]),
                _ => text.push_str(word),
            }
        }
        text.push('.');
    }
    text.push_str("</p>\n");
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(number: u64, host: &str) -> String {
        let mut out = Vec::new();
        write(&mut out, number, host.as_bytes());
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_page_is_its_number_and_host() {
        assert_eq!(page(7, "a1.test:80"), page(7, "a1.test:80"));
        assert_ne!(page(7, "a1.test:80"), page(7, "a2.test:80"));
        assert_ne!(page(7, "a1.test:80"), page(8, "a1.test:80"));
        assert!(page(u64::MAX, "").contains("page 18446744073709551615</title>"));
    }

    #[test]
    fn pages_do_not_change_from_one_version_to_the_next() {
        let sum = page(7, "site1.test:8080")
            .bytes()
            .fold(0_u64, |sum, byte| sum.rotate_left(5) ^ mix(u64::from(byte)));
        assert_eq!(sum, PAGE_7_SUM);
    }

    const PAGE_7_SUM: u64 = 8_370_956_583_686_641_970;

    #[test]
    fn pages_are_ten_kilobytes_on_average() {
        let bytes: usize = (0..2000).map(|number| page(number, "h").len()).sum();
        let mean = bytes / 2000;
        assert!((9_500..11_000).contains(&mean), "{mean}");
    }

    #[test]
    fn hosts_of_a_family_link_to_each_other_and_others_to_themselves() {
        let linked = |host: &str| {
            let pages: String = (0..50).map(|number| page(number, host)).collect();
            let links = pages.split("href=\"http://").skip(1);
            let hosts = links.map(|link| link.split('/').next().unwrap().to_owned());
            hosts.collect::<std::collections::BTreeSet<_>>()
        };
        let family = linked("site7.test:80");
        assert!(family.len() > 50 && family.contains("site42.test:80"), "{family:?}");
        assert_eq!(linked("127.0.0.1:80").into_iter().collect::<Vec<_>>(), ["127.0.0.1:80"]);
        assert!(linked("\"><script>").is_empty());
        assert!(linked("").is_empty());
    }
}
