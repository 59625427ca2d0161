//! What counts as a name, and what as product.

use super::*;

fn must_read(source: &str, scope: Scope) -> Vec<String> {
    names(source.parse().expect("tokens"), scope).into_iter().map(|name| name.segments.join("::")).collect()
}

#[test]
fn grouped_imports_are_spelled_out() {
    let found = must_read("use std::{time::Instant, io::{self, Read as R}, fs::*};", Scope::Everything);
    assert_eq!(
        found,
        ["use", "std::time::Instant", "std::io::self", "std::io::Read", "as", "R", "std::fs::*"]
    );
}

#[test]
fn comments_and_strings_hold_no_names() {
    assert_eq!(must_read("// a::b\n/* c */ f(\"std::fs\")", Scope::Everything), ["f"]);
}

#[test]
fn macro_bodies_are_read() {
    let found = names("m! { let t = std::time::now(); }".parse().expect("tokens"), Scope::Everything);
    assert!(found[0].is_macro);
    assert!(found.iter().any(|name| name.starts_with(&["std", "time"])));
}

#[test]
fn test_items_are_not_product() {
    let source = "fn a() {} #[cfg(test)] #[allow(x)] mod tests { fn b() {} } #[cfg(not(test))] fn c() {}
        #[cfg(all(test, unix))] use d; fn e() {}";
    let found = must_read(source, Scope::Product);
    assert!(["a", "c", "e"].iter().all(|name| found.iter().any(|f| f == name)), "{found:?}");
    assert!(!["b", "d", "allow"].iter().any(|name| found.iter().any(|f| f == name)), "{found:?}");
}

#[test]
fn a_file_can_be_all_test() {
    assert_eq!(must_read("#![cfg(test)] fn a() {}", Scope::Product), [""; 0]);
}

#[test]
fn a_glob_brings_in_what_is_below_it() {
    let found = names("use std::*;".parse().expect("tokens"), Scope::Everything);
    assert!(found[1].starts_with(&["std", "time"]));
    assert!(!found[1].starts_with(&["core", "time"]));
}
