//! Reads Rust source as tokens, so that a rule about a name is not fooled by comments, strings, macros or a
//! grouped `use`.

use proc_macro2::{Delimiter, Group, Spacing, TokenStream, TokenTree};

/// A name as it is written, with the groups of a `use` spelled out: `use a::{b, c::d}` is `a::b` and `a::c::d`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Name {
    /// The parts between `::`; a glob import ends in `*`.
    pub segments: Vec<String>,
    /// The line of its last part.
    pub line: usize,
    /// Whether it calls a macro: `name!(…)`.
    pub is_macro: bool,
    /// Whether it stands inside `#[…]`.
    pub in_attribute: bool,
}

impl Name {
    /// Whether the name starts with these segments. A glob import right above them counts, and so
    /// does `{self}`: they bring them in.
    pub fn starts_with(&self, path: &[&str]) -> bool {
        for (i, part) in path.iter().enumerate() {
            match self.segments.get(i).map(String::as_str) {
                Some(segment) if segment == *part => {}
                Some("*" | "self") if i > 0 => return true,
                _ => return false,
            }
        }
        true
    }
}

/// What to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// All of it.
    Everything,
    /// Only what is also compiled outside tests: no item under `#[cfg(test)]`.
    Product,
}

/// Every name in the tokens.
pub fn names(tokens: TokenStream, scope: Scope) -> Vec<Name> {
    let mut reader = Reader { scope, found: Vec::new() };
    reader.read(tokens, &[], false);
    reader.found
}

struct Reader {
    scope: Scope,
    found: Vec<Name>,
}

impl Reader {
    /// `prefix` is the path before the braces, when the tokens are the inside of a grouped `use`.
    fn read(&mut self, tokens: TokenStream, prefix: &[String], in_attribute: bool) {
        let tokens: Vec<TokenTree> = tokens.into_iter().collect();
        let mut at = 0;
        let mut starts_branch = true;
        while let Some(token) = tokens.get(at) {
            if let Some(attribute) = attribute_at(&tokens, at) {
                if self.scope == Scope::Product && is_test_only(attribute.group) {
                    match attribute.is_inner {
                        true => return,
                        false => at = end_of_item(&tokens, attribute.end),
                    }
                } else {
                    self.read(attribute.group.stream(), &[], true);
                    at = attribute.end;
                }
                continue;
            }
            at = match token {
                TokenTree::Ident(_) if starts_branch => self.name(&tokens, at, prefix, in_attribute),
                TokenTree::Ident(_) => self.name(&tokens, at, &[], in_attribute),
                TokenTree::Group(group) => {
                    self.read(group.stream(), &[], in_attribute);
                    at + 1
                }
                TokenTree::Punct(_) | TokenTree::Literal(_) => at + 1,
            };
            starts_branch = is_punct(Some(token), ',');
        }
    }

    /// Reads one path which begins at the identifier at `at`; returns where to go on.
    fn name(&mut self, tokens: &[TokenTree], mut at: usize, prefix: &[String], in_attribute: bool) -> usize {
        let mut segments = prefix.to_vec();
        let mut line = 0;
        while let Some(TokenTree::Ident(ident)) = tokens.get(at) {
            line = ident.span().start().line;
            segments.push(ident.to_string());
            at += 1;
            if !is_path_separator(tokens, at) {
                break;
            }
            match tokens.get(at + 2) {
                Some(TokenTree::Ident(_)) => at += 2,
                Some(TokenTree::Group(group)) if group.delimiter() == Delimiter::Brace => {
                    self.read(group.stream(), &segments, in_attribute);
                    return at + 3;
                }
                Some(TokenTree::Punct(punct)) if punct.as_char() == '*' => {
                    segments.push("*".to_owned());
                    at += 3;
                    break;
                }
                _ => break,
            }
        }
        let is_macro =
            is_punct(tokens.get(at), '!') && matches!(tokens.get(at + 1), Some(TokenTree::Group(_)));
        self.found.push(Name { segments, line, is_macro, in_attribute });
        at
    }
}

struct Attribute<'a> {
    group: &'a Group,
    is_inner: bool,
    end: usize,
}

fn attribute_at(tokens: &[TokenTree], at: usize) -> Option<Attribute<'_>> {
    if !is_punct(tokens.get(at), '#') {
        return None;
    }
    let is_inner = is_punct(tokens.get(at + 1), '!');
    let place = at + 1 + usize::from(is_inner);
    match tokens.get(place) {
        Some(TokenTree::Group(group)) if group.delimiter() == Delimiter::Bracket => {
            Some(Attribute { group, is_inner, end: place + 1 })
        }
        _ => None,
    }
}

fn is_test_only(attribute: &Group) -> bool {
    let mut tokens = attribute.stream().into_iter();
    match (tokens.next(), tokens.next()) {
        (Some(TokenTree::Ident(word)), Some(TokenTree::Group(condition))) => {
            word == "cfg" && holds_only_in_tests(condition.stream())
        }
        _ => false,
    }
}

/// Whether the condition of a `cfg` is `test`, or `all(test, …)`. `any(test, …)` and `not(test)` also hold for
/// product code.
pub fn holds_only_in_tests(condition: TokenStream) -> bool {
    let text: String = condition.to_string().split_whitespace().collect();
    text == "test" || text.starts_with("all(test,")
}

/// Where the item ends that begins at `at`, after further attributes: behind its `;` or its braces. What is
/// not an item (a field, a match arm) is not skipped at all.
fn end_of_item(tokens: &[TokenTree], mut at: usize) -> usize {
    while let Some(attribute) = attribute_at(tokens, at) {
        at = attribute.end;
    }
    let begins_item =
        matches!(tokens.get(at), Some(TokenTree::Ident(word)) if ITEM_WORDS.iter().any(|w| word == w));
    if !begins_item {
        return at;
    }
    while let Some(token) = tokens.get(at) {
        at += 1;
        let braces = matches!(token, TokenTree::Group(group) if group.delimiter() == Delimiter::Brace);
        if braces || is_punct(Some(token), ';') {
            break;
        }
    }
    at
}

const ITEM_WORDS: [&str; 16] = [
    "pub",
    "mod",
    "fn",
    "use",
    "impl",
    "struct",
    "enum",
    "union",
    "trait",
    "type",
    "const",
    "static",
    "unsafe",
    "async",
    "extern",
    "macro_rules",
];

fn is_punct(token: Option<&TokenTree>, wanted: char) -> bool {
    matches!(token, Some(TokenTree::Punct(punct)) if punct.as_char() == wanted)
}

fn is_path_separator(tokens: &[TokenTree], at: usize) -> bool {
    let joint = matches!(tokens.get(at), Some(TokenTree::Punct(p)) if p.as_char() == ':' && p.spacing() == Spacing::Joint);
    joint && is_punct(tokens.get(at + 1), ':')
}

#[cfg(test)]
mod tests;
