//! A page taken apart: which elements and attributes it has, and what its text says. It takes the tags where a browser
//! would see them begin, and knows only as much HTML as our own pages are written in; anything beyond is refused.

/// Elements of our pages and drawings; none of them runs, loads or submits anything.
const ELEMENTS: &[&str] = &[
    "a",
    "abbr",
    "article",
    "b",
    "body",
    "circle",
    "code",
    "dd",
    "defs",
    "desc",
    "details",
    "div",
    "dl",
    "dt",
    "figcaption",
    "figure",
    "footer",
    "g",
    "h1",
    "h2",
    "h3",
    "h4",
    "head",
    "header",
    "html",
    "i",
    "li",
    "link",
    "main",
    "meta",
    "nav",
    "ol",
    "p",
    "path",
    "pre",
    "q",
    "rect",
    "section",
    "small",
    "span",
    "style",
    "summary",
    "svg",
    "table",
    "tbody",
    "td",
    "th",
    "thead",
    "title",
    "tr",
    "ul",
    "use",
];

/// Their attributes.
const ATTRIBUTES: &[&str] = &[
    "aria-hidden",
    "aria-label",
    "aria-labelledby",
    "charset",
    "class",
    "content",
    "cx",
    "cy",
    "d",
    "fill",
    "fill-opacity",
    "height",
    "href",
    "http-equiv",
    "id",
    "lang",
    "name",
    "open",
    "r",
    "rel",
    "role",
    "scope",
    "stroke",
    "stroke-linecap",
    "stroke-linejoin",
    "stroke-opacity",
    "stroke-width",
    "tabindex",
    "title",
    "transform",
    "viewBox",
    "width",
    "x",
    "xmlns",
    "y",
];

const VOID: &[&str] = &["link", "meta"];

/// A tag, taken apart.
struct Tag<'a> {
    element: &'a str,
    attributes: Vec<(&'a str, &'a str)>,
    closes: bool,
    closes_itself: bool,
}

/// The text of a page, character references resolved; panics where the page has anything that is not ours.
pub fn text_of(name: &str, page: &str) -> String {
    let mut text = String::new();
    let mut open: Vec<&str> = Vec::new();
    let mut rest = page.strip_prefix("<!doctype html>").unwrap_or(page);
    while let Some((before, after)) = rest.split_once('<') {
        text.push_str(&resolved(before));
        let (tag, after) = tag(after).unwrap_or_else(|| panic!("{name}: not a tag: <{}", start(after)));
        check(name, &tag);
        rest = after;
        if tag.closes {
            assert_eq!(open.pop(), Some(tag.element), "{name}: before {:?}", start(rest));
        } else if tag.element == "style" {
            rest = rest.split_once("</style>").expect("the style ends").1;
        } else if !VOID.contains(&tag.element) && !tag.closes_itself {
            open.push(tag.element);
        }
    }
    text.push_str(&resolved(rest));
    assert!(open.is_empty(), "{name}: {open:?} stay open");
    text
}

fn check(name: &str, tag: &Tag<'_>) {
    let Tag { element, attributes, .. } = tag;
    assert!(ELEMENTS.contains(element), "{name}: <{element}>");
    for (key, value) in attributes {
        assert!(ATTRIBUTES.contains(key), "{name}: attribute {key} of <{element}>");
        let stays_here = value.starts_with('#') || *value == "data:,";
        assert!(*key != "href" || stays_here, "{name}: a link to {value:?}");
    }
}

/// The tag that begins after a `<`, and what follows it.
fn tag(text: &str) -> Option<(Tag<'_>, &str)> {
    let closes = text.starts_with('/');
    let text = text.strip_prefix('/').unwrap_or(text);
    let n_name = text.find(|c: char| !c.is_ascii_alphanumeric())?;
    let (element, mut rest) = text.split_at(n_name);
    let mut tag = Tag { element, attributes: Vec::new(), closes, closes_itself: false };
    loop {
        rest = rest.trim_start();
        if let Some(after) = rest.strip_prefix('>') {
            return Some((tag, after));
        }
        if let Some(after) = rest.strip_prefix("/>") {
            tag.closes_itself = true;
            return Some((tag, after));
        }
        let n_key = rest.find(|c: char| !(c.is_ascii_alphanumeric() || c == '-'))?;
        let (key, after) = rest.split_at(n_key);
        if key.is_empty() {
            return None;
        }
        let (value, after) = match after.strip_prefix("=\"") {
            Some(quoted) => quoted.split_once('"')?,
            None => ("", after),
        };
        tag.attributes.push((key, value));
        rest = after;
    }
}

/// The references that our pages write.
fn resolved(text: &str) -> String {
    let mut resolved = text.to_owned();
    for (reference, character) in [
        ("&lt;", "<"),
        ("&gt;", ">"),
        ("&quot;", "\""),
        ("&#x27;", "'"),
        ("&#39;", "'"),
        ("&#x2f;", "/"),
        ("&amp;", "&"),
    ] {
        resolved = resolved.replace(reference, character);
    }
    resolved
}

fn start(text: &str) -> String {
    text.chars().take(60).collect()
}

#[test]
fn the_reader_sees_what_a_browser_would() {
    let page = |body: &str| format!("<!doctype html>\n<html><body>{body}</body></html>\n");
    assert_eq!(text_of("t", &page("a<p class=\"b\">&lt;script&gt;</p>")).trim(), "a<script>");
    assert_eq!(text_of("t", &page("<svg><path d=\"M0 0\"/></svg>")).trim(), "");
    for body in [
        "<script>1</script>",
        "<img src=x>",
        "<p onclick=\"x\">a</p>",
        "<p title=\"\"><i>a</p>",
        "<a href=\"javascript:1\">a</a>",
        "</p>",
        "<!-- a -->",
        "a < b",
        "<p style=\"color: red\">a</p>",
    ] {
        let page = page(body);
        assert!(std::panic::catch_unwind(|| text_of("t", &page)).is_err(), "{body} went by");
    }
}
