//! Names that say nothing attract code that belongs nowhere.

use std::path::Path;

use syn::visit::{self, Visit};

use super::Source;
use crate::finding::Finding;

const BANNED_WORDS: [&str; 8] =
    ["util", "utils", "common", "helper", "helpers", "misc", "manager", "managers"];
const BANNED_WHOLE: [&str; 2] = ["data", "info"];

/// The path of a file: its folders, its own name, and `mod.rs`.
pub(super) fn file(path: &Path, findings: &mut Vec<Finding>) {
    if path.file_name().is_some_and(|name| name == "mod.rs") {
        findings.push(Finding::new(path, 1, "a `mod.rs` (a module is `name.rs`, with its parts in `name/`)"));
    }
    for part in path.with_extension("").iter().map(|part| part.to_string_lossy()) {
        if let Some(word) = banned_word(&part).or_else(|| banned_whole(&part)) {
            findings.push(Finding::new(path, 1, format!("`{word}` in the path {WHY}")));
        }
    }
}

const WHY: &str = "(it does not say what the code is for)";

/// The names of items.
pub(super) fn names(source: &Source, findings: &mut Vec<Finding>) {
    Names { source, findings }.visit_file(&source.syntax);
}

struct Names<'a> {
    source: &'a Source,
    findings: &'a mut Vec<Finding>,
}

impl Names<'_> {
    fn judge(&mut self, name: &syn::Ident, banned: Option<&str>) {
        if let Some(word) = banned {
            let what = format!("`{word}` in the name `{name}` {WHY}");
            self.findings.push(Finding::new(&self.source.path, name.span().start().line, what));
        }
    }

    fn check(&mut self, name: &syn::Ident) {
        self.judge(name, banned_word(&name.to_string()));
    }
}

impl<'ast> Visit<'ast> for Names<'_> {
    fn visit_item_struct(&mut self, item: &'ast syn::ItemStruct) {
        self.check(&item.ident);
        visit::visit_item_struct(self, item);
    }

    fn visit_item_enum(&mut self, item: &'ast syn::ItemEnum) {
        self.check(&item.ident);
        visit::visit_item_enum(self, item);
    }

    fn visit_item_trait(&mut self, item: &'ast syn::ItemTrait) {
        self.check(&item.ident);
        visit::visit_item_trait(self, item);
    }

    fn visit_item_mod(&mut self, item: &'ast syn::ItemMod) {
        let name = item.ident.to_string();
        self.judge(&item.ident, banned_word(&name).or_else(|| banned_whole(&name)));
        visit::visit_item_mod(self, item);
    }

    fn visit_signature(&mut self, signature: &'ast syn::Signature) {
        self.check(&signature.ident);
        visit::visit_signature(self, signature);
    }
}

fn banned_word(name: &str) -> Option<&'static str> {
    let words = words(name);
    BANNED_WORDS.into_iter().find(|banned| words.iter().any(|word| word == banned))
}

fn banned_whole(name: &str) -> Option<&'static str> {
    BANNED_WHOLE.into_iter().find(|banned| name == *banned)
}

/// The words of a snake, kebab or camel case name, in lower case.
fn words(name: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let letters: Vec<char> = name.chars().collect();
    for (i, letter) in letters.iter().enumerate() {
        let is_hump = letter.is_uppercase()
            && (i.checked_sub(1).is_some_and(|before| !letters[before].is_uppercase())
                || letters.get(i + 1).is_some_and(|next| next.is_lowercase()));
        if is_hump || !letter.is_alphanumeric() {
            words.push(String::new());
        }
        if let (true, Some(word)) = (letter.is_alphanumeric(), words.last_mut()) {
            word.extend(letter.to_lowercase());
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_fall_into_words() {
        assert_eq!(words("KeyManager"), ["key", "manager"]);
        assert_eq!(words("HTTPHelper_v2"), ["http", "helper", "v2"]);
        assert_eq!(words("key-utils.test"), ["key", "utils", "test"]);
        assert_eq!(banned_word("metadata_utility_commonly"), None);
    }
}
