use std::path::Path;

use super::{Config, Origin, write};
use crate::failure::Failure;

const WHO: &str = "cluster = \"test\"\nrole = \"gateway\"\nname = \"gateway-1\"\n";

fn parse(text: &str) -> Result<Config, Failure> {
    Config::parse(Path::new("place"), &format!("{WHO}{text}"), |_| None)
}

#[test]
fn what_nobody_sets_is_as_the_table_says() {
    let config = parse("").unwrap();
    assert_eq!(config.text("listen"), "127.0.0.1:7100");
    assert_eq!((config.flag("reflection"), config.number("threads")), (false, 2));
    assert_eq!(config.path("store"), Some("place/store.db".into()));
    assert_eq!(config.path("key_file"), None);
    assert_eq!(config.shown(false).len(), 3);
    assert!(config.shown(true).len() > 10);
}

#[test]
fn the_environment_overrides_the_file_and_the_file_the_default() {
    let text = format!("{WHO}listen = \"127.0.0.1:1\"\nlog = \"warn\"\n");
    let environment = |name: &str| (name == "KEYMOOT_LISTEN").then(|| "127.0.0.1:2".to_owned());
    let config = Config::parse(Path::new("place"), &text, environment).unwrap();
    assert_eq!((config.text("listen"), config.text("log")), ("127.0.0.1:2", "warn"));
    let origins: Vec<_> =
        config.shown(false).into_iter().filter_map(|(_, _, origin)| origin.cloned()).collect();
    assert!(origins.contains(&Origin::Environment("KEYMOOT_LISTEN".into())));
}

#[test]
fn an_unknown_key_is_an_error_with_the_nearest_name() {
    for (text, nearest) in [
        ("listn = \"127.0.0.1:1\"", "did you mean `listen`?"),
        ("pasphrase_file = \"x\"", "did you mean `passphrase_file`?"),
        ("colour = true", "known keys: cluster"),
        ("[listen]\nport = 1", "`listen` takes an address"),
    ] {
        let failure = parse(text).unwrap_err();
        let mut out = Vec::new();
        failure.report(str::to_owned, &mut out).unwrap();
        let told = String::from_utf8(out).unwrap();
        assert!(told.contains(nearest), "{told}");
        assert_eq!(failure.exit_code(), 2);
    }
}

#[test]
fn values_of_the_wrong_kind_are_errors_that_say_what_is_taken() {
    for (text, code) in [
        ("listen = 7100", "E2302"),
        ("listen = \"localhost\"", "E2302"),
        ("health = \"0.0.0.0:80\"", "E2302"),
        ("reflection = \"yes\"", "E2302"),
        ("threads = 0", "E2302"),
        ("threads = 1.5", "E2302"),
        ("log_format = \"xml\"", "E2302"),
        ("role = \"node\"", "E2304"),
        ("listen = ", "E2304"),
        ("\u{0}", "E2304"),
    ] {
        assert_eq!(parse(text).unwrap_err().code(), code, "{text}");
    }
    let nameless = Config::parse(Path::new(""), "cluster = \"a\"\nrole = \"node\"\n", |_| None);
    assert_eq!(nameless.unwrap_err().code(), "E2302");
}

#[test]
fn what_is_written_is_what_is_read() {
    let values = [
        ("cluster", "test".to_owned()),
        ("role", "node".to_owned()),
        ("name", "node-1".to_owned()),
        ("key_file", "a \"quoted\" path".to_owned()),
        ("threads", "3".to_owned()),
    ];
    let config = Config::parse(Path::new(""), &write(&values), |_| None).unwrap();
    for (name, value) in values {
        assert_eq!(config.text(name), value);
    }
}
