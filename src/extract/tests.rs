//! The extractor as a whole: what pages give, and what hostile pages cost. A note shows that a
//! bound held.

use super::gather::LINKS_BYTES_MAX;
use super::select::{SELECTED_BYTES_MAX, SELECTED_TEXTS_MAX};
use super::tree::HTML_DEPTH_MAX;
use super::*;
use crate::base::failure::{Kind, Stage};

const URL: &str = "http://a/b/c";

fn extractor(selectors: &[&str]) -> Extractor {
    let selectors: Vec<_> = selectors.iter().map(|s| parse_named_selector(s).unwrap()).collect();
    Extractor::new(&selectors).unwrap()
}

fn extract(body: impl AsRef<[u8]>) -> Extracted {
    extractor(&[]).extract(body.as_ref(), Some("text/html; charset=utf-8"), URL)
}

fn check(body: &str, title: Option<&str>, links: &[&str], words: u64) {
    let Extracted { page, note } = extract(body);
    assert_eq!(page.title.as_deref(), title, "title of {body:?}");
    assert_eq!(page.links, links, "links of {body:?}");
    assert_eq!(page.words, words, "words of {body:?}");
    assert_eq!(note, None, "note of {body:?}");
}

#[test]
fn an_empty_body_is_an_empty_page() {
    let Extracted { page, note } = extract("");
    assert_eq!(page, Page { charset: "utf-8", ..Page::default() });
    assert_eq!(note, None);
}

#[test]
fn the_first_title_counts() {
    check("<title> a\n\tb </title><title>c</title>", Some("a b"), &[], 0);
    check("<title></title>", Some(""), &[], 0);
    check("<p>x", None, &[], 1);
    check("<title>a &amp; <b>b</title>", Some("a & <b>b"), &[], 0);
    check("<svg><title>a</title></svg><title>b</title>", Some("b"), &[], 1);
    check("<body><p>x<title>a</title>", Some("a"), &[], 1);
    check("<template><title>a</title></template><title>b</title>", Some("b"), &[], 0);
    check("<title>a", Some("a"), &[], 0);
}

#[test]
fn links_stand_in_document_order_and_repeat() {
    check(
        "<a href=x>1</a><area href=y><a href=x>2</a>",
        None,
        &["http://a/b/x", "http://a/b/y", "http://a/b/x"],
        1,
    );
    check("<a>1</a><a name=x>2</a><link href=x><a href>3</a>", None, &["http://a/b/c"], 1);
    check("<a href='x?a=1&amp;b=2#c'>", None, &["http://a/b/x?a=1&b=2"], 0);
    check("<a href=mailto:x><a href='javascript:x'><a href='http://['>", None, &[], 0);
    check("<A HREF=' http://X/ '>", None, &["http://x/"], 0);
    // The link is moved out of the table, to before it.
    check(
        "<table><tr><td><a href=x></a></td><a href=y></a></table>",
        None,
        &["http://a/b/y", "http://a/b/x"],
        0,
    );
    check("<svg><a href=x xlink:href=y></a></svg>", None, &["http://a/b/x"], 0);
    check("<noscript><a href=x></a></noscript><template><a href=y></template>", None, &[], 0);
    check(
        "<!-- <a href=x> --><script>'<a href=y>'</script><title><a href=z></title>",
        Some("<a href=z>"),
        &[],
        0,
    );
}

#[test]
fn the_first_base_with_an_href_holds_for_the_whole_page() {
    check(
        "<a href=x></a><base target=t><base href=/d/><base href=/e/>",
        None,
        &["http://a/d/x"],
        0,
    );
    check("<base href=//z><a href=x>1</a><a href=#y>2</a>", None, &["http://z/x", "http://z/"], 1);
    check("<base href='http://['><base href=/e/><a href=x></a>", None, &["http://a/b/x"], 0);
    check("<template><base href=/d/></template><a href=x></a>", None, &["http://a/b/x"], 0);
}

