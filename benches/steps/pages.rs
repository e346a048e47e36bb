//! Extraction: title, links and words of a page of some 12 KB, and what two selectors match.
//!
//! The page is made here. It has what documents have beside paragraphs: a menu, a style, a script,
//! a table, entities and inline markup. Its links and words are counted while it is written, not
//! by the extractor.

use std::hint::black_box;

use criterion::{Criterion, Throughput};
use ringfetch::extract::{Extracted, Extractor};

const URL: &str = "http://www.harbour.example/handbook/winter";
const CONTENT_TYPE: &str = "text/html; charset=utf-8";
const TITLE: &str = "The harbour handbook: winter";
const SECTIONS: usize = 17;

const HEAD: &str = r#"<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="description" content="What is to be done before the ice comes.">
<link rel="stylesheet" href="/css/site.css">
<title>The harbour handbook:
  winter</title>
<style>
body { margin: 0 auto; max-width: 70ch; font: 1rem/1.5 serif }
nav ul { display: flex; gap: 1em; list-style: none }
td { padding: .2em 1em; border-bottom: 1px solid #ccc }
</style>
<script>
document.addEventListener("click", event => {
  if (event.target.matches("a[href^='#']")) { history.replaceState(null, "", "<p>"); }
});
</script>
</head>
"#;

/// Benches the extraction of one page.
pub(crate) fn bench(criterion: &mut Criterion) {
    let Written { html, links, words } = write_page();
    assert!((11_500..12_500).contains(&html.len()), "{} bytes", html.len());
    let selector = |name: &str, css: &str| (name.to_owned(), css.to_owned());
    let selectors = [selector("depth", "td.depth"), selector("first", "section > p:first-of-type")];
    let mut group = criterion.benchmark_group("extract");
    group.throughput(Throughput::Bytes(html.len() as u64));
    for (name, selectors) in [("page", &selectors[..0]), ("page, 2 selectors", &selectors[..])] {
        let extractor = Extractor::new(selectors).expect("the selectors can be read");
        let Extracted { page, note } = extract(&extractor, &html);
        assert_eq!((page.title.as_deref(), note), (Some(TITLE), None), "{name}");
        assert_eq!((page.links.len(), page.words), (links, words), "{name}");
        let matched: Vec<_> = page.select.0.iter().map(|(_, texts)| texts.len()).collect();
        assert_eq!(matched, vec![SECTIONS; selectors.len()], "{name}");
        group.bench_function(name, |bencher| {
            bencher.iter(|| extract(&extractor, black_box(&html)));
        });
    }
    group.finish();
}

fn extract(extractor: &Extractor, html: &str) -> Extracted {
    extractor.extract(html.as_bytes(), Some(CONTENT_TYPE), URL)
}

/// A page as far as it is written, and what is in it.
struct Written {
    html: String,
    links: usize,
    words: u64,
}

impl Written {
    fn markup(&mut self, markup: &str) {
        self.html.push_str(markup);
    }

    /// Text between two tags, which begins and ends with white space.
    fn text(&mut self, text: &str) {
        assert!(text.starts_with([' ', '\n']) && text.ends_with([' ', '\n']), "{text:?}");
        self.words += text.split_whitespace().count() as u64;
        self.html.push_str(text);
    }

    fn link(&mut self, href: &str, text: &str) {
        self.links += 1;
        self.markup(&format!("<a href=\"{href}\">"));
        self.text(text);
        self.markup("</a>");
    }
}

fn write_page() -> Written {
    let mut page = Written { html: HEAD.to_owned(), links: 0, words: 0 };
    page.markup("<body>\n<nav>\n<ul>");
    for name in ["ice", "ropes", "tides", "lights", "pilots", "stores", "letters", "people"] {
        page.markup("\n<li class=\"entry\">");
        page.link(&format!("/handbook/{name}"), &format!(" {name} "));
        page.markup("</li>");
    }
    page.markup("\n</ul>\n</nav>\n<main>\n<h1>");
    page.text(" Winter ");
    page.markup("</h1>\n");
    (1..=SECTIONS).for_each(|number| write_section(&mut page, number));
    page.markup("</main>\n<footer>\n");
    page.link("http://www.coast.example/", " the coast guard ");
    page.link("mailto:master@harbour.example", " the harbour master ");
    // A link is http or https; this one is none.
    page.links -= 1;
    page.markup("\n</footer>\n</body>\n</html>\n");
    page
}

fn write_section(page: &mut Written, number: usize) {
    page.markup(&format!("<section id=\"s{number}\">\n<h2>"));
    page.text(&format!(" {number}. Before the ice "));
    page.markup("</h2>\n<p>");
    page.text(
        " The lamps of the northern mole are trimmed at dusk, and whoever keeps them writes the \
         hour into the book; see ",
    );
    page.link(&format!("../lights/{number}?side=north&amp;year=2026"), " the keepers&rsquo; list ");
    page.text(" for the names. A lamp that is ");
    page.markup("<em>");
    page.text(" not ");
    page.markup("</em>");
    page.text(" lit is told to the pilots at once. ");
    page.markup("</p>\n<p class=\"note\">");
    page.text(
        " Ropes that were wet in the first frost are hung up in the long shed &mdash; never on \
         the railing &mdash; and are measured again in spring, with ",
    );
    page.link(&format!("#s{}", number % SECTIONS + 1), " the next ones ");
    page.text(" of the same store. ");
    page.markup("</p>\n<table>\n<tr><td>");
    page.text(" berth ");
    page.markup("</td><td class=\"depth\">");
    page.text(&format!(" {}.{number} m ", 3 + number % 5));
    page.markup("</td></tr>\n</table>\n</section>\n");
}
