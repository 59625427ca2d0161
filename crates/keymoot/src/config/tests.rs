use std::collections::BTreeMap;
use std::path::Path;

use super::{Config, Origin, write};
use crate::failure::Failure;
use crate::place::UnlockSource;

fn nothing() -> BTreeMap<String, String> {
    BTreeMap::new()
}

fn environment(variables: &[(&str, &str)]) -> BTreeMap<String, String> {
    variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

const WHO: &str = "cluster = \"test\"\nrole = \"gateway\"\nname = \"gateway-1\"\n";

fn parse(text: &str) -> Result<Config, Failure> {
    Config::parse(Path::new("place"), &format!("{WHO}{text}"), &nothing())
}

#[test]
fn what_nobody_sets_is_as_the_table_says() {
    let config = parse("").unwrap();
    assert_eq!(config.text("listen"), "127.0.0.1:7100");
    assert_eq!((config.flag("reflection"), config.number("threads")), (false, 2));
    assert_eq!((config.path("store"), config.path("key_file")), (None, None), "of other roles");
    assert_eq!(config.shown(false).len(), 3);
    assert_eq!(config.shown(true).len(), 21);
    let coordinator = WHO.replace("gateway", "coordinator");
    let config = Config::parse(Path::new("place"), &coordinator, &nothing()).unwrap();
    assert_eq!(config.path("store"), Some("place/store.db".into()));
}

#[test]
fn the_environment_overrides_the_file_and_the_file_the_default() {
    let text = format!("{WHO}listen = \"127.0.0.1:1\"\nlog = \"warn\"\n");
    let set = environment(&[("KEYMOOT_LISTEN", "127.0.0.1:2")]);
    let config = Config::parse(Path::new("place"), &text, &set).unwrap();
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
fn a_variable_that_is_none_of_ours_is_named_with_the_nearest() {
    for (variable, nearest) in [
        ("KEYMOOT_PASSPHRASE", "did you mean `KEYMOOT_PASSPHRASE_FILE`?"),
        ("KEYMOOT_LISTN", "did you mean `KEYMOOT_LISTEN`?"),
        ("KEYMOOT_CTXT", "did you mean `KEYMOOT_CTX`?"),
        ("KEYMOOT_PORT_7100_TCP", "known keys: KEYMOOT_CLUSTER"),
    ] {
        let failure = super::must_be_known(variable).unwrap_err();
        let mut out = Vec::new();
        failure.report(str::to_owned, &mut out).unwrap();
        let told = String::from_utf8(out).unwrap();
        assert!(told.contains(nearest) && told.contains(variable), "{told}");
        assert_eq!((failure.code(), failure.exit_code()), ("E2301", 2));
    }
    for variable in ["KEYMOOT_CTX", "KEYMOOT_LISTEN", "KEYMOOT_PASSPHRASE_FILE", "KEYMOOT_TEST_X"] {
        assert!(super::must_be_known(variable).is_ok(), "{variable}");
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
    let nameless = Config::parse(Path::new(""), "cluster = \"a\"\nrole = \"node\"\n", &nothing());
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
    let config = Config::parse(Path::new(""), &write(&values), &nothing()).unwrap();
    for (name, value) in values {
        assert_eq!(config.text(name), value);
    }
}

#[test]
fn what_would_be_ignored_is_refused() {
    // Of another role.
    for line in
        ["store = \"x\"", "key_file = \"x\"", "health = \"127.0.0.1:0\"", "batch = 3", "reflection = true"]
    {
        let failure = parse(line).unwrap_err();
        assert_eq!(failure.code(), "E2301", "{line}");
        assert!(failure.to_string().contains("this is the directory of a gateway"), "{failure}");
    }
    let under = |variables: &[(&str, &str)]| Config::parse(Path::new("place"), WHO, &environment(variables));
    for (variable, nearest) in [
        ("KEYMOOT_LISTN", "did you mean `KEYMOOT_LISTEN`?"),
        ("KEYMOOT_COLOUR_OF_LOGS", "known keys: KEYMOOT_CLUSTER"),
    ] {
        let failure = under(&[(variable, "x")]).unwrap_err();
        assert_eq!((failure.code(), failure.exit_code()), ("E2301", 2));
        let told = failure.document().unwrap_or_default().to_string();
        assert!(told.contains(variable) && told.contains(nearest), "{told}");
    }
    assert!(under(&[("KEYMOOT_CTX", "demo"), ("KEYMOOT_SUPERVISED", "1"), ("KEYMOOT_TEST_X", "1")]).is_ok());
    // An environment may be shared, and so is checked, but has no say where a key is of no use.
    let config = under(&[("KEYMOOT_KEY_FILE", "x"), ("KEYMOOT_STORE", "y")]).unwrap();
    assert_eq!((config.path("key_file"), config.path("store")), (None, None));
    assert_eq!(under(&[("KEYMOOT_HEALTH", "0.0.0.0:80")]).unwrap_err().code(), "E2302");
}

#[test]
fn schemes_are_a_list_of_which_gg20_is_no_part_by_itself() {
    let node = WHO.replace("gateway", "node");
    let read = |line: &str, variables: &[(&str, &str)]| {
        Config::parse(Path::new("place"), &format!("{node}{line}"), &environment(variables))
    };
    let words = |config: Config| config.words("schemes").map(str::to_owned).collect::<Vec<_>>().join(" and ");
    assert_eq!(words(read("", &[]).unwrap()), "frost-taproot and frost-ed25519 and dkls23");
    assert_eq!(words(read("schemes = [\"dkls23\", \"gg20\"]", &[]).unwrap()), "dkls23 and gg20");
    assert_eq!(words(read("", &[("KEYMOOT_SCHEMES", "gg20,dkls23")]).unwrap()), "gg20 and dkls23");
    for text in ["[]", "[\"rsa\"]", "[\"gg20\", \"gg20\"]", "[1]", "\"\"", "\"gg20,\"", "true"] {
        assert_eq!(read(&format!("schemes = {text}"), &[]).unwrap_err().code(), "E2302", "{text}");
    }
    let values = [("cluster", "a"), ("role", "node"), ("name", "n"), ("schemes", "gg20,dkls23")];
    let text = write(&values.map(|(name, value)| (name, value.to_owned())));
    assert!(text.contains("schemes = [\"gg20\", \"dkls23\"]"), "{text}");
    let known: Vec<String> = keymoot_types::Scheme::ALL.iter().map(ToString::to_string).collect();
    assert_eq!(words(read(&format!("schemes = {known:?}"), &[]).unwrap()), known.join(" and "));
}

#[test]
fn a_vault_is_opened_in_one_way_only() {
    let node = WHO.replace("gateway", "node");
    let file = |line: &str, variables: &[(&str, &str)]| {
        Config::parse(Path::new("place"), &format!("{node}{line}"), &environment(variables))
    };
    assert!(file("key_file = \"k\"", &[]).is_ok() && file("passphrase_file = \"p\"", &[]).is_ok());
    assert_eq!(file("key_file = \"k\"\npassphrase_file = \"p\"", &[]).unwrap_err().code(), "E2302");
    assert_eq!(file("key_file = \"k\"", &[("KEYMOOT_PASSPHRASE_FILE", "p")]).unwrap_err().code(), "E2302");
    let both = UnlockSource { key_file: Some("k".into()), passphrase_file: Some("p".into()) };
    assert_eq!(both.unlock(true).err().map(|failure| failure.code()), Some("E2302"));
}