#[test]
fn words_are_those_of_the_text_in_the_body() {
    check("foo <b>bar</b>\nbaz", None, &[], 3);
    check("foo<b>bar</b>", None, &[], 1);
    check("foo<br>bar<!-- x -->baz", None, &[], 1);
    check("<p>foo</p> <p>bar</p>", None, &[], 2);
    check("<head><title>a b</title></head><body>c</body> d", Some("a b"), &[], 2);
    check("a<script>b c</script> <style>d</style>e<noscript>f g</noscript>", None, &[], 2);
    check("a <template>b<p>c</p></template> d", None, &[], 2);
    check("a <svg><style>b<g>c</g></style><text>d</text></svg>", None, &[], 2);
    check("a&nbsp;b\u{3000}c", None, &[], 3);
    check("<frameset><noframes>a b</noframes></frameset>", None, &[], 0);
    check("<textarea>a b</textarea> <option>c", None, &[], 3);
    check(&format!("<p>{}", "w ".repeat(100_000)), None, &[], 100_000);
    // One word that no piece holds whole.
    check(&"w".repeat(100_000), None, &[], 1);
}

#[test]
fn xhtml_is_read_as_html() {
    let body = "<?xml version='1.0' encoding='koi8-r'?>\
        <html xmlns='http://www.w3.org/1999/xhtml'><head><title/></head><body>a</body></html>";
    let page = extractor(&[]).extract(body.as_bytes(), Some("application/xhtml+xml"), URL).page;
    // An HTML parser does not close a title at once: all that follows is its text.
    assert_eq!(page.title.as_deref(), Some("</head><body>a</body></html>"));
    assert_eq!(page.charset, "koi8-r");
}

#[test]
fn what_is_invalid_in_the_encoding_is_replaced() {
    let page = extract(b"<title>caf\xe9</title><p>\xff \xfe").page;
    assert_eq!(page.title.as_deref(), Some("caf\u{fffd}"));
    assert_eq!(page.words, 2);
    let page = extractor(&[]).extract(b"<title>caf\xe9</title>", None, URL).page;
    assert_eq!((page.title.as_deref(), page.charset), (Some("caf\u{e9}"), "windows-1252"));
}

#[test]
fn selectors_match_in_document_order() {
    let body = "<h1> a <i>b</i>c </h1><div class=x>d<div class=x>e<script>f</script></div></div>\
        <table><tr><td class=x>h</td></tr><p class=x>g</p></table>\
        <script id=data>{ }</script><template><p class=x>i</p></template>";
    let extractor =
        extractor(&["head=h1", "x=.x", "none=h6", "data=#data", "two=h1, td", "has=div:has(.x)"]);
    let page = extractor.extract(body.as_bytes(), None, URL).page;
    let expected: [(&str, &[&str]); 6] = [
        ("head", &["a bc"]),
        ("x", &["de", "e", "g", "h"]),
        ("none", &[]),
        ("data", &["{ }"]),
        ("two", &["a bc", "h"]),
        ("has", &["de"]),
    ];
    for ((name, texts), (expected_name, expected_texts)) in page.select.0.iter().zip(expected) {
        assert_eq!(name, expected_name);
        assert_eq!(texts, expected_texts, "{name}");
    }
    assert_eq!(page.select.0.len(), expected.len());
}

#[test]
fn what_a_selector_keeps_is_bounded() {
    let note = |body: &str, texts: usize, bytes: usize| {
        let Extracted { page, note } = extractor(&["p=p"]).extract(body.as_bytes(), None, URL);
        let kept = &page.select.0[0].1;
        assert_eq!((kept.len(), kept.iter().map(String::len).sum()), (texts, bytes));
        note.map(|note| (note.stage, note.kind))
    };
    let cut = Some((Stage::Extract, Kind::TooMany));
    let most = "<p>x".repeat(SELECTED_TEXTS_MAX);
    assert_eq!(note(&most, SELECTED_TEXTS_MAX, SELECTED_TEXTS_MAX), None);
    assert_eq!(note(&format!("{most}<p>"), SELECTED_TEXTS_MAX, SELECTED_TEXTS_MAX), cut);
    let most = format!("<p>{}", "x".repeat(SELECTED_BYTES_MAX));
    assert_eq!(note(&most, 1, SELECTED_BYTES_MAX), None);
    assert_eq!(note(&format!("{most}x"), 1, SELECTED_BYTES_MAX), cut);
}

