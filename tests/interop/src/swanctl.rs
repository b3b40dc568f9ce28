//! What `swanctl --raw` prints, as a tree.
//!
//! The form is `name {key=value list=[a b] section {...}}`, the text rendering of a VICI message. Values hold no spaces
//! or braces in the messages used here, but they may hold `=`.

use anyhow::{Result, bail};

/// One element: its key, and what stands under it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// Name of the value, list or section.
    pub key: String,
    /// What it holds.
    pub value: Value,
}

/// What an element holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// `key=value`
    Text(String),
    /// `key=[a b]`
    List(Vec<String>),
    /// `key {...}`
    Section(Vec<Node>),
}

impl Node {
    /// The elements of a section, none for anything else.
    #[must_use]
    pub fn children(&self) -> &[Node] {
        match &self.value {
            Value::Section(nodes) => nodes,
            Value::Text(_) | Value::List(_) => &[],
        }
    }

    /// The element named `key` directly below.
    #[must_use]
    pub fn child(&self, key: &str) -> Option<&Node> {
        self.children().iter().find(|node| node.key == key)
    }

    /// The text named `key` directly below; empty when there is none.
    #[must_use]
    pub fn text(&self, key: &str) -> &str {
        match self.child(key).map(|node| &node.value) {
            Some(Value::Text(text)) => text,
            Some(Value::List(_) | Value::Section(_)) | None => "",
        }
    }

    /// The list named `key` directly below; empty when there is none.
    #[must_use]
    pub fn list(&self, key: &str) -> &[String] {
        match self.child(key).map(|node| &node.value) {
            Some(Value::List(items)) => items,
            Some(Value::Text(_) | Value::Section(_)) | None => &[],
        }
    }
}

/// Reads raw output: one node for each message in it.
///
/// # Errors
/// When brackets do not match.
pub fn parse(raw: &str) -> Result<Vec<Node>> {
    let mut rest = raw.trim_start();
    let mut messages = Vec::new();
    while !rest.is_empty() {
        // A reply is announced by words before its brace: "list-sa event {", "list-sas reply {".
        let Some((name, after)) = rest.split_once('{') else { break };
        let (nodes, after) = section(after)?;
        messages.push(Node { key: name.trim().to_owned(), value: Value::Section(nodes) });
        rest = after.trim_start();
    }
    Ok(messages)
}

/// Reads up to the closing brace; returns what stood before it and the text behind it.
fn section(mut rest: &str) -> Result<(Vec<Node>, &str)> {
    let mut nodes = Vec::new();
    loop {
        rest = rest.trim_start();
        if let Some(after) = rest.strip_prefix('}') {
            return Ok((nodes, after));
        }
        let Some(end) = rest.find([' ', '=', '{', '}']) else { bail!("unclosed section: {rest:?}") };
        let (key, after) = (rest[..end].to_owned(), &rest[end..]);
        let (value, after) = value(after)?;
        nodes.push(Node { key, value });
        rest = after;
    }
}

/// Reads what follows a key.
fn value(rest: &str) -> Result<(Value, &str)> {
    if let Some(list) = rest.strip_prefix("=[") {
        let Some((items, after)) = list.split_once(']') else { bail!("unclosed list: {list:?}") };
        return Ok((Value::List(items.split_whitespace().map(str::to_owned).collect()), after));
    }
    if let Some(text) = rest.strip_prefix('=') {
        let end = text.find([' ', '}']).unwrap_or(text.len());
        return Ok((Value::Text(text[..end].to_owned()), &text[end..]));
    }
    let Some(inside) = rest.trim_start().strip_prefix('{') else {
        bail!("neither value nor section: {rest:?}")
    };
    let (nodes, after) = section(inside)?;
    Ok((Value::Section(nodes), after))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LISTED: &str = "list-sa event {femto {uniqueid=1 version=2 state=ESTABLISHED local-host=198.18.1.2 \
         local-vips=[10.9.0.1 fd00::1] child-sas {core-1 {name=core state=INSTALLED dh-group= \
         local-ts=[10.9.0.1/32]}}}}\nlist-sas reply {}\n";

    #[test]
    fn an_ike_sa_is_read_with_its_child_sas() {
        let messages = parse(LISTED).unwrap();
        assert_eq!(messages.len(), 2);
        let sa = messages[0].child("femto").unwrap();
        assert_eq!(sa.text("state"), "ESTABLISHED");
        assert_eq!(sa.list("local-vips"), ["10.9.0.1", "fd00::1"]);
        let child = &sa.child("child-sas").unwrap().children()[0];
        assert_eq!(
            (child.key.as_str(), child.text("state"), child.text("dh-group")),
            ("core-1", "INSTALLED", "")
        );
        assert!(messages[1].children().is_empty());
    }

    #[test]
    fn an_unclosed_section_is_refused() {
        assert!(parse("list-sa event {femto {a=b").is_err());
    }
}
