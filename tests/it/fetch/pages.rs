//! What rows hold of pages that came over a socket.
//!
//! Extraction has its own tests; here it counts that the body of each response reaches it, and
//! nothing else does.
//!
//! Invariant: a row without an error and with HTML has a page, every other row has none.

use ringfetch::fetch::output::row::Row;
use ringfetch::{Extract, Fetch};

use crate::runs::{error_of, on_every_engine, rows_of};
use crate::server::{Act, Server, redirect, with_type};

const PAGE: &str = "<!doctype html><title> A  title </title><body><a href='/b#c'>one</a> \
                    <a href='http://other.test/'>two</a> <p class=x>three</p></body>";

/// The only row of a fetch from a server that gives `answer`.
fn row_of(answer: Vec<u8>, options: impl Fn(Fetch) -> Fetch) -> Row {
    let server = Server::answering(answer);
    let mut rows = rows_of(options(Fetch::new().urls([server.url("/dir/")])));
    rows.remove(0)
}

#[test]
fn a_page_is_extracted_on_every_engine_and_its_links_are_those_of_the_final_url() {
    let server = Server::start(|request| match request.target.as_str() {
        "/" => vec![Act::Send(redirect(302, "http://moved.test/dir/"))],
        _ => vec![Act::Send(with_type("text/html; charset=utf-8", PAGE.as_bytes()))],
    });
    let fetch = Fetch::new()
        .urls(["http://first.test/"])
        .select("x", "p.x")
        .select("none", "h1")
        .resolve(server.for_every_host());
    on_every_engine(&fetch, |row| {
        let page = row.page.as_ref().expect("HTML has a page");
        assert_eq!(page.title.as_deref(), Some("A title"));
        assert_eq!(page.links, ["http://moved.test/b", "http://other.test/"]);
        assert_eq!((page.words, page.charset), (3, "utf-8"));
        let wanted = [("x".to_owned(), vec!["three".to_owned()]), ("none".to_owned(), vec![])];
        assert_eq!(page.select.0, wanted);
        assert_eq!(row.content_type.as_deref(), Some("text/html; charset=utf-8"));
        assert_eq!(row.body_bytes, PAGE.len() as u64);
    });
}

#[test]
fn a_page_is_told_by_its_type_and_without_one_by_its_first_bytes() {
    let untyped = |body: &str| {
        format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len()).into_bytes()
    };
    for (answer, is_page) in [
        (with_type("text/html", PAGE.as_bytes()), true),
        (with_type("TEXT/HTML ; charset=x", PAGE.as_bytes()), true),
        (with_type("application/xhtml+xml", PAGE.as_bytes()), true),
        (with_type("text/html", b""), true),
        (with_type("text/plain", PAGE.as_bytes()), false),
        (with_type("image/png", PAGE.as_bytes()), false),
        (with_type("application/json", b"{}"), false),
        (untyped(PAGE), true),
        (untyped("{}"), false),
    ] {
        let text = String::from_utf8_lossy(&answer).into_owned();
        let row = row_of(answer, |fetch| fetch);
        assert_eq!(error_of(&row), None);
        assert_eq!(row.page.is_some(), is_page, "{text}");
    }
}

#[test]
fn nothing_is_extracted_where_that_was_not_asked_for() {
    let row = row_of(with_type("text/html", PAGE.as_bytes()), |f| f.extract(Extract::Nothing));
    assert_eq!((row.page, row.body_bytes), (None, PAGE.len() as u64));
}

#[test]
fn part_of_a_page_is_no_page() {
    let whole = with_type("text/html", PAGE.as_bytes());
    let cut = whole[..whole.len() - 5].to_vec();
    let server = Server::start(move |_| vec![Act::Send(cut.clone()), Act::Close]);
    let fetch = Fetch::new().urls([server.url("/")]).retries(0);
    on_every_engine(&fetch, |row| {
        assert_eq!(error_of(row).as_deref(), Some("body.closed"));
        assert_eq!((row.status, row.page.is_none()), (Some(200), true));
        assert_eq!(row.body_bytes, PAGE.len() as u64 - 5);
    });
}

#[test]
fn a_page_that_is_too_deep_is_noted_and_its_fetch_has_not_failed() {
    let deep = format!("<title>deep</title>{}bottom", "<div>".repeat(100_000));
    let row = row_of(with_type("text/html", deep.as_bytes()), |fetch| fetch);
    assert_eq!((error_of(&row), row.status), (None, Some(200)));
    assert_eq!(row.page.and_then(|page| page.title).as_deref(), Some("deep"));
    let notes: Vec<_> = row.notes.iter().map(|note| (note.stage, note.kind)).collect();
    assert_eq!(notes, [("extract", "too_deep")]);
}

#[test]
fn a_page_is_read_in_the_encoding_that_its_header_names() {
    let latin = b"<title>caf\xE9</title>";
    let cyrillic = b"<meta charset=windows-1251><title>\xCF\xF0\xE8\xE2\xE5\xF2</title>";
    for (media_type, body, title, charset) in [
        ("text/html; charset=ISO-8859-1", &latin[..], "caf\u{e9}", "windows-1252"),
        ("text/html", &cyrillic[..], "\u{41f}\u{440}\u{438}\u{432}\u{435}\u{442}", "windows-1251"),
        ("text/html; charset=utf-8", &latin[..], "caf\u{fffd}", "utf-8"),
    ] {
        let page = row_of(with_type(media_type, body), |fetch| fetch).page.unwrap();
        assert_eq!((page.title.as_deref(), page.charset), (Some(title), charset), "{media_type}");
    }
}

#[test]
fn large_pages_arrive_whole_whatever_their_framing() {
    // Each link has its own number: bytes that are lost, doubled or out of order change the list.
    let links: String = (0..60_000).map(|n| format!("<a href='/{n}'>w</a> ")).collect();
    let body = format!("<title>t</title>{links}");
    let chunks: Vec<u8> = body
        .as_bytes()
        .chunks(7777)
        .flat_map(|c| [format!("{:x}\r\n", c.len()).as_bytes(), c, b"\r\n"].concat())
        .collect();
    let chunked =
        [b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", &chunks[..], b"0\r\n\r\n"];
    let until_close = [b"HTTP/1.1 200 OK\r\n\r\n", body.as_bytes()].concat();
    for answer in [with_type("text/html", body.as_bytes()), chunked.concat(), until_close] {
        let server = Server::start(move |_| vec![Act::Send(answer.clone()), Act::Close]);
        let wanted: Vec<_> = (0..60_000).map(|n| server.url(&format!("/{n}"))).collect();
        on_every_engine(&Fetch::new().urls([server.url("/")]), |row| {
            let page = row.page.as_ref().expect("HTML has a page");
            assert!(page.links == wanted, "{} links, not those sent", page.links.len());
            assert_eq!(page.words, 60_000);
            assert_eq!(row.body_bytes, body.len() as u64);
        });
    }
}