/// Checks that a page with `middle` inside keeps what stood before it and is noted with `kind`.
fn check_stopped(middle: &str, kind: Kind) {
    let body = format!("<title>t</title><a href=x>w</a>{middle}<a href=y>");
    let Extracted { page, note } = extract(&body);
    let name = &middle[..middle.len().min(40)];
    assert_eq!(page.title.as_deref(), Some("t"), "{name}");
    assert_eq!(page.links[0], "http://a/b/x", "{name}");
    assert!(!page.links.contains(&"http://a/b/y".to_owned()), "{name}");
    assert_eq!(note.map(|note| (note.stage, note.kind)), Some((Stage::Extract, kind)), "{name}");
}

/// `<b id=0><b id=1>..`: formatting elements of which no two are equal.
fn unlike(name: &str, count: usize) -> String {
    (0..count).map(|n| format!("<{name} id={n}>")).collect()
}

#[test]
fn nesting_too_deep_ends_the_reading_and_keeps_what_came_before() {
    for tags in ["<ul><li>", "<div>", "<b>", "<table><tr><td>", "<svg>", "<template>", "<x-y>"] {
        check_stopped(&tags.repeat(320 * 1024 / tags.len()), Kind::TooDeep);
    }
    check_stopped(&unlike("font", 20_000), Kind::TooDeep);
}

#[test]
fn depth_is_counted_up_to_the_bound_and_no_further() {
    // `html` and `body` are open as well; the builder's own pointers blur the count by three.
    let deep = |depth: usize| extract("<div>".repeat(depth - 2) + "w").note.map(|n| n.kind);
    assert_eq!(deep(HTML_DEPTH_MAX - 3), None);
    assert_eq!(deep(HTML_DEPTH_MAX + 4), Some(Kind::TooDeep));
    // Open and listed for reopening at once: counted once.
    assert_eq!(extract(unlike("b", HTML_DEPTH_MAX - 5) + "w").note, None);
}

#[test]
fn tags_and_tag_content_without_bound_end_the_reading() {
    let attributes: String = (0..50_000).map(|n| format!(" a{n}=x")).collect();
    check_stopped(&format!("<p{attributes}>"), Kind::TooMany);
    check_stopped(&format!("<p{attributes}"), Kind::TooMany);
    assert_eq!(extract(format!("<p{attributes}")).note.map(|n| n.kind), Some(Kind::TooMany));
    check_stopped(&format!("</p{}>", attributes.replace("=x", "/")), Kind::TooMany);
    let names = |tag: &str| (0..5_000).map(|n| format!("<{tag}{n}>x")).collect::<String>();
    check_stopped(&names("br long-name-"), Kind::TooMany);
    check_stopped(&names("/long-name-"), Kind::TooMany);
    assert_eq!(extract(names("br x-")).note, None);
    // Every paragraph reopens five hundred elements.
    let reopened = format!("<p>{}{}", unlike("b", 500), "<p>x".repeat(20_000));
    check_stopped(&reopened, Kind::TooMany);
    let deep = format!("{}{}", "<div>".repeat(500), "<p></p>".repeat(20_000));
    check_stopped(&deep, Kind::TooMany);
}

#[test]
fn a_selector_that_compares_all_siblings_is_left_out_where_they_are_many() {
    let tried = |count: usize| {
        let body = format!("<h1>a</h1>{}", "<p>b".repeat(count));
        let extractor = extractor(&["slow=h1 ~ p", "quick=h1 + p", "word=[a~=b]"]);
        let Extracted { page, note } = extractor.extract(body.as_bytes(), None, URL);
        assert_eq!(page.select.0[1].1, ["b"]);
        (page.select.0[0].1.len(), note.map(|note| note.kind))
    };
    assert_eq!(tried(1_000), (1_000, None));
    assert_eq!(tried(5_000), (0, Some(Kind::TooMany)));
}

#[test]
fn a_long_base_does_not_make_endless_links() {
    let base = format!("<base href='/{}/'>", "d".repeat(1_000_000));
    let Extracted { page, note } = extract(base + &"<a href=x></a>".repeat(100));
    let bytes: usize = page.links.iter().map(String::len).sum();
    assert!(bytes <= LINKS_BYTES_MAX && bytes > LINKS_BYTES_MAX - 1_100_000, "{bytes}");
    assert_eq!(note.map(|note| note.kind), Some(Kind::TooLarge));
}

#[test]
fn what_is_copied_of_a_long_base_counts_where_no_link_keeps_it() {
    let file = format!("<base href='/{}'>", "d".repeat(1_000_000));
    for href in ["x", "//["] {
        let Extracted { page, note } =
            extract(format!("{file}{}", format!("<area href='{href}'>").repeat(100)));
        assert!(page.links.len() <= LINKS_BYTES_MAX / 1_000_000, "{href}: {}", page.links.len());
        assert_eq!(note.map(|note| note.kind), Some(Kind::TooLarge), "{href}");
    }
    let whole = format!("{file}{}", "<area href=' HTTP://h/'>".repeat(100));
    assert_eq!(extract(whole).page.links.len(), 100);
    // Relative to such a base nothing is a link, so nothing is copied either.
    let base = format!("<base href='ftp://h/{}/'>", "d".repeat(1_000_000));
    check(&(base + &"<area href=x>".repeat(20_000)), None, &[], 0);
}

#[test]
fn attributes_of_repeated_body_tags_are_dropped_beyond_a_bound() {
    let tags: String = (0..2_000).map(|n| format!("<body a{n}=x>")).collect();
    let extractor = extractor(&["first=body[a0]", "last=body[a1999]"]);
    let page = extractor.extract(format!("{tags}w").as_bytes(), None, URL).page;
    assert_eq!(page.select.0[0].1, ["w"]);
    assert!(page.select.0[1].1.is_empty());
}

#[test]
fn comments_are_not_kept_in_the_tree() {
    let around = |middle: &str| {
        let text =
            format!("{middle}<p>a{middle}b<table>{middle}<tr>{middle}c</table></html>{middle}");
        let (html, note) = tree::parse(&text);
        assert_eq!(note, None);
        html.tree.nodes().len()
    };
    let bare = around("");
    for comment in ["<!>", "<!-- x -->", "<?x?>", "</>", "</ x>"] {
        assert_eq!(around(&comment.repeat(10_000)), bare, "{comment}");
    }
    check("<pre>a<!-- -->\nb</pre><pre><!-- -->\nc", None, &[], 3);
}

#[test]
fn long_values_and_comments_are_no_floods() {
    let words = "<b x='y' z=\"w\">and so on ".repeat(40_000);
    check(&format!("<img src=\"data:{}\">w", "a/b+c/".repeat(100_000)), None, &[], 1);
    check(&format!("<img alt=\"{}\">w", words.replace('"', "'")), None, &[], 1);
    check(&format!("<!-- {words} -->w"), None, &[], 1);
    let attributes: String = (0..1000).map(|n| format!(" a{n}=x")).collect();
    check(&format!("<p{attributes}>w"), None, &[], 1);
}

#[test]
fn an_extractor_can_be_sent_to_a_thread() {
    const fn sent<T: Send>() {}
    sent::<Extractor>();
}

#[test]
fn no_bytes_make_extraction_panic() {
    let parts = [
        "<",
        ">",
        "</",
        "<!",
        "<!--",
        "-->",
        "<a href=",
        "'",
        "\"",
        "=",
        "/",
        " ",
        "\0",
        "\r\n",
        "&",
        "&#x",
        "<table>",
        "<tr>",
        "<svg>",
        "<math>",
        "<template>",
        "<select>",
        "<title>",
        "<script>",
        "<b>",
        "<p>",
        "</p>",
        "</b>",
        "<body>",
        "<base href=x>",
        "<frameset>",
        "]]>",
        "<![CDATA[",
        "ü",
        "\u{feff}",
        "<plaintext>",
        "<form>",
        "<option>",
        "</template>",
        "<annotation-xml>",
    ];
    let mut random = fastrand::Rng::with_seed(7);
    let extractor = extractor(&["x=p:nth-child(2), b ~ a:has(p)"]);
    for _ in 0..2_000 {
        let parts = (0..random.usize(1..60)).map(|_| parts[random.usize(..parts.len())]);
        let mut body = parts.collect::<String>().into_bytes();
        let at = random.usize(..body.len());
        body[at] = random.u8(..);
        let page = extractor.extract(&body, None, URL).page;
        assert!(page.links.iter().all(|link| link.starts_with("http")));
    }
}
